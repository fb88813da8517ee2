"""How churn models, their scores and their benchmark look in 80 columns. Formats what it is given; computes nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from puffy_platform.pipeline.churn import ChurnReport
from puffy_platform.pipeline.churn_benchmark import ChurnBenchmark, mean_aucs
from puffy_platform.present import money, titled_grid
from puffy_platform.tables.churn_models.card import ACTIVITIES

__all__ = ["churn_to_json", "print_churn", "print_churn_benchmark"]

SHOWN = 5


def print_churn(console: Console, found: ChurnReport) -> None:
    churn = found.settings
    console.print(f"Churn as of {found.day}", style="bold", highlight=False)
    console.print(
        f"{found.customers:,} customers at risk; churned has who will {ACTIVITIES[churn.activity]} in "
        f"{churn.horizon_days} days\n",
        highlight=False,
    )
    model = found.in_force
    if model is None:
        console.print("[yellow]No model is in force[/]: nobody has a score.", highlight=False)
    _print_versions(console, found.models)
    _print_reasons(console, found.models)
    if model is not None:
        _print_model(console, model, churn.max_psi)
        _print_groups(console, found)


def _print_versions(console: Console, models: list[dict[str, Any]]) -> None:
    measured = [row for row in models if row["auc"] is not None]
    if not measured:
        return
    titles = ("status", "AUC", "recency", "P(alive)", "Brier", "lift")
    grid = titled_grid(
        f"Measured on {measured[0]['holdout_customers']:,} customers of {measured[0]['holdout_day']}", "", *titles
    )
    for row in measured:
        grid.add_row(
            f"{row['learner']} {row['trained_on']:%m-%d}",
            row["status"],
            f"{row['auc']:.3f}",
            _gain(row["gain_recency"]),
            _gain(row["gain_p_alive"]),
            f"{row['brier']:.4f}",
            f"{row['lift_top_decile']:.2f}",
        )
    console.print(grid)
    churned, customers = measured[0]["holdout_churned"], measured[0]["holdout_customers"]
    console.print(
        f"recency, P(alive): AUC above these baselines. {churned / customers:.0%} churned, so lift is at most "
        f"{customers / churned:.2f}.",
        style="dim",
        highlight=False,
    )


def _gain(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


def _print_reasons(console: Console, models: list[dict[str, Any]]) -> None:
    reasons: dict[str, list[str]] = {}
    for row in models:
        if row["why"]:
            reasons.setdefault(f"[yellow]{row['status']}[/]: {row['why']}", []).append(
                f"{row['learner']} of {row['trained_on']}"
            )
    console.print()
    for reason, versions in reasons.items():
        console.print(f"{', '.join(versions)}\n  {reason}", highlight=False)


def _print_model(console: Console, model: dict[str, Any], max_psi: float) -> None:
    console.print(f"\n{model['version']} is in force", style="bold", highlight=False)
    console.print(model["card"], highlight=False)
    matters = ", ".join(f"{each['feature']} {each['auc_drop']:.3f}" for each in model["importance"][:SHOWN])
    console.print(f"\nAUC lost without: {matters}", highlight=False)
    if model["drift"] is None:
        console.print(f"Drift: too few customers ({model['drift_customers']}) to tell.", highlight=False)
        return
    moved = [each for each in model["drift"] if each["psi"] > max_psi]
    shown = ", ".join(f"{each['feature']} {each['psi']:.2f}" for each in model["drift"][:SHOWN])
    colour = "yellow" if moved else "green"
    console.print(f"Drift: [{colour}]{len(moved)} features[/] above {max_psi:g} (PSI); most: {shown}", highlight=False)


def _print_groups(console: Console, found: ChurnReport) -> None:
    console.print()
    titles = ("customers", "probability", "churned in the holdout", "revenue so far")
    grid = titled_grid("The customers by risk", "group", *titles)
    for row in found.groups.iter_rows(named=True):
        grid.add_row(
            str(row["risk_group"]),
            f"{row['customers']:,}",
            f"{row['churn_probability']:.1%}",
            f"{row['group_observed']:.1%} ({row['group_low']:.1%} to {row['group_high']:.1%})",
            money(row["monetary_cents"]),
        )
    console.print(grid)


def churn_to_json(found: ChurnReport) -> dict[str, Any]:
    dates = ("day", "decided_on", "trained_on", "training_from", "training_until", "holdout_day")
    return {
        "day": str(found.day),
        "customers": found.customers,
        "in_force": found.in_force and found.in_force["version"],
        "models": [
            {name: str(value) if name in dates else value for name, value in row.items() if name != "parameters"}
            for row in found.models
        ],
        "groups": found.groups.to_dicts(),
    }


def print_churn_benchmark(console: Console, found: list[ChurnBenchmark]) -> None:
    """A table for each shop, and the mean over them."""
    for shop in found:
        grid = titled_grid(
            f"Seed {shop.seed}: {shop.customers:,} customers, {shop.churned / shop.customers:.0%} churned, "
            f"{shop.gone / shop.customers:.0%} had left for good",
            *("", "status", "AUC", "gone", "Brier", "lift", "off"),
        )
        for each in shop.contenders:
            learner, *trained = each.name.split("-")
            grid.add_row(
                " ".join([learner, "-".join(trained[1:3])]),
                each.status,
                f"{each.auc.value:.3f}",
                f"{each.auc_gone:.3f}",
                f"{each.brier:.4f}",
                f"{each.lift:.2f}",
                f"{each.calibration_error:.3f}",
            )
        console.print(grid, "")
    grid = titled_grid(f"Mean over {len(found)} shops", "", "AUC")
    for name, value in mean_aucs(found).items():
        grid.add_row(name, f"{value:.3f}")
    console.print(grid)
    console.print(
        "\nAUC of the orders that came in the horizon after the scored day, which nothing here knew; gone: that of who "
        "had left by then; off: expected and observed shares.",
        style="dim",
        highlight=False,
    )
