"""An incident has a beginning and an end, whatever the order of days and however often one looks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from puffy_platform.alerts.incidents import GROUPED, QUIET_DAYS, UPDATE_EVERY, Finding, Incident, fold, news, tell
from puffy_platform_tests.alerts.samples import NOW, day, finding

LATER = NOW + GROUPED + dt.timedelta(hours=1)


def folded(
    known: Iterable[Incident], bad: Iterable[Finding], now: dt.datetime = NOW, newest: int = 60
) -> list[Incident]:
    """All incidents after a look."""
    known = list(known)
    changed = fold(known, bad, {"sessions": day(newest)}, now)
    after = {each.id: each for each in known} | {each.id: each for each in changed}
    return list(after.values())


def told(incidents: Iterable[Incident], now: dt.datetime = NOW) -> list[Incident]:
    return [tell(each, now, "thread") for each in incidents]


def test_an_incident_opens_grows_and_recovers() -> None:
    (opened,) = told(folded([], [finding(50)]))
    assert (opened.is_open, list(opened.days)) == (True, [day(50)])
    (grown,) = folded([opened], [finding(50), finding(51)], LATER)
    assert (grown.id, grown.untold, news(grown, LATER)) == (opened.id, [day(51)], "update")
    (over,) = folded([grown], [], LATER)
    assert (over.closed_at, news(over, LATER)) == (LATER, "recover")
    assert news(tell(over, LATER, "thread"), LATER) is None


def test_looking_again_at_the_same_changes_nothing() -> None:
    incidents = folded([], [finding(50), finding(51, "contract")])
    assert fold(incidents, [finding(51, "contract"), finding(50)], {}, LATER) == []


def test_an_error_stays_open_until_its_own_day_is_mended() -> None:
    (incident,) = told(folded([], [finding(10)], newest=10))
    (same,) = folded([incident], [finding(10)], LATER, newest=60)
    assert same.is_open, "good days after it do not bring its rows back"


def test_a_warning_ends_with_good_days_after_it_once_it_was_told() -> None:
    (incident,) = folded([], [finding(10, severity="warn")], newest=60)
    assert incident.is_open, "nobody has heard of it yet"
    (heard,) = told([incident])
    (young,) = folded([heard], [finding(10, severity="warn")], LATER, newest=10 + QUIET_DAYS)
    (old,) = folded([heard], [finding(10, severity="warn")], LATER, newest=11 + QUIET_DAYS)
    assert (young.is_open, old.is_open) == (True, False)
    (known,) = folded(told([old]), [finding(10, severity="warn")], LATER, newest=60)
    assert news(known, LATER) is None, "its day is no news the next time"


def test_a_day_near_an_open_incident_belongs_to_it_and_a_far_one_is_another() -> None:
    (first,) = told(folded([], [finding(10)]))
    incidents = folded([first], [finding(10), finding(10 + QUIET_DAYS)], LATER)
    assert len(incidents) == 1
    incidents = folded([first], [finding(10), finding(11 + QUIET_DAYS)], LATER)
    assert [list(each.days) for each in incidents] == [[day(10)], [day(11 + QUIET_DAYS)]]


def test_the_days_of_a_backfill_are_one_incident_however_far_apart_and_over_several_runs() -> None:
    (first,) = told(folded([], [finding(number) for number in (3, 20, 31)]))
    (whole,) = folded([first], [finding(n) for n in (3, 20, 31, 45, 88)], NOW + dt.timedelta(hours=1))
    assert len(whole.days) == 5


def test_an_anomaly_whose_leading_metric_is_another_tables_the_next_day_is_one_incident() -> None:
    """Lost tracking is told by the referrers on one day, by the Unknown channel on the next, and ends once."""

    def lost(number: int, table: str) -> Finding:
        return finding(number, "tracking", table, kind="anomaly")

    (opened,) = told(folded([], [lost(50, "raw_events")], newest=50))
    (grown,) = told(folded([opened], [lost(50, "raw_events"), lost(51, "events_enriched")], LATER, newest=51))
    assert (grown.id, grown.key.table, list(grown.days)) == (opened.id, "raw_events", [day(50), day(51)])
    (moved,) = folded([grown], [lost(50, "sessions"), lost(51, "sessions")], LATER, newest=51)
    assert (moved.id, news(moved, LATER)) == (opened.id, None), "the same days, seen from elsewhere"
    (over,) = folded([moved], [], LATER)
    assert news(over, LATER) == "recover"


def test_the_same_check_of_another_table_is_another_incident() -> None:
    assert len(folded([], [finding(50, table="sessions"), finding(50, table="purchases")])) == 2


def test_what_recovers_before_anybody_heard_of_it_is_never_told() -> None:
    (over,) = folded(folded([], [finding(10)]), [], NOW + dt.timedelta(minutes=1))
    assert news(over, LATER) is None


def test_news_of_what_was_told_a_moment_ago_are_collected() -> None:
    (incident,) = told(folded([], [finding(10)]))
    (more,) = folded([incident], [finding(10), finding(11)], NOW + dt.timedelta(minutes=1))
    assert news(more, NOW + UPDATE_EVERY - dt.timedelta(seconds=1)) is None
    assert news(more, NOW + UPDATE_EVERY) == "update"


def test_a_day_that_goes_from_late_to_missing_is_news() -> None:
    (late,) = told(folded([], [finding(10, kind="freshness", state="late")]))
    (missing,) = folded([late], [finding(10, kind="freshness", state="missing")], LATER)
    assert (missing.id, missing.untold) == (late.id, [day(10)])


def test_a_day_mended_and_broken_again_is_news_again() -> None:
    (incident,) = told(folded([], [finding(10), finding(11)]))
    (half,) = folded([incident], [finding(11)], LATER)
    assert news(half, LATER) is None
    (again,) = folded([half], [finding(10), finding(11)], LATER)
    assert again.untold == [day(10)]


LOOKS = st.lists(st.frozensets(st.tuples(st.integers(1, 40), st.sampled_from(["key", "contract"]))), max_size=6)


@given(looks=LOOKS, hours=st.integers(0, 10))
def test_whatever_comes_every_bad_day_is_in_exactly_one_incident_and_none_else_is(
    looks: list[frozenset[tuple[int, str]]], hours: int
) -> None:
    known: list[Incident] = []
    for number, look in enumerate(looks):
        now = NOW + number * dt.timedelta(hours=hours)
        known = told(folded(known, [finding(each, check) for each, check in look], now), now)
        held = [(bad, each.key.check) for each in known for bad in each.days]
        assert sorted(held) == sorted((day(each), check) for each, check in look)
        assert all(each.is_open == bool(each.days) for each in known)
