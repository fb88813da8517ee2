"""A local server that speaks Slack's Web API, and a Teams workflow: refuses what Slack refuses, can misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

__all__ = ["TOKEN", "SlackServer", "slack_server"]

TOKEN = "xoxb-not-a-real-token"
CHANNELS = {"#puffy-data": "C1", "#puffy-marketing": "C2"}
# Longer than any patience: who waits for a slow answer gives up first, however busy the machine is.
SLOW_SECONDS = 60.0


class SlackServer:
    """`posted` are the messages taken. The next answers to chat.postMessage are as `moods` says, then good:
    ok, 429, 500, invalid_auth, channel_not_found, slow (taken, but the answer comes when nobody waits any more), lost
    (it never comes)."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.cards: list[dict[str, Any]] = []
        self.moods: list[str] = []
        self.calls: list[str] = []
        self.can_look = True
        self.url = ""
        self.is_closing = threading.Event()

    def texts(self) -> list[str]:
        return [message["text"] for message in self.posted]


@contextmanager
def slack_server() -> Iterator[SlackServer]:
    server = SlackServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            method = self.path.rpartition("/")[2]
            server.calls.append(method)
            mood = server.moods.pop(0) if server.moods and method in ("chat.postMessage", "workflow") else "ok"
            if mood == "429":
                return self._answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "30"})
            if mood == "500":
                return self._answer(500, {"ok": False})
            if method == "workflow":
                server.cards.append(json.loads(body))
                if mood == "slow":
                    server.is_closing.wait(SLOW_SECONDS)
                return self._answer(202, {})
            if self.headers.get("Authorization") != f"Bearer {TOKEN}" or mood == "invalid_auth":
                return self._answer(200, {"ok": False, "error": "invalid_auth"})
            answer = self._method(method, body, mood)
            if mood == "slow":
                server.is_closing.wait(SLOW_SECONDS)
            if mood == "lost":
                self.close_connection = True
                return None
            return self._answer(200, answer)

        def _method(self, method: str, body: str, mood: str) -> dict[str, Any]:
            if method == "chat.postMessage":
                return self._post(json.loads(body), mood)
            if not server.can_look:
                return {"ok": False, "error": "missing_scope"}
            asked = {name: values[0] for name, values in parse_qs(body).items()}
            if method == "conversations.list":
                return {"ok": True, "channels": [{"name": name[1:], "id": id_} for name, id_ in CHANNELS.items()]}
            assert method in ("conversations.history", "conversations.replies")
            found = [
                message
                for message in server.posted
                if CHANNELS[message["channel"]] == asked["channel"]
                and message.get("thread_ts") == asked.get("ts")
                and float(message["ts"]) >= float(asked["oldest"])
            ]
            return {"ok": True, "messages": found}

        def _post(self, message: dict[str, Any], mood: str) -> dict[str, Any]:
            if message["channel"] not in CHANNELS or mood == "channel_not_found":
                return {"ok": False, "error": "channel_not_found"}
            if problem := what_slack_refuses(message):
                return {"ok": False, "error": problem}
            message["ts"] = f"{time.time() + len(server.posted):.6f}"
            server.posted.append(message)
            return {"ok": True, "ts": message["ts"], "channel": CHANNELS[message["channel"]]}

        def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            text = json.dumps(body).encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:
                pass  # who asked has gone

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}/api/"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_closing.set()
        http.shutdown()
        thread.join()
        http.server_close()


def what_slack_refuses(message: dict[str, Any]) -> str:
    """Slack's own error code for blocks over its limits; empty when it takes them."""
    blocks = message["blocks"]
    if not 1 <= len(blocks) <= 50:
        return "invalid_blocks"
    for block in blocks:
        match block["type"]:
            case "header":
                texts, limit = [block["text"]], 150
            case "section":
                texts, limit = [block["text"]], 3_000
            case "context":
                texts, limit = block["elements"], 3_000
            case _:
                return "invalid_blocks"
        if not 1 <= len(texts) <= 10 or any(not 1 <= len(text["text"]) <= limit for text in texts):
            return "invalid_blocks"
    return "" if message["text"] and len(message["text"]) <= 40_000 else "no_text"
