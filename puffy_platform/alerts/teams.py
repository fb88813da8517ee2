"""Microsoft Teams as a channel: a workflow's webhook takes Adaptive Cards. It knows no threads and no looking back."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from puffy_platform.alerts.adaptive_card import card_of
from puffy_platform.alerts.delivery import Refused, Root, Unavailable
from puffy_platform.alerts.storage import Letter

__all__ = ["TeamsChannel"]

TIMEOUT_SECONDS = 10


class TeamsChannel:
    """Posts to one workflow address, which is a secret. All owners share its channel."""

    name = "teams"

    def __init__(self, address: str) -> None:
        if urlsplit(address).scheme not in ("https", "http"):
            raise ValueError("the Teams webhook is no web address")
        self._address = address

    def post(self, letter: Letter, root: Root) -> str:
        request = urllib.request.Request(
            self._address,
            data=json.dumps(card_of(letter.message)).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
                return letter.message.key
        except urllib.error.HTTPError as error:
            error.close()
            raise _problem(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(type(error).__name__, is_uncertain=True) from None

    def find(self, letter: Letter, root: Root) -> str | None:
        """A workflow cannot be asked: a message without an answer is posted again, the one possible double."""
        return None


def _problem(error: urllib.error.HTTPError) -> Refused | Unavailable:
    reason = f"http_{error.code}"
    if error.code == 429:
        text = error.headers.get("Retry-After", "")
        return Unavailable(reason, retry_after=dt.timedelta(seconds=int(text) if text.isdecimal() else 60))
    if error.code in (401, 403, 404, 410):
        return Unavailable(reason)  # the address is wrong, for every message
    return Unavailable(reason, is_uncertain=True) if error.code >= 500 else Refused(reason)
