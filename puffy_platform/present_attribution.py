"""How the comparison of attribution models looks in 80 columns. Formats what it is given; computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from puffy_platform.methods.bootstrap import LEVEL
from puffy_platform.pipeline.compare_attribution import BASELINE_MODEL, Comparison
from puffy_platform.present import titled_grid

__all__ = ["comparison_to_json", "print_comparison"]

WIDTH, GAP = 80, 2
LONGEST_CHANNEL = 16
HEADS = {
    "first_touch": "first\ntouch",
    "last_touch": "last\ntouch",
    "last_non_direct": "last non-\ndirect",
    "linear": "\nlinear",
    "position_based": "position\nbased",
    "time_decay": "time\ndecay",
    "shapley_rate": "Shapley\nrate",
    "shapley_sum": "Shapley\nsum",
}
UNSTABLE = "?"

Row = dict[str, Any]


class Column(NamedTuple):
    """Head, a cell for each channel, and one for all of them."""

    head: str
    cells: list[Text]


def print_comparison(console: Console, found: Comparison) -> None:
    """Revenue by model, the data-driven shares with their intervals, the moves, and the costs if there are any."""
    by_model = {str(model): rows.to_dicts() for (model,), rows in found.rows.group_by("model", maintain_order=True)}
    rules = [model for model, rows in by_model.items() if not rows[0]["is_data_driven"]]
    learned = [model for model in by_model if model not in rules and not _lacks_data(by_model[model])]
    channels = [_shortened(row["channel"]) for row in by_model[BASELINE_MODEL]]

    def columns(models: Sequence[str], cell: Callable[[Row], Text], total: Callable[[list[Row]], Text]) -> list[Column]:
        return [Column(_head(name), [*map(cell, by_model[name]), total(by_model[name])]) for name in models]

    def show(title: str, shown: Sequence[Column], leading: Sequence[Column] = ()) -> None:
        """Leaves out the channels that have nothing in any cell."""
        rows = [row for row in range(len(channels)) if any(column.cells[row].style != "dim" for column in shown)]
        names = [*(channels[row] for row in rows), "all"]
        chosen, beside = (
            [Column(c.head, [c.cells[row] for row in (*rows, -1)]) for c in cs] for cs in (shown, leading)
        )
        console.print(title, style="bold", highlight=False)
        for grid in _grids(names, chosen, beside):
            console.print(grid, "")

    console.print(f"{found.days.first} to {found.days.last}, look-back {found.window_days} days", highlight=False)
    console.print(f"{found.orders:,} orders, revenue {_units(found.revenue_cents)}\n", highlight=False)
    show("Revenue by rule", columns(rules, _revenue, _total_revenue))
    if learned:
        shares = [column for model in learned for column in _with_share(model, by_model[model])]
        show(f"Revenue by data-driven model, with the {LEVEL:.0%} interval of the share of orders", shares)
    for kind, models in (("rule", rules), ("data-driven model", learned)):
        moves = columns([model for model in models if model != BASELINE_MODEL], _moved, _total_moved)
        show(f"Moved against last touch, by {kind}", moves)
    if found.has_spend:
        spend = [_spend_column(by_model[BASELINE_MODEL])]
        for title, cell, total in (
            ("Cost per order", _cost, _total_cost),
            ("Revenue per unit spent (ROAS)", _roas, _total_roas),
        ):
            show(title, columns([*rules, *learned], cell, total), spend)
    for note in _notes(found, by_model, learned):
        console.print(note, highlight=False)


def comparison_to_json(found: Comparison) -> dict[str, Any]:
    """Everything the comparison holds, as values that `json` can write."""
    return {
        "from": str(found.days.first),
        "to": str(found.days.last),
        "window_days": found.window_days,
        "orders": found.orders,
        "revenue_cents": found.revenue_cents,
        "converted_journeys": found.converted_journeys,
        "lost_journeys": found.lost_journeys,
        "disagreeing": found.disagreeing,
        **({"spend_days": found.spend_days} if found.has_spend else {}),
        "rows": found.rows.to_dicts(),
    }


def _grids(names: Sequence[str], columns: Sequence[Column], leading: Sequence[Column]) -> Iterator[Grid]:
    """As many grids as needed, each no wider than the page, all with the names and the leading columns."""
    used = max(map(len, names)) + sum(map(_width, leading))
    rest = list(columns)
    while rest:
        part, width = [rest.pop(0)], used
        width += _width(part[0])
        while rest and width + _width(rest[0]) <= WIDTH:
            width += _width(rest[0])
            part.append(rest.pop(0))
        grid = titled_grid("", "", *(column.head for column in (*leading, *part)))
        grid.padding = (0, 0, 0, GAP - 1)
        for place, name in enumerate(names):
            grid.add_row(name, *(column.cells[place] for column in (*leading, *part)))
        yield grid


def _width(column: Column) -> int:
    return GAP + max(*(len(line) for line in column.head.split("\n")), *(cell.cell_len for cell in column.cells))


def _head(model: str) -> str:
    return HEADS.get(model) or model.replace("markov_", "Markov\norder ")


def _shortened(channel: str) -> str:
    return channel if len(channel) <= LONGEST_CHANNEL else channel[: LONGEST_CHANNEL - 1] + "…"


def _units(cents: int) -> str:
    """Whole units of the currency."""
    return f"{round(cents / 100):,}"


def _signed(cents: int) -> Text:
    units = round(cents / 100)
    return Text(f"{units:+,}" if units else "0", style="green" if units > 0 else "red" if units else "dim")


def _revenue(row: Row) -> Text:
    cents = row["revenue_cents"]
    return Text(_units(cents), style="red" if cents < 0 else "" if cents else "dim")


def _moved(row: Row) -> Text:
    return _signed(row["moved_cents"])


def _total_moved(rows: list[Row]) -> Text:
    return _signed(sum(row["moved_cents"] for row in rows))


def _total_revenue(rows: list[Row]) -> Text:
    return Text(_units(sum(row["revenue_cents"] for row in rows)), style="bold")


def _with_share(model: str, rows: list[Row]) -> list[Column]:
    """Revenue, and the interval of the share of orders; marked where it is not stable."""
    return [
        Column(_head(model), [*map(_revenue, rows), _total_revenue(rows)]),
        Column("share\nin %", [*map(_share, rows), Text("", style="dim")]),
    ]


def _share(row: Row) -> Text:
    if row["share"] is None:
        return Text("-", style="dim")
    mark = UNSTABLE if row["status"] == "unstable" else ""
    return Text(f"{mark}{100 * row['share_low']:.1f}–{100 * row['share_high']:.1f}", style="yellow" if mark else "")


def _spend_column(rows: list[Row]) -> Column:
    spent = [row["spend_cents"] for row in rows]
    cells = [Text("-" if cents is None else _units(cents)) for cents in spent]
    return Column("\nspend", [*cells, Text(_units(sum(cents or 0 for cents in spent)), style="bold")])


def _cost(row: Row) -> Text:
    """A dash, and the channel stays, where there is spend and no order; a dim one where there is no spend."""
    cents = row["cost_per_order_cents"]
    return Text("-", style="" if row["spend_cents"] else "dim") if cents is None else Text(_units(cents))


def _roas(row: Row) -> Text:
    return Text("-", style="dim") if row["roas"] is None else Text(f"{row['roas']:,.2f}")


def _total_cost(rows: list[Row]) -> Text:
    spent, orders = sum(row["spend_cents"] or 0 for row in rows), sum(row["orders"] for row in rows)
    return Text(_units(round(spent / orders)) if orders > 0 else "-", style="bold")


def _total_roas(rows: list[Row]) -> Text:
    spent = sum(row["spend_cents"] or 0 for row in rows)
    return Text(f"{sum(row['revenue_cents'] for row in rows) / spent:,.2f}" if spent else "-", style="bold")


def _lacks_data(rows: list[Row]) -> bool:
    return any(row["status"] == "not_enough_data" for row in rows)


def _notes(found: Comparison, by_model: dict[str, list[Row]], learned: Sequence[str]) -> Iterator[str]:
    if found.disagreeing:
        names = ", ".join(found.disagreeing)
        yield f"[bold red]{names} were computed from other orders:[/] `puffy plan` says why, `puffy run` ends it."
    lacking = [model for model, rows in by_model.items() if _lacks_data(rows)]
    if lacking:
        yield (
            f"[yellow]Not enough data for {', '.join(lacking)}:[/] {found.converted_journeys:,} orders with a "
            f"touchpoint and {found.lost_journeys:,} journeys without an order (data_driven.min_conversions)."
        )
    if learned:
        yield (
            f"Learned from {found.converted_journeys:,} orders with a touchpoint and {found.lost_journeys:,} journeys "
            "without an order."
        )
    rows = [row for model in learned for row in by_model[model]]
    if any(row["status"] == "unstable" for row in rows):
        yield f"{UNSTABLE} The interval is wider than the share is large: too few orders to act on."
    if any(row["orders"] < 0 for row in rows):
        yield "Negative: fewer visitors order when the channel is on their journey."
    if found.has_spend and found.spend_days < len(found.days):
        yield f"[yellow]The spend file covers {found.spend_days} of these {len(found.days)} days.[/]"
    if found.spent_without_credit:
        names = ", ".join(found.spent_without_credit)
        yield f"[yellow]Spend without any credit: {names}.[/] Is the channel called otherwise here?"
    yield "[dim]Every model divides the orders there were; none knows which would have come anyway.[/]"
