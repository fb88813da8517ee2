"""When and where a message goes: severity routes, quiet hours, the daily digest, mutes. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from puffy_platform.alerts.incidents import Key, Severity
from puffy_platform.settings import Settings

__all__ = ["PLATFORM_OWNER", "Mute", "channel_of", "digest_day", "due_at", "is_muted", "route_of"]

# Who hears of what belongs to no table: sensors, jobs, the landing folder.
PLATFORM_OWNER = "team:ingest"


@dataclass(frozen=True)
class Mute:
    """Silence until a moment, for a table or for one check of it (`table.check`)."""

    scope: str
    until: dt.datetime


def is_muted(mutes: Iterable[Mute], key: Key, now: dt.datetime) -> bool:
    scopes = {key.table, f"{key.table}.{key.check}"}
    return any(mute.scope in scopes and now < mute.until for mute in mutes)


def route_of(settings: Settings, severity: Severity) -> str:
    """now | soon | digest | none."""
    return str(getattr(settings.alerts.routes, severity))


def channel_of(settings: Settings, owner: str) -> str:
    """The owner's channel, else that of who runs the platform; empty when neither has one."""
    channels = settings.alerts.channels
    return channels.get(owner) or channels.get(PLATFORM_OWNER, "")


def due_at(settings: Settings, route: str, now: dt.datetime) -> dt.datetime:
    """When a message may go out: now, or at the end of the quiet hours."""
    hours = settings.alerts.quiet_hours
    if route == "now" or not hours:
        return now
    begin, end = hours
    local = now.astimezone(ZoneInfo(settings.shop.time_zone))
    time = local.time()
    is_quiet = begin <= time < end if begin <= end else time >= begin or time < end
    if not is_quiet:
        return now
    day = local.date() + dt.timedelta(days=1 if time >= end else 0)
    return dt.datetime.combine(day, end, local.tzinfo).astimezone(dt.UTC)


def digest_day(settings: Settings, now: dt.datetime) -> dt.date:
    """The local day of the newest digest that is due by now."""
    local = now.astimezone(ZoneInfo(settings.shop.time_zone))
    return local.date() - dt.timedelta(days=0 if local.time() >= settings.alerts.digest_at else 1)
