"""Random shops over some days, and random histories of how their files land, are corrected and are computed.

What a history must lead to is in `driving.py` and the tests. Every choice is one of a `Random`, so that hypothesis
can shrink a history and a number can name one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.ingest.delivery import ITEM, Row, as_csv, event

__all__ = ["FIRST_DAY", "INGEST", "LATE_DAYS", "Compute", "Deliver", "History", "assignments", "history"]

FIRST_DAY = dt.date(2025, 2, 26)  # February ends inside, so that months, weeks and days all turn over.
LATE_DAYS = 2
TIMEOUT_MINUTES = 30
DAY_MINUTES = 24 * 60
CLIENTS = ("c1", "c2", "c3", "")
EMAILS = ("a" * 64, "b" * 64)
ORDERS = ("ORD-1", "ORD-2", "ORD-3")
PAGES = (
    "https://puffy.com/",
    "https://puffy.com/?utm_source=google&utm_medium=cpc",
    "https://puffy.com/?gclid=x",
    "https://puffy.com/?utm_source=news&utm_medium=email",
)
REFERRERS = ("", "https://www.google.com/", "https://www.facebook.com/", "https://puffy.com/cart")
AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7, like Gecko)",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
)
INGEST = "ingest"


@dataclass(frozen=True)
class Deliver:
    """A file lands, takes the place of the one of its name, or (without content) is removed."""

    name: str
    content: bytes | None

    def __repr__(self) -> str:
        return f"{self.name}: {'removed' if self.content is None else f'{len(self.content.splitlines()) - 1} rows'}"


@dataclass(frozen=True)
class Compute:
    """These tables are computed for these days, in this order ("ingest" for all that are read from files)."""

    tables: tuple[str, ...]
    days: DayRange
    chunk_days: int
    force: bool


@dataclass(frozen=True)
class History:
    """What happens, in order; `days` are all on which anything can be, `policy` and `with_bots` are settings."""

    days: DayRange
    acts: tuple[Deliver | Compute, ...]
    policy: str
    with_bots: bool


def history(random: Random, days: int = 5, runs: int = 4) -> History:
    """A shop of `days` event days whose files land and change in any order, with `runs` computations in between."""
    visits = [list(_visit(random, days)) for _ in range(random.randint(1, 5 * days))]
    span = DayRange(FIRST_DAY, FIRST_DAY + dt.timedelta(days=days)).widen(before=LATE_DAYS + 1, after=LATE_DAYS + 2)
    acts: list[Deliver | Compute] = _shuffled_together(
        random, [_versions(random, *file) for file in _files(random, visits)]
    )
    for _ in range(runs):
        acts.insert(random.randint(0, len(acts)), _compute(random, span))
    policy = random.choice(("first", "keep_collisions"))
    return History(span, tuple(acts), policy, with_bots=random.random() < 0.3)


def assignments(days: DayRange) -> str:
    """A file of assignments: every day an experiment begins every six hours, and every client takes part in all."""
    lines = ["client_id,experiment,variant,time"]
    for day in days:
        for hour in (0, 6, 12, 18):
            lines += [
                f"{client},{day}-{hour},{variant},{day}T{hour:02}:00:00Z"
                for client, variant in zip(CLIENTS[:3], ("control", "treatment", "control"), strict=True)
            ]
    return "\n".join(lines) + "\n"


def _visit(random: Random, days: int) -> Iterator[Row]:
    """The events of one client with the pauses that decide sessions: at the timeout, just over it, over midnight."""
    kind = random.choice(("short", "short", "evening", "marathon"))
    start = random.randrange(days) * DAY_MINUTES + random.randrange(DAY_MINUTES)
    if kind == "evening":
        start = random.randrange(days) * DAY_MINUTES + DAY_MINUTES - random.randint(1, 2 * TIMEOUT_MINUTES)
    if kind == "marathon":
        pauses = [random.choice((TIMEOUT_MINUTES - 1, TIMEOUT_MINUTES))] * random.randint(40, 100)
    else:
        pauses = [random.choice((0, 1, TIMEOUT_MINUTES, TIMEOUT_MINUTES + 1)) for _ in range(random.randint(0, 4))]
    client, agent = random.choice(CLIENTS), random.choice((AGENTS[0], AGENTS[0], AGENTS[1]))
    page, referrer = random.choice(PAGES), random.choice(REFERRERS)
    what = random.choice(("looks", "signs up", "buys"))
    minute = start
    for number, pause in enumerate((*pauses, 0)):
        is_last = number == len(pauses)
        moment = dt.datetime.combine(FIRST_DAY, dt.time()) + dt.timedelta(minutes=minute)
        fields = {
            "client_id": client,
            "user_agent": agent,
            "referrer": referrer if number == 0 else "",
            "page_url": page if number == 0 else PAGES[0],
            "timestamp": f"{moment.isoformat()}Z",
        }
        if is_last and what == "signs up":
            fields |= {
                "event_name": "email_filled_on_popup",
                "event_data": json.dumps({"user_email": random.choice(EMAILS)}),
            }
        if what == "buys" and number and number in (len(pauses) - 2, len(pauses) - 1):
            is_cart = number == len(pauses) - 2
            fields["event_name"] = "product_added_to_cart" if is_cart else "checkout_started"
        if is_last and what == "buys":
            fields |= {"event_name": "checkout_completed", "event_data": _order(random)}
        yield event(**fields)
        minute += pause


def _order(random: Random) -> str:
    """An order whose id may have been used before, by the same buyer or by another, for the same money or not."""
    order: dict[str, object] = {
        "transaction_id": random.choice(ORDERS),
        "revenue": random.choice((349.0, 120.5)),
        "items": [ITEM],
    }
    email = random.choice((None, *EMAILS))
    return json.dumps(order | ({"user_email": email} if email else {}))


def _files(random: Random, visits: Iterable[list[Row]]) -> list[tuple[str, list[Row]]]:
    """Rows land in files of the day before their event to one day too late, most of a visit together.

    Those that land twice often do so as far apart as can be: that is what the window of duplicates is for.
    """
    files: dict[str, list[Row]] = defaultdict(list)
    for visit in visits:
        together = random.choice((0, 0, 0, LATE_DAYS))
        for row in visit:
            landings = [together]
            if random.random() < 0.1:
                landings = random.choice(([-1, LATE_DAYS], [0, 0], [random.randint(-1, LATE_DAYS + 1)]))
            for later in landings:
                day = dt.date.fromisoformat(row["timestamp"][:10]) + dt.timedelta(days=later)
                files[f"events_{day:%Y%m%d}{random.choice(('', '', '_more'))}.csv"].append(row)
    return sorted(files.items())


def _versions(random: Random, name: str, rows: list[Row]) -> list[Deliver]:
    """The file as it lands and is corrected: rows missing, twice, sold for less; the same again; removed."""
    versions = [Deliver(name, as_csv(rows))]
    for _ in range(random.choice((0, 0, 1, 2))):
        change = random.choice(("fewer rows", "a row twice", "another price", "the same", "removed"))
        changed = [row for row in rows if random.random() < 0.7] if change == "fewer rows" else list(rows)
        if change == "a row twice":
            changed.insert(random.randint(0, len(rows)), random.choice(rows))
        if change == "another price":
            changed = [{**row, "event_data": row["event_data"].replace("349.0", "99.0")} for row in rows]
        content = None if change == "removed" else as_csv(changed, columns=rows[0])
        versions.insert(random.randint(0, len(versions)), Deliver(name, content))
    return versions


def _shuffled_together(random: Random, files: list[list[Deliver]]) -> list[Deliver | Compute]:
    """One order of all deliveries in which the versions of each file keep theirs."""
    turns = [number for number, versions in enumerate(files) for _ in versions]
    random.shuffle(turns)
    waiting = [iter(versions) for versions in files]
    return [next(waiting[number]) for number in turns]


def _compute(random: Random, within: DayRange) -> Compute:
    derived = [name for name, table in TABLES.items() if table.transform is not None]
    tables = [INGEST, *random.sample(derived, random.randint(0, 4))]
    random.shuffle(tables)
    first = within.first + dt.timedelta(days=random.randrange(len(within)))
    days = DayRange(first, first + dt.timedelta(days=random.randrange(len(within)))).clip(within)
    assert days is not None
    return Compute(tuple(tables), days, random.choice((1, 3, 100, 100)), force=random.random() < 0.5)
