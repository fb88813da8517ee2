"""Channels of single events under some rules, for the tests of rules; expected channels live in the tests."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from puffy_platform.rules.channels import ChannelRules
from puffy_platform.rules.rules_file import parse_rules
from puffy_platform.rules.urls import page_parts, referrer_host
from puffy_platform.settings import DEFAULT_RULES_FILE

__all__ = ["DEFAULT_RULES", "NOT_RECORDED", "Visit", "channels", "rules"]

# In the place of a referrer: its file had no such column.
NOT_RECORDED = object()
# A page URL and its referrer.
Visit = tuple[str, object]


def rules(text: str, shop_hosts: tuple[str, ...] = ("puffy.com",)) -> ChannelRules:
    return parse_rules(text, "channels.toml", shop_hosts)


def channels(visits: Sequence[Visit], by: ChannelRules) -> list[str]:
    """One channel a visit, in their order."""
    events = pl.DataFrame(
        {
            "page_url": [url for url, _ in visits],
            "referrer": [None if referrer is NOT_RECORDED else referrer for _, referrer in visits],
            "referrer_recorded": [referrer is not NOT_RECORDED for _, referrer in visits],
        },
        schema={"page_url": pl.String, "referrer": pl.String, "referrer_recorded": pl.Boolean},
    )
    read = events.with_columns(page=page_parts(pl.col("page_url"))).unnest("page")
    read = read.with_columns(referrer_host=referrer_host(pl.col("referrer")))
    return read.select(channel=by.channel())["channel"].to_list()


DEFAULT_RULES = rules(DEFAULT_RULES_FILE.read_text("utf-8"))
