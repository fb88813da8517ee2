"""Where alerts go while nothing is connected: a line of JSON each in alerts.log, and the text to whoever looks on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from puffy_platform.alerts.delivery import Root, Unavailable
from puffy_platform.alerts.messages import plain
from puffy_platform.alerts.storage import Letter

__all__ = ["LogFile"]

# A message whose fate is not known is looked for in so much of the end of the file.
LOOKED_AT_BYTES = 200_000


class LogFile:
    """Appends to the file; `show` gets the text as well."""

    name = "file"

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._path = path
        self._show = show

    def post(self, letter: Letter, root: Root) -> str:
        message = letter.message
        line = {
            "at": letter.created_at.isoformat(timespec="seconds"),
            "key": message.key,
            "thread": letter.thread,
            "channel": letter.channel,
            "kind": message.kind,
            "severity": message.severity,
            "title": message.title,
            "text": plain(message),
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise Unavailable(type(error).__name__) from None
        self._show(plain(message))
        return message.key

    def find(self, letter: Letter, root: Root) -> str | None:
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - LOOKED_AT_BYTES))
                end = file.read().decode("utf-8", "replace")
        except OSError:
            return None
        return letter.message.key if json.dumps(letter.message.key) in end else None
