"""puffy churn: who will not come back, by which model, and how far to trust it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, day_option, open_platform, stop


@app.command()
def churn(
    date: Annotated[
        dt.date | None, day_option("--date", "As of the end of this day; default: the newest there is.")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Churn models: which is in force, against which baselines, how calibrated, and the customers by risk."""
    from puffy_platform.pipeline.churn import ChurnError, churn_report
    from puffy_platform.present_churn import churn_to_json, print_churn

    try:
        found = churn_report(open_platform(settings_file), date)
    except ChurnError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(churn_to_json(found)))
    else:
        print_churn(console, found)
