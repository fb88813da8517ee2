"""A ledger read after another takes over what nobody has committed to; columns of all days say what entries say."""

import datetime as dt
import shutil

import pytest

from puffy_platform.table import DayRange
from puffy_platform.warehouse import Ledger, Warehouse
from puffy_platform.warehouse.ledger import ROLLED_BACK
from puffy_platform.warehouse.store import APPENDS_A_FILE
from puffy_platform_tests.toy import TOY, day, toy_rows
from puffy_platform_tests.warehouse.test_store import MARCH, entry, files_of, warehouse

__all__ = ["warehouse"]


def test_a_later_ledger_reads_only_what_was_committed_to_since(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.replace(TOY, MARCH, toy_rows((1, 1, "a")), {})
    first = Ledger(warehouse)
    first.record([entry(1, inputs="mine", files=files_of(warehouse, 1))])
    assert inputs_of(first) == {day(1): "mine"}

    with monkeypatch.context() as patched:
        patched.setattr(Warehouse, "open", None)
        second = Ledger(warehouse, first)
        assert inputs_of(second) == {day(1): "mine"}

    warehouse.replace(TOY, DayRange(day(2), day(2)), toy_rows((2, 2, "of a process that died")), {})
    assert inputs_of(Ledger(warehouse, second)) == {day(1): "mine", day(2): ""}
    assert inputs_of(second) == {day(1): "mine"}

    Ledger(warehouse).record([entry(2, inputs="another's", files=files_of(warehouse, 2))])
    third = Ledger(warehouse, second)
    assert inputs_of(third) == {day(1): "mine", day(2): "another's"}

    shutil.rmtree(warehouse.uri("toy"))
    assert inputs_of(Ledger(warehouse, third)) == {day(1): "", day(2): ""}
    assert Ledger(warehouse, third).snapshot("toy") is None


def inputs_of(ledger: Ledger) -> dict[dt.date, str]:
    return {day: found.inputs_hash for day, found in ledger.of("toy").items()}


def test_what_is_told_of_all_days_is_what_their_entries_say(warehouse: Warehouse) -> None:
    warehouse.replace(TOY, DayRange(day(1), day(4)), toy_rows((1, 1, "a"), (2, 2, "b"), (2, 3, "c"), (4, 4, "d")), {})
    ledger = Ledger(warehouse)
    ledger.record(
        [
            entry(1, inputs="i", files=files_of(warehouse, 1)),
            entry(2, inputs=f"{ROLLED_BACK}yesterday", files=files_of(warehouse, 2), rows=2),
            entry(3, inputs="i", rows=0),
        ]
    )
    entries = ledger.of("toy")
    assert list(entries) == [day(1), day(2), day(3), day(4)]
    assert (
        entries.rows
        == {each: found.rows for each, found in entries.items()}
        == dict(zip(entries, (1, 2, 0, 1), strict=True))
    )
    assert entries.contents == {each: found.content() for each, found in entries.items() if found.content()}
    assert entries.with_inputs("i") == {day(1), day(3)}
    assert entries.rolled_back() == {day(2): "yesterday"}


def test_a_ledger_knows_its_own_commits_from_those_of_others(warehouse: Warehouse) -> None:
    """Also where its own made the log tidy up after itself."""
    ledger = Ledger(warehouse)
    for number in range(APPENDS_A_FILE + 2):
        ledger.record([entry(1, inputs=str(number))])
        assert not ledger.has_moved_on()
    Ledger(warehouse).record([entry(1, inputs="another's")])
    assert ledger.has_moved_on()
    ledger.record([entry(1, inputs="after it")])
    assert ledger.has_moved_on()
    assert inputs_of(ledger.newest()) == {day(1): "after it"}
