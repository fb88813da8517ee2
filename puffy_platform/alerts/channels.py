"""Which channels there are: told by the environment, since a token has no place in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from slack_sdk import WebClient

from puffy_platform.alerts.delivery import Channel
from puffy_platform.alerts.log_file import LogFile
from puffy_platform.alerts.slack import SlackChannel, slack_client
from puffy_platform.alerts.storage import AlertStore
from puffy_platform.alerts.teams import TeamsChannel
from puffy_platform.settings import Settings

__all__ = ["SLACK_TOKEN", "TEAMS_WEBHOOK", "channels", "database", "destination", "log_path", "open_store"]

SLACK_TOKEN, TEAMS_WEBHOOK = "SLACK_BOT_TOKEN", "TEAMS_WEBHOOK_URL"


def database(settings: Settings) -> Path:
    return settings.home / "alerts.db"


def log_path(settings: Settings) -> Path:
    return settings.home / "alerts.log"


def open_store(settings: Settings) -> AlertStore:
    """The home's alerts.db, made on first use."""
    return AlertStore(database(settings))


def channels(
    settings: Settings,
    show: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
    connect: Callable[[], WebClient] | None = None,
) -> list[Channel]:
    """Slack and Teams as far as they are connected, else the file; `show` gets what goes there. `connect` gives
    Slack's client, if not the usual one."""
    environment = os.environ if environment is None else environment
    found: list[Channel] = []
    if environment.get(SLACK_TOKEN):
        client = connect() if connect else slack_client(environment[SLACK_TOKEN], settings.alerts.slack_url)
        found.append(SlackChannel(client))
    if environment.get(TEAMS_WEBHOOK):
        found.append(TeamsChannel(environment[TEAMS_WEBHOOK]))
    return found or [LogFile(log_path(settings), show)]


def destination(settings: Settings, environment: Mapping[str, str] | None = None) -> str:
    """Where alerts go, in words, without any secret."""
    environment = os.environ if environment is None else environment
    places = [
        name for name, variable in (("Slack", SLACK_TOKEN), ("Teams", TEAMS_WEBHOOK)) if environment.get(variable)
    ]
    return (
        " and ".join(places)
        if places
        else f"{log_path(settings)}, for neither {SLACK_TOKEN} nor {TEAMS_WEBHOOK} is set"
    )
