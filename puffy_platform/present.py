"""How results look in a terminal. Formats what it is given; computes and reads nothing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import polars as pl
from rich import box
from rich.columns import Columns
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

if TYPE_CHECKING:
    from puffy_platform.demo import Truth
    from puffy_platform.orchestration.replay import Replay
    from puffy_platform.pipeline import Plan, Platform
    from puffy_platform.pipeline.status import Status
    from puffy_platform.pipeline.summary import Summary
    from puffy_platform.pipeline.verify import Difference
    from puffy_platform.settings import Settings
    from puffy_platform.table import DayRange

COLOURS = {"GREEN": "green", "YELLOW": "yellow", "RED": "bold red"}
CHANNELS_SHOWN = 10


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
        with open_instance(watched) as instance:
            run_days(watched, instance, days, force=force)
    return time.monotonic() - began


def print_summary(console: Console, summary: Summary, seconds: float) -> None:
    """The short report after `run` and `demo`."""
    verdict = (
        Text("every row accounted for, revenue reconciled to the cent", style="green")
        if summary.reconciles
        else Text("DOES NOT RECONCILE: see below", style="bold red")
    )
    body: list[Any] = [
        Columns([_rows(summary), _orders(summary)], padding=(0, 3)),
        Text(),
        _channels(summary),
    ]
    if not summary.reconciles:
        body += [Text(), _money_trail(summary)]
    if summary.drift:
        body += [Text(), _drift(summary)]
    title = f"{summary.days.first} to {summary.days.last}   {summary.files} files in {seconds:.1f} s"
    console.print(Panel(Group(verdict, Text(), *body), title=title, box=box.ROUNDED, expand=False, padding=(1, 2)))


def _grid(title: str, *columns: str) -> Grid:
    grid = Grid(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, title_style="bold")
    for number, name in enumerate(columns):
        grid.add_column(name, justify="left" if number == 0 else "right")
    return grid


def _rows(summary: Summary) -> Grid:
    grid = _grid("Rows", "", "rows", "share")

    def add(name: str, count: int, style: str = "") -> None:
        grid.add_row(name, f"{count:,}", f"{count / summary.rows:.2%}" if summary.rows else "-", style=style)

    add("in the files", summary.rows, "bold")
    add("accepted", summary.accepted)
    add("duplicate", summary.duplicates)
    add("quarantined", summary.quarantined)
    for rule, count in summary.quarantined_by_rule.items():
        add(f"  {rule}", count, "dim")
    return grid


def _orders(summary: Summary) -> Grid:
    grid = _grid("Shop", "", "")
    grid.add_row("orders", f"{summary.orders:,}", style="bold")
    grid.add_row("revenue", money(summary.revenue_cents), style="bold")
    if summary.orders:
        grid.add_row("average order", money(round(summary.revenue_cents / summary.orders)))
    grid.add_row("same order again (repeat)", f"{summary.repeats:,}", style="dim")
    grid.add_row("order id re-used (collision)", f"{summary.collisions:,}", style="dim")
    grid.add_row("sessions of people", f"{summary.sessions - summary.bot_sessions:,}")
    grid.add_row("sessions of crawlers", f"{summary.bot_sessions:,}", style="dim")
    checked = sum(step.reconciles for step in summary.money)
    grid.add_row("money checks passed", f"{checked} of {len(summary.money)}")
    return grid


def _channels(summary: Summary) -> Grid:
    first, second = (model.replace("_", " ") for model in summary.models)
    grid = _grid(
        f"Channels, {summary.window_days}-day look-back",
        "",
        f"{first}: orders",
        "revenue",
        f"{second}: orders",
        "revenue",
        "shift",
    )
    for channel, orders, cents, orders_second, cents_second in summary.channels[:CHANNELS_SHOWN]:
        shift = cents_second - cents
        style = "green" if shift > 0 else "red" if shift < 0 else "dim"
        grid.add_row(
            channel,
            f"{orders:,.0f}",
            money(cents),
            f"{orders_second:,.0f}",
            money(cents_second),
            Text(f"{'+' if shift > 0 else ''}{money(shift)}", style=style),
        )
    return grid


def _money_trail(summary: Summary) -> Grid:
    grid = _grid("Money", "", "found", "expected")
    for step in summary.money:
        grid.add_row(
            step.name,
            money(step.cents),
            money(step.expected_cents),
            style="" if step.reconciles else "bold red",
        )
    return grid


def _drift(summary: Summary) -> Grid:
    grid = _grid("Drift in the files", "", "since", "files")
    for what, first, count in summary.drift:
        grid.add_row(what, first, str(count))
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
    console.print(f"{rows.height:,} rows", style="dim")


def print_plan(console: Console, plan: Plan) -> None:
    if not plan:
        console.print("[green]Everything is current:[/] nothing would be computed.")
        return
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("table", "days", "", "why"):
        grid.add_column(name)
    for table, reason, span in plan.spans():
        grid.add_row(table, f"{len(span):,}", str(span), reason.value)
    console.print(grid)


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
    grid = _grid("Quarantined rows", "", "before", "after")
    for rule in sorted(replay.before.keys() | replay.after.keys()):
        grid.add_row(rule, f"{replay.before.get(rule, 0):,}", f"{replay.after.get(rule, 0):,}")
    console.print(grid)
    console.print(f"{replay.recovered:,} rows recovered from {replay.days} landing days.")


def print_settings(console: Console, settings: Settings) -> None:
    """TOML that could be saved and used as it is."""
    console.print(f"# home = {settings.home}", style="dim", highlight=False, soft_wrap=True)
    for section, values in settings.model_dump(mode="json", exclude={"home"}).items():
        nested = {key: value for key, value in values.items() if isinstance(value, dict)}
        plain = {key: value for key, value in values.items() if key not in nested and value is not None}
        if plain:
            console.print(f"\n\\[{section}]", style="bold")
        for key, value in plain.items():
            console.print(f"{key} = {_toml(key, value)}", soft_wrap=True, highlight=False, markup=False)
        for name, table in nested.items():
            console.print(f"\n\\[{section}.{name}]", style="bold")
            for key, value in table.items():
                quoted = key if key.replace("_", "").isalnum() else json.dumps(key)
                console.print(f"{quoted} = {json.dumps(value)}", soft_wrap=True, highlight=False, markup=False)


def _toml(key: str, value: object) -> str:
    return str(value) if key == "start_day" else json.dumps(value, ensure_ascii=False)


def print_demo_truth(console: Console, summary: Summary, truth: Truth) -> bool:
    """What the simulator planted beside what the platform found; True when all of it agrees."""
    planted = {
        "rows": (truth.rows, summary.rows),
        "accepted": (truth.accepted, summary.accepted),
        "duplicates": (truth.duplicates, summary.duplicates),
        **{
            f"quarantined as {rule}": (count, summary.quarantined_by_rule.get(rule, 0))
            for rule, count in truth.quarantined.items()
        },
        "orders": (truth.shop.orders, summary.orders),
        "revenue in cents": (truth.shop.revenue_cents, summary.revenue_cents),
        "repeats": (truth.shop.repeats, summary.repeats),
        "collisions": (truth.shop.collisions, summary.collisions),
    }
    wrong = {name: both for name, both in planted.items() if both[0] != both[1]}
    if not wrong:
        console.print(f"[green]All {len(planted)} planted figures were found exactly.[/]", highlight=False)
        return True
    grid = _grid("Planted and found differ", "", "planted", "found")
    for name, (expected, found) in wrong.items():
        grid.add_row(name, f"{expected:,}", f"{found:,}", style="bold red")
    console.print(grid)
    return False


def print_next_commands(console: Console, days: DayRange) -> None:
    """What to type after the demo."""
    console.print()
    for command, meaning in (
        ("puffy ui", "the Dagster UI on this very data"),
        ("puffy status", "which tables are GREEN, YELLOW or RED, and why"),
        ("puffy quarantine list", "the rows that were not accepted"),
        (
            f"puffy sql \"select channel, sum(revenue_cents)/100 from attribution where model='linear' "
            f"and window_days=7 and day>='{days.last.replace(day=1)}' group by 1 order by 2 desc\"",
            "",
        ),
    ):
        note = f"   [dim]# {meaning}[/]" if meaning else ""
        console.print(f"  [bold cyan]{command}[/]{note}", highlight=False, soft_wrap=True)
