"""How often Dagster was asked for a piece of work, and when it may be asked again: told by its runs alone."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import dagster as dg

__all__ = ["WORK_TAG", "Attempts"]

# Names what a run was asked to do, so that one that did not do it is asked for again, but ever more patiently.
WORK_TAG = "puffy/work"
# After so many runs for the same work within a day, the pause before the next. The first repetition is for what goes
# away by itself (a killed process, a full disk), the last for what waits for somebody.
PAUSES = (
    dt.timedelta(0),
    dt.timedelta(0),
    dt.timedelta(minutes=5),
    dt.timedelta(minutes=15),
    dt.timedelta(hours=1),
)
EARLIER = 0.2
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Attempts:
    """The runs there were for one piece of work: how many within a day, which was the last and when it ended."""

    key: str
    recent: int
    last_run: str | None
    last_ended: dt.datetime | None

    @classmethod
    def at(cls, instance: dg.DagsterInstance, work: str, now: dt.datetime) -> Attempts:
        """`work` says what was to be done, and from which inputs: with other inputs it is other work."""
        key = hashlib.sha256(work.encode()).hexdigest()[:24]
        records = instance.get_run_records(dg.RunsFilter(tags={WORK_TAG: key}), limit=len(PAUSES))
        if not records:
            return cls(key, 0, None, None)
        ended = records[0].end_time or records[0].update_timestamp.timestamp()
        return cls(
            key,
            sum(now.timestamp() - record.create_timestamp.timestamp() < DAY.total_seconds() for record in records),
            records[0].dagster_run.run_id,
            dt.datetime.fromtimestamp(ended, dt.UTC),
        )

    def is_due(self, now: dt.datetime) -> bool:
        """Up to a fifth earlier than the pause, by chance that is the work's own: what failed together (a store that
        was gone for many homes) does not come back together."""
        earlier = EARLIER * int(self.key[:4], 16) / 0xFFFF
        pause = PAUSES[min(self.recent, len(PAUSES) - 1)] * (1 - earlier)
        return self.last_ended is None or now - self.last_ended >= pause

    def request(self, job: str, tags: dict[str, str]) -> dg.RunRequest:
        """The next run. Dagster starts one for a key, whatever becomes of the daemon between asking and starting."""
        run_key = f"{self.key}:{self.last_run or 'first'}"
        return dg.RunRequest(job_name=job, run_key=run_key, tags={**tags, WORK_TAG: self.key})
