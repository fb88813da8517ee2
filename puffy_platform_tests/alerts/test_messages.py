"""A message says what broke in a few lines, keeps within every channel's limits, and never holds anything personal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.alerts.adaptive_card import MAX_BYTES, card_of
from puffy_platform.alerts.block_kit import blocks_of, escape, fallback_of
from puffy_platform.alerts.desk import place_of
from puffy_platform.alerts.incidents import Finding, Incident, fold
from puffy_platform.alerts.messages import Message, Section, digest, opened, plain, sparkline, trend
from puffy_platform.alerts.privacy import redact
from puffy_platform.tables import TABLES
from puffy_platform_tests.alerts.samples import NOW, day, finding
from puffy_platform_tests.alerts.slack_server import what_slack_refuses
from puffy_platform_tests.windows import settings_with

PLACE = place_of("sessions", TABLES, settings_with())
TEXT = st.text(max_size=400) | st.text("<&>`*", max_size=4_000) | st.just("x" * 5_000)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=12).map(tuple)
MESSAGES = st.builds(
    Message,
    key=st.just("k"),
    kind=st.sampled_from(["open", "update", "recover", "digest"]),
    severity=st.sampled_from(["error", "warn"]),
    title=TEXT.filter(bool),
    sections=st.lists(st.builds(Section, TEXT, PAIRS), max_size=70).map(tuple),
    facts=PAIRS,
    link=st.just("http://127.0.0.1:3000/assets/sessions"),
    command=TEXT,
)


def incident(*findings: int) -> Incident:
    (found,) = fold([], [finding(each) for each in findings], {}, NOW)
    return found


def test_a_message_says_what_days_how_bad_why_what_follows_and_where_to_look() -> None:
    one = replace(incident(60, 61), cause="file_drift, columns_are_as_declared: client_id renamed to clientId")
    message = opened("k", [one], PLACE, {one.id: "▁▁█ (0 to 2 in 14 days)"})
    assert plain(message) == (
        "sessions: key failed\n"
        "    days: 2025-03-01..2025-03-02\n"
        "    observed: 2 rows share a key\n"
        "    expected: unique\n"
        "    trend: ▁▁█ (0 to 2 in 14 days)\n"
        "    it says: (session_id) is unique.\n"
        "    likely cause: file_drift, columns_are_as_declared: client_id renamed to clientId\n"
        "    meanwhile: the old rows of these days stand, and what reads them waits\n"
        "  owner: team:analytics\n"
        "  severity: error\n"
        f"  downstream: {', '.join(PLACE.downstream[:6])}"
        + (f" and {len(PLACE.downstream) - 6} more\n" if len(PLACE.downstream) > 6 else "\n")
        + "  look closer: puffy status --date 2025-03-02\n"
        "  http://127.0.0.1:3000/assets/sessions"
    )


def test_downstream_is_everything_that_reads_a_table_directly_or_through_others() -> None:
    assert {"attribution", "channel_summary", "user_journeys"} <= set(PLACE.downstream)
    assert not {"raw_events", "sessions", "events_enriched"} & set(PLACE.downstream)
    assert place_of("landing_files", TABLES, settings_with()).owner == "team:ingest"


def test_many_incidents_of_a_table_are_one_message_that_names_some() -> None:
    incidents = fold([], [finding(60, f"check_{number}") for number in range(20)], {}, NOW)
    message = opened("k", incidents, PLACE, {})
    assert message.title == "sessions: 20 incidents"
    assert message.sections[-1].title == "and 12 more: puffy alerts list"


def test_a_digest_is_one_line_a_check() -> None:
    found = [finding(number, severity="warn", observed="3.1%") for number in (50, 51)]
    message = digest("k", day(60), fold([], found, {}, NOW))
    assert message.title == "Digest of 2025-03-01: 1 new warning"
    assert message.sections == (Section("sessions", (("key", "2025-02-19..2025-02-20; 3.1% (expected unique)"),)),)


@settings(max_examples=60)
@given(message=MESSAGES, is_reply=st.booleans())
def test_whatever_a_message_holds_slack_takes_it(message: Message, is_reply: bool) -> None:
    body = {"blocks": blocks_of(message, is_reply=is_reply), "text": fallback_of(message)}
    assert what_slack_refuses(body) == ""


@settings(max_examples=30)
@given(message=MESSAGES)
def test_whatever_a_message_holds_a_workflow_takes_it_and_it_is_the_same_after_the_outbox(message: Message) -> None:
    assert len(json.dumps(card_of(message), ensure_ascii=False).encode()) < MAX_BYTES + 4_000
    assert Message.from_json(message.to_json()) == message


@given(text=st.text("<>&!@chanel \U0001f600", max_size=50), limit=st.integers(8, 40))
def test_no_text_becomes_a_mention_a_link_or_too_long(text: str, limit: int) -> None:
    written = escape(text, limit)
    assert len(written) <= limit
    assert not set("<>") & set(written)


PERSONAL = {
    "ann.o'neil+shop@mail.example.com": "[email]",
    "f" * 64: "[hash]",
    "https://puffy.com/cart?email=ann@x.io&id=123": "https://puffy.com/cart",
    "xoxb-123-abc-DEF": "[token]",
    "Bearer abc.def": "[token]",
    "https://prod.logic.azure.com/workflows/1?sig=abc": "[address]",
    "https://hooks.slack.com/services/T0/B0/x": "[address]",
}


@pytest.mark.parametrize("secret", PERSONAL)
def test_nothing_personal_and_no_secret_comes_through_whoever_wrote_it(secret: str) -> None:
    assert redact(f"saw {secret} twice") == f"saw {PERSONAL[secret]} twice"
    one = replace(incident(60), cause=f"because of {secret}", explanation=secret)
    message = opened("k", [one], PLACE, {one.id: secret})
    for written in (plain(message), json.dumps(blocks_of(message)), json.dumps(card_of(message)), message.to_json()):
        assert secret not in written


@given(text=st.text(max_size=80), secret=st.sampled_from([each for each in PERSONAL if "@" in each]))
def test_redacting_twice_changes_nothing_and_no_address_survives(text: str, secret: str) -> None:
    once = redact(f"{text} {secret} {text}")
    assert redact(once) == once
    assert secret not in once


@pytest.mark.parametrize(
    "text", ["2 rows share a key", "client_id renamed to clientId", "events_20250301.csv (unreadable)", "74.5%"]
)
def test_what_is_not_personal_stays(text: str) -> None:
    assert redact(text) == text


def test_a_trend_shows_the_first_number_of_the_newest_days() -> None:
    observed = {day(number): f"{number * 1_000:,} of 9 rows" for number in range(1, 31)}
    assert trend(observed) == "▁▂▂▃▃▄▄▅▅▆▆▇▇█ (17,000 to 30,000 in 14 days)"
    assert trend({day(n): "as declared" for n in range(9)}) == ""
    assert trend({day(n): "3 rows" for n in range(9)}) == "", "a line that does not move says nothing"
    assert sparkline([0, 0, 7]) == "▁▁█"


def test_what_is_late_and_what_is_missing_is_said_of_each_day() -> None:
    def late(number: int, state: str) -> Finding:
        return finding(number, "delivery", "landing_files", kind="freshness", state=state, observed=f"{state}: day")

    (one,) = fold([], [late(60, "missing"), late(61, "missing"), late(62, "late")], {}, NOW)
    message = opened("k", [one], place_of("landing_files", TABLES, settings_with()), {})
    assert message.title == "landing_files: missing on 2025-03-01..2025-03-02, late on 2025-03-03"
    assert ("observed", "missing: day, missing: day, late: day") in message.sections[0].lines
