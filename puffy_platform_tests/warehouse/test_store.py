"""Days are replaced whole and in one commit; what is refused leaves the old rows in place."""

import datetime as dt
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from puffy_platform.table import DayRange
from puffy_platform.warehouse import Ledger, Warehouse, WarehouseError
from puffy_platform.warehouse.ledger import Entry, content_hashes
from puffy_platform.warehouse.sql import SqlError, query
from puffy_platform.warehouse.store import stored_days
from puffy_platform_tests.toy import TOY, day, toy_rows

MARCH = DayRange(day(1), day(3))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"))


def test_a_table_that_was_never_written_reads_as_no_rows(warehouse: Warehouse) -> None:
    assert warehouse.read(TOY).collect().schema == TOY.empty().schema
    assert warehouse.version("toy") is None


def test_replacing_a_day_leaves_the_other_days_alone(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a"), (2, 2, "b"), (3, 3, None)), {})
    warehouse.replace(TOY, DayRange(day(2), day(2)), toy_rows((2, 20, "B")), {"puffy.run": "r2"})
    assert warehouse.read(TOY).sort("number").collect()["number"].to_list() == [1, 3, 20]
    assert warehouse.read(TOY, DayRange(day(2), day(3))).sort("number").collect()["number"].to_list() == [
        3,
        20,
    ]


def test_an_empty_day_is_legal_and_removes_the_old_rows(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a"), (2, 2, "b")), {})
    warehouse.replace(TOY, DayRange(day(2), day(2)), TOY.empty(), {})
    assert warehouse.read(TOY).collect()["number"].to_list() == [1]


def test_rows_of_a_foreign_day_are_refused_and_the_old_rows_stay(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "secret")), {})
    with pytest.raises(WarehouseError, match="1 rows lie outside 2025-03-02") as caught:
        warehouse.replace(TOY, DayRange(day(2), day(2)), toy_rows((1, 9, "secret")), {})
    assert "secret" not in str(caught.value)
    assert warehouse.read(TOY).collect()["number"].to_list() == [1]


def test_the_commit_names_its_run(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a")), {"puffy.run": "run-7"})
    delta = warehouse.open("toy")
    assert delta is not None
    assert delta.history(1)[0]["puffy.run"] == "run-7"


def replace_one_day(root: str, number: int) -> None:
    span = DayRange(day(number), day(number))
    Warehouse(root).replace(TOY, span, toy_rows((number, number, "w")), {})


def test_writers_of_different_days_at_the_same_time_all_succeed(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, TOY.empty(), {})
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(replace_one_day, [warehouse.root] * 8, range(1, 9)))
    assert warehouse.read(TOY).sort("number").collect()["number"].to_list() == list(range(1, 9))


def test_the_content_hash_ignores_the_order_of_rows_and_sees_every_other_difference() -> None:
    rows = toy_rows((1, 1, "a"), (1, 2, None), (2, 3, "c"))
    same = content_hashes(TOY, rows.reverse())
    assert content_hashes(TOY, rows).equals(same)
    for other in (
        toy_rows((1, 1, "a"), (1, 2, ""), (2, 3, "c")),
        toy_rows((1, 1, "a"), (2, 3, "c")),
        toy_rows((1, 1, "a"), (1, 1, "a"), (1, 2, None), (2, 3, "c")),
    ):
        assert content_hashes(TOY, other)["content_hash"][0] != same["content_hash"][0]
        assert content_hashes(TOY, other)["content_hash"][1] == same["content_hash"][1]


def entry(number: int, *, inputs: str, files: str = "", rows: int = 1) -> Entry:
    return Entry(
        "toy", day(number), rows, "c", {day(1): "h"}, "d", inputs, files, 5, None, "r", dt.datetime.now(dt.UTC)
    )


def files_of(warehouse: Warehouse, number: int) -> str:
    return stored_days(warehouse.open("toy"))[day(number)].files


def test_the_ledger_gives_the_newest_fact_about_the_files_a_day_has_now(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a"), (2, 2, "b")), {})
    now, before = files_of(warehouse, 1), "files of an older commit"
    Ledger(warehouse).record([entry(1, inputs="first", files=now)])
    Ledger(warehouse).record([entry(1, inputs="second", files=now)])
    Ledger(warehouse).record([entry(1, inputs="recorded late by a slower process", files=before)])
    found = Ledger(warehouse).get("toy", day(1))
    assert found is not None
    assert (found.inputs_hash, found.parts, found.is_recorded) == ("second", {day(1): "h"}, True)


def test_rows_that_no_fact_is_about_are_known_by_their_files_and_not_taken_for_recorded(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a"), (2, 2, "b"), (2, 3, "c")), {})
    ledger = Ledger(warehouse)
    ledger.record([entry(1, inputs="i", files=files_of(warehouse, 1)), entry(3, inputs="i", rows=0)])
    assert {each.day: each.is_recorded for each in ledger.of("toy").values()} == {
        day(1): True,
        day(2): False,
        day(3): True,
    }
    unknown = ledger.of("toy")[day(2)]
    assert (unknown.rows, unknown.content()) == (2, f"files {files_of(warehouse, 2)}")
    warehouse.replace(TOY, MARCH, toy_rows((3, 1, "a")), {})
    assert [each.is_recorded for each in Ledger(warehouse).of("toy").values()] == [False, False]


def test_a_ledger_and_its_snapshots_stay_at_their_moment(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a")), {})
    ledger = Ledger(warehouse)
    assert ledger.of("toy").keys() == {day(1)}
    warehouse.replace(TOY, MARCH, toy_rows((1, 2, "b"), (2, 3, "c")), {})
    assert warehouse.read_snapshot(ledger.snapshot("toy"), TOY).collect()["number"].to_list() == [1]
    assert ledger.of("toy").keys() == {day(1)}


def replace_days(root: str, writer: int) -> list[tuple[str, int]]:
    made = []
    for number in range(writer, writer + 6):
        span, name = DayRange(day(number % 4 + 1), day(number % 4 + 1)), f"{writer}-{number}"
        snapshot = Warehouse(root).replace(TOY, span, toy_rows((number % 4 + 1, number, name)), {"commit": name})
        made.append((name, snapshot.version()))
    return made


def test_writers_of_the_same_days_get_the_versions_of_their_own_commits_and_the_last_one_of_a_day_stays(
    warehouse: Warehouse,
) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        made = dict(pair for found in pool.map(replace_days, [warehouse.root] * 4, range(4)) for pair in found)
    delta = warehouse.open("toy")
    assert delta is not None
    commits = {commit["version"]: commit["commit"] for commit in delta.history() if "commit" in commit}
    assert made == {name: version for version, name in commits.items()}
    assert len(set(made.values())) == 24
    last = {int(commits[version].partition("-")[2]) % 4 + 1: commits[version] for version in sorted(commits)}
    rows = warehouse.read(TOY).sort("day", "word").collect()
    assert rows.select("day", "word").rows() == [(day(number), name) for number, name in sorted(last.items())]


def test_of_two_writers_that_both_found_a_day_empty_one_stays(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.replace(TOY, MARCH, TOY.empty(), {})
    first, looked, really = DayRange(day(1), day(1)), [], Warehouse._ready

    def ready(self: Warehouse, *arguments: Any) -> DeltaTable:
        delta = really(self, *arguments)
        looked.append(delta.version())
        if len(looked) == 1:
            Warehouse(warehouse.root).replace(TOY, first, toy_rows((1, 1, "the quicker one's")), {})
        return delta

    monkeypatch.setattr(Warehouse, "_ready", ready)
    warehouse.replace(TOY, first, toy_rows((1, 2, "the slower one's")), {})
    assert warehouse.read(TOY).collect()["word"].to_list() == ["the slower one's"]
    assert looked == [1, 1, 2]


def test_a_table_may_lie_at_a_url(warehouse: Warehouse) -> None:
    at_url = Warehouse(f"file://{warehouse.root}")
    at_url.replace(TOY, MARCH, toy_rows((1, 1, "a"), (2, 2, "b")), {})
    delta = at_url.replace(TOY, DayRange(day(2), day(2)), toy_rows((2, 3, "c")), {})
    assert at_url.read(TOY).sort("day").collect()["word"].to_list() == ["a", "c"]
    sizes = {path.stat().st_size for path in Path(warehouse.root).glob("toy/day=*/*.parquet")}
    assert set(pl.DataFrame(delta.get_add_actions())["size_bytes"]) <= sizes


def test_sql_sees_the_current_rows_with_their_types_and_empty_tables_too(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "old"), (2, 2, "b")), {})
    warehouse.replace(TOY, DayRange(day(1), day(1)), toy_rows((1, 10, "new")), {})
    rows = query(warehouse, [TOY], "select day, number, word from toy order by number")
    assert rows.rows() == [(day(2), 2, "b"), (day(1), 10, "new")]
    assert query(Warehouse(warehouse.root + "-none"), [TOY], "select count(*) from toy").item() == 0


def test_a_wrong_query_is_an_error_with_duckdbs_words(warehouse: Warehouse) -> None:
    with pytest.raises(SqlError, match="nowhere"):
        query(warehouse, [TOY], "select * from nowhere")


def test_a_new_column_of_the_contract_reads_as_null_from_older_days(warehouse: Warehouse) -> None:
    from deltalake import write_deltalake

    old = toy_rows((1, 1, "a")).drop("word")
    write_deltalake(warehouse.uri("toy"), old.to_arrow(), partition_by=["day"])
    assert warehouse.read(TOY).collect()["word"].to_list() == [None]
    warehouse.replace(TOY, DayRange(day(2), day(2)), toy_rows((2, 2, "b")), {})
    assert warehouse.read(TOY).sort("number").collect()["word"].to_list() == [None, "b"]
    assert isinstance(warehouse.read(TOY), pl.LazyFrame)


def test_a_column_that_the_contract_lost_stays_in_older_days_and_is_null_in_new_ones(warehouse: Warehouse) -> None:
    from deltalake import write_deltalake

    old = toy_rows((1, 1, "a"), (2, 2, "b")).with_columns(lost=pl.lit("kept"))
    write_deltalake(warehouse.uri("toy"), old.to_arrow(), partition_by=["day"])
    warehouse.replace(TOY, DayRange(day(2), day(2)), toy_rows((2, 3, "c")), {})
    assert warehouse.read(TOY).sort("number").collect()["word"].to_list() == ["a", "c"]
    assert pl.read_delta(warehouse.uri("toy")).sort("number")["lost"].to_list() == ["kept", None]


def test_a_ledger_stays_the_newest_through_its_own_facts_and_not_through_those_of_others(warehouse: Warehouse) -> None:
    ledger = Ledger(warehouse)
    ledger.record([entry(1, inputs="mine", files="")])
    assert ledger.newest() is ledger
    Ledger(warehouse).record([entry(1, inputs="another's", files="")])
    found = ledger.newest().get("toy", day(1))
    assert found is not None
    assert found.inputs_hash == "another's"


def test_the_log_keeps_statistics_of_days_only(warehouse: Warehouse) -> None:
    delta = warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a")), {})
    told = {name.partition(".")[2] for name in pl.DataFrame(delta.get_add_actions(flatten=True)).columns if "." in name}
    assert told == {"day"}
    warehouse.append("log", pl.DataFrame({"at": [day(1)], "word": ["a"]}))
    log = warehouse.open("log")
    assert log is not None
    assert {"min.at", "num_records"} <= set(pl.DataFrame(log.get_add_actions(flatten=True)).columns)
    assert "min.word" not in pl.DataFrame(log.get_add_actions(flatten=True)).columns
