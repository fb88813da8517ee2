"""What to ask Dagster for next: from the ledger, the landing folder and the runs there are. Decides; asks for nothing.

No state is needed. What is to be done follows at every look from what is there, so a restart at any instant
neither misses work nor repeats it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import dagster as dg

from puffy_platform.orchestration.attempts import Attempts
from puffy_platform.orchestration.names import (
    INGEST_JOB,
    MARTS_JOB,
    REFRESH_JOB,
    RUNNING_DAY_JOB,
    TABLES_JOB,
    last_partition,
    range_tags,
)
from puffy_platform.orchestration.running_day import running_day_request
from puffy_platform.pipeline import Landing, Plan, Platform, Reason, affected
from puffy_platform.pipeline.plan import Fingerprints
from puffy_platform.table import DayRange, ranges
from puffy_platform.warehouse.ledger import NAME as LEDGER

__all__ = ["Wave", "next_publication", "next_wave", "refresh_days", "world"]

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# Passing over a few days that are current costs less than another run.
BRIDGED_DAYS = 7
# A range that failed so often is cut in halves, until the day that fails is alone and the others are done.
WHOLE_ATTEMPTS = 2


@dataclass(frozen=True)
class Wave:
    """The runs to ask for now, or why there are none; `is_idle` when that stays so until something changes."""

    requests: tuple[dg.RunRequest, ...] = ()
    waiting: str = ""
    is_idle: bool = False


def next_wave(platform: Platform, instance: dg.DagsterInstance, now: dt.datetime) -> Wave:
    """First the landing days whose files changed are read, then, when their rows are known, the tables that read them;
    then, when all that is current, the day that is not over yet is looked at.

    One wave at a time. Files still being written wait, and so does what a check held back, while all other days go
    on. Nothing is asked for while the landing folder holds no file at all: it is more likely not mounted than empty.
    """
    for job in (INGEST_JOB, TABLES_JOB, REFRESH_JOB, RUNNING_DAY_JOB):
        if _under_way(instance, job):
            return Wave(waiting=f"a run of {job} is under way")
    look = platform.landing()
    span = _days_there(platform, look)
    if look.days is None:
        return Wave(waiting="no landing files")
    if span is None:
        return Wave(waiting="no complete day has landed")
    asker = _Asker(platform, instance, look, now)
    # Days beyond that somebody computed once are kept current as well.
    kept = DayRange(span.first, last_partition())
    unsettled = {day for day in look.files if _is_being_written(platform, look, day, now)}

    from_first_file = DayRange(max(span.first, min(look.days.first, span.last)), span.last)
    to_read = affected(platform, from_first_file, [table.name for table in platform.ingested])
    days = {day for day in to_read.all_days() if day in kept}
    # While files are on their way, days without any may still get theirs.
    ready = {day for day in days - unsettled if day in look.files or not (unsettled and _is_new(to_read, day))}
    wave = asker.due(INGEST_JOB, to_read, ready, unsettled, BRIDGED_DAYS)
    if wave:
        return Wave(tuple(wave))

    read = platform.ledger().of("file_drift")
    if not read:
        return Wave(waiting=_why_not(days, unsettled))
    readable = DayRange(span.first, max(span.first, min(max(read), span.last)))
    to_compute = affected(platform, readable, [table.name for table in platform.derived])
    stale = {day for day in to_compute.all_days() if day in kept and not (unsettled and _is_new(to_compute, day))}
    wave = asker.due(TABLES_JOB, to_compute, stale, (), len(kept))
    # One run computes upstream days before those that read them; two at once would have to repeat some.
    if wave:
        return Wave(tuple(wave[:1]))
    running = running_day_request(platform, instance, look, unsettled, now)
    if running is not None:
        return Wave((running,))
    if days or stale:
        return Wave(waiting=_why_not(days, unsettled))
    return Wave(waiting="everything is current", is_idle=True)


def world(platform: Platform) -> str:
    """Stable hash of everything that decides whether there is work: files, repairs, settings, tables, and the day."""
    look, warehouse = platform.landing(), platform.warehouse
    found = [
        str(last_partition()),
        [(str(day), look.fingerprint(day)) for day in sorted(look.files)],
        [(repair.name, str(repair.days), repair.fingerprint) for repair in look.repairs],
        [(name, table.definition_fingerprint(platform.settings)) for name, table in platform.tables.items()],
        [warehouse.version(name) for name in (*platform.tables, LEDGER)],
        str(platform.start_day(look)),
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:24]


def next_publication(platform: Platform, instance: dg.DagsterInstance, now: dt.datetime) -> Wave:
    """The marts, when anything was recorded after the run that published them began, and no more work is to be expected
    in a moment. A day held back is recorded too: the marts say that its rows, and those that rest on it, are old."""
    for job in (MARTS_JOB, INGEST_JOB, TABLES_JOB, REFRESH_JOB):
        if _under_way(instance, job):
            return Wave(waiting=f"a run of {job} is under way")
    newest, published = platform.ledger().last_recorded, _published(instance)
    if newest is None:
        return Wave(waiting="nothing has been computed yet")
    if published is not None and published >= newest and platform.settings.marts.exists():
        return Wave(waiting="the marts are published")
    if now - newest < dt.timedelta(seconds=2 * platform.settings.run.look_every_seconds):
        return Wave(waiting="tables were computed a moment ago: more may follow")
    attempts = Attempts.at(instance, f"{MARTS_JOB} {newest.isoformat()}", now)
    if not attempts.is_due(now):
        return Wave(waiting="what failed is tried again after a pause")
    return Wave((attempts.request(MARTS_JOB, {}),))


def refresh_days(platform: Platform) -> DayRange | str:
    """What a complete refresh covers: everything that is not current, and at least the days that rows may still come
    for. Or why there is none."""
    look = platform.landing()
    span = _days_there(platform, look)
    if look.days is None or span is None:
        return "no complete day has landed"
    recent = span.last - dt.timedelta(days=platform.settings.ingest.late_days + 1)
    stale = affected(platform, DayRange(max(span.first, min(look.days.first, span.last)), span.last)).hull()
    whole = DayRange(min(recent, stale.first) if stale else recent, span.last)
    return whole.clip(span) or "no complete day has landed"


def _days_there(platform: Platform, look: Landing) -> DayRange | None:
    """From the first day of every table to the last complete day that has files, or had them when it was ingested."""
    start = platform.start_day(look)
    days = {*look.files, *platform.ledger().of("file_drift")}
    last = max((day for day in days if day <= last_partition()), default=None)
    return DayRange(start, last) if start and last and start <= last else None


def _is_being_written(platform: Platform, look: Landing, day: dt.date, now: dt.datetime) -> bool:
    """A file of the day was written to a moment ago. A time far in the future says that its clock is wrong, and
    nothing else; a file read too early changes once more, and is then read again."""
    limit = platform.settings.run.settled_after_seconds
    return any(abs(now.timestamp() - look.modified[file.path]) < limit for file in look.files[day])


def _why_not(days: Collection[dt.date], unsettled: Collection[dt.date]) -> str:
    return "files are still being written" if set(days) & set(unsettled) else "what failed is tried again after a pause"


def _is_new(plan: Plan, day: dt.date) -> bool:
    return all(days.get(day) is Reason.NEW for days in plan.days.values())


def _under_way(instance: dg.DagsterInstance, job: str) -> bool:
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED), limit=1))


def _published(instance: dg.DagsterInstance) -> dt.datetime | None:
    """When the run began that published the marts last."""
    event = instance.get_latest_materialization_event(dg.AssetKey("published_marts"))
    record = instance.get_run_record_by_id(event.run_id) if event else None
    return dt.datetime.fromtimestamp(record.start_time, dt.UTC) if record and record.start_time else None


@dataclass(frozen=True)
class _Asker:
    """Cuts planned days into requests, and leaves out those whose turn has not come."""

    platform: Platform
    instance: dg.DagsterInstance
    look: Landing
    now: dt.datetime

    def due(
        self, job: str, plan: Plan, days: Collection[dt.date], walls: Collection[dt.date], bridge: int
    ) -> list[dg.RunRequest]:
        """Requests for these planned days, none of which passes over a wall. Days that a check held back last time
        come by themselves and after the others, so that they stop nothing but themselves."""
        held_back = {
            day for found in plan.days.values() for day, why in found.items() if why is Reason.HELD_BACK and day in days
        }
        for spans in (_bridged(set(days) - held_back, {*walls, *held_back}, bridge), ranges(held_back)):
            found = [request for span in spans for request in self._requests(job, plan, span)]
            if found:
                return found
        return []

    def _requests(self, job: str, plan: Plan, span: DayRange) -> Iterator[dg.RunRequest]:
        if not any(day in span for day in plan.all_days()):
            return
        attempts = Attempts.at(self.instance, f"{job} {span} {self._wanted(plan, span)}", self.now)
        if attempts.recent >= WHOLE_ATTEMPTS and len(span) > 1:
            for half in span.chunks((len(span) + 1) // 2):
                yield from self._requests(job, plan, half)
        elif attempts.is_due(self.now):
            yield attempts.request(job, range_tags(span, skip_current=True))

    def _wanted(self, plan: Plan, span: DayRange) -> str:
        """What the planned days would be computed from, as far as it is known now."""
        prints = Fingerprints(self.platform, self.platform.ledger(), self.look)
        wanted = [
            (name, str(day), prints.of(self.platform.tables[name], day))
            for name, days in plan.days.items()
            for day in sorted(days)
            if day in span
        ]
        return json.dumps(wanted)


def _bridged(days: Iterable[dt.date], walls: Collection[dt.date], bridge: int) -> Iterator[DayRange]:
    """The fewest ranges that hold all the days and none of the walls, passing over at most `bridge` other days."""
    last: DayRange | None = None
    for span in ranges(days):
        if last is None:
            last = span
            continue
        between = DayRange(last.last, span.first)
        if len(between) - 2 <= bridge and not any(day in between for day in walls):
            last = DayRange(last.first, span.last)
        else:
            yield last
            last = span
    if last is not None:
        yield last
