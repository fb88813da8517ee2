"""Names shared by the parts of the orchestration: jobs, tags, the first and the last partition."""

import datetime as dt

from puffy_platform.pipeline import Platform
from puffy_platform.table import DayRange

__all__ = [
    "HELD_BACK",
    "INGEST_JOB",
    "MARTS_JOB",
    "REFRESH_JOB",
    "RUNNING_DAY_JOB",
    "SKIP_CURRENT_TAG",
    "TABLES_JOB",
    "first_partition",
    "last_partition",
    "range_tags",
]

INGEST_JOB, TABLES_JOB, MARTS_JOB, REFRESH_JOB = "ingest_days", "compute_days", "publish_marts", "refresh"
RUNNING_DAY_JOB = "judge_running_day"
# Set on runs of the command line and the sensors: days that are current are left as they are. A person who
# presses Materialize in the UI gets a real computation.
SKIP_CURRENT_TAG = "puffy/skip_current"
# The metadata of a failed step that names the days a check held back.
HELD_BACK = "days held back"
# Before any file has landed there is no first day yet; a month is enough for the graph to be looked at.
DAYS_SHOWN_WITHOUT_FILES = 30


def first_partition(platform: Platform) -> dt.date:
    """The first day of every table, known from the settings or the landing folder."""
    start = platform.start_day()
    return start or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=DAYS_SHOWN_WITHOUT_FILES)


def last_partition() -> dt.date:
    """The last complete UTC day: the newest daily partition."""
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)


def range_tags(days: DayRange, *, skip_current: bool) -> dict[str, str]:
    """Run tags that make one run cover a range of partitions."""
    tags = {
        "dagster/asset_partition_range_start": str(days.first),
        "dagster/asset_partition_range_end": str(days.last),
    }
    return tags | ({SKIP_CURRENT_TAG: "true"} if skip_current else {})
