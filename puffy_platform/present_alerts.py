"""How incidents and the state of alerts look in a terminal. Formats what it is given."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from puffy_platform.alerts.incidents import Incident
from puffy_platform.alerts.overview import Overview
from puffy_platform.table import ranges

__all__ = ["print_alerts", "print_overview"]

RANGES_SHOWN = 3
INCIDENTS_SHOWN = 5


def print_overview(console: Console, overview: Overview) -> None:
    """A few lines under `puffy status`."""
    errors = [each for each in overview.open if each.severity == "error"]
    warnings = len(overview.open) - len(errors)
    if overview.open:
        console.print(f"[yellow]open incidents:[/] {len(errors)} errors, {warnings} warnings; `puffy alerts list`")
        for each in errors[:INCIDENTS_SHOWN]:
            console.print(f"  {escape(_about(each))}, {_days(each)}", highlight=False, soft_wrap=True)
    _print_ways(console, overview)


def print_alerts(console: Console, overview: Overview) -> None:
    if overview.incidents:
        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("id", "state", "what", "days", "observed"):
            grid.add_column(name, no_wrap=name == "id", overflow="fold")
        for each in overview.incidents:
            newest = each.days[max(each.days)].observed if each.days else "-"
            grid.add_row(each.id, _state(each), Text(_about(each)), _days(each), Text(newest))
        console.print(grid, highlight=False)
    else:
        console.print("[green]No incidents.[/]")
    for mute in overview.mutes:
        console.print(f"[yellow]muted:[/] {mute.scope} until {mute.until:%Y-%m-%d %H:%M} UTC", highlight=False)
    _print_ways(console, overview)


def _print_ways(console: Console, overview: Overview) -> None:
    console.print(f"alerts go to {escape(overview.goes_to)}", highlight=False, soft_wrap=True, style="dim")
    for each in overview.waiting:
        why = f": {each.problem}" if each.problem else ""
        console.print(f"[yellow]note:[/] {each.messages} messages wait for {each.target}{why}", highlight=False)


def _about(incident: Incident) -> str:
    return f"{incident.key.table}, {incident.key.check} ({incident.key.kind}, {incident.severity})"


def _state(incident: Incident) -> str:
    if not incident.is_open:
        return "over"
    return "acknowledged" if incident.acked_at else "open"


def _days(incident: Incident) -> str:
    found = [str(each) for each in ranges(incident.days)]
    more = len(found) - RANGES_SHOWN
    return ", ".join(found[:RANGES_SHOWN]) + (f" and {more} more" if more > 0 else "")
