"""Reads a channel rules file (TOML) and says what is wrong with it: file, line, rule, and what is allowed.

What a rule means is in channels.py, how to write one in docs/channel_rules.md.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import polars as pl

from puffy_platform.rules.channels import REFERRER_STATES, ChannelRules, Condition, Rule
from puffy_platform.rules.urls import UTM
from puffy_platform.settings import DEFAULT_RULES_FILE, Settings, SettingsError

__all__ = ["DEFAULT_RULES_FILE", "RulesError", "load_rules", "parse_rules"]

# The list every file may use without defining it: settings.shop.hosts.
SHOP_HOSTS = "shop_hosts"

TEXT_TESTS = ("is", "contains", "matches")
TESTS = {
    **dict.fromkeys(UTM, TEXT_TESTS),
    "query": TEXT_TESTS,
    "referrer_host": ("is", "domain", "contains", "matches"),
    "referrer": ("contains", "matches"),
}
RULE_KEYS = ("channel", "query_has", *TESTS)


class RulesError(SettingsError):
    """The channel rules cannot be used: every mistake with its file, line and rule, and what is allowed."""


def load_rules(settings: Settings) -> ChannelRules:
    """The rules of settings.channels.rules_file, or the built-in ones. Raises RulesError."""
    path = settings.rules_file or DEFAULT_RULES_FILE
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from None
    return parse_rules(text, str(path), settings.shop.hosts)


@lru_cache(maxsize=16)
def parse_rules(text: str, file: str, shop_hosts: tuple[str, ...]) -> ChannelRules:
    """The rules in a TOML text; `file` is named in errors. Raises RulesError with all mistakes found."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{file}: not valid TOML: {error}") from None
    reader = _Reader(file, text, shop_hosts)
    rules = reader.read(document)
    if reader.mistakes:
        raise RulesError("\n".join(reader.mistakes))
    return ChannelRules(rules)


class _Reader:
    """Holds the text, to find lines in, the lists that may be named, and the mistakes found so far."""

    def __init__(self, file: str, text: str, shop_hosts: Sequence[str]) -> None:
        self.file = file
        self.lines = text.splitlines()
        self.lists: dict[str, tuple[str, ...]] = {SHOP_HOSTS: tuple(host.lower() for host in shop_hosts)}
        self.mistakes: list[str] = []
        headers = [n for n, line in enumerate(self.lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
        self.blocks = list(pairwise([*headers, len(self.lines)]))
        self.place = "the file"
        self.block: tuple[int, int] | None = None

    def read(self, document: Mapping[str, Any]) -> tuple[Rule, ...]:
        for key in document:
            if key not in ("rule", "lists"):
                self.mistake(f"unknown key {key!r}{_closest(key, ('rule', 'lists'))}", key)
        self.read_lists(document.get("lists", {}))
        tables = document.get("rule", [])
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            self.mistake("there is no rule: a rules file is a series of [[rule]] tables", "rule")
            return ()
        rules = [self.read_rule(number, table) for number, table in enumerate(tables)]
        if not self.mistakes:
            self.check_order(rules)
        return tuple(rules)

    def read_lists(self, lists: Any) -> None:
        if not isinstance(lists, dict):
            self.mistake("'lists' must be a table: [lists]", "lists")
            return
        for name, values in lists.items():
            if name == SHOP_HOSTS:
                self.mistake(f"the list {name!r} is the setting shop.hosts and cannot be defined here", name)
            elif found := self.texts(values, name):
                self.lists[name] = found

    def read_rule(self, number: int, table: Mapping[str, Any]) -> Rule:
        self.block = self.blocks[number] if number < len(self.blocks) else None
        channel = table.get("channel")
        self.place = f"rule {number + 1}" + (f" ({channel})" if isinstance(channel, str) else "")
        if not isinstance(channel, str) or not channel.strip():
            self.mistake("'channel' must name the channel, for example channel = \"Email\"", "channel")
            channel = ""
        conditions: list[Condition] = []
        for key, value in table.items():
            if key not in RULE_KEYS:
                self.mistake(f"unknown key {key!r}{_closest(key, RULE_KEYS)}", key)
            elif key != "channel":
                conditions += self.read_conditions(key, value)
        return Rule(channel.strip(), tuple(conditions))

    def read_conditions(self, key: str, value: Any) -> Iterator[Condition]:
        if key == "query_has":
            yield Condition(key, {"is": _lower(self.texts(value, key))})
        elif key == "referrer" and not isinstance(value, dict):
            yield Condition(key, {"is": self.states(value)})
        elif key == "query":
            if not isinstance(value, dict) or not value:
                self.mistake("'query' must name parameters, for example query = { utm_id = \"7\" }", key)
                return
            for name, tests in value.items():
                yield Condition(f"query.{name.lower()}", self.tests(tests, key, name))
        else:
            yield Condition(key, self.tests(value, key))

    def states(self, value: Any) -> tuple[str, ...]:
        states = self.texts(value, "referrer")
        for state in states:
            if state not in REFERRER_STATES:
                known = ", ".join(repr(name) for name in REFERRER_STATES)
                self.mistake(f"'referrer' is {state!r}; it can be {known} or {{ contains = … }}", "referrer")
        return states

    def tests(self, value: Any, *path: str) -> dict[str, tuple[str, ...]]:
        """`value` as tests: a text or list is short for { is = … }."""
        allowed = TESTS[path[0]]
        found = {}
        for kind, values in (value if isinstance(value, dict) else {"is": value}).items():
            if kind not in allowed:
                self.mistake(f"unknown test {kind!r} of '{'.'.join(path)}'{_closest(kind, allowed)}", *path, kind)
            elif texts := self.texts(values, *path, kind):
                found[kind] = texts if kind == "matches" else _lower(texts)
        if value == {}:
            self.mistake(f"'{'.'.join(path)}' has no test; known: {', '.join(allowed)}", *path)
        for pattern in found.get("matches", ()):
            if reason := _reason_against(pattern):
                self.mistake(f"'{'.'.join(path)}': bad regular expression {pattern!r}: {reason}", *path, "matches")
        return found

    def texts(self, value: Any, *path: str) -> tuple[str, ...]:
        """A text or a list of texts, with every "$name" replaced by the list of that name."""
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(text, str) and text for text in values):
            name = ".".join(part for part in path if part != "is")
            self.mistake(f"'{name}' must be a text or a list of texts, not {value!r}", *path)
            return ()
        return tuple(text for item in values for text in self.named(item, *path))

    def named(self, item: str, *path: str) -> tuple[str, ...]:
        if not item.startswith("$") or item == "$":
            return (item,)
        if item[1:] not in self.lists:
            known = ", ".join(f"${name}" for name in self.lists)
            self.mistake(f"there is no list {item!r}; known here: {known}", *path)
            return ()
        return self.lists[item[1:]]

    def check_order(self, rules: Sequence[Rule]) -> None:
        """Only the last rule, and certainly that one, matches everything."""
        for number, rule in enumerate(rules, 1):
            self.block = self.blocks[number - 1] if number <= len(self.blocks) else None
            self.place = f"rule {number} ({rule.channel})"
            if number == len(rules) and rule.conditions:
                self.mistake(
                    "the last rule must have no condition, so that every event has a channel: end with\n"
                    '    [[rule]]\n    channel = "Direct"'
                )
            elif number < len(rules) and not rule.conditions:
                self.mistake("a rule without conditions matches everything, so the rules after it never apply")

    def mistake(self, text: str, *path: str) -> None:
        """Record a mistake at the line that sets the last part of the path, else an earlier part."""
        first, last = self.block or (0, len(self.lines))
        lines = [n for n in range(first, last) if not self.lines[n].lstrip().startswith("#")]
        sought = (rf"(^|[\s.{{\[,])[\"']?{re.escape(part)}[\"']?\s*[]=.]" for part in reversed(path))
        found = (next((n for n in lines if re.search(pattern, self.lines[n])), None) for pattern in sought)
        line = next((n for n in found if n is not None), first if self.block else None)
        at = "" if line is None else f", line {line + 1}"
        self.mistakes.append(f"{self.file}{at}, {self.place}: {text}")


def _lower(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def _reason_against(pattern: str) -> str | None:
    """Why the engine that will run the pattern refuses it; None when it does not."""
    try:
        pl.Series([""]).str.contains(f"(?i){pattern}")
    except pl.exceptions.ComputeError as error:
        told = str(error).partition("\n\nThis error")[0].splitlines()[-1]
        return told.removeprefix("regex error: ").removeprefix("error: ")
    return None


def _closest(key: str, known: Sequence[str]) -> str:
    match = difflib.get_close_matches(key, known, n=1)
    return (f"; did you mean {match[0]!r}? Known" if match else "; known") + f" here: {', '.join(known)}"
