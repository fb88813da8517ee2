"""The file of repairs: what it may say, and that every mistake names its file, line, repair and key."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from puffy_platform.ingest.judge import ROW_RULES, _rules
from puffy_platform.ingest.repairs_file import RepairsError, RepairTable, load_repairs, parse_repairs
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform_tests.windows import settings_with

RENAMED = """
[[repair]]
name = "app-renamed-timestamp"
from = 2025-03-04
rules = "missing_column:timestamp"
set.timestamp = "occurred"
reason = "The app's release of 4 March called the column occurred."
author = "ana"

[[repair.example]]
given = { client_id = "c", page_url = "https://p.com/", event_name = "page_viewed", occurred = "2025-03-04T10:00:00Z" }
then = { event_ts = 2025-03-04T10:00:00Z }
"""
PACIFIC = """
[[repair]]
name = "pacific"
from = 2025-03-04
to = 2025-03-05
files = ["*_app.csv"]
rules = ["accepted"]
where = "timestamp_kind = 'naive'"
set.timestamp = "timestamp || '-08:00'"
reason = "The app's servers wrote local time."
author = "ana"

[[repair.example]]
given = { client_id = "c", page_url = "https://p.com/", event_name = "page_viewed", timestamp = "2025-03-04 10:00:00" }
then = { event_ts = 2025-03-04T18:00:00Z, client_id = "c" }

[[repair.example]]
given = { client_id = "c", page_url = "https://p.com/", event_name = "page_viewed", timestamp = "2025-03-04T10:00:00Z" }
untouched = true

[[repair.example]]
file = "events_20250304_web.csv"
given = { client_id = "c", page_url = "https://p.com/", event_name = "page_viewed", timestamp = "2025-03-04 10:00:00" }
untouched = true
"""
COMMA = """
[[repair]]
name = "comma"
from = 2025-03-04
rules = "wrong_column_count"
set.raw = "REPLACE(raw, 'Macintosh, Intel', 'Macintosh Intel')"
reason = "User agents came without quotes."
author = "ana"

[[repair.example]]
given.header = "client_id,page_url,referrer,timestamp,event_name,event_data,user_agent"
given.raw = "c,https://puffy.com/,,2025-03-04T10:00:00Z,page_viewed,,Macintosh, Intel"
then = { user_agent = "Macintosh Intel" }
"""
ALL = RENAMED + PACIFIC + COMMA
SETTINGS = settings_with()


def test_repairs_are_read_in_the_order_of_the_file() -> None:
    renamed, pacific, comma = parse_repairs(ALL, "repairs.toml", SETTINGS)
    assert (renamed.name, renamed.days) == ("app-renamed-timestamp", DayRange(dt.date(2025, 3, 4), dt.date(2025, 3, 4)))
    assert renamed.consumed == {"occurred"}
    assert (pacific.files, pacific.rules, pacific.days.last) == (("*_app.csv",), ("accepted",), dt.date(2025, 3, 5))
    assert comma.is_of_texts
    assert not pacific.is_of_texts


def test_the_rules_a_repair_may_name_are_those_that_rows_are_judged_by() -> None:
    judged = [rule for _, rule, _, _ in _rules(dt.date(2025, 3, 1), SETTINGS)]
    assert tuple(dict.fromkeys(judged)) == ROW_RULES


def test_only_what_decides_about_rows_is_in_the_fingerprint() -> None:
    (before,) = parse_repairs(RENAMED, "repairs.toml", SETTINGS)
    (reworded,) = parse_repairs(RENAMED.replace("ana", "ben").replace("release", "version"), "repairs.toml", SETTINGS)
    (changed,) = parse_repairs(RENAMED.replace('"occurred"\n', '"TRIM(occurred)"\n'), "repairs.toml", SETTINGS)
    assert reworded.fingerprint == before.fingerprint
    assert changed.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('"occurred"\n', '"ocurred"\n', r"line 2, repair 1 \(app-renamed-timestamp\): 'set.timestamp' reads 'ocurred'"),
        ('"occurred"\n', '"ocurred"\n', "did you mean 'occurred'"),
        ('"occurred"\n', '"occurred ||"\n', "'set.timestamp': unable to parse"),
        ('"occurred"\n', '"MAX(occurred)"\n', "'set.timestamp': it must be computed from the row alone"),
        ("set.timestamp = \"occurred\"", 'set.time = "occurred"', "cannot be 'time'; did you mean 'timestamp'"),
        ("set.timestamp = \"occurred\"", "set = {}", "neither may be empty"),
        ('author = "ana"', 'auhtor = "ana"', "unknown key 'auhtor'; did you mean 'author'"),
        ('author = "ana"', "", "'author' is missing"),
        ("column:timestamp", "column:timestmp", "did you mean 'missing_column:timestamp'"),
        ("missing_column:timestamp", "wrong_column_count", "have no columns yet: set 'raw'"),
        ("missing_column:timestamp", "missing_value", "as delivered its rule is missing_column:timestamp"),
        ("from = 2025-03-04", 'from = "4 March"', "'from' must be a date"),
        ("from = 2025-03-04\nto", "from = 2025-03-09\nto", r"repair 2 \(pacific\): 'to' 2025-03-05 is before 'from'"),
        ("T18:00:00Z", "T17:00:00Z", "example 1: event_ts comes out as 2025-03-04T18:00:00.000000Z"),
        ("T18:00:00Z", "T18:00:00", "must be a time with an offset"),
        ('client_id = "c" }\n\n', 'client_id = "d" }\n\n', "client_id does not come out as 'then' says"),
        ("2025-03-04T18:00:00Z, client_id", '"x", timestamp', "say event_ts"),
        ("untouched = true", "", "give either 'then'"),
        ("timestamp_kind = 'naive'", "timestamp_kind", "'where': it gives String where Boolean is needed"),
        ("timestamp_kind = 'naive'", "TRUE", "example 2: the repair changes the row, which was to stay untouched"),
        ("events_20250304_web", "events_20250304_app", "example 3: the repair changes the row"),
        ("events_20250304_web", "events_web", "'file' must be the name of a landing file"),
        ('"pacific"', '"app-renamed-timestamp"', "'name' is an earlier repair's"),
        ('"pacific"', '"a=b"', "'name' may hold letters, digits"),
        ("REPLACE(raw, 'Macintosh, Intel', 'Macintosh Intel')", "raw", "the rule wrong_column_count"),
        ("REPLACE(raw, 'Macintosh, Intel', 'Macintosh Intel')", "user_agent", "no example has"),
        ('set.raw = "', 'set.client_id = "x"\nset.raw = "', "use it alone"),
        ("given.raw = ", "given.text = ", "'given' must hold 'raw'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_what_to_do(right: str, wrong: str, told: str) -> None:
    assert right in ALL
    with pytest.raises(RepairsError, match=told):
        parse_repairs(ALL.replace(right, wrong, 1), "repairs.toml", SETTINGS)


def test_all_mistakes_are_told_at_once() -> None:
    text = ALL.replace('author = "ana"', "").replace("2025-03-04T18:00:00Z", "2025-03-04T17:00:00Z")
    with pytest.raises(RepairsError) as refused:
        parse_repairs(text, "repairs.toml", SETTINGS)
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["[[repairs]]\nname = 'x'", "repair = 7", "[repair]\nname = 'x'", "not toml"])
def test_what_is_no_file_of_repairs_is_refused(text: str) -> None:
    with pytest.raises(RepairsError, match=r"^repairs.toml: "):
        parse_repairs(text, "repairs.toml", SETTINGS)


def test_mistakes_quote_no_value_of_an_example() -> None:
    with pytest.raises(RepairsError) as refused:
        parse_repairs(PACIFIC.replace('client_id = "c" }\n\n', 'client_id = "someone" }\n\n'), "repairs.toml", SETTINGS)
    assert "someone" not in str(refused.value)


def test_the_file_is_the_homes_and_need_not_exist(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, environment={})
    assert load_repairs(settings) == ()
    (tmp_path / "repairs.toml").write_text(RENAMED, "utf-8")
    assert [repair.name for repair in load_repairs(settings)] == ["app-renamed-timestamp"]
    elsewhere = load_settings(tmp_path, environment={"PUFFY_PATHS__REPAIRS": "config/mine.toml"})
    assert elsewhere.repairs == tmp_path / "config" / "mine.toml"


def test_examples_are_judged_under_the_settings_in_force() -> None:
    """A repair that works for a shop in UTC need not for one where this hour was skipped."""
    text = PACIFIC.replace(" || '-08:00'", "").replace("2025-03-04 10:00:00", "2025-03-09 02:30:00")
    text = (
        text.replace("2025-03-04\n", "2025-03-09\n").replace("2025-03-05", "2025-03-09").replace("20250304", "20250309")
    )
    text = text.replace("2025-03-04T10:00:00Z", "2025-03-09T10:00:00Z").replace(
        "2025-03-04T18:00:00Z", "2025-03-09T02:30:00Z"
    )
    assert parse_repairs(text, "repairs.toml", SETTINGS)
    with pytest.raises(RepairsError, match="nonexistent_local_time"):
        parse_repairs(text, "repairs.toml", settings_with(shop={"time_zone": "America/Los_Angeles"}))


def test_the_repairs_in_the_documentation_do_what_they_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "repairs.md").read_text("utf-8")
    text = "\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    repairs = parse_repairs(text, "docs/repairs.md", SETTINGS)
    assert [len(repair.examples) for repair in repairs] == [1, 3, 1]
    documented = set(re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", page.partition("## Reference")[2], re.MULTILINE))
    keys = {field.alias or name for name, field in RepairTable.model_fields.items()}
    assert {key for pair in documented for key in pair if key} == keys
