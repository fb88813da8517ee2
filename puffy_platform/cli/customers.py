"""puffy clv, puffy churn: what customers are expected to bring, and who will not come back."""

from __future__ import annotations

import json

from puffy_platform.cli.common import AsJson, AsOfDay, SettingsFile, app, console, open_platform, stop


@app.command()
def clv(date: AsOfDay = None, settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
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


@app.command()
def churn(date: AsOfDay = None, settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
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
