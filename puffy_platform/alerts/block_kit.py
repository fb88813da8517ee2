"""A message as Slack's Block Kit shows it, within Slack's limits. Pure."""

from __future__ import annotations

from typing import Any

from puffy_platform.alerts.messages import Message, Section, plain

__all__ = ["MAX_BLOCKS", "MAX_HEADER", "MAX_TEXT", "blocks_of", "escape", "fallback_of"]

# https://docs.slack.dev/reference/block-kit/blocks
MAX_BLOCKS, MAX_TEXT, MAX_HEADER = 50, 3_000, 150

Block = dict[str, Any]


def blocks_of(message: Message, *, is_reply: bool = False) -> list[Block]:
    """Header (replies have a bold line instead), a section for each incident, facts, and where to look closer."""
    blocks: list[Block] = []
    if is_reply:
        blocks.append(_text(f"*{escape(message.title, MAX_TEXT - 2)}*"))
    else:
        blocks.append({"type": "header", "text": {"type": "plain_text", "text": _clip(message.title, MAX_HEADER)}})
    end: list[Block] = []
    facts = [f"*{escape(label, 100)}*: {escape(value, 500)}" for label, value in message.facts]
    if facts:
        end.append(_context(_whole_lines(facts)))
    closer = []
    if message.command:
        closer.append(f"`{escape(message.command.replace('`', ''), 500)}`")
    if message.link:
        closer.append(f"<{message.link}|Open in Dagster>")
    if closer:
        end.append(_context("   ".join(closer)))
    room = MAX_BLOCKS - len(blocks) - len(end)
    texts = [_section(section, message.title) for section in message.sections]
    shown = [text for text in texts if text]
    if len(shown) > room:
        left = len(shown) - room + 1
        shown = [*shown[: room - 1], f"and {left} more"]
    return [*blocks, *(_text(text) for text in shown), *end]


def fallback_of(message: Message) -> str:
    """The text of notifications and of clients that show no blocks."""
    return escape(plain(message), MAX_TEXT)


def escape(text: str, limit: int) -> str:
    """Slack's three characters escaped, so that no text becomes a mention or a link; at most `limit` characters."""
    names = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    written = [names.get(character, character) for character in text]
    if sum(map(len, written)) <= limit:
        return "".join(written)
    size, kept = 0, []
    for each in written:
        size += len(each)
        if size > limit - 1:
            break
        kept.append(each)
    return "".join(kept) + "…"


def _section(section: Section, title: str) -> str:
    lines = [] if section.title == title else [f"*{escape(section.title, 300)}*"]
    lines += [f"*{escape(label, 100)}*: {escape(value, 600)}" for label, value in section.lines]
    return _whole_lines(lines)


def _whole_lines(lines: list[str]) -> str:
    """As many whole lines as a text block takes: half a line might end inside markup."""
    kept: list[str] = []
    for line in lines:
        if len("\n".join([*kept, line, "…"])) > MAX_TEXT:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}
