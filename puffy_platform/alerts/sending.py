"""Delivers what waits in the outbox: in order, at least once, with patience. A dead channel costs one attempt."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from puffy_platform.alerts.delivery import Channel, Refused, Root, Unavailable
from puffy_platform.alerts.storage import AlertStore, Letter

__all__ = ["Breaker", "send_waiting"]

# One look sends at most so many a channel: Slack takes about one a second.
AT_ONCE = 20
# Pauses double from the first to the longest, each spread by half so that many do not come back at once.
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(seconds=30), dt.timedelta(hours=1)
# After so many failures in a row nothing is tried until the pause is over; then one message tries for all.
FAILURES_TO_OPEN = 3
# A message that is refused waits for somebody to mend the settings; the others go on.
REFUSED_PAUSE = dt.timedelta(hours=1)

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True)
class Breaker:
    """A channel's state: failures in a row, and until when nothing is tried."""

    failures: int = 0
    until: dt.datetime | None = None
    reason: str = ""

    @classmethod
    def of(cls, store: AlertStore, channel: str) -> Breaker:
        found = store.get(f"breaker of {channel}")
        if not found:
            return cls()
        until = dt.datetime.fromisoformat(found["until"]) if found["until"] else None
        return cls(found["failures"], until, found["reason"])

    def save(self, store: AlertStore, channel: str) -> None:
        until = self.until.isoformat() if self.until else None
        value = {"failures": self.failures, "until": until, "reason": self.reason}
        store.set(f"breaker of {channel}", value)

    def is_open(self, now: dt.datetime) -> bool:
        return self.until is not None and now < self.until


def send_waiting(store: AlertStore, channels: Iterable[Channel], clock: Clock, chance: random.Random) -> int:
    """Send what is due; returns how many messages were delivered. Never raises for a channel that fails."""
    return sum(_send(store, channel, clock, chance) for channel in channels)


def _send(store: AlertStore, channel: Channel, clock: Clock, chance: random.Random) -> int:
    sent = 0
    for letter in store.waiting(channel.name, clock())[:AT_ONCE]:
        now, breaker = clock(), Breaker.of(store, channel.name)
        if breaker.is_open(now):
            break
        has_root, reference = store.root_of(letter.thread, channel.name) if letter.thread else (False, None)
        if has_root and reference is None and not letter.is_root:
            continue  # its thread does not exist yet
        if not store.claim(letter, now):
            continue
        root = Root(None if letter.is_root else reference)
        try:
            found = channel.find(letter, root) if letter.is_uncertain else None
            store.record_sent(letter, found or channel.post(letter, root), clock())
        except Refused as refused:
            store.postpone(letter, clock() + REFUSED_PAUSE, str(refused), is_uncertain=False)
            continue
        except Unavailable as problem:
            _wait(store, channel, letter, breaker, problem, clock(), chance)
            break
        if breaker != Breaker():
            Breaker().save(store, channel.name)
        sent += 1
    return sent


def _wait(
    store: AlertStore,
    channel: Channel,
    letter: Letter,
    breaker: Breaker,
    problem: Unavailable,
    now: dt.datetime,
    chance: random.Random,
) -> None:
    """The message waits its turn, and so does the channel when it said so or failed too often."""
    uncertain = problem.is_uncertain or letter.is_uncertain
    if problem.retry_after is not None:
        until = now + problem.retry_after
        Breaker(breaker.failures, until, str(problem)).save(store, channel.name)
    else:
        failures = breaker.failures + 1
        pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 12), LONGEST_PAUSE)
        until = now + pause * chance.uniform(0.5, 1.5)
        opens = until if failures >= FAILURES_TO_OPEN else None
        Breaker(failures, opens, str(problem)).save(store, channel.name)
    store.postpone(letter, until, str(problem), is_uncertain=uncertain)
