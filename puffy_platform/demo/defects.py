"""What goes wrong between the shop and its files: how each row is damaged, and delivered when and where.

Every defect is assigned here and recorded beside the row, so that what ingest must say is known by
construction. Turning rows into bytes is the matter of `files.py`, adding up what is true that of `truth.py`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from puffy_platform.demo.browsing import CHECKOUT_COMPLETED, EVENT_NAMES, PAGE, POPUP
from puffy_platform.demo.calendar import PARTNER, RENAMED, RESENT, Calendar, File
from puffy_platform.demo.journeys import DAY_MS, HOUR_MS, Bools, Ints
from puffy_platform.demo.model import Damage
from puffy_platform.demo.shop import Shop

__all__ = ["LATE_DAYS", "RULE_OF", "UNREADABLE_REVENUE", "Deliveries", "deliver"]

# The defaults of ingest.late_days that the planted delays are planted around.
LATE_DAYS = 7
PURCHASE = EVENT_NAMES[CHECKOUT_COMPLETED]

# What is done to a row, and the rule by which ingest must quarantine it (None: it must be accepted).
RULE_OF: dict[str, str | None] = {
    "none": None,
    "late": None,
    "early": None,
    "offset": None,
    "naive": None,
    "double_encoded": None,
    "latin": None,
    "broken_json": "broken_json",
    "unknown_event": "unknown_event",
    "missing_value": "missing_value",
    "unreadable_timestamp": "unreadable_timestamp",
    "future": "in_future",
    "too_late": "too_late",
    "no_transaction_id": "purchase_without_transaction_id",
    "unreadable_revenue": "unreadable_revenue",
    "huge_field": "field_too_large",
    "too_few_columns": "wrong_column_count",
    "too_many_columns": "wrong_column_count",
    "nul_byte": "nul_byte",
    "unterminated_quote": "unterminated_quote",
    "cut_line": "broken_json_line",
    "renamed_timestamp": "missing_column:timestamp",
}
KINDS = list(RULE_OF)
SUFFIX_OF = {"latin": PARTNER, "renamed_timestamp": RENAMED}
# Purchases damaged like this do not say their revenue.
UNREADABLE_REVENUE = ("broken_json", "unreadable_revenue")


@dataclass(frozen=True)
class Deliveries:
    """Files and their records, in file order. Files that have no records are only in `files`.

    `rows`: file (place in `files`), event (row of the shop's events), damage, is_redelivery, and as text the
    raw columns and the extra one.
    """

    files: tuple[File, ...]
    rows: pl.DataFrame


def deliver(shop: Shop, damage: Damage) -> Deliveries:
    """Damage and deliver every event of the shop; the same shop gives the same deliveries."""
    rng = np.random.default_rng([shop.seed, shop.days, shop.events_per_day, 1])
    calendar = Calendar(shop.first_day, shop.days, damage.redelivered_every_days)
    events = shop.events.with_row_index("event").cast({"event": pl.Int64})
    consent = pl.Series(rng.choice(3, events.height, p=[0.7, 0.2, 0.1]))
    fates = _fates(rng, shop, damage, calendar)
    no_client = pl.Series(_empty_clients(rng, damage, calendar, fates, shop.events["is_bot"]))
    rows = fates.hstack(
        events.select(
            "event",
            "ts",
            "page_url",
            "referrer",
            "event_name",
            "event_data",
            "user_agent",
            client_id=pl.when(~no_client).then("client_id"),
            extra=pl.Series(["granted", "denied", None]).gather(consent),
        )
    )
    any_time = pl.col("landing") * DAY_MS + pl.Series(rng.integers(0, DAY_MS, rows.height))
    rows = _damaged(rows, shop.first_day, damage).with_columns(
        place=pl.when(pl.col("ts") // DAY_MS == pl.col("landing")).then("ts").otherwise(any_time),
        suffix=pl.col("damage").replace_strict(SUFFIX_OF, default=""),
        is_redelivery=pl.lit(False),
    )
    return _in_files(calendar, pl.concat([rows, _redelivered(rng, damage, calendar, rows)]))


class _Lottery:
    """Draws rows for defects; no row is drawn twice."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self._rng = rng
        self.damage = np.full(count, KINDS.index("none"))
        self.free = np.ones(count, dtype=np.bool_)

    def draw(self, kind: str, candidates: Bools, count: float) -> Ints:
        """About `count` of the candidates that are still free, at least one if there is any."""
        open_places = np.flatnonzero(candidates & self.free)
        drawn = np.sort(self._rng.choice(open_places, size=min(len(open_places), max(1, round(count))), replace=False))
        self.damage[drawn] = KINDS.index(kind)
        self.free[drawn] = False
        return drawn


def _fates(rng: np.random.Generator, shop: Shop, damage: Damage, calendar: Calendar) -> pl.DataFrame:
    """Per event: damage, landing (day of its file), shift_days (by how much its timestamp is wrong)."""
    events = shop.events
    count = events.height
    names = events["event_name"]
    is_purchase = (names == PURCHASE).to_numpy()
    is_other, is_page = ~is_purchase, (names == EVENT_NAMES[PAGE]).to_numpy()
    anything = np.ones(count, dtype=np.bool_)
    has_plain_url = ~events["page_url"].str.contains("?", literal=True).to_numpy()
    day = (events["ts"] // DAY_MS).to_numpy()
    in_csv = np.isin(day, [number for number in range(shop.days) if calendar.is_csv(number)])
    lottery = _Lottery(rng, count)
    # Orders that share an id stay whole: what are repeats and collisions is known only while all are there.
    shared = events.select(pl.col("transaction_id").is_duplicated() & pl.col("transaction_id").is_not_null())
    lottery.free &= ~shared.to_series().to_numpy()

    def share(value: float) -> float:
        return value * count

    for kind in ("no_transaction_id", "unreadable_revenue", "unreadable_timestamp", "broken_json"):
        lottery.draw(kind, is_purchase, 1)
    renamed_day = day == calendar.renamed_timestamp
    lottery.draw("renamed_timestamp", is_purchase & renamed_day, damage.renamed_timestamp_purchases)
    lottery.draw("renamed_timestamp", is_page & renamed_day, damage.renamed_timestamp_rows)
    lottery.draw("latin", is_page & has_plain_url & (day == calendar.latin), damage.latin_rows)
    lottery.draw("huge_field", is_page & (day == calendar.huge_field), 1)
    lottery.draw("cut_line", is_page & (day == calendar.ndjson), 2)
    # One a file: two unclosed quotes in neighbouring lines would close each other.
    for number in calendar.unterminated_quotes:
        lottery.draw("unterminated_quote", is_page & (day == number), 1)
    lottery.draw("nul_byte", is_page & in_csv, shop.days // 5)
    lottery.draw("too_few_columns", is_page & in_csv, share(damage.column_count_share) / 2)
    lottery.draw("too_many_columns", is_page & in_csv, share(damage.column_count_share) / 2)
    lottery.draw("broken_json", (names == EVENT_NAMES[POPUP]).to_numpy(), share(damage.broken_json_share))
    lottery.draw("unknown_event", is_page, share(damage.unknown_event_share))
    lottery.draw("missing_value", is_page, share(damage.missing_value_share))
    lottery.draw("unreadable_timestamp", is_other, share(damage.unreadable_timestamp_share))
    future = lottery.draw("future", is_other, share(damage.future_share))
    too_late = lottery.draw("too_late", is_other, share(damage.too_late_share))
    has_campaign = events["page_url"].str.contains("utm_campaign=", literal=True).to_numpy()
    lottery.draw("double_encoded", has_campaign, share(damage.double_encoded_share))
    lottery.draw("offset", anything, share(damage.offset_share))
    lottery.draw("naive", anything, share(damage.naive_share))
    late = lottery.draw("late", day <= shop.days - 2, share(damage.late_share))
    after_midnight = events["ts"].to_numpy() % DAY_MS < HOUR_MS
    early = lottery.draw("early", (day >= 1) & after_midnight, share(damage.early_share))

    landing, shift = day.copy(), np.zeros(count, dtype=np.int64)
    landing[late] = np.minimum(day[late] + rng.integers(1, damage.max_late_days + 1, len(late)), shop.days - 1)
    landing[early] -= 1
    shift[future] = rng.integers(2, 400, len(future))
    shift[too_late] = -rng.integers(LATE_DAYS + 1, 90, len(too_late))
    return pl.DataFrame(
        {
            "damage": pl.Series(KINDS).gather(pl.Series(lottery.damage)),
            "landing": landing,
            "shift_days": shift,
        }
    )


def _empty_clients(
    rng: np.random.Generator, damage: Damage, calendar: Calendar, fates: pl.DataFrame, is_bot: pl.Series
) -> Bools:
    """Which rows lose their client id: few on every day, many on two.

    Crawlers keep theirs, so that those that never pause can be seen not to.
    """
    jumps = np.isin(fates["landing"].to_numpy(), calendar.empty_clients_jump)
    share = np.where(jumps, damage.empty_client_jump_share, damage.empty_client_share)
    return np.asarray((rng.random(fates.height) < share) & ~is_bot.to_numpy())


def _damaged(rows: pl.DataFrame, first_day: dt.date, damage: Damage) -> pl.DataFrame:
    """The raw columns as they are delivered. What breaks a whole line is done when the line is written."""
    kind, event = pl.col("damage"), pl.col("event")
    moment = pl.lit(first_day).cast(pl.Datetime("ms")) + pl.duration(milliseconds="ts", days="shift_days")
    rows = rows.with_columns(timestamp=moment.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    touched = rows.filter(kind != "none")

    def one_of(*texts: str) -> pl.Expr:
        return pl.lit(pl.Series(texts)).gather(event % len(texts))

    def changed(column: str, **by_kind: pl.Expr) -> pl.Expr:
        value = pl.col(column)
        for name, damaged in by_kind.items():
            value = pl.when(kind == name).then(damaged).otherwise(value)
        return value.alias(column)

    offset = pl.lit(pl.Series([-480, -300, 60, 330])).gather(event % 4)
    elsewhere = (moment + pl.duration(minutes=offset)).dt.strftime("%Y-%m-%dT%H:%M:%S%.3f")
    touched = touched.with_columns(
        changed(
            "timestamp",
            offset=pl.concat_str(elsewhere, one_of("-08:00", "-0500", "+01:00", "+05:30")),
            naive=moment.dt.strftime("%Y-%m-%d %H:%M:%S%.3f"),
            unreadable_timestamp=one_of("yesterday", "2025-02-30T10:00:00Z", "1741000000", "45717.5"),
        ),
        changed("event_name", unknown_event=one_of("wishlist_opened", "page_view", "Page_Viewed")),
        changed(
            "event_data",
            broken_json=pl.col("event_data").str.head(pl.col("event_data").str.len_chars() // 2),
            no_transaction_id=pl.col("event_data").str.replace(r'"transaction_id":"[^"]*"', '"transaction_id":null'),
            unreadable_revenue=pl.col("event_data").str.replace(r'"revenue":[0-9.]+', '"revenue":"n/a"'),
        ),
        changed(
            "page_url",
            missing_value=pl.lit(None, pl.String),
            latin=pl.concat_str("page_url", pl.lit("?color=crème")),
            nul_byte=pl.concat_str("page_url", pl.lit("?size=\0")),
            double_encoded=pl.col("page_url").str.replace(
                r"utm_campaign=[^&]*", "utm_campaign=memorial%2520day%2520%2526%2520more"
            ),
        ),
        changed("user_agent", huge_field=pl.lit("x" * damage.huge_field_bytes)),
    )
    return pl.concat([rows.filter(kind == "none"), touched])


def _redelivered(rng: np.random.Generator, damage: Damage, calendar: Calendar, rows: pl.DataFrame) -> pl.DataFrame:
    """Copies of accepted rows on every third day: half from the file itself, half from the day before.

    Rows of the day before come again only while the columns are the same, else the copies would differ.
    """
    whole = [kind for kind, rule in RULE_OF.items() if rule is None and kind != "latin"]
    pool = rows.filter(pl.col("damage").is_in(whole)).sort("landing", "event")
    landing = pool["landing"].to_numpy()
    sources, targets, places, suffixes = [], [], [], []
    for day in calendar.redelivered:
        own = np.arange(*np.searchsorted(landing, (day, day + 1)))
        before = np.arange(*np.searchsorted(landing, (day - 1, day)))
        wanted = round(damage.redelivered_share * len(own))
        from_before = wanted // 2 if calendar.is_like_the_day_before(day) else 0
        across = rng.choice(before, size=min(from_before, len(before)), replace=False)
        within = rng.choice(own, size=wanted - len(across), replace=False)
        original = pool["place"].to_numpy()[within]
        later = original + ((day + 1) * DAY_MS - original) * rng.random(len(within))
        sources += [within, across]
        targets += [np.full(wanted, day)]
        places += [later.astype(np.int64), day * DAY_MS + rng.integers(0, DAY_MS, len(across))]
        in_resend = np.arange(len(across)) % 2 == 0
        suffixes += [np.full(len(within), ""), np.where(in_resend, RESENT, "")]
    return pool[np.concatenate(sources)].with_columns(
        landing=pl.Series(np.concatenate(targets)),
        place=pl.Series(np.concatenate(places)),
        suffix=pl.Series(np.concatenate(suffixes)),
        is_redelivery=pl.lit(True),
    )


def _in_files(calendar: Calendar, rows: pl.DataFrame) -> Deliveries:
    files = calendar.files()
    index = pl.DataFrame(
        {
            "landing": [(file.day - calendar.first_day).days for file in files],
            "suffix": [file.suffix for file in files],
            "file": range(len(files)),
        }
    )
    placed = rows.join(index, on=["landing", "suffix"], how="left").sort("file", "place", "is_redelivery", "event")
    return Deliveries(files, placed.drop("place", "suffix", "shift_days", "landing", "ts"))
