"""How repairs look in a terminal. Formats what it is given; computes and reads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from puffy_platform.ingest.repairs import Repair
from puffy_platform.pipeline.repairing import Repaired, Trial
from puffy_platform.present import titled_grid


def print_repairs(console: Console, file: Path, repairs: Sequence[Repair], found: Mapping[str, Repaired]) -> None:
    if not repairs and not found:
        console.print(f"No repairs: {file} does not exist or is empty.", soft_wrap=True, highlight=False)
        return
    grid = titled_grid("Repairs, and the rows that name them", "", "days", "accepted", "duplicate", "quarantined")
    for repair in repairs:
        counts = found.get(repair.name, Repaired())
        numbers = (f"{count:,}" for count in (counts.accepted, counts.duplicates, counts.quarantined))
        grid.add_row(repair.name, str(repair.days), *numbers)
    if repairs:
        console.print(grid)
    for repair in repairs:
        console.print(f"{repair.name}: {repair.reason} ({repair.author})", highlight=False, markup=False)
    gone = sorted(found.keys() - {repair.name for repair in repairs})
    if gone:
        console.print(
            f"[yellow]note:[/] rows still name {', '.join(gone)}, which {file.name} no longer holds: "
            "`puffy quarantine replay` computes their days again.",
            highlight=False,
        )


def print_trials(console: Console, file: Path, trials: Mapping[Repair, Trial]) -> None:
    if not trials:
        console.print(f"No repairs: {file} does not exist or is empty.", soft_wrap=True, highlight=False)
        return
    grid = titled_grid("Repairs, tried on the landing files", "", "examples", "files", "rows", "valid after it")
    for repair, trial in trials.items():
        grid.add_row(
            repair.name, f"{len(repair.examples)} passed", f"{trial.files:,}", f"{trial.rows:,}", f"{trial.valid:,}"
        )
    console.print(grid)
    console.print("Nothing was written. `puffy quarantine replay` applies them.", highlight=False)
