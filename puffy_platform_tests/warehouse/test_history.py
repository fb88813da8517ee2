"""All tables as they were together: by what the ledger had recorded, whatever had been written and not recorded yet."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from puffy_platform.table import DayRange
from puffy_platform.warehouse import Ledger, Warehouse
from puffy_platform.warehouse.history import HistoryError, moment_at, moments, past_at
from puffy_platform.warehouse.ledger import Entry, content_hashes
from puffy_platform.warehouse.sql import query
from puffy_platform.warehouse.store import stored_days
from puffy_platform_tests.toy import TOY, day, toy_rows

OTHER = replace(TOY, name="other")
MARCH = DayRange(day(1), day(3))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"))


def write(warehouse: Warehouse, table, *rows, days: DayRange = MARCH):  # type: ignore[no-untyped-def]
    """Replace the days and give the facts about them, not yet recorded."""
    frame = toy_rows(*rows)
    snapshot = warehouse.replace(table, days, frame, {})
    stored, hashes = stored_days(snapshot), {row["day"]: row for row in content_hashes(table, frame).to_dicts()}
    return [
        Entry(
            table=table.name,
            day=each,
            rows=hashes[each]["rows"] if each in hashes else 0,
            content_hash=hashes[each]["content_hash"] if each in hashes else "",
            parts={},
            definition_hash="d",
            inputs_hash="i",
            files=stored[each].files if each in stored else "",
            version=snapshot.version(),
            money_cents=None,
            run_id="run",
            recorded_at=dt.datetime.now(dt.UTC),
        )
        for each in days
    ]


def record(warehouse: Warehouse, *facts: list[Entry]) -> int:
    Ledger(warehouse).record([fact for found in facts for fact in found])
    return moment_at(warehouse).version


def numbers(warehouse: Warehouse, version: int | None, table=TOY):  # type: ignore[no-untyped-def]
    rows = past_at(warehouse, version).read(table).select("day", "number").sort("day", "number").collect()
    return [(each.day, number) for each, number in rows.rows()]


def test_every_recorded_version_reads_as_it_was(warehouse: Warehouse) -> None:
    one = record(warehouse, write(warehouse, TOY, (1, 10, "a"), (2, 20, "b")))
    two = record(warehouse, write(warehouse, TOY, (2, 21, "B"), days=DayRange(day(2), day(2))))
    three = record(warehouse, write(warehouse, TOY, days=DayRange(day(1), day(1))))
    assert numbers(warehouse, one) == [(1, 10), (2, 20)]
    assert numbers(warehouse, two) == [(1, 10), (2, 21)]
    assert numbers(warehouse, three) == numbers(warehouse, None) == [(2, 21)]
    assert [str(moment.days) for moment in moments(warehouse)][1:] == [
        "2025-03-01..2025-03-03",
        "2025-03-02",
        "2025-03-01",
    ]


def test_a_day_that_was_written_and_not_yet_recorded_still_has_its_old_rows(warehouse: Warehouse) -> None:
    record(warehouse, write(warehouse, TOY, (1, 10, "a"), (2, 20, "b")))
    unrecorded = write(warehouse, TOY, (1, 11, "a"), days=DayRange(day(1), day(1)))
    between = record(warehouse, write(warehouse, TOY, (2, 21, "b"), days=DayRange(day(2), day(2))))
    after = record(warehouse, unrecorded)
    # The later commit (of day 2) was recorded first: its snapshot holds new rows of day 1 that did not count yet.
    assert numbers(warehouse, between) == [(1, 10), (2, 21)]
    assert numbers(warehouse, after) == [(1, 11), (2, 21)]


def test_a_first_day_that_was_written_and_not_yet_recorded_is_not_there(warehouse: Warehouse) -> None:
    record(warehouse, write(warehouse, TOY, (1, 10, "a"), days=DayRange(day(1), day(1))))
    write(warehouse, TOY, (2, 20, "b"), days=DayRange(day(2), day(2)))
    version = record(warehouse, write(warehouse, TOY, (3, 30, "c"), days=DayRange(day(3), day(3))))
    assert numbers(warehouse, version) == [(1, 10), (3, 30)]
    assert query(warehouse, [TOY], "select count(*) from toy", past=past_at(warehouse)).item() == 2
    assert query(warehouse, [TOY], "select count(*) from toy").item() == 3


def test_a_fact_recorded_late_about_an_older_commit_does_not_come_back(warehouse: Warehouse) -> None:
    slow = write(warehouse, TOY, (1, 10, "slow"))
    fast = write(warehouse, TOY, (1, 11, "fast"))
    record(warehouse, fast)
    late = [replace(fact, recorded_at=dt.datetime.now(dt.UTC)) for fact in slow]
    assert numbers(warehouse, record(warehouse, late)) == [(1, 11)]


def test_sql_reads_all_tables_as_they_were_together(warehouse: Warehouse) -> None:
    text = "select sum(t.number) as t, sum(o.number) as o from toy t full join other o using (day)"
    record(warehouse, write(warehouse, TOY, (1, 1, "a")), write(warehouse, OTHER, (1, 100, "a")))
    both = record(warehouse, write(warehouse, TOY, (1, 2, "a")), write(warehouse, OTHER, (1, 200, "a")))
    only_toy = record(warehouse, write(warehouse, TOY, (1, 3, "a")))
    write(warehouse, OTHER, (1, 300, "a"))  # and the process died

    def sums(version: int | None) -> tuple[int, int]:
        past = past_at(warehouse, version) if version else None
        row: tuple[int, int] = query(warehouse, [TOY, OTHER], text, past=past).row(0)
        return row

    assert sums(both - 1) == (1, 100)
    assert sums(both) == (2, 200)
    assert sums(only_toy) == (3, 200)
    assert sums(None) == (3, 300)


def test_a_time_is_the_last_version_recorded_by_then(warehouse: Warehouse) -> None:
    for number in (1, 2, 3):
        record(warehouse, write(warehouse, TOY, (1, number, "a")))
    known = moments(warehouse)
    assert [moment.version for moment in known] == [0, 1, 2, 3]
    between = known[2].at + (known[3].at - known[2].at) / 2
    assert moment_at(warehouse, between).version == 2
    assert moment_at(warehouse, known[2].at).version == 2
    assert moment_at(warehouse, known[3].at + dt.timedelta(days=1)).version == 3


def test_a_time_before_the_first_version_is_an_error_that_says_when_that_was(warehouse: Warehouse) -> None:
    with pytest.raises(HistoryError, match="nothing has been recorded yet"):
        past_at(warehouse)
    record(warehouse, write(warehouse, TOY, (1, 1, "a")))
    first = moments(warehouse)[1].at
    with pytest.raises(HistoryError, match=rf"the first version was recorded at {first:%Y-%m-%d %H:%M} UTC$"):
        past_at(warehouse, first - dt.timedelta(milliseconds=1))
    for version in (0, 2, -1):
        with pytest.raises(HistoryError, match="there are versions 1 to 1"):
            past_at(warehouse, version)


def test_rows_whose_files_are_gone_are_an_error_and_not_half_a_table(warehouse: Warehouse) -> None:
    old = record(warehouse, write(warehouse, TOY, (1, 1, "a"), (2, 2, "b")))
    gone = past_at(warehouse, old).files("toy")[0]
    record(warehouse, write(warehouse, TOY, (1, 10, "a"), (2, 20, "b")))
    Path(gone).unlink()
    with pytest.raises(HistoryError, match=r"toy as of version 1 .* no longer kept"):
        past_at(warehouse, old).read(TOY)
    with pytest.raises(HistoryError, match="no longer kept"):
        query(warehouse, [TOY], "from toy", past=past_at(warehouse, old))


def test_columns_the_table_did_not_have_yet_read_as_null(warehouse: Warehouse) -> None:
    from deltalake import write_deltalake

    write_deltalake(warehouse.uri("toy"), toy_rows((1, 1, "a")).drop("word").to_arrow(), partition_by=["day"])
    stored = stored_days(warehouse.open("toy"))
    fact = write(warehouse, OTHER, (1, 1, "a"), days=DayRange(day(1), day(1)))[0]
    old = record(warehouse, [replace(fact, table="toy", version=0, files=stored[day(1)].files)])
    record(warehouse, write(warehouse, TOY, (1, 1, "b")))
    assert past_at(warehouse, old).read(TOY).collect()["word"].to_list() == [None]
    assert query(warehouse, [TOY], "from toy", past=past_at(warehouse, old)).rows() == [(day(1), 1, None)]
    assert query(warehouse, [TOY], "from toy").rows() == [(day(1), 1, "b")]
