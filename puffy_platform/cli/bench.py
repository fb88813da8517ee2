"""puffy bench: how good alerts and churn models are, on simulated shops; how fast the methods are, on random data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, open_platform, stop

bench = typer.Typer(
    help="Measure the platform: how good its alerts and churn models are, how fast its methods.", no_args_is_help=True
)
app.add_typer(bench, name="bench")


@bench.callback()
def of() -> None:
    """Measure the platform: how good its alerts and churn models are, how fast its methods."""


@bench.command()
def alerts(
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Shops of each size and number of incidents.")] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="Another seed, other shops.")] = 5_001,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Precision, recall and false messages a week of the anomalies, on a year of simulated shops.

    Nine shops a seed (20, 200 and 5,000 orders a day; 1, 2 and 4 incidents a week). It uses your settings of
    [monitoring]: change them and see what it costs. docs/alerts_benchmark.md tells how to read it.
    """
    from rich.progress import Progress

    from puffy_platform.monitoring.benchmark.run import run
    from puffy_platform.present_alert_benchmark import print_alert_benchmark

    rules = open_platform(settings).settings.monitoring
    chosen = range(first_seed, first_seed + seeds)
    with Progress(console=console, transient=True, disable=as_json or not console.is_terminal) as progress:
        task = progress.add_task("shops", total=None)
        found = run(chosen, rules, told=lambda done, of: progress.update(task, completed=done, total=of))
    if as_json:
        rows = [
            {"method": method, "incidents_a_week": rate, "orders_a_day": size, **asdict(score)}
            for (method, rate, size), score in found.whole.items()
        ]
        console.print_json(json.dumps(rows))
    else:
        print_alert_benchmark(console, found)


@bench.command()
def churn(
    shops: Annotated[int, typer.Option(min=1, max=100, help="How many simulated shops.")] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="Another seed, other shops.")] = 7,
    events_per_day: Annotated[int, typer.Option(min=500, max=50_000, help="Size of each shop.")] = 2_000,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """AUC, Brier score and lift of the churn models and of both baselines, on shops whose customers' fate is known.

    Two years of customers a shop, some four seconds each. It uses your settings of [churn], with orders as the
    activity. docs/methods/churn.md tells how to read it.
    """
    from puffy_platform.pipeline.churn_benchmark import run
    from puffy_platform.present_churn import print_churn_benchmark

    chosen = open_platform(settings).settings
    if chosen.churn.activity != "order":
        stop("the benchmark is of orders: set churn.activity to order")
    found = [run(seed, chosen, events_per_day) for seed in range(first_seed, first_seed + shops)]
    if as_json:
        print(json.dumps([{**asdict(each), "scored_day": str(each.scored_day)} for each in found]))
    else:
        print_churn_benchmark(console, found)


@bench.command()
def methods(
    groups: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GROUP]...", help="attribution, clv, churn, funnel, retention; default: all."),
    ] = None,
    size: Annotated[float, typer.Option(min=0.0001, max=100, help="Times the usual size, for example 0.01.")] = 1.0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of docs/methods/speed.md.")] = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Speed and memory of the methods: a million journeys, 100,000 customers, ten million events.

    On random data in memory, each in a process of its own, one by one: some three minutes and at most 2.5 GiB.
    """
    from rich.progress import track

    from puffy_platform.present_speed import print_speed, speed_as_markdown
    from puffy_platform.speed import GROUPS, TASKS, measure_task

    open_platform(settings)  # nothing of it is needed, but a mistake in it stops every command
    if unknown := set(groups or ()) - set(GROUPS):
        stop(f"there is no group {sorted(unknown)[0]}; there are {', '.join(GROUPS)}")
    chosen = [task for task in TASKS.values() if task.group in (groups or GROUPS)]
    is_plain = as_json or markdown or not console.is_terminal
    found = [measure_task(task, size) for task in track(chosen, console=console, transient=True, disable=is_plain)]
    if as_json:
        print(json.dumps([asdict(one) for one in found]))
    elif markdown:
        print(speed_as_markdown(found))
    else:
        print_speed(console, found)
