"""What a channel of delivery is, and how its failures are told apart. The channels are in slack, teams and log_file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from puffy_platform.alerts.storage import Letter

__all__ = ["Channel", "Refused", "Root", "Unavailable"]


@dataclass(frozen=True)
class Root:
    """The first message of a thread as the channel calls it; None when there is no such message at this channel."""

    reference: str | None


class Refused(Exception):
    """The channel answered and does not take this message. The reason is an error code, never a text of others."""


class Unavailable(Exception):
    """The channel takes no message now. `retry_after` when it said when it will; `is_uncertain` when there was no
    answer, so that this message may have been taken."""

    def __init__(self, reason: str, *, retry_after: dt.timedelta | None = None, is_uncertain: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.is_uncertain = is_uncertain


class Channel(Protocol):
    """A way to deliver. Both methods raise Refused or Unavailable, and nothing else."""

    name: str

    def post(self, letter: Letter, root: Root) -> str:
        """Deliver; returns what the channel calls the message."""

    def find(self, letter: Letter, root: Root) -> str | None:
        """What the channel calls this message if an earlier attempt delivered it; None when it did not, or when the
        channel cannot tell."""
