"""puffy funnel: any question about steps, straight from the events."""

from __future__ import annotations

import datetime as dt
import json
from enum import StrEnum
from typing import Annotated

import typer

from puffy_platform.cli.common import (
    AsJson,
    SettingsFile,
    app,
    console,
    day_option,
    days_of_events,
    open_platform,
    stop,
)
from puffy_platform.methods.funnel_groups import BREAKDOWNS, COHORT

Breakdown = StrEnum("Breakdown", [*BREAKDOWNS, COHORT])  # type: ignore[misc]


class Ordering(StrEnum):
    ordered = "ordered"
    strict = "strict"
    any = "any"


class Reentry(StrEnum):
    best = "best"
    first = "first"
    every = "every"


@app.command()
def funnel(
    steps: Annotated[
        str,
        typer.Argument(
            metavar="STEPS",
            help="Events with `>` between them, each with a condition in parentheses if it has one: "
            "\"page_viewed(path like '/products%') > checkout_completed\". Conditions are SQL over the columns of "
            "events_enriched.",
        ),
    ],
    within: Annotated[str, typer.Option(help="Conversion window from the first step: 30m, 12h, 7d, 2w.")] = "7d",
    by: Annotated[
        Breakdown | None,
        typer.Option(help="Break down by the session an attempt began in, or by the week of the first visit."),
    ] = None,
    first: Annotated[
        dt.date | None, day_option("--from", "First day on which attempts begin; default: the first with events.")
    ] = None,
    last: Annotated[dt.date | None, day_option("--to", "Last such day, included; default: the last.")] = None,
    order: Annotated[
        Ordering,
        typer.Option(help="ordered: other events may lie between. strict: none may. any: the steps in any order."),
    ] = Ordering.ordered,
    reentry: Annotated[
        Reentry,
        typer.Option(
            help="best: each client counts once, by its attempt that gets furthest. first: by its first. every: "
            "each attempt that begins after the one before ended."
        ),
    ] = Reentry.best,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """How far clients get, and how fast: `puffy funnel "page_viewed > checkout_completed" --within 7d`."""
    from puffy_platform.ingest.judge import EVENTS
    from puffy_platform.methods.funnel import Funnel
    from puffy_platform.methods.funnel_question import FunnelError, read_steps, read_window
    from puffy_platform.pipeline.funnels import ask_funnel
    from puffy_platform.present_funnel import funnel_to_json, print_funnel

    platform, group = open_platform(settings_file), by.value if by else None
    try:
        asked = read_steps(steps, platform.tables["events_enriched"].schema, EVENTS)
        question = Funnel(len(asked), read_window(within), order.value, reentry.value)
        entered = days_of_events(platform, first, last)
        answer = ask_funnel(platform, asked, question, entered, group)
    except FunnelError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(funnel_to_json(asked, question, entered, answer)))
    else:
        print_funnel(console, asked, question, entered, group, answer)
