"""puffy retention: who came again, by first visit or first order."""

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


class By(StrEnum):
    visit = "visit"
    purchase = "purchase"


class Clock(StrEnum):
    calendar = "calendar"
    rolling = "rolling"


class Cohort(StrEnum):
    day = "day"
    week = "week"
    month = "month"


@app.command()
def retention(
    days: Annotated[
        str,
        typer.Argument(
            metavar="[DAYS]",
            help="On which days after the first: 7 (on it), 1-7 (on any of them), 7+ (on it or after).",
        ),
    ] = "1,3,7,14,30",
    by: Annotated[By, typer.Option(help="visit: clients, any event. purchase: customers, counted orders.")] = By.visit,
    clock: Annotated[
        Clock, typer.Option(help="calendar: days are UTC dates. rolling: periods of 24 hours from the first event.")
    ] = Clock.calendar,
    cohort: Annotated[
        Cohort, typer.Option(help="Members who came first in the same day, week or month.")
    ] = Cohort.week,
    first: Annotated[
        dt.date | None, day_option("--from", "Members who came first from this day on; default: the first with events.")
    ] = None,
    last: Annotated[dt.date | None, day_option("--to", "And until this day, included; default: the last.")] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Who came again: `puffy retention 1,7,30`, `puffy retention 1-7,8-30 --by purchase`, `puffy retention 7+`.

    Who has not lived to a day is not in its denominator.
    """
    from puffy_platform.methods.retention import RetentionError, read_marks
    from puffy_platform.pipeline.retentions import ask_retention
    from puffy_platform.present_retention import print_retention, retention_to_json

    platform = open_platform(settings_file)
    try:
        marks = read_marks(days)
        born = days_of_events(platform, first, last)
        answer = ask_retention(platform, by.value, marks, born, clock.value, cohort.value)
    except RetentionError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(retention_to_json(by.value, born, clock.value, cohort.value, answer)))
    else:
        print_retention(console, by.value, born, clock.value, cohort.value, answer)
