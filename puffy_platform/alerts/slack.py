"""Slack as a channel: one Web API call a message, and a look for messages whose fate is not known."""

from __future__ import annotations

import datetime as dt
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from puffy_platform.alerts.block_kit import blocks_of, fallback_of
from puffy_platform.alerts.delivery import Refused, Root, Unavailable
from puffy_platform.alerts.storage import Letter

__all__ = ["EVENT_TYPE", "SlackChannel", "slack_client"]

# A message carries its key as metadata, which people do not see.
EVENT_TYPE = "puffy_alert"
TIMEOUT_SECONDS = 10
# Slack's clock and ours need not agree.
CLOCK_SKEW = dt.timedelta(minutes=5)
LOOKED_AT = 200
# With these every message would be refused until somebody acts.
UNUSABLE = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"}
# Slack's own trouble, said with an ok answer.
TRANSIENT = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}


def slack_client(token: str, url: str) -> WebClient:
    """The client, with no retries of its own: the outbox has the patience."""
    return WebClient(token, base_url=url, timeout=TIMEOUT_SECONDS, retry_handlers=[])


class SlackChannel:
    """Posts with chat.postMessage. Needs the scope chat:write; channels:history and channels:read (for private channels
    groups:history and groups:read) to find out what became of a message without an answer."""

    name = "slack"

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._ids: dict[str, str] = {}

    def post(self, letter: Letter, root: Root) -> str:
        if not letter.channel:
            raise Refused("no channel is set for the owner")
        message = letter.message
        answer = self._call(
            "chat.postMessage",
            channel=letter.channel,
            text=fallback_of(message),
            blocks=blocks_of(message, is_reply=root.reference is not None),
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": message.key}},
            thread_ts=root.reference,
            # The end of a thing concerns those who saw its beginning in the channel.
            reply_broadcast=True if message.kind == "recover" and root.reference else None,
            unfurl_links=False,
        )
        return str(answer["ts"])

    def find(self, letter: Letter, root: Root) -> str | None:
        try:
            channel = self._channel_id(letter.channel)
            if channel is None:
                return None
            oldest = str((letter.created_at - CLOCK_SKEW).timestamp())
            where = {"channel": channel, "oldest": oldest, "limit": LOOKED_AT, "include_all_metadata": True}
            if root.reference is None:
                answer = self._call("conversations.history", **where)
            else:
                answer = self._call("conversations.replies", ts=root.reference, **where)
        except Refused:
            return None
        except Unavailable as problem:
            if str(problem) == "missing_scope":
                return None
            # The question is unanswered, so the message's fate stays unknown.
            raise Unavailable(str(problem), retry_after=problem.retry_after, is_uncertain=True) from None
        for each in answer.get("messages", []):
            payload = each.get("metadata", {}).get("event_payload", {})
            if payload.get("key") == letter.message.key:
                return str(each["ts"])
        return None

    def _channel_id(self, name: str) -> str | None:
        """Slack posts to names and looks only into ids."""
        if name not in self._ids:
            cursor = ""
            while True:
                answer = self._call(
                    "conversations.list", types="public_channel,private_channel", limit=999, cursor=cursor or None
                )
                self._ids |= {f"#{each['name']}": each["id"] for each in answer.get("channels", [])}
                cursor = answer.get("response_metadata", {}).get("next_cursor", "")
                if not cursor:
                    break
        return self._ids.get(name)

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """The answer. Errors are told by Slack's code or the error's kind: texts may hold what is nobody's business."""
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            if method == "chat.postMessage":
                answer = self._client.api_call(method, json=given)
            else:
                answer = self._client.api_call(method, params=given)
        except SlackApiError as error:
            raise _problem(error) from None
        except (OSError, SlackClientError, ValueError) as error:
            raise Unavailable(type(error).__name__, is_uncertain=True) from None
        return dict(answer.data) if isinstance(answer.data, dict) else {}


def _problem(error: SlackApiError) -> Refused | Unavailable:
    response = error.response
    status = response.status_code
    if status == 429:
        return Unavailable("ratelimited", retry_after=_retry_after(response.headers))
    if status >= 500:
        return Unavailable(f"http_{status}", is_uncertain=True)
    data = response.data
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    code = code if code.isidentifier() else "unreadable_answer"
    if code in UNUSABLE:
        return Unavailable(code)
    if code == "ratelimited":
        return Unavailable(code, retry_after=_retry_after(response.headers))
    if code in TRANSIENT or code == "unreadable_answer":
        return Unavailable(code, is_uncertain=True)
    return Refused(code)


def _retry_after(headers: Any) -> dt.timedelta:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            text = value[0] if isinstance(value, list) else value
            return dt.timedelta(seconds=int(text)) if str(text).isdecimal() else dt.timedelta(minutes=1)
    return dt.timedelta(minutes=1)
