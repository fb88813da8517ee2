"""Looks at everything that can be bad, keeps the incidents, and sends: three sensors, and `puffy alerts send`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import random
from collections.abc import Callable, Collection
from dataclasses import replace

import dagster as dg
from dagster_slack import SlackResource
from slack_sdk import WebClient

from puffy_platform.alerts.channels import SLACK_TOKEN, channels, open_store
from puffy_platform.alerts.delivery import Channel
from puffy_platform.alerts.desk import Desk
from puffy_platform.alerts.incidents import Finding, Incident
from puffy_platform.alerts.observe import ANOMALIES, look_at_checks, look_at_freshness, promised_day, trend_of
from puffy_platform.alerts.sending import send_waiting
from puffy_platform.alerts.slack import slack_client
from puffy_platform.alerts.storage import AlertStore
from puffy_platform.orchestration.watching import bad_runs, bad_sensors, finished_runs
from puffy_platform.outcomes import check_names
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.report import CHECK_RESULTS

__all__ = [
    "AlertSlack",
    "alert_sensors",
    "deliver",
    "look_at_runs",
    "look_at_sensors",
    "look_at_tables",
    "look_for_days",
]

# Days are promised by the hour of a morning; a look every few minutes is soon enough.
FRESHNESS_SECONDS = 300
# Runs of before the first look are history.
FIRST_LOOK = dt.timedelta(days=1)
# Two looks farther apart than this had nobody watching between them.
WATCH_GAP = dt.timedelta(minutes=10)


class AlertSlack(SlackResource):
    """dagster-slack's resource with Slack's address from the settings. The token is read from the environment when it
    is used, so no definition, run configuration or page of the UI holds it."""

    token: str = f"${SLACK_TOKEN}"
    url: str

    def get_client(self) -> WebClient:
        return slack_client(os.environ.get(SLACK_TOKEN, ""), self.url)


def look_at_tables(platform: Platform, store: AlertStore, now: dt.datetime) -> str:
    """Fold the outcomes of checks, and the anomalies, if any are new; returns what was done, empty for nothing."""
    warehouse = platform.warehouse
    names = [(name, list(check_names(table))) for name, table in platform.tables.items()]
    versions = [warehouse.version(name) for name in (CHECK_RESULTS, *platform.tables.keys() & {ANOMALIES})]
    promised = promised_day(platform, now)
    seen = hashlib.sha256(json.dumps([versions, names, str(promised)]).encode()).hexdigest()[:24]
    if store.get("tables seen") == seen:
        return ""
    looked = look_at_checks(platform, promised)
    desk = _desk(platform, store, ())

    def bad(known: list[Incident]) -> list[Finding]:
        lasting = {(each.key.check, day) for each in known if each.is_open for day in each.days}
        return [*looked.bad, *(each for each in looked.early if (each.key.check, each.day) in lasting)]

    changed = desk.take(("check", "anomaly"), bad, looked.newest, now, {"tables seen": seen})
    return f"{len(changed)} incidents of checks changed" if changed else ""


def look_for_days(platform: Platform, store: AlertStore, now: dt.datetime) -> str:
    """Fold the promised days that are late, missing or half there."""
    looked = look_at_freshness(platform, now)
    if looked is None:
        return "nothing has been delivered for long: no day is promised"
    changed = _desk(platform, store, ()).take(("freshness",), looked.bad, looked.newest, now)
    return f"{len(changed)} incidents of freshness changed" if changed else ""


def look_at_runs(platform: Platform, instance: dg.DagsterInstance, store: AlertStore, now: dt.datetime) -> str:
    """Fold the runs that ended since the last look."""
    remembered = store.get("runs seen") or {"until": (now - FIRST_LOOK).isoformat(), "ids": []}
    since = dt.datetime.fromisoformat(remembered["until"])
    # Runs that ended in the same instant as the last one seen are asked for again, and known by their ids.
    runs = [
        run for run in finished_runs(instance, since - dt.timedelta(seconds=1)) if run.run_id not in remembered["ids"]
    ]
    if not runs:
        return ""
    until = max(since, *(run.ended for run in runs))
    close = [run.run_id for run in runs if until - run.ended <= dt.timedelta(seconds=2)]
    kept = [*remembered["ids"], *close] if until - since <= dt.timedelta(seconds=2) else close
    seen = {"until": until.isoformat(), "ids": kept}
    desk = _desk(platform, store, ())
    changed = desk.take(("run",), lambda known: bad_runs(known, runs), {}, now, {"runs seen": seen})
    return f"{len(changed)} incidents of runs changed" if changed else ""


def look_at_sensors(
    platform: Platform, instance: dg.DagsterInstance, store: AlertStore, names: Collection[str], now: dt.datetime
) -> str:
    """Fold the sensors and schedules that do not work."""
    watch = store.get("watch")
    is_new = watch is None or now - dt.datetime.fromisoformat(watch["last"]) > WATCH_GAP
    since = now if is_new else dt.datetime.fromisoformat(watch["since"])
    bad = bad_sensors(instance, names, now, since)

    def lasting(known: list[Incident]) -> list[Finding]:
        """A sensor that does not work is one thing, whatever day it is."""
        began = {each.key: min(each.days) for each in known if each.is_open and each.days}
        return [replace(each, day=began.get(each.key, each.day)) for each in bad]

    remember = {"watch": {"since": since.isoformat(), "last": now.isoformat()}}
    changed = _desk(platform, store, ()).take(("sensor",), lasting, {}, now, remember)
    return f"{len(changed)} incidents of sensors changed" if changed else ""


def deliver(platform: Platform, store: AlertStore, found: list[Channel], clock: Callable[[], dt.datetime]) -> str:
    """Write what is to be told and send what is due."""
    desk = _desk(platform, store, [channel.name for channel in found])
    written = desk.write(clock())
    sent = send_waiting(store, found, clock, random.Random())
    return f"{written} messages written, {sent} sent" if written or sent else ""


def _desk(platform: Platform, store: AlertStore, targets: Collection[str]) -> Desk:
    return Desk(store, platform.settings, platform.tables, tuple(targets), trend_of(platform))


def alert_sensors(platform: Platform, names: Collection[str]) -> list[dg.SensorDefinition]:
    """The sensors; `names` are the sensors and schedules that are watched. They ask for no runs."""
    seconds = platform.settings.run.look_every_seconds

    def sensor(
        name: str, every: int, description: str, look: Callable[[dg.SensorEvaluationContext, AlertStore], list[str]]
    ) -> dg.SensorDefinition:
        def tick(context: dg.SensorEvaluationContext) -> dg.SkipReason:
            with open_store(context.resources.platform.settings) as store:
                done = [words for words in look(context, store) if words]
            return dg.SkipReason("; ".join(done) or "nothing is new")

        return dg.SensorDefinition(
            name=name,
            evaluation_fn=tick,
            minimum_interval_seconds=every,
            default_status=dg.DefaultSensorStatus.RUNNING,
            required_resource_keys={"platform", "slack"},
            description=description,
        )

    watched = {*names, "alerts", "run_failures", "freshness"}

    def alerts(context: dg.SensorEvaluationContext, store: AlertStore) -> list[str]:
        current, now = context.resources.platform, _now()
        found = channels(current.settings, context.log.warning, connect=context.resources.slack.get_client)
        return [
            look_at_tables(current, store, now),
            look_at_sensors(current, context.instance, store, watched, now),
            deliver(current, store, found, _now),
        ]

    def run_failures(context: dg.SensorEvaluationContext, store: AlertStore) -> list[str]:
        return [look_at_runs(context.resources.platform, context.instance, store, _now())]

    def freshness(context: dg.SensorEvaluationContext, store: AlertStore) -> list[str]:
        return [look_for_days(context.resources.platform, store, _now())]

    return [
        sensor(
            "alerts", seconds, "Failed checks, stopped sensors -> incidents; incidents -> Slack, Teams, file.", alerts
        ),
        sensor("run_failures", seconds, "Runs that failed, and succeeded again -> incidents.", run_failures),
        sensor(
            "freshness", FRESHNESS_SECONDS, "Promised days that are late, missing, half there -> incidents.", freshness
        ),
    ]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
