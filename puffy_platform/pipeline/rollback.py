"""Puts days of a table back to earlier rows, as a new version, and ends that again.

A rolled-back day is held: no run touches it until that is undone or a person forces the day. What reads it sees other
rows and is computed again like after any other change.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from puffy_platform.pipeline.chunks import chunks
from puffy_platform.pipeline.materialise import as_stored, write
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange, Table, ranges
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.history import HistoryError, Past, past_at
from puffy_platform.warehouse.ledger import ROLLED_BACK, Entry

__all__ = ["Restored", "roll_back", "rolled_back_days", "undo_rollback"]


@dataclass(frozen=True)
class Restored:
    """One day of one table that has other rows now, or is held now or no longer, with what it held before."""

    table: str
    day: dt.date
    rows_before: int
    rows: int
    money_cents_before: int | None
    money_cents: int | None


def roll_back(platform: Platform, table: Table, days: DayRange | None, when: dt.datetime | int) -> list[Restored]:
    """Put these days (None: all) back to the rows they had at that time or version of the platform, and hold them.

    Days that have those rows already are left as they are, and so are days that had not been computed by then. The
    tables of a landing day are one reading of its files and go together. Raises HistoryError, having changed nothing,
    when the rows are no longer kept or the table has columns now that it had not then.
    """
    past, now = past_at(platform.warehouse, when), Ledger(platform.warehouse)
    wanted = {
        day
        for each in _go_together(platform, table)
        for day, entry in past.of(each.name).items()
        if (days is None or day in days) and _content(now.get(each.name, day)) != entry.content_hash
    }
    mark = f"{ROLLED_BACK}{past.moment.at:%Y-%m-%dT%H:%M:%SZ}"
    targets = {
        each.name: {day: replace(entry, inputs_hash=mark) for day, entry in past.of(each.name).items() if day in wanted}
        for each in _go_together(platform, table)
    }
    return _restore(platform, _go_together(platform, table), past, now, targets)


def undo_rollback(platform: Platform, table: Table, days: DayRange | None) -> list[Restored]:
    """Give rolled-back days the rows again that they had before, with what these were computed from.

    So a day whose files and settings are still those of then is current, and any other is computed by the next run.
    Raises HistoryError, having changed nothing, when the rows are no longer kept.
    """
    newest, now = past_at(platform.warehouse), Ledger(platform.warehouse)
    past = newest.without_rollbacks()
    together = _go_together(platform, table)
    held = {
        day
        for each in together
        for day, entry in now.of(each.name).items()
        if entry.rolled_back_to is not None and (days is None or day in days)
    }
    targets = {
        each.name: {day: past.of(each.name)[day] for day in held & past.of(each.name).keys()} for each in together
    }
    for each in together:
        lost = held - targets[each.name].keys()
        if lost:
            raise HistoryError(
                f"what {each.name} {min(lost)} held before the rollback is no longer kept; "
                f"`puffy run --force --from {min(lost)} --to {max(lost)}` computes it from the landing files"
            )
    return _restore(platform, together, past, now, targets)


def rolled_back_days(platform: Platform, days: DayRange) -> list[tuple[str, str, DayRange]]:
    """Table, the time whose rows it holds, and range, of those of these days that are rolled back now."""
    ledger = Ledger(platform.warehouse)
    held: dict[tuple[str, str], list[dt.date]] = {}
    for table in platform.tables:
        for day, entry in ledger.of(table).items():
            if entry.rolled_back_to is not None and day in days:
                held.setdefault((table, entry.rolled_back_to), []).append(day)
    return [(table, at, span) for (table, at), found in held.items() for span in ranges(found)]


def _go_together(platform: Platform, table: Table) -> list[Table]:
    return platform.ingested if table.transform is None else [table]


def _content(entry: Entry | None) -> str:
    return entry.content_hash if entry is not None else ""


def _restore(
    platform: Platform,
    tables: Collection[Table],
    past: Past,
    now: Ledger,
    targets: Mapping[str, Mapping[dt.date, Entry]],
) -> list[Restored]:
    """Give every day its target's rows, where it has others, and record the target as what is known of the day."""
    for table in tables:
        _refuse_other_columns(table, past, targets[table.name])
    run_id, restored = f"rollback-{uuid.uuid4()}", []
    for table in tables:
        rows = {day: entry.rows for day, entry in targets[table.name].items()}
        for span in ranges(targets[table.name]):
            for chunk in chunks(span, rows, platform.settings.run):
                wanted = {day: targets[table.name][day] for day in chunk}
                before = {day: now.get(table.name, day) for day in chunk}
                _restore_days(platform, table, past, now, wanted, run_id)
                restored += [_restored(before[day], entry) for day, entry in wanted.items()]
    _refuse_when_overtaken(platform, targets)
    return restored


def _restore_days(
    platform: Platform, table: Table, past: Past, now: Ledger, wanted: Mapping[dt.date, Entry], run_id: str
) -> None:
    different = {day for day, entry in wanted.items() if entry.content_hash != _content(now.get(table.name, day))}
    rows = as_stored(table, past.read(table, different).collect())
    snapshot, written = write(platform, table, different, rows, run_id)
    at, facts = dt.datetime.now(dt.UTC), []
    for day, entry in wanted.items():
        known = now.get(table.name, day)
        version, files = written.get(day) or ((known.version, known.files) if known else (0, ""))
        facts.append(replace(entry, version=version, files=files, run_id=run_id, recorded_at=at))
    now.record(facts, snapshot)


def _restored(before: Entry | None, entry: Entry) -> Restored:
    return Restored(
        table=entry.table,
        day=entry.day,
        rows_before=before.rows if before else 0,
        rows=entry.rows,
        money_cents_before=before.money_cents if before else None,
        money_cents=entry.money_cents,
    )


def _refuse_other_columns(table: Table, past: Past, target: Mapping[dt.date, Entry]) -> None:
    """Before anything is written: the rows must be there, and under the columns of today's contract."""
    if any(entry.rows for entry in target.values()):
        new = [name for name in table.schema if name not in past.columns(table.name)]
        if new:
            raise HistoryError(f"{table.name} has had the columns {', '.join(new)} since: its older rows lack them")


def _refuse_when_overtaken(platform: Platform, targets: Mapping[str, Mapping[dt.date, Entry]]) -> None:
    after = Ledger(platform.warehouse)
    for table, target in targets.items():
        for day, entry in target.items():
            found = after.get(table, day)
            if found is None or found.inputs_hash != entry.inputs_hash:
                raise HistoryError(
                    f"another run has written {table} {day} at the same moment; ask again when it is over"
                )
