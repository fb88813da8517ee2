"""Real HTTP: the slack_sdk client and a Teams webhook against a server that is well, slow, full, broken or gone."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from puffy_platform.alerts import slack, teams
from puffy_platform.alerts.channels import SLACK_TOKEN, TEAMS_WEBHOOK, channels, destination
from puffy_platform.alerts.delivery import Channel
from puffy_platform.alerts.desk import Desk
from puffy_platform.alerts.log_file import LogFile
from puffy_platform.alerts.sending import AT_ONCE, FAILURES_TO_OPEN, Breaker, send_waiting
from puffy_platform.alerts.slack import SlackChannel, slack_client
from puffy_platform.alerts.storage import CLAIM
from puffy_platform.alerts.teams import TeamsChannel
from puffy_platform_tests.alerts.samples import Clock, day, desk, finding, steady
from puffy_platform_tests.alerts.slack_server import TOKEN, SlackServer, slack_server
from puffy_platform_tests.windows import settings_with


@pytest.fixture
def server() -> Iterator[SlackServer]:
    with slack_server() as server:
        yield server


@contextmanager
def little_patience() -> Iterator[None]:
    """Clients made in here give up soon. Only where an answer never comes: a busy machine is slow to answer too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slack, "TIMEOUT_SECONDS", 0.3)
        patch.setattr(teams, "TIMEOUT_SECONDS", 0.3)
        yield


def send_to_slow(at: Desk, server: SlackServer, clock: Clock) -> int:
    """Send to a server that takes the message and does not answer; returns when it has taken it."""
    with little_patience():
        sent = send(at, connect(server), clock)
    for _ in range(1_000):
        if server.posted:
            break
        time.sleep(0.01)
    return sent


@pytest.fixture
def clock() -> Clock:
    return Clock()


def connect(server: SlackServer, token: str = TOKEN) -> SlackChannel:
    return SlackChannel(slack_client(token, server.url))


def write(at: Desk, clock: Clock, *numbers: int, table: str = "sessions") -> None:
    """One more incident, or news of it."""
    at.take(("check",), [finding(number, table=table) for number in numbers], {}, clock())
    at.write(clock())


def send(at: Desk, channel: Channel, clock: Clock) -> int:
    return send_waiting(at.store, [channel], clock, steady())


def problems(at: Desk) -> list[str]:
    return [letter.problem for letter in at.store.waiting()]


def test_an_incident_is_one_message_with_replies_in_its_thread(
    tmp_path: Path, server: SlackServer, clock: Clock
) -> None:
    at, channel = desk(tmp_path), connect(server)
    write(at, clock, 60)
    assert send(at, channel, clock) == 1
    clock.pass_by(hours=1)
    write(at, clock, 60, 61)
    clock.pass_by(hours=1)
    write(at, clock)
    assert send(at, channel, clock) == 2
    root, update, recovery = server.posted
    assert root["channel"] == "#puffy-data"
    assert "thread_ts" not in root
    assert (update["thread_ts"], recovery["thread_ts"]) == (root["ts"], root["ts"])
    assert recovery["reply_broadcast"] is True
    assert root["blocks"][0]["text"]["text"] == "sessions: key failed"
    assert "*observed*: 2 rows share a key" in root["blocks"][1]["text"]["text"]
    assert "Recovered" in recovery["text"]
    assert send(at, channel, clock) == 0


def test_a_rate_limit_is_kept_to_the_second(tmp_path: Path, server: SlackServer, clock: Clock) -> None:
    at, channel = desk(tmp_path), connect(server)
    server.moods = ["429"]
    write(at, clock, 60)
    assert send(at, channel, clock) == 0
    clock.pass_by(seconds=29)
    assert send(at, channel, clock) == 0
    assert len(server.calls) == 1, "nothing is asked for before its time"
    clock.pass_by(seconds=1)
    assert send(at, channel, clock) == 1
    assert len(server.posted) == 1


@pytest.mark.parametrize("mood", ["500", "slow", "429", "lost"])
def test_after_trouble_it_arrives_and_only_once(tmp_path: Path, server: SlackServer, clock: Clock, mood: str) -> None:
    """`slow` and `lost` were taken by Slack, which nobody here knows: the message is looked for before the next try."""
    at = desk(tmp_path)
    server.moods = [mood]
    write(at, clock, 60)
    first = send_to_slow(at, server, clock) if mood == "slow" else send(at, connect(server), clock)
    assert first == 0
    assert len(at.store.waiting()) == 1
    clock.pass_by(hours=1)
    assert send(at, connect(server), clock) == 1
    assert len(server.posted) == 1
    if mood in ("slow", "lost"):
        assert server.calls == ["chat.postMessage", "conversations.list", "conversations.history"]


def test_a_reply_that_was_taken_without_an_answer_is_found_in_its_thread(
    tmp_path: Path, server: SlackServer, clock: Clock
) -> None:
    at, channel = desk(tmp_path), connect(server)
    write(at, clock, 60)
    send(at, channel, clock)
    clock.pass_by(hours=1)
    write(at, clock)
    server.moods = ["lost"]
    send(at, channel, clock)
    clock.pass_by(hours=1)
    assert send(at, channel, clock) == 1
    assert len(server.posted) == 2
    assert "conversations.replies" in server.calls


def test_killed_between_accepted_and_recorded_it_is_not_posted_again(
    tmp_path: Path, server: SlackServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = desk(tmp_path)
    write(at, clock, 60)
    with monkeypatch.context() as patch:
        patch.setattr(at.store.__class__, "record_sent", killed)
        with pytest.raises(KeyboardInterrupt):
            send(at, connect(server), clock)
    assert len(server.posted) == 1
    after = desk(tmp_path)
    assert send(after, connect(server), clock) == 0, "whoever claimed it may be at it still"
    clock.now += CLAIM
    assert send(after, connect(server), clock) == 1
    assert len(server.posted) == 1


def killed(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_the_one_possible_double_is_when_slack_may_not_be_asked(
    tmp_path: Path, server: SlackServer, clock: Clock
) -> None:
    """Without the scopes channels:history and channels:read a message of unknown fate is posted again, never lost."""
    at, channel = desk(tmp_path), connect(server)
    server.can_look = False
    server.moods = ["lost"]
    write(at, clock, 60)
    send(at, channel, clock)
    clock.pass_by(hours=1)
    assert send(at, channel, clock) == 1
    assert len(server.posted) == 2
    assert send(at, channel, clock.__class__()) == 0


def test_while_slack_is_dead_little_is_tried_and_nothing_is_lost_and_the_order_stays(
    tmp_path: Path, server: SlackServer, clock: Clock
) -> None:
    at = desk(tmp_path)
    dead = SlackChannel(slack_client(TOKEN, "http://127.0.0.1:9/api/"))
    tables = ["sessions", "conversions", "purchases", "paths", "funnel", "cohorts"]
    for number in range(len(tables)):
        at.take(("check",), [finding(60, table=each) for each in tables[: number + 1]], {}, clock())
        at.write(clock())
    for _ in range(60):
        assert send(at, dead, clock) == 0
        clock.pass_by(seconds=30)
    breaker = Breaker.of(at.store, "slack")
    assert breaker.reason == "URLError"
    assert FAILURES_TO_OPEN <= breaker.failures < 12, "half an hour of looks cost a few attempts"
    clock.pass_by(hours=2)
    assert send(at, connect(server), clock) == len(tables)
    assert [text.partition(":")[0] for text in server.texts()] == tables
    assert Breaker.of(at.store, "slack") == Breaker()


def test_with_a_wrong_token_everything_waits_and_says_why(tmp_path: Path, server: SlackServer, clock: Clock) -> None:
    at = desk(tmp_path)
    write(at, clock, 60)
    assert send(at, connect(server, "xoxb-wrong"), clock) == 0
    assert problems(at) == ["invalid_auth"]
    clock.pass_by(hours=2)
    assert send(at, connect(server), clock) == 1


def test_a_channel_that_is_not_there_holds_up_nobody_else(tmp_path: Path, server: SlackServer, clock: Clock) -> None:
    chosen = settings_with(alerts={"channels": {"team:ingest": "#nowhere", "team:analytics": "#puffy-data"}})
    at = desk(tmp_path, settings=chosen)
    at.take(("check",), [finding(60, table="raw_events"), finding(60)], {}, clock())
    at.write(clock())
    assert send(at, connect(server), clock) == 1
    assert problems(at) == ["channel_not_found"]
    assert server.texts()[0].startswith("sessions: key failed")


def test_a_reply_waits_for_its_thread(tmp_path: Path, server: SlackServer, clock: Clock) -> None:
    at, channel = desk(tmp_path), connect(server)
    server.moods = ["channel_not_found"]
    write(at, clock, 60)
    clock.pass_by(minutes=1)
    write(at, clock)
    assert send(at, channel, clock) == 0
    assert server.posted == []
    clock.pass_by(hours=2)
    assert send(at, channel, clock) == 2
    assert server.posted[1]["thread_ts"] == server.posted[0]["ts"]


def test_two_processes_at_once_post_a_message_once(tmp_path: Path, server: SlackServer, clock: Clock) -> None:
    first, second = desk(tmp_path), desk(tmp_path)
    write(first, clock, 60)
    (letter,) = first.store.waiting()
    assert first.store.claim(letter, clock())
    assert not second.store.claim(letter, clock())
    assert send(second, connect(server), clock) == 0


def test_one_look_sends_a_bounded_number(tmp_path: Path, server: SlackServer, clock: Clock) -> None:
    at = desk(tmp_path)
    at.take(("check",), [finding(60, table=f"table_{n:02d}") for n in range(AT_ONCE + 3)], {}, clock())
    at.write(clock())
    assert [send(at, connect(server), clock) for _ in range(3)] == [AT_ONCE, 3, 0]


def test_teams_gets_the_same_words_as_cards(tmp_path: Path, server: SlackServer, clock: Clock) -> None:
    at = desk(tmp_path, ("teams",))
    channel = TeamsChannel(server.url + "workflow")
    server.moods = ["500", "429"]
    write(at, clock, 60)
    for hours in (0, 1):
        clock.pass_by(hours=hours)
        assert send(at, channel, clock) == 0
    clock.pass_by(hours=1)
    assert send(at, channel, clock) == 1
    (card,) = server.cards
    assert card["attachments"][0]["content"]["body"][0]["text"] == "sessions: key failed"


def test_without_a_connection_alerts_are_lines_of_a_file_and_shown(tmp_path: Path, clock: Clock) -> None:
    at, shown = desk(tmp_path, ("file",)), list[str]()
    channel = LogFile(tmp_path / "alerts.log", shown.append)
    write(at, clock, 60)
    assert send(at, channel, clock) == 1
    (line,) = (tmp_path / "alerts.log").read_text("utf-8").splitlines()
    assert json.loads(line)["title"] == "sessions: key failed"
    assert shown[0].startswith("sessions: key failed\n")


def test_a_line_written_before_a_kill_is_not_written_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = desk(tmp_path, ("file",))
    channel = LogFile(tmp_path / "alerts.log", lambda text: None)
    write(at, clock, 60)
    with monkeypatch.context() as patch:
        patch.setattr(at.store.__class__, "record_sent", killed)
        with pytest.raises(KeyboardInterrupt):
            send(at, channel, clock)
    clock.now += CLAIM
    assert send(at, channel, clock) == 1
    assert len((tmp_path / "alerts.log").read_text("utf-8").splitlines()) == 1


def test_the_environment_says_which_channels_there_are() -> None:
    chosen = settings_with()
    both = {SLACK_TOKEN: "t", TEAMS_WEBHOOK: "https://example.com/hook"}
    assert [channel.name for channel in channels(chosen, print, both)] == ["slack", "teams"]
    assert [channel.name for channel in channels(chosen, print, {})] == ["file"]
    assert destination(chosen, both) == "Slack and Teams"
    assert "SLACK_BOT_TOKEN" in destination(chosen, {})


@pytest.mark.parametrize("mood", ["ok", "500", "slow", "invalid_auth", "lost"])
def test_no_token_and_no_address_is_in_any_log_or_in_the_database(
    tmp_path: Path, server: SlackServer, clock: Clock, mood: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = server.url + "workflow"
    at = desk(tmp_path, ("slack", "teams"))
    server.moods = [mood, mood]
    write(at, clock, 60)
    patience = little_patience() if mood == "slow" else nullcontext()
    with caplog.at_level(logging.DEBUG), patience:
        send(at, connect(server), clock)
        send(at, TeamsChannel(address), clock)
    at.store.close()
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir()).decode("utf-8", "replace") + caplog.text
    assert TOKEN not in written
    assert address not in written
    assert str(day(60)) in written
