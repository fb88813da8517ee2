"""The files of the simulated shop: byte-identical, and every defect really in them."""

import codecs
import datetime as dt
import gzip
import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.demo import Truth, write_landing

FIRST = dt.date(2025, 3, 1)
DAYS, EVENTS = 10, 1_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("landing")


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return write_landing(folder, FIRST, DAYS, seed=3, events_per_day=EVENTS)


def content(folder: Path, day: int, suffix: str = "", ending: str = "csv") -> bytes:
    name = f"events_{FIRST + dt.timedelta(days=day):%Y%m%d}{suffix}.{ending}"
    return (folder / name).read_bytes()


def header(data: bytes) -> list[str]:
    return data.removeprefix(codecs.BOM_UTF8).split(b"\n")[0].decode().strip().split(",")


def test_the_same_arguments_give_the_same_bytes(folder: Path, truth: Truth, tmp_path: Path) -> None:
    again = write_landing(tmp_path, FIRST, DAYS, seed=3, events_per_day=EVENTS)
    assert again == truth

    def hashes(where: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in where.iterdir()}

    assert hashes(folder) == hashes(tmp_path)


def test_only_the_files_of_the_truth_are_written(folder: Path, truth: Truth) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(file.name for file in truth.by_file)
    assert truth.files == len(truth.by_file)


def test_each_day_has_its_format(folder: Path, truth: Truth) -> None:
    formats = {file.day: file.format for file in truth.by_file if "_" not in file.name.removeprefix("events_")}
    assert len(formats) == DAYS
    assert sorted(formats.values()) == ["csv"] * 7 + ["csv.gz", "ndjson", "parquet"]
    assert header(gzip.decompress(content(folder, 3, ending="csv.gz")))[0] == "client_id"
    assert json.loads(content(folder, 5, ending="ndjson").split(b"\n")[0])["page_url"].startswith("https://")
    parquet = pl.read_parquet(content(folder, 6, ending="parquet"))
    assert parquet.columns[0] == "clientId"


def test_columns_drift_as_planned(folder: Path, truth: Truth) -> None:
    assert header(content(folder, 0)) == [
        "client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent",
    ]  # fmt: skip
    assert header(content(folder, 4))[0] == "clientId"
    for day in (7, 8, 9):
        assert "referrer" not in header(content(folder, day))
        assert header(content(folder, day))[-1] == "consent_state"
    assert header(content(folder, 4, "_crm"))[3] == "occurred"
    drifted = {file.name: file for file in truth.by_file}
    main = drifted["events_20250310.csv"]
    assert (main.renamed, main.missing, main.added) == (
        (("clientId", "client_id"),),
        ("referrer",),
        ("consent_state",),
    )
    crm = drifted["events_20250305_crm.csv"]
    assert (crm.renamed, crm.missing, crm.added) == (
        (("clientId", "client_id"),),
        ("timestamp",),
        ("occurred",),
    )
    assert crm.quarantined == {"missing_column:timestamp": crm.rows}


def test_damaged_bytes_are_in_the_files(folder: Path, truth: Truth) -> None:
    assert content(folder, 1).startswith(codecs.BOM_UTF8 + b"client_id,")
    assert b"\r\n" in content(folder, 1)
    assert b"cr\xe8me" in content(folder, 2, "_partner")
    with pytest.raises(UnicodeDecodeError):
        content(folder, 2, "_partner").decode()
    assert content(folder, 1, "_empty") == b""
    assert content(folder, 3, "_header").count(b"\n") == 1
    with pytest.raises(EOFError):
        gzip.decompress(content(folder, 5, "_backup", "csv.gz"))
    csv = b"".join(path.read_bytes() for path in folder.glob("*.csv"))
    csv += gzip.decompress(content(folder, 3, ending="csv.gz"))
    assert csv.count(b"\0") == truth.quarantined["nul_byte"]
    assert max(len(line) for line in content(folder, 9).split(b"\n")) > 1_000_000
    assert b"%2520" in csv
    assert content(folder, 1).count(b'"') % 2 == 1


def test_every_rule_has_its_rows_and_the_sums_hold(truth: Truth) -> None:
    assert set(truth.quarantined) == {
        "broken_json",
        "broken_json_line",
        "field_too_large",
        "in_future",
        "missing_column:timestamp",
        "missing_value",
        "nul_byte",
        "purchase_without_transaction_id",
        "too_late",
        "unknown_event",
        "unreadable_file",
        "unreadable_revenue",
        "unreadable_timestamp",
        "unterminated_quote",
        "wrong_column_count",
    }
    assert truth.rows == truth.accepted + truth.duplicates + sum(truth.quarantined.values())
    assert truth.revenue_cents == truth.accepted_cents + truth.duplicate_cents + truth.quarantined_cents
    for file in truth.by_file:
        assert file.rows == file.accepted + file.duplicates + sum(file.quarantined.values())
    assert truth.accepted_cents == truth.shop.purchases_cents
    assert truth.shop.purchases == truth.shop.orders + truth.shop.repeats + truth.shop.collisions
    assert truth.shop.orders == sum(order.is_counted for order in truth.orders)
    assert truth.shop.revenue_cents == sum(order.revenue_cents for order in truth.orders if order.is_counted)


def test_shares_are_as_described(truth: Truth) -> None:
    assert 0.03 < truth.duplicates / truth.rows < 0.08
    busiest = max(file.duplicates / file.rows for file in truth.by_file if file.rows > 500)
    assert 0.06 < busiest < 0.2
    empty = sorted((file.empty_client_ids / file.rows for file in truth.by_file if file.rows > 500), reverse=True)
    assert min(empty[:2]) > 0.1
    assert max(empty[2:]) < 0.03
    assert truth.shop.bot_share == pytest.approx(0.12, abs=0.005)
    assert truth.shop.repeats > 0
    assert truth.shop.collisions > 0
    assert truth.shop.free_purchases > 0
    assert truth.shop.mismatched_purchases > 0
    assert truth.shop_after_alias.orders > truth.shop.orders
    assert truth.visits_of_people > truth.shop.sessions_of_people * 0.95


def test_the_truth_can_be_written_as_json(truth: Truth) -> None:
    plain = json.loads(json.dumps(truth.to_json()))
    assert plain["rows"] == truth.rows
    assert plain["first_day"] == "2025-03-01"
    assert plain["by_file"][0]["day"] == "2025-03-01"
    assert len(plain["orders"]) == len(truth.orders)
