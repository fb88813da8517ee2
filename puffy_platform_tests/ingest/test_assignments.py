"""The file of assignments: which lines are used, and what is said of the others."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from puffy_platform.ingest.assignments import Assignments, load_assignments
from puffy_platform.settings import Settings, SettingsError, load_settings

HEADER = b"client_id,experiment,variant,time\n"


def load(folder: Path, content: bytes, environment: dict[str, str] | None = None) -> Assignments:
    (folder / "assignments.csv").write_bytes(content)
    return load_assignments(settings_of(folder, environment))


def settings_of(folder: Path, environment: dict[str, str] | None = None) -> Settings:
    return load_settings(folder, environment=environment or {})


def used(found: Assignments) -> list[tuple[str, str, str, str]]:
    return [(name, variant, client, f"{when:%d %H:%M}") for name, variant, client, when in found.rows.rows()]


def problems(found: Assignments) -> list[tuple[int, str]]:
    return list(found.problems.select("line", "rule").iter_rows())


def test_each_client_counts_once_an_experiment_with_its_first_variant(tmp_path: Path) -> None:
    lines = (
        b"ann,e,treatment,2025-03-02T10:00:00Z\n"
        b"ann,e,control,2025-03-01T10:00:00Z\n"
        b"ann,e,control,2025-03-01T11:00:00Z\n"
        b"ann,f,control,2025-03-03T10:00:00Z\n"
        b"ben,e,treatment,2025-03-01T12:00:00+02:00\n"
    )
    found = load(tmp_path, HEADER + lines)
    assert used(found) == [
        ("e", "control", "ann", "01 10:00"),
        ("e", "treatment", "ben", "01 10:00"),
        ("f", "control", "ann", "03 10:00"),
    ]
    assert (found.lines, found.repeated, found.crossed.rows()) == (5, 1, [("e", 1)])
    assert found.problems.is_empty()


def test_a_line_that_cannot_be_used_is_named_with_its_reason_and_the_day_of_its_neighbour(tmp_path: Path) -> None:
    lines = (
        b"a,e,control,later\n"
        b"b,e,control,2025-03-01T10:00:00Z\n"
        b",e,control,2025-03-01T10:00:00Z\n"
        b"c,e, ,2025-03-01T10:00:00Z\n"
        b"d,e,control\n"
        b'"e,e,control,2025-03-01T10:00:00Z\n'
        b"f,e,control,2025-03-05T10:00:00Z\n"
        b"g\x00,e,control,2025-03-05T10:00:00Z\n"
    )
    found = load(tmp_path, HEADER + lines)
    assert problems(found) == [
        (2, "unreadable_time"),
        (4, "missing_value"),
        (5, "missing_value"),
        (6, "wrong_column_count"),
        (7, "unterminated_quote"),
        (9, "nul_byte"),
    ]
    assert found.problems["day"].to_list() == [dt.date(2025, 3, 1)] * 5 + [dt.date(2025, 3, 5)]
    assert [client for _, _, client, _ in used(found)] == ["b", "f"]
    assert found.lines == len(used(found)) + len(problems(found))
    assert not any(value in text for text in found.problems["message"] for value in ("later", "control"))


def test_naive_times_are_read_in_the_zone_of_the_shop(tmp_path: Path) -> None:
    zone = {"PUFFY_SHOP__TIME_ZONE": "America/New_York"}
    lines = b"a,e,control,2025-03-01 10:00\nb,e,control,2025-03-09 02:30\n"
    found = load(tmp_path, HEADER + lines, zone)
    assert used(found) == [("e", "control", "a", "01 15:00")]
    assert problems(found) == [(3, "nonexistent_local_time")]


def test_columns_may_have_their_usual_other_names_and_company(tmp_path: Path) -> None:
    content = b"note,Timestamp,Variant,Experiment,Client\nx,2025-03-01T10:00:00Z,A,e,ann\n"
    assert used(load(tmp_path, content)) == [("e", "A", "ann", "01 10:00")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "its header names no column client_id, experiment, variant, time"),
        (b"client_id,variant,time\n", "its header names no column experiment"),
        (b'client_id,"experiment\n', "holds a quote that is never closed"),
        (b"\xff\xfe\x00\x00a", "UTF-32"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    found = load(tmp_path, content)
    assert found.mistake is not None
    assert words in found.mistake
    assert found.rows.is_empty()


def test_there_need_not_be_a_file(tmp_path: Path) -> None:
    found = load_assignments(settings_of(tmp_path))
    assert (found.mistake, found.rows.height, found.lines) == (None, 0, 0)


@pytest.mark.parametrize(
    ("design", "words"),
    [
        ('variants = ["a"]', "designs.e.variants"),
        ('variants = ["a", "a"]', "a variant is named twice"),
        ('variants = ["a", "b"]\nshares = [1.0]', "2 variants take as many shares, not 1"),
        ('variants = ["a", "b"]\nspending = "all"', "'obrien_fleming' or 'pocock'"),
        ('variants = ["a", "b"]\nclient = 5', "designs.e.client (from"),
    ],
)
def test_a_wrong_design_stops_at_the_start(tmp_path: Path, design: str, words: str) -> None:
    (tmp_path / "puffy.toml").write_text(f"[designs.e]\n{design}\n", "utf-8")
    with pytest.raises(SettingsError) as raised:
        settings_of(tmp_path)
    assert words in str(raised.value)
