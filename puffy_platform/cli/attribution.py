"""puffy attribution: what the models credit, side by side."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import typer

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, day_option, open_platform, stop

attribution_app = typer.Typer(
    help="What the attribution models credit to each channel: rules and data-driven.", no_args_is_help=True
)
app.add_typer(attribution_app, name="attribution")


@attribution_app.command("compare")
def compare(
    date: Annotated[
        dt.date | None, day_option("--date", "As of the end of this day; default: the newest there is.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Look-back window in days; default: the shortest of the settings.")
    ] = None,
    spend: Annotated[
        Path | None,
        typer.Option(help="CSV file with day, channel and amount: adds cost per order and revenue per unit spent."),
    ] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """All models side by side over the same orders, and what each moves between channels against last touch."""
    from puffy_platform.pipeline.compare_attribution import CompareError, compare_attribution
    from puffy_platform.present_attribution import comparison_to_json, print_comparison
    from puffy_platform.spend import SpendError, read_spend

    platform = open_platform(settings_file)
    try:
        spent = read_spend(spend.read_bytes(), spend.name) if spend else None
        found = compare_attribution(platform, date, window, spent)
    except (CompareError, SpendError) as error:
        stop(str(error))
    if as_json:
        print(json.dumps(comparison_to_json(found)))
    else:
        print_comparison(console, found)
