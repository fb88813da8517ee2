"""Channel rules: an ordered list, first match wins, compiled to one Polars expression.

How a rules file is read and checked is in rules_file.py; the built-in rules are data, in channels.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from puffy_platform.distinct import each_distinct
from puffy_platform.rules.urls import UTM, parameter, parameters_present

__all__ = ["REFERRER_STATES", "ChannelRules", "Condition", "Rule"]

REFERRER_STATES = {
    "present": pl.col("has_referrer"),
    "absent": ~pl.col("has_referrer") & pl.col("referrer_recorded"),
    "not recorded": ~pl.col("referrer_recorded"),
}


@dataclass(frozen=True)
class Condition:
    """A statement about one fact of an event: it holds when one of the values fits by its test.

    `fact` is the name of a utm_* parameter, `referrer_host`, `referrer`, `query_has` or `query.<parameter>`;
    `tests` maps `is`, `domain`, `contains` or `matches` to values. A fact that is missing fits nothing.
    """

    fact: str
    tests: Mapping[str, tuple[str, ...]]

    def holds(self) -> pl.Expr:
        """A Boolean expression over the facts of an event."""
        return pl.any_horizontal(test for kind, values in self.tests.items() for test in self._tests(kind, values))

    def _tests(self, kind: str, values: tuple[str, ...]) -> Iterator[pl.Expr]:
        fact = pl.col(self.fact)
        match self.fact, kind:
            case "referrer", "is":
                yield from (REFERRER_STATES[state] for state in values)
            case "query_has", _:
                yield fact.str.contains_any([f" {name} " for name in values])
            case _, "is":
                yield fact.is_in(values)
            case _, "domain":
                yield fact.is_in(values)
                yield from (fact.str.ends_with(f".{host}") for host in values)
            case _, "contains":
                yield fact.str.contains_any(list(values))
            case _, "matches":
                yield from (fact.str.contains(f"(?i){pattern}") for pattern in values)


@dataclass(frozen=True)
class Rule:
    """Events for which all conditions hold are of the channel; without conditions, all events are."""

    channel: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class ChannelRules:
    """Rules in order, the last of which matches everything: every event gets exactly one channel."""

    rules: tuple[Rule, ...]

    def channel(self) -> pl.Expr:
        """The channel of each event, from query, parameters, utm_*, referrer, referrer_host and referrer_recorded.

        Events alike in every fact that some rule asks about are judged once. Those are few, as of a click
        id only the presence is asked.
        """
        return each_distinct(pl.struct(self._facts()), self._judge, pl.String)

    def _judge(self, facts: pl.Series) -> pl.Series:
        lower_case = facts.struct.unnest().with_columns(pl.col(pl.String).str.to_lowercase())
        return lower_case.select(self._first_that_applies).to_series()

    @cached_property
    def _first_that_applies(self) -> pl.Expr:
        """All rules as one expression; kept, because to build it is work as well."""
        *rules, last = self.rules
        channel = pl.lit(last.channel)
        for rule in reversed(rules):
            applies = pl.all_horizontal(condition.holds() for condition in rule.conditions)
            channel = pl.when(applies).then(pl.lit(rule.channel)).otherwise(channel)
        return channel.alias("channel")

    def _facts(self) -> list[pl.Expr]:
        conditions = [condition for rule in self.rules for condition in rule.conditions]
        asked = {condition.fact for condition in conditions}
        parameters = sorted(fact.removeprefix("query.") for fact in asked if fact.startswith("query."))
        names = {name for each in conditions if each.fact == "query_has" for name in each.tests["is"]}
        is_text_asked = any(each.fact == "referrer" and set(each.tests) != {"is"} for each in conditions)
        present = pl.format(" {} ", parameters_present(pl.col("parameters"), names))
        return [
            pl.col("referrer_recorded"),
            pl.col("referrer").is_not_null().alias("has_referrer"),
            *([pl.col("referrer")] if is_text_asked else []),
            *(pl.col(name) for name in (*UTM, "referrer_host") if name in asked),
            *([present.alias("query_has")] if names else []),
            *(parameter(pl.col("query"), name).alias(f"query.{name}") for name in parameters),
        ]
