"""Why a day's rows differ between two moments: the files, settings, repairs and rollbacks found by following its reads.

Everything is read from what was recorded at the two moments; nothing is computed again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import polars as pl

from puffy_platform.pipeline.definition_log import difference, recorded_definitions
from puffy_platform.pipeline.plan import changed_repairs
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange, Reads, Table
from puffy_platform.warehouse.history import Past
from puffy_platform.warehouse.ledger import Entry

__all__ = ["Causes"]

Sentences = tuple[str, ...]


@dataclass
class Causes:
    """What changed between two moments, to be asked table by table and day by day."""

    platform: Platform
    before: Past
    after: Past
    _earlier: dict[tuple[dt.datetime | None, dt.datetime | None], Causes] = field(init=False, default_factory=dict)
    _found: dict[tuple[str, dt.date], Sentences] = field(init=False, default_factory=dict)
    _changed: dict[str, list[dt.date]] = field(init=False, default_factory=dict)
    _files: dict[dt.date, Sentences] = field(init=False, default_factory=dict)
    _originals: dict[dt.date, set[dt.date]] = field(init=False, default_factory=dict)

    def changed_days(self, table: str) -> list[dt.date]:
        """The days whose rows differ, in order."""
        if table not in self._changed:
            days = self.before.of(table).keys() | self.after.of(table).keys()
            self._changed[table] = sorted(
                day for day in days if _content(self.before.get(table, day)) != _content(self.after.get(table, day))
            )
        return self._changed[table]

    def of(self, table: Table, day: dt.date) -> Sentences:
        """The first causes of a changed day: not "rows it reads changed", but the file or setting these changed for."""
        if (table.name, day) not in self._found:
            before, after = self.before.get(table.name, day), self.after.get(table.name, day)
            found = self._own(table, day)
            if not (after and after.rolled_back_to):
                then = self if table.transform is None else self._when_computed(before, after)
                found += [cause for read in table.reads for cause in then._upstream(table, read, day)]
            self._found[table.name, day] = tuple(dict.fromkeys(found)) or (_otherwise(table, before, after),)
        return self._found[table.name, day]

    def _when_computed(self, before: Entry | None, after: Entry | None) -> Causes:
        """The causes between the times at which the two entries were recorded: what a day was computed from is what
        had been recorded by then, whatever has become of that since."""
        key = (before.recorded_at if before else None, after.recorded_at if after else None)
        if key not in self._earlier:
            old, new = self.before.until(key[0]), self.after.until(key[1])
            unchanged = old is self.before and new is self.after
            self._earlier[key] = self if unchanged else Causes(self.platform, old, new)
        return self._earlier[key]

    def runs(self, table: Table) -> dict[dt.date, Sentences]:
        """By day, the runs that gave it other rows between the two moments, in their order."""
        facts = (
            self.after.facts.filter(pl.col("table") == table.name)
            .join(self.before.facts, on=["table", "day", "run_id", "recorded_at"], how="anti")
            .select("day", "version", "recorded_at", "run_id", content=pl.col("content_hash"))
        )
        held = [(day, entry.content_hash) for day, entry in self.before.of(table.name).items()]
        start = pl.DataFrame(held, schema={"day": pl.Date, "content": pl.String}, orient="row")
        changes = (
            pl.concat([start, facts.sort("version", "recorded_at")], how="diagonal")
            .with_columns(previous=pl.col("content").shift(1).over("day", order_by=pl.row_index()).fill_null(""))
            .filter(pl.col("run_id").is_not_null() & (pl.col("content") != pl.col("previous")))
        )
        by_day = changes.group_by("day", maintain_order=True).agg(pl.col("run_id").unique(maintain_order=True))
        return {day: tuple(runs) for day, runs in by_day.iter_rows()}

    def _own(self, table: Table, day: dt.date) -> list[str]:
        """What changed about the day itself."""
        before, after = self.before.get(table.name, day), self.after.get(table.name, day)
        if after is not None and after.rolled_back_to is not None:
            return [f"{table.name} {day} was rolled back to {after.rolled_back_to}"]
        found = []
        if before is not None and before.rolled_back_to is not None:
            found.append(f"the rollback of {table.name} {day} to {before.rolled_back_to} ended")
        if table.transform is None:
            found += self._changed_files(day)
        if before is not None and after is not None:
            if before.definition_hash != after.definition_hash:
                found += self._changed_definition(table, before, after)
            if before.inputs_hash.partition("+")[2] != after.inputs_hash.partition("+")[2]:
                names = changed_repairs(before.inputs_hash, after.inputs_hash)
                found += [f"repair {name} of {day}" for name in names]
        return found

    def _upstream(self, table: Table, read: Reads, day: dt.date) -> list[str]:
        """The causes of those days of an upstream table that this day reads and finds changed."""
        upstream = self.platform.tables.get(read.table)
        changed = self.changed_days(read.table)
        if upstream is None or not changed:
            return []
        window = read.window(DayRange(day, day), self.platform.settings, changed[0])
        part = day if read.touching else None
        return [
            cause
            for upstream_day in changed
            if upstream_day in window
            and (table.transform is not None or upstream_day in self._moved_originals(day))
            and _content(self.before.get(read.table, upstream_day), part)
            != _content(self.after.get(read.table, upstream_day), part)
            for cause in self.of(upstream, upstream_day)
        ]

    def _moved_originals(self, day: dt.date) -> set[dt.date]:
        """The landing days that decide otherwise than before which rows of this landing day are duplicates."""
        table = self.platform.tables.get("duplicate_events")
        if table is None:
            return set()
        if day not in self._originals:
            names = ("event_id", "source_file", "source_line", "original_day", "original_file", "original_line")
            old, new = (past.read(table, [day]).select(names).collect() for past in (self.before, self.after))
            moved = [old.join(new, on=names, how="anti"), new.join(old, on=names, how="anti")]
            self._originals[day] = set(pl.concat(moved)["original_day"]) - {day}
        return self._originals[day]

    def _changed_definition(self, table: Table, before: Entry, after: Entry) -> list[str]:
        known = recorded_definitions(self.platform)
        if before.definition_hash not in known or after.definition_hash not in known:
            return [f"settings or definition of {table.name}; which ones was not recorded"]
        return difference(known[before.definition_hash], known[after.definition_hash])

    def _changed_files(self, day: dt.date) -> Sentences:
        table = self.platform.tables.get("file_drift")
        if table is None:
            return ()
        if day not in self._files:
            old, new = (
                dict(past.read(table, [day]).select("source_file", "content_hash").collect().iter_rows())
                for past in (self.before, self.after)
            )
            words = {(True, True): "changed", (False, True): "new", (True, False): "removed"}
            self._files[day] = tuple(
                f"file {name} {words[name in old, name in new]}"
                for name in sorted(old.keys() | new.keys())
                if old.get(name) != new.get(name)
            )
        return self._files[day]


def _otherwise(table: Table, before: Entry | None, after: Entry | None) -> str:
    """What can be said when neither a file nor a setting, a repair or a rollback was found."""
    if before is None:
        return "computed for the first time"
    if table.transform is None and after is not None and before.inputs_hash != after.inputs_hash:
        return "the landing files of the day"
    return "neither a file nor a setting nor a repair: the code changed, or a library"


def _content(entry: Entry | None, part: dt.date | None = None) -> str | None:
    return entry.content(part) if entry is not None else None
