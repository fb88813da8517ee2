"""How a plan and a reading of an experiment look in 80 columns. Formats what it is given; computes nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from puffy_platform.ingest.assignments import Assignments
from puffy_platform.methods.experiments.balance import MISMATCH_BELOW
from puffy_platform.methods.experiments.compare import FEWEST_CLIENTS, FEWEST_EVENTS
from puffy_platform.methods.experiments.outcomes import METRICS
from puffy_platform.methods.experiments.plan import Plan
from puffy_platform.methods.experiments.reading import MetricReading, Reading, Verdict
from puffy_platform.pipeline.experiments import Read
from puffy_platform.present import money, titled_grid

__all__ = ["print_assignments", "print_plan", "print_reading", "reading_to_json"]

PROBLEMS_SHOWN = 20
WORDS: dict[Verdict, str] = {
    "sample_ratio_mismatch": "cannot be judged",
    "not_enough_data": "not enough data",
    "no_plan": "no verdict: nothing was planned, so the p values are for those who look once",
    "better": "better than control",
    "worse": "worse than control",
    "undecided": "undecided: go on",
    "no_difference": "no difference found with the planned clients",
}
LOOKS = ("one look at the end", "a look every day")
SPENDINGS = {"obrien_fleming": "O'Brien-Fleming spending", "pocock": "Pocock spending"}


def print_reading(console: Console, found: Read, outcome_days: int) -> None:
    reading = found.reading
    console.print(f"{reading.experiment} at the end of {reading.day}", style="bold", highlight=False)
    console.print(f"assigned from {reading.first_day} on, outcomes of {outcome_days} days\n", highlight=False)
    _print_balance(console, reading)
    if reading.is_mismatch:
        console.print(
            f"[bold red]Sample ratio mismatch[/] (p below {MISMATCH_BELOW}): clients were lost or doubled on one side. "
            "Find out how; until then no number of this experiment means anything.",
            highlight=False,
        )
    for variant, verdict in reading.verdicts.items():
        _print_verdict(console, reading, variant, verdict)
        if reading.metrics:
            _print_metrics(console, [m for m in reading.metrics if m.variant == variant], reading.design.alpha)
    _print_notes(console, found)


def _print_balance(console: Console, reading: Reading) -> None:
    shares = reading.design.planned_shares
    total = sum(shares.values())
    parts = [f"{name} {count:,} ({shares[name] / total:.0%} planned)" for name, count in reading.clients.items()]
    console.print("clients: " + ", ".join(parts), highlight=False)
    p = reading.sample_ratio_p
    console.print(f"sample ratio: {'not judged' if p is None else f'p = {_small(p)}'}\n", highlight=False)


def _print_verdict(console: Console, reading: Reading, variant: str, verdict: Verdict) -> None:
    console.print(f"{variant}: {WORDS[verdict]}", style="bold", highlight=False)
    if verdict == "not_enough_data":
        console.print(
            f"  {reading.design.primary}: fewer than {FEWEST_CLIENTS} clients or {FEWEST_EVENTS} events in a variant"
        )
    looks = reading.looks.get(variant, ())
    if not looks:
        return
    shown = next((look for look in looks if look.crossed), looks[-1])
    z = "-" if shown.z is None else f"{shown.z:.2f}"
    bound = "none" if math.isinf(shown.bound) else f"{shown.bound:.2f}"
    console.print(
        f"  {reading.design.primary} on {shown.day}: z = {z}, bound {bound}, with {shown.information:.0%} of the "
        f"planned client-days in\n  ({SPENDINGS[reading.design.spending]}, a look a day)",
        highlight=False,
    )
    comparison = reading.metric(reading.design.primary, variant).comparison
    if comparison is not None and looks[-1].day == reading.day and not math.isinf(looks[-1].bound):
        low, high = comparison.interval(looks[-1].bound)
        unit = reading.design.primary
        console.print(
            f"  difference {_signed(comparison.difference, unit)}, at every look inside "
            f"{_signed(low, unit)} to {_signed(high, unit)}",
            highlight=False,
        )


def _print_metrics(console: Console, metrics: Sequence[MetricReading], alpha: float) -> None:
    grid = titled_grid("", "metric", "control", "variant", "lift", f"{1 - alpha:.0%} interval", "p", "p (BH)")
    for found in metrics:
        c = found.comparison
        if c is None:
            grid.add_row(found.metric, "-", "-", "-", "not enough data", "-", "-")
            continue
        interval = "-" if c.lift_low is None or c.lift_high is None else f"{_lift(c.lift_low)} to {_lift(c.lift_high)}"
        values = (_value(c.control, found.metric), _value(c.treatment, found.metric))
        p_adjusted = "-" if found.p_adjusted is None else _small(found.p_adjusted)
        grid.add_row(found.metric, *values, _lift(c.lift), interval, _small(c.p), p_adjusted)
    console.print()
    console.print(grid)
    _print_beliefs(console, metrics)
    reductions = [(f.metric, r) for f in metrics if f.comparison and (r := f.comparison.variance_reduction) is not None]
    if reductions:
        text = ", ".join(f"{name} {part:.0%}" for name, part in reductions)
        console.print(f"variance taken out by what clients did before: {text}", highlight=False)


def _print_beliefs(console: Console, metrics: Sequence[MetricReading]) -> None:
    believed = [found for found in metrics if found.belief]
    if not believed:
        return
    grid = titled_grid("", "a Bayesian's view", "better with", "loss if chosen", "loss if kept")
    for found in believed:
        assert found.belief is not None
        grid.add_row(
            found.metric,
            f"{found.belief.chance_better:.1%}",
            f"{found.belief.loss_if_chosen:.3%}",
            f"{found.belief.loss_if_kept:.3%}",
        )
    console.print()
    console.print(grid)
    console.print()


def _print_notes(console: Console, found: Read) -> None:
    notes = []
    if found.is_stale:
        notes.append("The file of assignments or the settings have changed since: `puffy run` computes the sums again.")
    if found.not_counted:
        notes.append(f"{_count(found.not_counted, 'assigned client')} not counted: crawlers, or days without tables.")
    if found.crossed:
        notes.append(f"{_count(found.crossed, 'client')} with another variant later, counted for the first.")
    if found.assignments.problems.height:
        notes.append(
            f"{_count(found.assignments.problems.height, 'unusable line')} in the file: `puffy experiment list`."
        )
    for note in notes:
        console.print(f"[yellow]note:[/] {note}", highlight=False)


def print_assignments(console: Console, file: Path, assignments: Assignments, designs: Sequence[str]) -> None:
    """Every experiment of the file, and the lines that cannot be used."""
    if assignments.mistake:
        console.print(f"[bold red]{file.name}[/]: {assignments.mistake}", highlight=False, soft_wrap=True)
        return
    if not assignments.lines:
        console.print(f"No assignments: {file} does not exist or is empty.", highlight=False, soft_wrap=True)
        return
    crossed = dict(assignments.crossed.iter_rows())
    grid = titled_grid("", "experiment", "variant", "clients", "first", "last", "plan")
    rows = assignments.rows
    for name in rows["experiment"].unique().sort():
        own = rows.filter(experiment=name)
        for place, (variant,) in enumerate(own.select("variant").unique().sort("variant").iter_rows()):
            days = own.filter(variant=variant)["assigned_at"].dt.date()
            plan = ("yes" if name in designs else "none") if place == 0 else ""
            grid.add_row(name if place == 0 else "", variant, f"{len(days):,}", str(days.min()), str(days.max()), plan)
    console.print(grid)
    problems = assignments.problems
    console.print(
        f"\n{_count(assignments.lines, 'line')}: {_count(rows.height, 'assignment')}, {assignments.repeated:,} said "
        f"again, {_count(sum(crossed.values()), 'client')} with another variant later, {problems.height:,} unusable",
        highlight=False,
    )
    for line, _, message, _ in problems.head(PROBLEMS_SHOWN).iter_rows():
        console.print(f"  line {line}: {message}", highlight=False, markup=False)
    if problems.height > PROBLEMS_SHOWN:
        console.print(f"  and {problems.height - PROBLEMS_SHOWN:,} more: --json shows all.", highlight=False)


def print_plan(console: Console, metric: str, plan: Plan, source: str) -> None:
    """`source`: where the metric as it is and the traffic are known from."""
    base, terms = plan.baseline, plan.terms
    console.print(f"{metric}: {METRICS[metric].description}", style="bold", highlight=False)
    deviation = "" if base.kind == "share" else f", standard deviation of a client {_value(base.deviation, metric)}"
    console.print(f"now {_value(base.value, metric)}{deviation}\n{source}\n", highlight=False)
    target = base.value * (1 + plan.lift)
    console.print(
        f"To find {_lift(plan.lift)} (to {_value(target, metric)}) with a chance of {terms.power:.0%}, at alpha "
        f"{terms.alpha:.0%}:\n",
        highlight=False,
    )
    grid = titled_grid("", "", "clients a variant", "in all", "days")
    for name, size in zip(LOOKS, (plan.one_look, plan.daily_looks), strict=True):
        grid.add_row(name, f"{size.each:,}", f"{size.all:,}", "-" if size.days is None else f"{size.days:,}")
    console.print(grid)
    console.print(
        f"\nFor daily looks: clients = {plan.daily_looks.all} under the experiment's [designs.NAME] in puffy.toml.",
        markup=False,
        highlight=False,
    )
    if plan.detectable:
        console.print()
        grid = titled_grid("What can be found", "weeks", "clients in all", *LOOKS)
        for row in plan.detectable:
            grid.add_row(str(row.weeks), f"{row.clients:,}", _lift(row.one_look), _lift(row.daily_looks))
        console.print(grid)


def reading_to_json(found: Read) -> dict[str, Any]:
    reading = found.reading
    return {
        "experiment": reading.experiment,
        "first_day": str(reading.first_day),
        "day": str(reading.day),
        "design": reading.design.model_dump(mode="json"),
        "clients": reading.clients,
        "sample_ratio_p": reading.sample_ratio_p,
        "sample_ratio_mismatch": reading.is_mismatch,
        "verdicts": reading.verdicts,
        "metrics": [dataclasses.asdict(metric) for metric in reading.metrics],
        "looks": {
            variant: [
                {"day": str(look.day), "information": look.information, "bound": _finite(look.bound), "z": look.z}
                for look in looks
            ]
            for variant, looks in reading.looks.items()
        },
        "not_counted": found.not_counted,
        "crossed": found.crossed,
        "unusable_lines": found.assignments.problems.height,
        "is_stale": found.is_stale,
    }


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _finite(bound: float) -> float | None:
    return None if math.isinf(bound) else bound


def _value(value: float, metric: str) -> str:
    """In the metric's unit: a share in per cent, money in units of the currency."""
    if METRICS[metric].is_money:
        return money(round(value))
    return f"{value:.2%}" if METRICS[metric].kind == "share" else f"{value:.3g}"


def _signed(value: float, metric: str) -> str:
    sign = "-" if value < 0 else "+"
    if METRICS[metric].kind == "share":
        return f"{sign}{abs(value) * 100:.2f} points"
    return f"{sign}{_value(abs(value), metric)}"


def _lift(lift: float | None) -> str:
    return "-" if lift is None else f"{lift:+.1%}"


def _small(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
