"""How the speed of the methods looks: in 80 columns, or as Markdown for the documentation. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from puffy_platform.present import titled_grid
from puffy_platform.speed import TASKS, Timed

__all__ = ["print_speed", "speed_as_markdown"]


def print_speed(console: Console, found: Sequence[Timed]) -> None:
    grid = titled_grid("", "method", "size", "CPU s", "wall s", "peak MiB", "of it input")
    for one in found:
        grid.add_row(
            one.task,
            f"{one.size:,} {TASKS[one.task].unit}",
            f"{one.cpu:.1f}",
            f"{one.wall:.1f}",
            f"{one.peak_mib:,.0f}",
            f"{one.sample_mib:,.0f}",
        )
    console.print(grid)
    console.print("Seconds are the method's own; the peak is that of its whole process.", highlight=False)


def speed_as_markdown(found: Sequence[Timed]) -> str:
    lines = [
        "| method | size | CPU seconds | peak MiB, of which the input | what came out |",
        "|---|---:|---:|---:|---|",
    ]
    for one in found:
        said = ", ".join(f"{name} {value:,}" for name, value in one.said.items())
        size = f"{one.size:,} {TASKS[one.task].unit}"
        lines.append(f"| {one.task} | {size} | {one.cpu:.1f} | {one.peak_mib:,.0f}, {one.sample_mib:,.0f} | {said} |")
    return "\n".join(lines)
