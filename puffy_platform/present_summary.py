"""How the result of a run looks in 80 columns: rows, orders, channels, drift, the demo's truth, what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from puffy_platform.present import money, titled_grid

if TYPE_CHECKING:
    from puffy_platform.demo import Truth
    from puffy_platform.pipeline.summary import Summary
    from puffy_platform.table import DayRange

__all__ = ["print_demo_truth", "print_next_commands", "print_summary"]

CHANNELS_SHOWN = 10


def print_summary(console: Console, summary: Summary, seconds: float) -> None:
    """The short report after `run` and `demo`."""
    verdict = (
        Text(f"Every row accounted for; revenue reconciled to the cent in {len(summary.money)} places.", style="green")
        if summary.reconciles
        else Text("DOES NOT RECONCILE: see Money below", style="bold red")
    )
    beside = Grid.grid(padding=(0, 4))
    beside.add_row(_rows(summary), _orders(summary))
    body: list[Any] = [beside]
    if summary.quarantined_by_rule:
        body += [Text(), _quarantine(summary)]
    if summary.channels:
        body += [Text(), _channels(summary)]
    if not summary.reconciles:
        body += [Text(), _money_trail(summary)]
    if summary.drift:
        body += [Text(), _drift(summary)]
    files = "1 file" if summary.files == 1 else f"{summary.files:,} files"
    title = f" {summary.days.first} to {summary.days.last}, {files}, {seconds:.1f} s "
    console.print(Panel(Group(verdict, Text(), *body), title=title, box=box.ROUNDED, expand=False, padding=(1, 2)))


def _rows(summary: Summary) -> Grid:
    grid = titled_grid("Rows", "", "", "")
    for name, count in (
        ("in the files", summary.rows),
        ("accepted", summary.accepted),
        ("duplicate", summary.duplicates),
        ("quarantined", summary.quarantined),
    ):
        share = f"{count / summary.rows:.2%}" if summary.rows else "-"
        grid.add_row(name, f"{count:,}", share, style="bold" if name == "in the files" else "")
    return grid


def _orders(summary: Summary) -> Grid:
    grid = titled_grid("Shop", "", "")
    grid.add_row("orders", f"{summary.orders:,}", style="bold")
    grid.add_row("revenue", money(summary.revenue_cents), style="bold")
    grid.add_row("average order", money(round(summary.revenue_cents / summary.orders)) if summary.orders else "-")
    grid.add_row("orders sent again", f"{summary.repeats:,}")
    grid.add_row("order ids re-used", f"{summary.collisions:,}")
    grid.add_row("sessions of people", f"{summary.sessions - summary.bot_sessions:,}")
    grid.add_row("sessions of crawlers", f"{summary.bot_sessions:,}")
    return grid


def _quarantine(summary: Summary) -> Grid:
    """Two reasons a line."""
    grid = titled_grid("Quarantined, by reason", "", "", "", "")
    grid.columns[2].justify = "left"
    cells = [cell for rule, count in summary.quarantined_by_rule.items() for cell in (rule, f"{count:,}")]
    for start in range(0, len(cells), 4):
        grid.add_row(*cells[start : start + 4])
    return grid


def _channels(summary: Summary) -> Grid:
    """The two models side by side, in whole units of the currency; the shift is the second less the first."""
    first, second = (model.replace("_", " ") for model in summary.models)
    grid = titled_grid(
        f"Channels, {summary.window_days}-day look-back",
        "",
        f"{first}\norders",
        "\nrevenue",
        f"{second}\norders",
        "\nrevenue",
        "\nshift",
    )
    for channel, orders, cents, orders_second, cents_second in summary.channels[:CHANNELS_SHOWN]:
        shift = cents_second - cents
        style = "green" if shift > 0 else "red" if shift < 0 else "dim"
        grid.add_row(
            channel,
            f"{orders:,.0f}",
            f"{cents / 100:,.0f}",
            f"{orders_second:,.0f}",
            f"{cents_second / 100:,.0f}",
            Text(f"{shift / 100:+,.0f}" if shift else "0", style=style),
        )
    return grid


def _money_trail(summary: Summary) -> Grid:
    grid = titled_grid("Money", "", "found", "expected")
    for step in summary.money:
        grid.add_row(
            step.name,
            money(step.cents),
            money(step.expected_cents),
            style="" if step.reconciles else "bold red",
        )
    return grid


def _drift(summary: Summary) -> Grid:
    grid = titled_grid("Drift in the files", "", "since", "files")
    for what, first, count in summary.drift:
        grid.add_row(what, first, str(count))
    return grid


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
    grid = titled_grid("Planted and found differ", "", "planted", "found")
    for name, (expected, found) in wrong.items():
        grid.add_row(name, f"{expected:,}", f"{found:,}", style="bold red")
    console.print(grid)
    return False


def print_next_commands(console: Console, days: DayRange, program: str) -> None:
    """What to type after the demo; `program` is how the user calls puffy."""
    query = "select channel, sum(revenue_cents) / 100 as revenue from attribution where model = 'linear' "
    query += "and window_days = 7 group by 1 order by 2 desc"
    width = len(f"{program} quarantine list") + 2
    console.print("\nNext:")
    for command, meaning in (
        (f"{program} ui", "the Dagster UI on this very data"),
        (f"{program} status", "which tables are GREEN, YELLOW or RED, and why"),
        (f"{program} quarantine list", "the rows that were not accepted"),
        (f"{program} verify", f"compute all {len(days)} days again from the raw files, and compare row by row"),
        (f'{program} sql "{query}"', ""),
    ):
        console.print(f"  [bold cyan]{command:<{width}}[/][dim]{meaning}[/]", highlight=False, soft_wrap=True)
