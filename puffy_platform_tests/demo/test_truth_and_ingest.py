"""What ingest says of the simulated files is what is true of them, number by number."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.demo import Truth, write_landing
from puffy_platform.event_data import PURCHASE, email_hash, purchase_fields
from puffy_platform.ingest.accept import ingest
from puffy_platform.ingest.landing import find_landing_files
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import conversions, row_index

FIRST = dt.date(2025, 3, 1)
DAYS = DayRange(FIRST, FIRST + dt.timedelta(days=9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "landing"


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return write_landing(folder, FIRST, len(DAYS), seed=11, events_per_day=1_500)


def ingested(folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, pl.DataFrame]:
    settings = load_settings(
        folder.parent, environment={"PUFFY_PARTITIONS__START_DAY": str(FIRST), **(environment or {})}
    )
    files, ignored = find_landing_files(folder)
    assert not ignored
    return ingest(files, DAYS, row_index.TABLE.empty().lazy(), settings)


@pytest.fixture(scope="module")
def tables(folder: Path, truth: Truth) -> dict[str, pl.DataFrame]:
    return ingested(folder)


def test_every_file_is_judged_as_it_truly_is(truth: Truth, tables: Mapping[str, pl.DataFrame]) -> None:
    by_rule = tables["quarantined_events"].group_by("source_file", "rule").len()
    rules: dict[str, dict[str, int]] = {}
    for name, rule, count in by_rule.iter_rows():
        rules.setdefault(name, {})[rule] = count
    found = {row["source_file"]: row for row in tables["file_drift"].iter_rows(named=True)}
    assert found.keys() == {file.name for file in truth.by_file}
    for file in truth.by_file:
        row = found[file.name]
        assert rules.get(file.name, {}) == file.quarantined, file.name
        assert [(pair["seen"], pair["meant"]) for pair in row["renamed"]] == list(file.renamed), file.name
        expected = {
            "day": file.day,
            "format": file.format,
            "status": file.status,
            "rows": file.rows,
            "accepted": file.accepted,
            "duplicates": file.duplicates,
            "quarantined": sum(file.quarantined.values()),
            "missing": list(file.missing),
            "added": list(file.added),
            "naive_timestamps": file.naive_timestamps,
            "offset_timestamps": file.offset_timestamps,
            "empty_client_ids": file.empty_client_ids,
            "revenue_cents": file.revenue_cents,
        }
        assert {name: row[name] for name in expected} == expected, file.name


def test_rows_and_money_of_the_set_are_the_true_ones(truth: Truth, tables: Mapping[str, pl.DataFrame]) -> None:
    assert tables["raw_events"].height == truth.accepted
    assert tables["duplicate_events"].height == truth.duplicates
    assert dict(tables["quarantined_events"]["rule"].value_counts().iter_rows()) == truth.quarantined
    cents = {
        name: int(tables[name]["revenue_cents"].sum())
        for name in ("raw_events", "duplicate_events", "quarantined_events")
    }
    assert cents == {
        "raw_events": truth.accepted_cents,
        "duplicate_events": truth.duplicate_cents,
        "quarantined_events": truth.quarantined_cents,
    }
    assert tables["file_drift"]["revenue_cents"].sum() == truth.revenue_cents


def test_no_accepted_event_lies_outside_the_days(tables: Mapping[str, pl.DataFrame]) -> None:
    assert tables["raw_events"].select(DAYS.covers("event_day").all()).item()


def orders_of(accepted: pl.DataFrame, folder: Path) -> pl.DataFrame:
    sold = purchase_fields(accepted.lazy().filter(pl.col("event_name") == PURCHASE).drop("revenue_cents"))
    purchases = sold.select(
        "event_id",
        "client_id",
        "transaction_id",
        "revenue_cents",
        "items_total_cents",
        day="event_day",
        purchased_at="event_ts",
        email_hash=email_hash(pl.col("event_name"), pl.col("event_data")),
        items_count=pl.col("items").list.len().cast(pl.Int64),
        is_bot=pl.lit(False),
    )
    judged = conversions.transform({"purchases": purchases}, DAYS, load_settings(folder.parent, environment={}))
    return judged.join(purchases.select("event_id", "items_total_cents"), on="event_id").collect()


def test_conversions_of_the_accepted_rows_are_the_true_orders(
    truth: Truth, tables: Mapping[str, pl.DataFrame], folder: Path
) -> None:
    orders = orders_of(tables["raw_events"], folder)
    counted = orders.filter("is_counted")
    assert (counted.height, counted["revenue_cents"].sum()) == (truth.shop.orders, truth.shop.revenue_cents)
    assert orders.filter(kind="repeat").height == truth.shop.repeats
    assert orders.filter(kind="collision").height == truth.shop.collisions
    assert (orders["revenue_cents"] == 0).sum() == truth.shop.free_purchases
    assert (orders["revenue_cents"] != orders["items_total_cents"]).sum() == truth.shop.mismatched_purchases
    true_times = {order.ordered_at for order in truth.orders if order.is_counted}
    assert set(counted["converted_at"]) == true_times


def test_with_an_alias_for_the_renamed_timestamp_its_rows_are_accepted_and_its_orders_count(
    truth: Truth, tables: Mapping[str, pl.DataFrame], folder: Path
) -> None:
    replayed = ingested(folder, {"PUFFY_INGEST__ALIASES__TIMESTAMP": '["occurred"]'})
    held = truth.quarantined["missing_column:timestamp"]
    assert replayed["raw_events"].height == truth.accepted + held
    assert replayed["duplicate_events"].height == truth.duplicates
    counted = orders_of(replayed["raw_events"], folder).filter("is_counted")
    after = truth.shop_after_alias
    assert (counted.height, counted["revenue_cents"].sum()) == (after.orders, after.revenue_cents)
    assert after.purchases_cents == replayed["raw_events"]["revenue_cents"].sum()
