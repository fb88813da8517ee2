"""Words: what a message says of incidents, for people who have ten seconds. Pure; how channels show it is not here."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from puffy_platform.alerts.incidents import Incident, Severity
from puffy_platform.alerts.privacy import redact
from puffy_platform.table import ranges

__all__ = ["Message", "Place", "Section", "digest", "opened", "plain", "recovered", "sparkline", "trend", "updated"]

SECTIONS_SHOWN = 8
TABLES_SHOWN = 6
RANGES_SHOWN = 4
DIGEST_LINES = 30
TREND_DAYS = 14
MIN_TREND = 5
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Section:
    """One incident in a message: a sentence, and labelled lines."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Message:
    """A message as no channel in particular knows it. `key` names it for ever: a channel that has it, has it."""

    key: str
    kind: str
    severity: Severity
    title: str
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...] = ()
    link: str = ""
    command: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Message:
        values: dict[str, Any] = json.loads(text)
        sections = tuple(Section(each["title"], _pairs(each["lines"])) for each in values.pop("sections"))
        return cls(sections=sections, facts=_pairs(values.pop("facts")), **values)


def _pairs(values: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((label, value) for label, value in values)


@dataclass(frozen=True)
class Place:
    """Where an incident is: the table's owner, who reads it, the page of its asset."""

    owner: str
    downstream: tuple[str, ...] = ()
    link: str = ""


def opened(key: str, incidents: Sequence[Incident], place: Place, trends: Mapping[str, str]) -> Message:
    """The first message about incidents of one table; `trends` holds a line for those (by id) that have one."""
    first = incidents[0]
    more = len(incidents) - SECTIONS_SHOWN
    sections = [_section(each, sorted(each.days), trends.get(each.id, "")) for each in incidents[:SECTIONS_SHOWN]]
    if more > 0:
        sections.append(Section(f"and {more} more: puffy alerts list", ()))
    facts = [("owner", place.owner), ("severity", first.severity)]
    if place.downstream:
        facts.append(("downstream", _some(place.downstream, TABLES_SHOWN)))
    title = _headline(first) if len(incidents) == 1 else f"{first.key.table}: {len(incidents)} incidents"
    return _clean(
        Message(key, "open", _worst(incidents), title, tuple(sections), tuple(facts), place.link, _command(incidents))
    )


def updated(key: str, incident: Incident, place: Place, trend_line: str) -> Message:
    """What came to an incident since it was told of last."""
    new = incident.untold
    title = f"{_headline(incident)}: {_days(new)} as well" if set(new) != set(incident.days) else _headline(incident)
    section = _section(incident, new, trend_line)
    in_all = (("days in all", f"{len(incident.days)}: {_days(incident.days)}"),)
    return _clean(
        Message(key, "update", incident.severity, title, (section,), in_all, place.link, _command([incident]))
    )


def recovered(key: str, incident: Incident, place: Place) -> Message:
    """An incident ended: everything was mended, or the days after it are good."""
    end = incident.closed_at or incident.changed_at
    lines = [("lasted", _duration(end - incident.opened_at))]
    if incident.days:
        lines.append(("the days after it are good, unchanged stay", _days(incident.days)))
    title = f"Recovered: {_what(incident, 'is good again')}"
    section = Section(title, tuple(lines))
    return _clean(Message(key, "recover", incident.severity, title, (section,), (), place.link, ""))


def digest(key: str, day: dt.date, incidents: Sequence[Incident]) -> Message:
    """One line for each incident that is for the digest, those of a table together."""
    ordered = sorted(incidents, key=lambda each: each.key)
    by_table: dict[str, list[tuple[str, str]]] = {}
    for each in ordered[:DIGEST_LINES]:
        seen = each.days[max(each.days)]
        words = f"{_days(each.untold)}; {seen.observed} (expected {seen.expected})"
        by_table.setdefault(each.key.table, []).append((each.key.check, words))
    sections = [Section(table, tuple(lines)) for table, lines in by_table.items()]
    more = len(ordered) - DIGEST_LINES
    if more > 0:
        sections.append(Section(f"and {more} more: puffy alerts list", ()))
    title = f"Digest of {day}: {_count(len(ordered), 'new warning')}"
    return _clean(Message(key, "digest", _worst(ordered), title, tuple(sections), (), "", "puffy alerts list"))


def plain(message: Message) -> str:
    """The message as text, for a console and for channels without markup."""
    lines = [message.title]
    for section in message.sections:
        if section.title != message.title:
            lines.append(f"  {section.title}")
        lines += [f"    {label}: {value}" for label, value in section.lines]
    lines += [f"  {label}: {value}" for label, value in message.facts]
    lines += [f"  look closer: {message.command}"] if message.command else []
    lines += [f"  {message.link}"] if message.link else []
    return "\n".join(lines)


def trend(observed: Mapping[dt.date, str]) -> str:
    """The first number of what a check observed on its newest days, as a line of bars; empty without enough of them."""
    values = [
        float(number[0].replace(",", ""))
        for day in sorted(observed)[-TREND_DAYS:]
        if (number := _NUMBER.search(observed[day]))
    ]
    if len(values) < MIN_TREND or len(set(values)) == 1:
        return ""
    return f"{sparkline(values)} ({_short(values[0])} to {_short(values[-1])} in {len(values)} days)"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value, the smallest lowest, the largest highest."""
    bars = "▁▂▃▄▅▆▇█"
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(bars[round((value - low) / span * (len(bars) - 1))] for value in values)


def _section(incident: Incident, days: Sequence[dt.date], trend_line: str) -> Section:
    seen = incident.days[max(days)]
    observed = seen.observed
    if incident.key.kind == "freshness":
        observed = _some([incident.days[day].observed for day in days], RANGES_SHOWN)
    lines = [("days", _days(days)), ("observed", observed), ("expected", seen.expected)]
    trend_line = trend_line or seen.trend
    lines += [("trend", trend_line)] if trend_line else []
    if incident.explanation and incident.key.kind != "anomaly":
        lines.append(("it says", incident.explanation))
    lines += [("likely cause", incident.cause)] if incident.cause else []
    if incident.key.kind == "check" and incident.severity == "error":
        lines.append(("meanwhile", "the old rows of these days stand, and what reads them waits"))
    return Section(_headline(incident), tuple(lines))


def _headline(incident: Incident) -> str:
    if incident.key.kind == "freshness":
        states = dict.fromkeys(incident.days[day].state for day in sorted(incident.days))
        parts = [
            f"{state} on {_days(day for day in incident.days if incident.days[day].state == state)}" for state in states
        ]
        return f"{incident.key.table}: {', '.join(parts)}"
    if incident.key.kind == "sensor":
        return f"{incident.key.check} does not work"
    if incident.key.kind == "run":
        return f"{incident.key.table}: runs fail"
    if incident.key.kind == "anomaly":
        return f"{incident.key.table}: {incident.explanation}"
    return _what(incident, "failed" if incident.severity == "error" else "warns")


def _what(incident: Incident, verb: str) -> str:
    match incident.key.kind:
        case "sensor":
            return f"{incident.key.check} {verb}"
        case "run":
            return f"{incident.key.table}: its run {verb}"
        case _:
            return f"{incident.key.table}: {incident.key.check} {verb}"


def _command(incidents: Sequence[Incident]) -> str:
    if incidents[0].key.kind == "sensor":
        return "puffy ui"
    newest = max((max(each.days) for each in incidents if each.days), default=None)
    return f"puffy status --date {newest}" if newest else "puffy status"


def _days(days: Iterable[dt.date]) -> str:
    return _some([str(found) for found in ranges(days)], RANGES_SHOWN)


def _some(names: Sequence[str], shown: int) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _duration(time: dt.timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    if minutes < 120:
        return _count(minutes, "minute")
    return _count(round(minutes / 60), "hour") if minutes < 48 * 60 else _count(round(minutes / 60 / 24), "day")


def _worst(incidents: Sequence[Incident]) -> Severity:
    return "error" if any(each.severity == "error" for each in incidents) else "warn"


def _clean(message: Message) -> Message:
    """Every text without personal values, whoever wrote it."""

    def pairs(values: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((redact(label), redact(value)) for label, value in values)

    return Message(
        message.key,
        message.kind,
        message.severity,
        redact(message.title),
        tuple(Section(redact(each.title), pairs(each.lines)) for each in message.sections),
        pairs(message.facts),
        message.link,
        redact(message.command),
    )
