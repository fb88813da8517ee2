"""How results look in a terminal. Formats what it is given; computes and reads nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

if TYPE_CHECKING:
    from puffy_platform.orchestration.replay import Replay
    from puffy_platform.pipeline import Plan, Platform
    from puffy_platform.pipeline.status import Status
    from puffy_platform.pipeline.verify import Difference
    from puffy_platform.settings import Settings
    from puffy_platform.table import DayRange

COLOURS = {"GREEN": "green", "YELLOW": "yellow", "RED": "bold red"}


def money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def run_with_progress(console: Console, platform: Platform, days: DayRange, *, force: bool = False) -> float:
    """Run the days with a progress bar over the tables; returns the seconds it took. Raises RunFailed."""
    from dataclasses import replace

    from puffy_platform.orchestration.run import open_instance, run_days

    began = time.monotonic()
    steps = 1 + len(platform.derived)
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tables"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=steps)
        finished: set[str] = set()

        def on_progress(table: str, done: DayRange) -> None:
            finished.add(table)
            progress.update(task, description=table, completed=len(finished), total=max(steps, len(finished)))

        watched = replace(platform, on_progress=on_progress)
        with open_instance(watched, to_run=True) as instance:
            run_days(watched, instance, days, force=force)
    return time.monotonic() - began


def titled_grid(title: str, *columns: str) -> Grid:
    """A table under a title; the first column to the left, the others to the right; no head when no column has one."""
    headed = any(columns)
    grid = Grid(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if headed else None,
        show_header=headed,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1) if headed else (0, 2, 0, 0),
    )
    for number, name in enumerate(columns):
        grid.add_column(name, justify="left" if number == 0 else "right", no_wrap=number == 0)
    return grid


def print_status(console: Console, status: Status) -> None:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("table", "state", "rows", "", "why"):
        grid.add_column(name, justify="right" if name == "rows" else "left")
    for table in status.tables:
        grid.add_row(
            table.table,
            Text(table.colour, style=COLOURS[table.colour]),
            "-" if table.rows is None else f"{table.rows:,}",
            "final" if table.is_final else "provisional",
            "\n".join(table.reasons),
        )
    console.print(Text.assemble(f"{status.day}  ", (status.colour, COLOURS[status.colour])))
    console.print(grid)
    for note in status.notes:
        console.print(f"[yellow]note:[/] {note}", highlight=False)


def print_frame(console: Console, rows: pl.DataFrame) -> None:
    """A frame as a table; numbers to the right, nulls as a dash."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, dtype in rows.schema.items():
        grid.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in rows.iter_rows():
        grid.add_row(*("-" if value is None else str(value) for value in row))
    console.print(grid, highlight=False)
    console.print(f"{rows.height:,} row{'' if rows.height == 1 else 's'}", style="dim")


def print_plan(console: Console, plan: Plan) -> None:
    print_holds(console, plan.holds())
    if not plan:
        console.print("[green]Everything is current:[/] nothing would be computed.")
        return
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("table", "days", "", "why"):
        grid.add_column(name)
    for table, reason, span in plan.spans():
        grid.add_row(table, f"{len(span):,}", str(span), plan.why(reason, span))
    console.print(grid)


def print_holds(console: Console, holds: Iterable[tuple[str, str, DayRange]]) -> None:
    """Days that are rolled back (table, time, days), and how to end that."""
    for table, at, days in holds:
        console.print(
            f"[yellow]rolled back:[/] {table} {days} holds its rows of {at} and is not computed; "
            f"`puffy rollback {table} --undo` ends that",
            highlight=False,
            soft_wrap=True,
        )


def print_differences(console: Console, days: DayRange, differences: list[Difference], tables: int) -> None:
    if not differences:
        console.print(f"[bold green]identical[/]: {tables} tables, {days}, row by row as computed from the raw files.")
        return
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("table", "day", "only stored", "only recomputed", "money stored more"):
        grid.add_column(name, justify="left" if name in ("table", "day") else "right")
    for found in differences:
        amount = "-" if found.money_cents is None else money(found.money_cents)
        grid.add_row(found.table, str(found.day), f"{found.only_stored:,}", f"{found.only_recomputed:,}", amount)
    console.print(grid)
    console.print(
        f"[bold red]{len(differences)} table-days differ.[/] "
        "`puffy plan` says which are merely not current; `puffy run` computes them."
    )


def print_replay(console: Console, replay: Replay) -> None:
    grid = titled_grid("Quarantined rows", "", "before", "after")
    for rule in sorted(replay.before.keys() | replay.after.keys()):
        grid.add_row(rule, f"{replay.before.get(rule, 0):,}", f"{replay.after.get(rule, 0):,}")
    console.print(grid)
    if replay.recovered >= 0:
        console.print(f"{replay.recovered:,} rows recovered from {replay.days} landing days.")
    else:
        console.print(f"{-replay.recovered:,} more rows are quarantined than before.")
    for name, rows in replay.repaired.items():
        console.print(f"{rows:,} rows name the repair {name}.", highlight=False)


def print_settings(console: Console, settings: Settings) -> None:
    """TOML that could be saved and used as it is."""
    console.print(f"# home = {settings.home}", style="dim", highlight=False, soft_wrap=True)
    for section, values in settings.model_dump(mode="json", exclude={"home"}).items():
        nested = {key: value for key, value in values.items() if isinstance(value, dict)}
        plain = {key: value for key, value in values.items() if key not in nested and value is not None}
        if plain or not nested:
            _print_header(console, section)
        for key, value in plain.items():
            console.print(f"{key} = {_toml(key, value)}", soft_wrap=True, highlight=False, markup=False)
        for name, table in nested.items():
            _print_header(console, section, name)
            for key, value in table.items():
                console.print(f"{_toml_key(key)} = {json.dumps(value)}", soft_wrap=True, highlight=False, markup=False)


def _print_header(console: Console, *names: str) -> None:
    header = f"\n[{'.'.join(_toml_key(name) for name in names)}]"
    console.print(header, style="bold", highlight=False, markup=False, soft_wrap=True)


def _toml_key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").isalnum() else json.dumps(key)


def _toml(key: str, value: object) -> str:
    return str(value) if key == "start_day" else json.dumps(value, ensure_ascii=False)
