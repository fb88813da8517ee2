"""A message as a Microsoft Teams workflow takes it: an Adaptive Card. Pure."""

from __future__ import annotations

from typing import Any

from puffy_platform.alerts.messages import Message

__all__ = ["MAX_BYTES", "card_of"]

# A workflow refuses more than 28 KB; the rest is for the envelope.
MAX_BYTES = 24_000


def card_of(message: Message) -> dict[str, Any]:
    """The body of the POST to the workflow's address."""
    body: list[dict[str, Any]] = [_line(message.title, weight="Bolder", size="Medium")]
    for section in message.sections:
        if section.title != message.title:
            body.append(_line(section.title, weight="Bolder"))
        if section.lines:
            body.append({"type": "FactSet", "facts": _facts(section.lines)})
    if message.facts:
        body.append({"type": "FactSet", "facts": _facts(message.facts)})
    if message.command:
        body.append(_line(message.command, fontType="Monospace"))
    while len(str(body).encode()) > MAX_BYTES:
        body.pop()
    card: dict[str, Any] = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": body,
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Dagster", "url": message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _line(text: str, **style: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _literal(text), "wrap": True, **style}


def _facts(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"title": label, "value": _literal(value)} for label, value in pairs]


def _literal(text: str) -> str:
    """Markdown of cards knows links and emphasis; a text of ours is neither."""
    clipped = text if len(text) <= 1_000 else text[:999] + "…"
    return "".join(f"\\{each}" if each in "*_[]()`#" else each for each in clipped)
