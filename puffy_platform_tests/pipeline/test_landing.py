"""The landing folder is seen by content, however files are written, and trusted no further than what was read."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from puffy_platform.ingest import landing as ingest_landing
from puffy_platform.pipeline import Landing, Platform, affected, materialise_ingest
from puffy_platform.pipeline import landing as pipeline_landing
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.ingest.delivery import DAY, DAYS, INGESTED, NAME, as_csv, event

LATER = DAY + dt.timedelta(days=1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A home with one file of one event, nothing ingested yet."""
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / NAME).write_bytes(as_csv([event()]))
    return Platform(load_settings(tmp_path, environment={}), {name: TABLES[name] for name in INGESTED})


def ingest(platform: Platform, days: DayRange = DAYS) -> None:
    materialise_ingest(platform, days, run_id="test", force=False)


def clients(platform: Platform) -> list[str]:
    return sorted(platform.warehouse.read(platform.tables["raw_events"]).collect()["client_id"])


def test_a_rewrite_of_the_same_size_in_the_same_instant_is_seen(platform: Platform) -> None:
    path = platform.settings.landing / NAME
    before = platform.landing().fingerprint(DAY)
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"c-1", b"c-2"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert platform.landing().fingerprint(DAY) != before


def test_the_same_content_written_again_is_no_change(platform: Platform) -> None:
    path = platform.settings.landing / NAME
    ingest(platform)
    path.write_bytes(path.read_bytes())
    assert not affected(platform, DAYS)
    ingest(platform)
    assert not affected(platform, DAYS)


def test_a_settled_file_is_hashed_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return ingest_landing.content_hash(path)

    monkeypatch.setattr(pipeline_landing, "content_hash", counting)
    monkeypatch.setattr(pipeline_landing, "YOUNG_SECONDS", -1.0)
    platform.landing()
    platform.landing()
    assert len(hashed) == 1


def test_a_look_that_is_cut_off_is_gone_on_with(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Years of files take longer to hash than Dagster gives a sensor."""
    (platform.settings.landing / "events_20250302.csv").write_bytes(as_csv([event()]))
    hashed: list[str] = []

    def cut_off(path: Path) -> str:
        if hashed == [NAME]:
            hashed.append("cut off")
            raise KeyboardInterrupt
        hashed.append(path.name)
        return ingest_landing.content_hash(path)

    monkeypatch.setattr(pipeline_landing, "content_hash", cut_off)
    monkeypatch.setattr(pipeline_landing, "YOUNG_SECONDS", -1.0)
    monkeypatch.setattr(pipeline_landing, "SAVE_EVERY_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        platform.landing()
    platform.landing()
    assert hashed == [NAME, "cut off", "events_20250302.csv"]


def test_a_file_that_goes_away_during_the_look_is_not_there(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = platform.settings.landing / "events_20250302.csv"
    path.write_bytes(as_csv([event()]))
    find = pipeline_landing.find_landing_files

    def find_then_remove(folder: Path) -> object:
        found = find(folder)
        path.unlink()
        return found

    monkeypatch.setattr(pipeline_landing, "find_landing_files", find_then_remove)
    look = Landing.look(platform.settings.landing, platform.settings.home / "hashes.json")
    assert list(look.files) == [DAY]


def test_a_file_that_cannot_be_opened_is_quarantined_and_stays_current(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pipeline_landing, "content_hash", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    ingest(platform)
    quarantined = platform.warehouse.read(platform.tables["quarantined_events"]).collect()
    assert quarantined["rule"].to_list() == ["unreadable_file"]
    assert not affected(platform, DAYS)


def test_a_file_that_changes_while_it_is_read_leaves_its_day_stale(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Re-delivered during the read: half of it was read, and afterwards it holds what it held before."""
    path = platform.settings.landing / NAME
    whole = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: as_csv([event(client_id="half")]))
        ingest(platform)
    assert clients(platform) == ["half"]
    assert path.read_bytes() == whole
    assert affected(platform, DAYS), "the rows are not those of the file, whatever its hash"
    ingest(platform)
    assert clients(platform) == ["c-1"]
    assert not affected(platform, DAYS)


def test_a_removed_file_takes_its_rows_with_it(platform: Platform) -> None:
    later = platform.settings.landing / f"events_{LATER:%Y%m%d}.csv"
    later.write_bytes(as_csv([event(client_id="c-2", timestamp=f"{LATER}T12:00:00Z")]))
    both = DayRange(DAY, LATER)
    ingest(platform, both)
    assert clients(platform) == ["c-1", "c-2"]
    later.unlink()
    assert set(affected(platform, both).days["raw_events"]) == {LATER}
    ingest(platform, both)
    assert clients(platform) == ["c-1"]
