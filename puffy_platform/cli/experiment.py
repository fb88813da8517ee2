"""puffy experiment: plan one, see who was assigned, read it on any day."""

from __future__ import annotations

import datetime as dt
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, day_option, open_platform, stop

if TYPE_CHECKING:
    from puffy_platform.methods.experiments.plan import Baseline
    from puffy_platform.pipeline.experiments import Usual

experiment_app = typer.Typer(
    help="Controlled experiments: how many clients one takes, who was assigned, and what it says on any day.",
    no_args_is_help=True,
)
app.add_typer(experiment_app, name="experiment")

AssignmentsFile = Annotated[
    Path | None,
    typer.Option("--assignments", exists=True, dir_okay=False, help="Another file of assignments than the settings'."),
]


class Spending(StrEnum):
    obrien_fleming = "obrien_fleming"
    pocock = "pocock"


class Start(NamedTuple):
    """What a plan starts from: the metric as it is, new clients a day, the part of the variance that a covariate takes
    out, and in words where these are known from."""

    baseline: Baseline
    daily: float | None
    variance_reduction: float
    source: str


def parse_lift(text: str) -> float:
    """10%, +10% or 0.1."""
    try:
        return float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a lift; write 10% or 0.1.") from None


@experiment_app.command("plan")
def plan(
    metric: Annotated[str, typer.Option(help="One of the metrics of docs/methods/experiments.md.")] = "conversion",
    wanted: Annotated[str, typer.Option("--lift", help="Relative change to find: 10% or 0.1.")] = "10%",
    alpha: Annotated[float, typer.Option(help="Chance to find what is not there, two-sided.")] = 0.05,
    power: Annotated[float, typer.Option(help="Chance to find the lift if it is there.")] = 0.8,
    variants: Annotated[int, typer.Option(min=2, help="Variants of equal size, control among them.")] = 2,
    spending: Annotated[Spending, typer.Option(help="How daily looks spend alpha.")] = Spending.obrien_fleming,
    cuped: Annotated[bool, typer.Option("--cuped", help="Count on what clients did before to take out noise.")] = False,
    base: Annotated[
        float | None, typer.Option(help="The metric as it is, a share as 0.02; default: as the tables show it.")
    ] = None,
    deviation: Annotated[
        float | None, typer.Option(help="Standard deviation of a client, for means and ratios.")
    ] = None,
    daily: Annotated[
        float | None, typer.Option(min=1, help="New clients a day; default: as the tables show it.")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Before the start: clients and days to find a lift, and what a number of weeks can find."""
    from dataclasses import asdict

    from puffy_platform.methods.experiments.outcomes import METRICS
    from puffy_platform.methods.experiments.plan import Terms, plan_for
    from puffy_platform.pipeline.experiments import ExperimentError, usual
    from puffy_platform.present_experiment import print_plan

    lift = parse_lift(wanted)
    if metric not in METRICS:
        stop(f"there is no metric {metric!r}; there are: {', '.join(METRICS)}")
    try:
        if base is None:
            start = _as_measured(usual(open_platform(settings_file), metric), daily, cuped=cuped)
        else:
            start = _as_given(metric, base, deviation, daily, cuped=cuped)
        terms = Terms(alpha, power, variants, 1, spending.value, start.variance_reduction)
        found = plan_for(start.baseline, lift, terms, start.daily)
    except (ExperimentError, ValueError) as error:
        stop(str(error))
    if as_json:
        print(json.dumps({"metric": metric, **asdict(found)}))
    else:
        print_plan(console, metric, found, start.source)


def _as_measured(found: Usual, daily: float | None, *, cuped: bool) -> Start:
    daily = daily or found.daily
    source = f"of {found.clients:,} clients on {found.days}, about {daily:,.0f} new ones a day"
    if not cuped:
        return Start(found.baseline, daily, 0.0, source)
    source += f"; what they did before takes out {found.variance_reduction:.1%} of the variance"
    return Start(found.baseline, daily, found.variance_reduction, source)


def _as_given(metric: str, base: float, deviation: float | None, daily: float | None, *, cuped: bool) -> Start:
    """From the options alone; money in units of the currency. Raises ValueError for values that cannot be."""
    from puffy_platform.methods.experiments.outcomes import METRICS
    from puffy_platform.methods.experiments.plan import Baseline

    kind, unit = METRICS[metric].kind, 100 if METRICS[metric].is_money else 1
    if kind != "share" and deviation is None:
        stop(f"{metric} is a {kind}: give its --deviation beside --base")
    if cuped:
        stop("--cuped needs the tables: leave out --base")
    source = "as given" if daily is None else f"as given, {daily:,.0f} new clients a day"
    return Start(Baseline(kind, base * unit, (deviation or 0.0) * unit), daily, 0.0, source)


@experiment_app.command("list")
def list_experiments(file: AssignmentsFile = None, settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Who was assigned to what, and which lines of the file cannot be used. Exit code 1 when there are such lines."""
    from puffy_platform.ingest.assignments import load_assignments
    from puffy_platform.pipeline.experiments import with_file
    from puffy_platform.present_experiment import print_assignments

    settings = with_file(open_platform(settings_file).settings, file)
    found = load_assignments(settings)
    if as_json:
        sizes = found.rows.group_by("experiment", "variant").len("clients").sort("experiment", "variant")
        print(
            json.dumps(
                {
                    "mistake": found.mistake,
                    "lines": found.lines,
                    "repeated": found.repeated,
                    "crossed": dict(found.crossed.iter_rows()),
                    "variants": sizes.to_dicts(),
                    "problems": found.problems.select("line", "rule", "message").to_dicts(),
                }
            )
        )
    else:
        print_assignments(console, settings.assignments, found, list(settings.designs))
    raise typer.Exit(1 if found.mistake or found.problems.height else 0)


@experiment_app.command("read")
def read(
    name: Annotated[str, typer.Argument(help="The experiment.")],
    date: Annotated[
        dt.date | None, day_option("--date", "At the end of this day; default: the last one with events.")
    ] = None,
    cuped: Annotated[
        bool, typer.Option("--cuped", help="Take out of every metric what clients' behaviour before explains.")
    ] = False,
    file: AssignmentsFile = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """What an experiment says: balance first, then the primary metric against its bound, then all metrics.

    Exit code 1 when the sample ratio is off.
    """
    from puffy_platform.pipeline.experiments import ExperimentError, read_stored
    from puffy_platform.present_experiment import print_reading, reading_to_json

    platform = open_platform(settings_file)
    try:
        found = read_stored(platform, name, date, file, covariate=cuped)
    except ExperimentError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(reading_to_json(found)))
    else:
        print_reading(console, found, platform.settings.experiments.outcome_days)
    raise typer.Exit(1 if found.reading.is_mismatch else 0)
