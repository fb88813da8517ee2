"""puffy why: what moved revenue between two periods."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, day_option, open_platform, stop


@app.command()
def why(
    first: Annotated[dt.date, day_option("--from", "First day of the period to explain.")],
    last: Annotated[dt.date, day_option("--to", "Its last day, included.")],
    versus_first: Annotated[
        dt.date | None,
        day_option("--versus-from", "First day to compare with; default: as many days right before --from."),
    ] = None,
    versus_last: Annotated[
        dt.date | None, day_option("--versus-to", "Last day to compare with; default: for as many days.")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Why did revenue move? How much exactly by sessions, conversion rate and order value, by channel and device.

    `puffy why --from 2025-03-10 --to 2025-03-16` compares with the week before it.
    """
    from puffy_platform.pipeline.why import WhyError, why_revenue_moved
    from puffy_platform.present_why import print_why, why_to_json
    from puffy_platform.table import DayRange

    if first > last:
        stop(f"--from {first} is after --to {last}")
    if versus_first is None and versus_last is not None:
        stop("--versus-to needs --versus-from")
    after, before = DayRange(first, last), None
    if versus_first is not None:
        before = DayRange(versus_first, versus_last or versus_first + (last - first))
        if before.first > before.last:
            stop(f"--versus-from {before.first} is after --versus-to {before.last}")
    try:
        found = why_revenue_moved(open_platform(settings_file), after, before)
    except WhyError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(why_to_json(found)))
    else:
        print_why(console, found)
