"""puffy experiment: plan one, see who was assigned, read it on any day."""

from __future__ import annotations

import datetime as dt
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, day_option, open_platform, stop

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
    from dataclasses import asdict, replace

    from puffy_platform.methods.experiments.outcomes import METRICS
    from puffy_platform.methods.experiments.plan import Baseline, Terms, detectable_lift, needed
    from puffy_platform.pipeline.experiments import ExperimentError, usual
    from puffy_platform.present_experiment import print_plan

    try:
        lift = parse_lift(wanted)
        if metric not in METRICS:
            stop(f"there is no metric {metric!r}; there are: {', '.join(METRICS)}")
        if base is None:
            found = usual(open_platform(settings_file), metric)
            baseline, daily = found.baseline, daily or found.daily
            reduction = found.variance_reduction if cuped else 0.0
            source = f"of {found.clients:,} clients on {found.days}, about {daily:,.0f} new ones a day"
            if cuped:
                source += f"; what they did before takes out {reduction:.1%} of the variance"
        else:
            if METRICS[metric].kind != "share" and deviation is None:
                stop(f"{metric} is a {METRICS[metric].kind}: give its --deviation beside --base")
            if cuped:
                stop("--cuped needs the tables: leave out --base")
            unit = 100 if METRICS[metric].is_money else 1
            baseline, reduction = Baseline(METRICS[metric].kind, base * unit, (deviation or 0.0) * unit), 0.0
            source = "as given" if daily is None else f"as given, {daily:,.0f} new clients a day"
        once = Terms(alpha, power, variants, 1, spending.value, reduction)
        fixed = needed(baseline, lift, once, daily)
        looking = replace(once, looks=max(2, fixed.days or 30))
        sizes = [("one look at the end", fixed), ("a look every day", needed(baseline, lift, looking, daily))]
        traffic = [(number, round((daily or 0) * 7 * number)) for number in ((1, 2, 3, 4, 6, 8) if daily else ())]
        weeks = [
            (
                number,
                clients,
                [detectable_lift(baseline, clients, terms) for terms in (once, replace(once, looks=7 * number))],
            )
            for number, clients in traffic
        ]
    except (ExperimentError, ValueError) as error:
        stop(str(error))
    if as_json:
        print(
            json.dumps(
                {
                    "metric": metric,
                    "baseline": asdict(baseline),
                    "daily": daily,
                    "lift": lift,
                    "terms": asdict(once),
                    "one_look": asdict(sizes[0][1]),
                    "daily_looks": asdict(sizes[1][1]),
                    "detectable": [
                        {"weeks": number, "clients": clients, "one_look": lifts[0], "daily_looks": lifts[1]}
                        for number, clients, lifts in weeks
                    ],
                }
            )
        )
    else:
        terms = f"with a chance of {power:.0%}, at alpha {alpha:.0%}"
        print_plan(console, metric, baseline, source, lift, terms, sizes, weeks)


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
