"""How the reasons of a change of revenue look in 80 columns. Formats what it is given; computes nothing."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.console import Console

from puffy_platform.methods.decomposition.lmdi import PARTS
from puffy_platform.methods.decomposition.words import NAMES, sentence
from puffy_platform.pipeline.why import Why
from puffy_platform.present import money, titled_grid

__all__ = ["print_why", "why_to_json"]

ROWS_SHOWN = 12


def print_why(console: Console, found: Why) -> None:
    total = found.total.row(0, named=True)
    console.print(f"{found.after} against {found.before}", style="bold", highlight=False)
    console.print(sentence(total), highlight=False)
    if len(found.after) != len(found.before):
        console.print(
            f"[yellow]note:[/] {len(found.after)} days against {len(found.before)}: sessions also differ by that.",
            highlight=False,
        )
    console.print()
    _print_figures(console, total)
    _print_parts(console, "channel", found.by_channel, total)
    _print_parts(console, "device", found.by_device, total)
    console.print(
        "\nMeasured within each channel on each device and added up: a shift between these shows in sessions.",
        highlight=False,
    )


def _print_figures(console: Console, total: dict[str, Any]) -> None:
    grid = titled_grid("", "", "before", "after", "brought")
    rows = (
        ("sessions", "{:,}", "sessions", None, PARTS[0]),
        ("conversion rate", "{:.2%}", "orders", "sessions", PARTS[1]),
        ("order value", "", "revenue", "orders", PARTS[2]),
        ("orders without a visit", "", None, None, PARTS[3]),
        ("revenue", "", "revenue", None, "change_cents"),
    )
    for name, form, above, below, part in rows:
        if above is None and not total[part]:
            continue
        cells = [_figure(total, period, form, above, below) if above else "" for period in ("before", "after")]
        grid.add_row(name, *cells, _signed(total[part]))
    console.print(grid)


def _figure(total: dict[str, Any], period: str, form: str, above: str, below: str | None) -> str:
    unit = "_cents" if above == "revenue" else ""
    value = total[f"{above}_{period}{unit}"]
    if below is None:
        return form.format(value) if form else money(value)
    divisor = total[f"{below}_{period}"]
    if not divisor:
        return "-"
    return form.format(value / divisor) if form else money(round(value / divisor))


def _print_parts(console: Console, name: str, rows: pl.DataFrame, total: dict[str, Any]) -> None:
    shown = [part for part in PARTS if total[part] or (rows[part] != 0).any()]
    grid = titled_grid("", name, "change", *(NAMES[part] for part in shown))
    for row in rows.head(ROWS_SHOWN).iter_rows(named=True):
        grid.add_row(row[name], _signed(row["change_cents"]), *(_signed(row[part]) for part in shown))
    console.print()
    console.print(grid)
    if rows.height > ROWS_SHOWN:
        console.print(f"and {rows.height - ROWS_SHOWN} more: --json shows all.", highlight=False)


def _signed(cents: int) -> str:
    return f"{'+' if cents > 0 else ''}{money(cents)}"


def why_to_json(found: Why) -> dict[str, Any]:
    return {
        "from": str(found.after.first),
        "to": str(found.after.last),
        "versus_from": str(found.before.first),
        "versus_to": str(found.before.last),
        "sentence": sentence(found.total.row(0, named=True)),
        "total": found.total.row(0, named=True),
        "by_channel": found.by_channel.to_dicts(),
        "by_device": found.by_device.to_dicts(),
        "segments": found.segments.to_dicts(),
    }
