"""puffy clv: what customers are expected to bring."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, day_option, open_platform, stop


@app.command()
def clv(
    date: Annotated[
        dt.date | None, day_option("--date", "As of the end of this day; default: the newest there is.")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Customer lifetime value: purchases and revenue expected in 90, 180 and 365 days, and how far to trust it."""
    from puffy_platform.pipeline.customer_values import CustomerValueError, customer_values
    from puffy_platform.present_clv import print_customer_values, values_to_json

    try:
        found = customer_values(open_platform(settings_file), date)
    except CustomerValueError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(values_to_json(found)))
    else:
        print_customer_values(console, found)
