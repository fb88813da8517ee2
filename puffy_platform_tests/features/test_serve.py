"""Features of a real home: against loops over its raw events, at the instant of serving, and on the command line."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from puffy_platform import features
from puffy_platform.features import serve
from puffy_platform.pipeline import Platform, materialise, materialise_ingest
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.warehouse.history import moments
from puffy_platform_tests.command import Demo, open_home, puffy
from puffy_platform_tests.pipeline.corrected_shop import deliver, order

NAMES = (
    "row_index",
    "raw_events",
    "duplicate_events",
    "quarantined_events",
    "file_drift",
    "events_enriched",
    "purchases",
    "identity_links",
    "identities",
    "sessions",
    "conversions",
    "client_days",
    "churn_features",
)
ASKED = ("churn_features.monetary_cents", "churn_features.frequency", "client_days.purchases_7d")
BUYER = pl.DataFrame({"customer_id": ["f" * 64], "client_id": ["c-0123456789"], "label": ["kept"]})
UTC_TIME = pl.Datetime("us", "UTC")
# The last days that were over, so that what a run records now is known in time to be served.
TODAY = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAYS = DayRange(TODAY.date() - dt.timedelta(days=8), TODAY.date() - dt.timedelta(days=1))
CORRECTED = DAYS.last - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def sample(demo: Demo) -> tuple[Platform, pl.DataFrame]:
    """The demo's home, and forty clients of it at random instants, most of them buyers."""
    platform = open_home(demo.home)
    events = platform.warehouse.read(platform.tables["events_enriched"]).filter(~pl.col("is_bot"))
    clients = events.filter(pl.col("client_id").is_not_null()).select("client_id", "transaction_id").collect()
    buyers = sorted(set(clients.filter(pl.col("transaction_id").is_not_null())["client_id"]))
    chance = random.Random(5)
    chosen = chance.choices(buyers, k=30) + chance.choices(sorted(set(clients["client_id"])), k=10)
    first = dt.datetime.combine(demo.days.first, dt.time(), dt.UTC)
    times = [first + dt.timedelta(minutes=chance.randrange(60, 60 * 24 * len(demo.days))) for _ in chosen]
    return platform, pl.DataFrame({"client_id": chosen, "timestamp": times})


def test_clients_are_what_a_loop_over_their_raw_events_finds(sample: tuple[Platform, pl.DataFrame], demo: Demo) -> None:
    platform, entities = sample
    raw = platform.warehouse.read(platform.tables["events_enriched"]).sort("event_ts", "landing_day", "source_line")
    events = raw.select("client_id", "event_ts", "event_name", "email_hash", "revenue_cents").collect().to_dicts()
    names = [
        "client_days.page_views_7d",
        "client_days.revenue_cents_7d",
        "client_days.active_days_7d",
        "client_days.last_seen_days",
        "identities.customer_id",
    ]
    found = features.as_of(entities, names, platform=platform).to_dicts()
    linked = 0
    for asked, row in zip(entities.to_dicts(), found, strict=True):
        midnight = asked["timestamp"].replace(hour=0, minute=0)
        own = [e for e in events if e["client_id"] == asked["client_id"] and e["event_ts"] < midnight]
        week = [e for e in own if e["event_ts"] >= midnight - dt.timedelta(days=7)]
        dates = {event["event_ts"].date() for event in own}
        as_of = midnight.date() - dt.timedelta(days=1)
        if as_of < demo.days.first:
            assert row["client_days.outcome"] == "no_snapshot"
            continue
        whole = (as_of - demo.days.first).days >= 6
        assert row["client_days.as_of_day"] == as_of
        assert row["client_days.outcome"] == ("ok" if whole else "short_history")
        if whole:
            assert row["client_days.page_views_7d"] == sum(e["event_name"] == "page_viewed" for e in week)
            assert row["client_days.revenue_cents_7d"] == sum(e["revenue_cents"] or 0 for e in week)
            assert row["client_days.active_days_7d"] == len({e["event_ts"].date() for e in week})
        assert row["client_days.last_seen_days"] == (min((as_of - d).days for d in dates) if dates else None)
        emails = [event["email_hash"] for event in own if event["email_hash"]]
        assert row["identities.customer_id"] == (emails[0] if emails else None)
        linked += bool(emails)
    assert linked > 5


def test_customers_are_what_a_loop_over_their_orders_finds(sample: tuple[Platform, pl.DataFrame]) -> None:
    platform, clients = sample
    people = features.latest(
        clients.select("client_id").unique(maintain_order=True), ["identities.customer_id"], platform=platform
    )
    entities = (
        clients.join(people, on="client_id")
        .select("timestamp", customer_id="identities.customer_id")
        .filter(pl.col("timestamp") >= clients["timestamp"].min() + dt.timedelta(days=1))  # type: ignore[operator]
    )
    orders = platform.warehouse.read(platform.tables["conversions"]).filter("is_counted").collect().to_dicts()
    names = [
        "churn_features.frequency",
        "churn_features.monetary_cents",
        "churn_features.recency_days",
        "customer_value.age_days",
    ]
    known = 0
    for row in features.as_of(entities, names, platform=platform).to_dicts():
        midnight = row["timestamp"].replace(hour=0, minute=0)
        own = [o for o in orders if o["customer_id"] == row["customer_id"] and o["converted_at"] < midnight]
        if not own:
            assert row["churn_features.outcome"] == ("no_id" if row["customer_id"] is None else "unknown")
            continue
        known += 1
        ages = [(midnight.date() - order["day"]).days - 1 for order in own]
        assert row["churn_features.frequency"] == len(own)
        assert row["churn_features.monetary_cents"] == sum(order["revenue_cents"] for order in own)
        assert (row["churn_features.recency_days"], row["customer_value.age_days"]) == (min(ages), max(ages))
    assert known > 5


class Shop:
    """100.00 on each of eight days, computed and served; afterwards an order was of 90.00 and is computed again."""

    def __init__(self, home: Path) -> None:
        self.platform = Platform(load_settings(home, environment={}), {name: TABLES[name] for name in NAMES})
        self.platform.settings.landing.mkdir(parents=True)
        self.before = dt.datetime.now(dt.UTC)
        for day in DAYS:
            deliver(self.platform, day, order(day, 100.0))
        self._run()
        self.then = dt.datetime.now(dt.UTC)
        self.served = features.latest(BUYER, ASKED, platform=self.platform)
        deliver(self.platform, CORRECTED, order(CORRECTED, 90.0))
        self._run()

    def _run(self) -> None:
        materialise_ingest(self.platform, DAYS, run_id="test")
        for table in self.platform.derived:
            materialise(self.platform, table, DAYS, run_id="test")

    def cents(self, instant: dt.datetime, basis: features.Basis) -> tuple[int | None, str]:
        """What the buyer had brought as of an instant, and the outcome."""
        at = BUYER.with_columns(timestamp=pl.lit(instant).cast(UTC_TIME))
        row = features.as_of(at, ASKED[:1], basis=basis, platform=self.platform).row(0, named=True)
        return row["churn_features.monetary_cents"], row["churn_features.outcome"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


def test_what_was_served_is_what_was_known_at_that_instant(shop: Shop) -> None:
    asked = BUYER.with_columns(timestamp=pl.lit(shop.then).cast(UTC_TIME))
    again = features.as_of(asked, ASKED, basis="known", platform=shop.platform)
    assert_frame_equal(again.drop("timestamp"), shop.served)
    (row,) = shop.served.to_dicts()
    assert (row["churn_features.monetary_cents"], row["churn_features.frequency"]) == (80_000, 8)
    assert (row["client_days.purchases_7d"], row["client_days.outcome"], row["label"]) == (7, "ok", "kept")


def test_a_correction_counts_from_when_it_was_recorded_or_from_its_day(shop: Shop) -> None:
    now = dt.datetime.now(dt.UTC)
    assert shop.cents(shop.then, "known") == (80_000, "ok")
    assert shop.cents(shop.then, "event_time") == (79_000, "ok")
    assert shop.cents(now, "known") == shop.cents(now, "event_time") == (79_000, "ok")


def test_before_anything_was_recorded_nothing_was_known(shop: Shop) -> None:
    assert shop.cents(shop.before, "known") == (None, "no_snapshot")
    # In event time the tables of today tell of any day: the corrected one has just begun, and has seven orders.
    third = dt.datetime.combine(DAYS.first, dt.time(), dt.UTC) + dt.timedelta(days=3)
    assert shop.cents(third, "event_time") == (30_000, "ok")
    assert shop.cents(third, "known") == (None, "no_snapshot")
    assert shop.cents(third - dt.timedelta(days=4), "event_time") == (None, "no_snapshot")


def test_an_instant_so_long_ago_that_nothing_is_kept_says_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "moments", lambda warehouse: [m for m in moments(warehouse) if m.at > shop.then])
    assert shop.cents(shop.then, "known") == (None, "not_kept")
    assert shop.cents(shop.then, "event_time") == (79_000, "ok")


def test_instants_of_several_versions_keep_their_rows_and_their_order(shop: Shop) -> None:
    times = [dt.datetime.now(dt.UTC), shop.before, shop.then, None, shop.then]
    asked = pl.concat([BUYER] * 5).with_columns(pl.Series("timestamp", times, dtype=UTC_TIME), n=pl.int_range(5))
    found = features.as_of(asked, ASKED, basis="known", platform=shop.platform)
    assert_frame_equal(found.select(asked.columns), asked)
    assert found["churn_features.monetary_cents"].to_list() == [79_000, None, 80_000, None, 80_000]
    assert found["churn_features.outcome"].to_list() == ["ok", "no_snapshot", "ok", "no_time", "ok"]


def test_of_nobody_nothing_is_known(shop: Shop) -> None:
    nobody = BUYER.with_columns(timestamp=pl.lit(shop.then).cast(UTC_TIME)).clear()
    for basis in ("event_time", "known"):
        found = features.as_of(nobody, ["churn_features.*", "client_days.*"], basis=basis, platform=shop.platform)
        assert found.is_empty()
        assert found.schema["client_days.is_bot_90d"] == pl.Boolean
    timeless = BUYER.with_columns(timestamp=pl.lit(None, UTC_TIME))
    found = features.as_of(timeless, ["identities.*"], platform=shop.platform)
    assert found.select("identities.customer_id", "identities.outcome").rows() == [(None, "no_time")]


def test_a_frame_that_cannot_be_asked_about_is_refused_and_told_why(shop: Shop) -> None:
    def refused(rows: pl.DataFrame, names: tuple[str, ...] = ASKED) -> str:
        with pytest.raises(features.FeatureError) as told:
            features.as_of(rows, names, platform=shop.platform)
        return str(told.value)

    assert "no column timestamp" in refused(BUYER)
    with pytest.raises(features.FeatureError, match="basis 'then' is none; there are event_time and known"):
        features.as_of(BUYER, ASKED, basis="then", platform=shop.platform)  # type: ignore[arg-type]
    assert "is Date, which is no instant" in refused(BUYER.with_columns(timestamp=pl.lit(CORRECTED)))
    assert "no instant" in refused(BUYER.with_columns(timestamp=pl.lit(dt.datetime(2025, 3, 1))))
    tomorrow = BUYER.with_columns(timestamp=pl.lit(TODAY + dt.timedelta(days=2)).cast(UTC_TIME))
    assert "1 timestamps lie in the future" in refused(tomorrow)
    known = BUYER.with_columns(timestamp=pl.lit(shop.then).cast(UTC_TIME))
    assert "no column client_id" in refused(known.drop("client_id"))
    assert "ids are text" in refused(known.with_columns(client_id=pl.lit(5)))
    assert "already have client_days.as_of_day" in refused(known.with_columns(pl.lit(1).alias("client_days.as_of_day")))
    assert "there is no feature client_days.nothing" in refused(known, ("client_days.nothing",))


def test_a_home_without_tables_knows_nothing_and_says_so(tmp_path: Path) -> None:
    platform = Platform(load_settings(tmp_path, environment={}))
    found = features.latest(BUYER, ["churn_features.*", "identities.*"], platform=platform)
    assert found["churn_features.outcome"].to_list() == found["identities.outcome"].to_list() == ["no_snapshot"]
    assert features.newest_days(platform)["churn_features"] == (None, "no_snapshot")


def test_the_command_describes_and_looks_up(shop: Shop, tmp_path: Path) -> None:
    home = shop.platform.settings.home
    listed = puffy(home, "features", "list", "--json").json()
    assert {"churn_features.frequency", "client_days.sessions_30d"} <= {feature["name"] for feature in listed}
    (one,) = puffy(home, "features", "describe", "churn_features.frequency", "--json").json()
    assert (one["owner"], one["newest_day"], one["now"]) == ("team:marketing", str(DAYS.last), "ok")
    assert "Counted orders to date" in puffy(home, "features", "describe", "churn_features.frequency").out
    assert (
        "did you mean churn_features.frequency?"
        in puffy(home, "features", "describe", "churn_features.frequenc").message
    )

    file, out = tmp_path / "asked.csv", tmp_path / "answer.parquet"
    # 20:00 in Los Angeles is the next day in UTC; a naive time is that of the shop, which is there.
    lines = [f"{BUYER['customer_id'][0]},{CORRECTED}T20:00:00,a", f"{BUYER['customer_id'][0]},{CORRECTED}T20:00:00Z,b"]
    file.write_text("customer_id,timestamp,note\n" + "\n".join(lines) + "\n")
    there = {"PUFFY_SHOP__TIME_ZONE": "America/Los_Angeles"}
    told = puffy(home, "features", "as-of", str(file), ASKED[0], "--out", str(out), variables=there)
    assert "churn_features: 2 ok" in told.out
    assert pl.read_parquet(out).select("note", ASKED[0]).rows() == [("a", 69_000), ("b", 60_000)]
    known = puffy(home, "features", "as-of", str(file), ASKED[0], "--basis", "known")
    assert "2 no_snapshot (no day before the timestamp had been computed)" in " ".join(known.err.split())
    assert (
        known.out.splitlines()[0]
        == "customer_id,timestamp,note,churn_features.monetary_cents,churn_features.as_of_day,churn_features.outcome"
    )

    served = puffy(home, "features", "latest", ASKED[0], "--customer", BUYER["customer_id"][0], "--json").json()
    assert served["churn_features.monetary_cents"] == 79_000
    assert "79000" in puffy(home, "features", "latest", ASKED[0], "--customer", BUYER["customer_id"][0]).out
    file.write_text("customer_id,timestamp\nx,yesterday\n")
    assert "line 2: timestamp is no time" in puffy(home, "features", "as-of", str(file), ASKED[0]).message
    assert "give either --client or --customer" in puffy(home, "features", "latest", ASKED[0]).message
