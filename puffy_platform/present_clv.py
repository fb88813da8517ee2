"""How customer lifetime value looks in 80 columns. Formats what it is given; computes nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from puffy_platform.pipeline.customer_values import CustomerValues
from puffy_platform.present import money, titled_grid
from puffy_platform.tables.customer_value import HORIZONS

__all__ = ["print_customer_values", "values_to_json"]

PARAMETERS = (("r", 1, "r"), ("alpha_days", 1, "alpha (days)"), ("a", 1, "a"), ("b", 1, "b"))
SPENDING = (("p", 1, "p"), ("q", 1, "q"), ("v_cents", 100, "v"))


def print_customer_values(console: Console, found: CustomerValues) -> None:
    model = found.model
    console.print(f"Customer value as of {found.day}", style="bold", highlight=False)
    console.print(
        f"model fitted to {model['customers']:,} customers up to {model['fitted_on']}, of whom "
        f"{model['repeat_customers']:,} bought again\n",
        highlight=False,
    )
    if model["status"] != "ok":
        console.print(f"[yellow]{model['status']}[/]: {model['why']}.\n", highlight=False)
    _print_groups(console, found)
    if model["r"] is not None:
        _print_model(console, model)
        _print_holdout(console, model)


def _print_groups(console: Console, found: CustomerValues) -> None:
    knows = found.model["status"] in ("ok", "no_value")
    columns = [f"{horizon} d" for horizon in HORIZONS] if knows else []
    titles = ("bought again", "customers", "revenue so far", *(("alive",) if knows else ()), *columns)
    grid = titled_grid("Purchases and revenue expected of them" if knows else "", *titles)
    for row in found.groups.iter_rows(named=True):
        cells = [row["group"], f"{row['customers']:,}", money(row["total_cents"])]
        if knows:
            cells.append(f"{row['p_alive'] / row['customers']:.0%}")
            cells += [_expected(row, horizon) for horizon in HORIZONS]
        grid.add_row(*cells)
    console.print(grid)
    if found.top_share is not None:
        console.print(
            f"\nThe most valuable tenth is expected to bring {found.top_share:.0%} of it in {HORIZONS[-1]} days. "
            "Not discounted; revenue, not profit.",
            highlight=False,
        )


def _expected(row: dict[str, Any], horizon: int) -> str:
    value = row[f"expected_value_{horizon}d_cents"]
    return f"{row[f'expected_purchases_{horizon}d']:,.1f}" + ("" if value is None else f"\n{money(value)}")


def _print_model(console: Console, model: dict[str, Any]) -> None:
    for title, parameters in (("BG/NBD", PARAMETERS), ("Gamma-Gamma", SPENDING)):
        if model[parameters[0][0]] is None:
            continue
        parts = []
        for name, unit, shown in parameters:
            error = model[f"{name}_error"]
            parts.append(f"{shown} {model[name] / unit:.3g} ± {'?' if error is None else f'{error / unit:.2g}'}")
        console.print(f"\n{title}: {', '.join(parts)}", highlight=False)
    if model["correlation"] is not None:
        console.print(
            f"correlation of frequency and value {model['correlation']:.2f} "
            f"({model['correlation_low']:.2f} to {model['correlation_high']:.2f}); Gamma-Gamma takes it to be 0",
            highlight=False,
        )


def _print_holdout(console: Console, model: dict[str, Any]) -> None:
    if model["holdout_days"] is None:
        console.print("\nNo holdout: too few had bought again before it, or its model has no maximum.")
        return
    console.print()
    grid = titled_grid(
        f"Tried on the last {model['holdout_days']} days before the fit",
        "bought again",
        "customers",
        "expected purchases",
        "actual",
    )
    for group in model["holdout_groups"]:
        grid.add_row(group["group"], f"{group['customers']:,}", f"{group['expected']:,.1f}", f"{group['actual']:,}")
    grid.add_row(
        "all", f"{model['holdout_customers']:,}", f"{model['holdout_expected']:,.1f}", f"{model['holdout_actual']:,}"
    )
    console.print(grid)
    console.print(
        f"mean error a customer {model['holdout_error']:.3f}; {model['holdout_rate_error']:.3f} if everybody had gone "
        "on at the same rate",
        highlight=False,
    )


def values_to_json(found: CustomerValues) -> dict[str, Any]:
    return {
        "day": str(found.day),
        "model": {name: str(value) if name in ("day", "fitted_on") else value for name, value in found.model.items()},
        "groups": found.groups.to_dicts(),
        "top_tenth_share": found.top_share,
    }
