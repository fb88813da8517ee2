"""The desk: who is told what, when and in which thread; durable, and the same however often it is asked."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from puffy_platform.alerts.desk import Desk, DeskError
from puffy_platform.alerts.incidents import GROUPED, UPDATE_EVERY, Finding
from puffy_platform.alerts.routing import Mute, due_at
from puffy_platform.alerts.storage import Letter
from puffy_platform_tests.alerts.samples import NOW, day, desk, finding
from puffy_platform_tests.windows import settings_with

LATER = NOW + dt.timedelta(hours=1)


def look(at: Desk, *bad: Finding, now: dt.datetime = NOW, newest: int = 60) -> list[Letter]:
    """One look with everything that is bad; returns the letters it wrote."""
    before = {letter.number for letter in at.store.waiting()}
    at.take(("check",), bad, {"sessions": day(newest)}, now)
    at.write(now)
    return [letter for letter in at.store.waiting() if letter.number not in before]


def test_a_backfill_of_ninety_old_days_is_one_message_a_table(tmp_path: Path) -> None:
    """In three runs; three checks of two tables fail all over the place."""
    at, bad, letters = desk(tmp_path), list[Finding](), list[Letter]()
    for run in range(3):
        bad += [finding(number, "key") for number in range(30 * run + 1, 30 * run + 31, 7)]
        bad += [finding(number, "contract") for number in range(30 * run + 5, 30 * run + 31, 11)]
        bad += [finding(number, "key", "conversions") for number in range(30 * run + 2, 30 * run + 31)]
        letters += look(at, *bad, now=NOW + run * dt.timedelta(minutes=2), newest=90)
    assert sorted((letter.is_root, letter.message.title) for letter in letters) == [
        (True, "conversions: key failed"),
        (True, "sessions: 2 incidents"),
    ]
    (update, *_) = look(at, *bad, now=NOW + dt.timedelta(hours=1), newest=90)
    assert (update.is_root, update.message.kind) == (False, "update")
    assert "days in all: 87" in f"{update.message.facts[0][0]}: {update.message.facts[0][1]}"


def test_the_story_of_an_incident_is_one_thread(tmp_path: Path) -> None:
    at = desk(tmp_path)
    (opened,) = look(at, finding(60))
    (other,) = look(at, finding(60), finding(60, "contract"), now=NOW + dt.timedelta(minutes=5))
    (update,) = look(at, finding(60), finding(61), finding(60, "contract"), now=LATER)
    recovered = look(at, now=LATER + dt.timedelta(minutes=1))
    assert opened.is_root
    assert not other.is_root, "another check of the table, a moment later"
    assert {letter.thread for letter in (opened, other, update, *recovered)} == {opened.thread}
    assert [letter.message.kind for letter in (opened, other, update, *recovered)] == [
        "open",
        "open",
        "update",
        "recover",
        "recover",
    ]
    assert update.message.title == "sessions: key failed: 2025-03-02 as well"
    assert recovered[0].message.title == "Recovered: sessions: key is good again"
    assert dict(recovered[0].message.sections[0].lines) == {"lasted": "61 minutes"}


def test_a_new_incident_long_after_the_last_word_is_a_new_message(tmp_path: Path) -> None:
    at = desk(tmp_path)
    look(at, finding(10))
    (later,) = look(at, finding(10), finding(40), now=NOW + GROUPED + dt.timedelta(minutes=1))
    assert later.is_root


def test_asking_again_writes_nothing_again(tmp_path: Path) -> None:
    at = desk(tmp_path)
    assert len(look(at, finding(60))) == 1
    assert look(at, finding(60)) == []
    assert look(desk(tmp_path), finding(60), now=LATER) == [], "another process, another hour"


def test_each_target_gets_its_own_letter(tmp_path: Path) -> None:
    letters = look(desk(tmp_path, ("slack", "teams")), finding(60))
    assert [letter.target for letter in letters] == ["slack", "teams"]


def test_the_owner_of_the_table_is_told_in_the_channel_of_the_settings(tmp_path: Path) -> None:
    chosen = settings_with(alerts={"channels": {"team:analytics": "#numbers"}})
    (letter,) = look(desk(tmp_path, settings=chosen), finding(60))
    assert letter.channel == "#numbers"


def test_warnings_come_once_a_day_in_one_digest(tmp_path: Path) -> None:
    at, early = desk(tmp_path), dt.datetime(2025, 3, 10, 8, tzinfo=dt.UTC)
    look(at, now=early)
    warnings = [finding(60, severity="warn"), finding(60, "few", severity="warn")]
    assert look(at, *warnings, now=early + dt.timedelta(minutes=10)) == []
    (digest,) = look(at, *warnings, now=early + dt.timedelta(minutes=30))
    assert digest.message.title == "Digest of 2025-03-10: 2 new warnings"
    tomorrow = early + dt.timedelta(days=1, minutes=31)
    assert look(at, *warnings, now=tomorrow) == [], "nothing is new"
    (again,) = look(at, *warnings, finding(61, severity="warn"), now=tomorrow + dt.timedelta(days=1))
    assert again.message.title == "Digest of 2025-03-12: 1 new warning"


@pytest.mark.parametrize(("route", "letters"), [("now", 1), ("soon", 1), ("none", 0)])
def test_a_severity_goes_where_it_is_routed(tmp_path: Path, route: str, letters: int) -> None:
    chosen = settings_with(alerts={"routes": {"error": route, "warn": "none"}})
    at = desk(tmp_path, settings=chosen)
    assert len(look(at, finding(60), finding(60, "few", severity="warn"))) == letters
    assert len(look(at, now=LATER)) == letters, "its end goes the same way"


@pytest.mark.parametrize(
    ("hour", "route", "waits_until"),
    [(21, "soon", None), (23, "soon", 31), (3, "soon", 7), (23, "now", None), (7, "soon", None)],
)
def test_in_quiet_hours_messages_wait_but_those_that_may_not(hour: int, route: str, waits_until: int | None) -> None:
    """Hours of 10 March in Berlin; quiet from 22 to 7 o'clock."""
    chosen = settings_with(alerts={"quiet_hours": ["22:00", "07:00"]}, shop={"time_zone": "Europe/Berlin"})
    midnight = dt.datetime(2025, 3, 9, 23, tzinfo=dt.UTC)
    now = midnight + dt.timedelta(hours=hour)
    assert due_at(chosen, route, now) == (now if waits_until is None else midnight + dt.timedelta(hours=waits_until))


def test_a_letter_of_the_night_is_due_in_the_morning(tmp_path: Path) -> None:
    chosen = settings_with(alerts={"quiet_hours": ["11:00", "13:00"]})
    (letter,) = look(desk(tmp_path, settings=chosen), finding(60))
    assert letter.due_at == NOW + dt.timedelta(hours=1)


def test_what_is_muted_is_told_when_the_mute_ends_if_it_lasts(tmp_path: Path) -> None:
    at = desk(tmp_path)
    at.store.mute(Mute("sessions.key", LATER))
    (other,) = look(at, finding(60), finding(60, "contract"))
    assert other.message.title == "sessions: contract failed"
    (told,) = look(at, finding(60), finding(60, "contract"), now=LATER)
    assert told.message.title == "sessions: key failed"


def test_what_was_muted_to_its_end_is_never_told(tmp_path: Path) -> None:
    at = desk(tmp_path)
    at.store.mute(Mute("sessions", LATER))
    assert look(at, finding(60)) == []
    assert look(at, now=LATER - dt.timedelta(minutes=1)) == []
    assert look(at, now=LATER + dt.timedelta(minutes=1)) == []


def test_who_acknowledged_an_incident_hears_of_its_end_alone(tmp_path: Path) -> None:
    at = desk(tmp_path)
    look(at, finding(60))
    (incident,) = at.store.incidents()
    assert at.acknowledge(incident.id[:4], NOW).acked_at == NOW
    assert look(at, finding(60), finding(61), now=NOW + 2 * UPDATE_EVERY) == []
    (end,) = look(at, now=NOW + 3 * UPDATE_EVERY)
    assert end.message.kind == "recover"
    with pytest.raises(DeskError, match="no open incident"):
        at.acknowledge(incident.id, LATER)


def test_a_crash_in_the_middle_leaves_neither_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = desk(tmp_path)
    at.take(("check",), [finding(60)], {}, NOW)
    with monkeypatch.context() as patch:
        patch.setattr("puffy_platform.alerts.storage._body", lambda incident: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            at.write(NOW)
    assert at.store.waiting() == [], "not written, for it could not be remembered as told"
    assert len(look(at, finding(60))) == 1


def test_what_is_long_over_is_forgotten_and_what_lasts_is_not(tmp_path: Path) -> None:
    at = desk(tmp_path)
    look(at, finding(60), finding(60, "contract"))
    for letter in [*at.store.waiting(), *look(at, finding(60), now=LATER)]:
        at.store.record_sent(letter, "1", LATER)
    look(at, finding(60), now=NOW + dt.timedelta(days=91))
    assert [each.key.check for each in at.store.recent_incidents(NOW)] == ["key"]
