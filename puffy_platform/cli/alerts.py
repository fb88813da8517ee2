"""Commands about alerts: list, ack, mute, send."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated

import typer

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, open_platform, stop

alerts_app = typer.Typer(help="Incidents, and the messages about them.", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts")


@alerts_app.command("list")
def list_alerts(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Incidents that are open or ended in the last seven days, mutes, and where messages go."""
    from puffy_platform.alerts.overview import overview
    from puffy_platform.present_alerts import print_alerts

    found = overview(open_platform(settings_file).settings)
    if as_json:
        print(json.dumps(found.to_json()))
    else:
        print_alerts(console, found)


@alerts_app.command()
def ack(
    incident: Annotated[str, typer.Argument(metavar="ID", help="As `puffy alerts list` shows it, or its beginning.")],
    settings_file: SettingsFile = None,
) -> None:
    """Say that you are at it: no more updates about this incident, only its end."""
    from puffy_platform.alerts.channels import open_store
    from puffy_platform.alerts.desk import Desk, DeskError

    platform = open_platform(settings_file)
    with open_store(platform.settings) as store:
        try:
            found = Desk(store, platform.settings, platform.tables, ()).acknowledge(incident, dt.datetime.now(dt.UTC))
        except DeskError as error:
            stop(str(error))
    console.print(f"{found.id} acknowledged: {found.key.table}, {found.key.check}", highlight=False)


@alerts_app.command()
def mute(
    scope: Annotated[str, typer.Argument(metavar="TABLE[.CHECK]", help="For example conversions or sessions.key.")],
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Like 2025-03-05 or 2025-03-05T18:00 (UTC).")],
    settings_file: SettingsFile = None,
) -> None:
    """No messages about a table, or one of its checks, until then. What is still bad by then is told."""
    from puffy_platform.alerts.channels import open_store
    from puffy_platform.alerts.observe import LANDING_FILES
    from puffy_platform.alerts.routing import Mute
    from puffy_platform.orchestration.watching import ORCHESTRATION
    from puffy_platform.outcomes import check_names

    platform = open_platform(settings_file)
    try:
        moment = dt.datetime.fromisoformat(until)
    except ValueError:
        stop(f"{until!r} is no time; write it like 2025-03-05T18:00 (UTC)")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    if moment <= dt.datetime.now(dt.UTC):
        stop(f"{until} is over already")
    with open_store(platform.settings) as store:
        incidents = {
            name for each in store.incidents() for name in (each.key.table, f"{each.key.table}.{each.key.check}")
        }
        checks = {f"{name}.{check}" for name, table in platform.tables.items() for check in check_names(table)}
        if scope not in {*platform.tables, LANDING_FILES, ORCHESTRATION, *checks, *incidents}:
            stop(f"there is no table or check {scope}; `puffy alerts list` shows what is open")
        store.mute(Mute(scope, moment))
    console.print(f"{scope} is muted until {moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC", highlight=False)


@alerts_app.command()
def send(settings_file: SettingsFile = None) -> None:
    """Look at today's files, checks, freshness and runs; send what is due: what the sensors do."""
    from puffy_platform.alerts.channels import channels, open_store
    from puffy_platform.orchestration.alerting import (
        deliver,
        look_at_runs,
        look_at_tables,
        look_for_days,
    )
    from puffy_platform.orchestration.run import open_instance
    from puffy_platform.orchestration.running_day import look_at_today

    def clock() -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def show(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    platform = open_platform(settings_file)
    with open_store(platform.settings) as store:
        done = [
            look_at_today(platform),
            look_at_tables(platform, store, clock()),
            look_for_days(platform, store, clock()),
        ]
        if (platform.settings.home / "dagster").exists():
            with open_instance(platform) as instance:
                done.append(look_at_runs(platform, instance, store, clock()))
        done.append(deliver(platform, store, channels(platform.settings, show), clock))
    console.print("; ".join(each for each in done if each) or "nothing is new", style="dim", highlight=False)
