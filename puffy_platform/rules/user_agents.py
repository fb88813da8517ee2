"""User agents read: device class, browser, operating system, and whether it is a crawler.

Two well-kept lists do the work, on distinct values: ua-parser's, and crawler-user-agents for crawlers.
"""

from __future__ import annotations

from functools import cache, lru_cache

import polars as pl

__all__ = ["DEVICE_CLASSES", "USER_AGENT_PARTS", "user_agent_parts"]

DEVICE_CLASSES = ("desktop", "mobile", "tablet", "bot", "other", "unknown")
USER_AGENT_PARTS = {
    "device_class": pl.String(),
    "browser": pl.String(),
    "os": pl.String(),
    "is_bot": pl.Boolean(),
}
FAMILIES = dict.fromkeys(("browser", "os", "device"), pl.String)
# What identifies a browser stands at its beginning; longer texts are no user agents.
READ_CHARACTERS = 1000

DESKTOP_SYSTEMS = {
    "Windows",
    "Mac OS X",
    "Linux",
    "Ubuntu",
    "Chrome OS",
    "Fedora",
    "Debian",
    "FreeBSD",
    "OpenBSD",
}
MOBILE_SYSTEMS = {"iOS", "Android", "Windows Phone", "KaiOS", "HarmonyOS", "BlackBerry OS", "Firefox OS"}
# Android says "Mobile" on phones only; a television is neither.
_TABLET = r"(?i)\biPad\b|\bTablet\b|\bKindle\b|\bSilk/|\bPlayBook\b"
_TELEVISION = r"(?i)\bTV\b|SmartTV|SMART-TV|AppleTV|GoogleTV|BRAVIA|\bAFT[A-Z]|Web0S|HbbTV|\bCrKey\b|PlayStation|Xbox"


def user_agent_parts(user_agent: pl.Expr) -> pl.Expr:
    """A struct of device_class, browser, os and is_bot (`USER_AGENT_PARTS`).

    A bot is what either list calls so. No user agent is device class unknown and no bot: it says nothing.
    Browser and system are families without version ("Mobile Safari", "iOS"); null when not recognised. Reading one is
    slow: ask it for distinct user agents.
    """
    return user_agent.map_batches(_parts, return_dtype=pl.Struct(USER_AGENT_PARTS))


def _parts(user_agents: pl.Series) -> pl.Series:
    texts = user_agents.fill_null("").str.strip_chars().str.slice(0, READ_CHARACTERS)
    read = pl.DataFrame([_families(text) for text in texts], schema=FAMILIES, orient="row")
    text, system = pl.col("text"), pl.col("os")
    is_phone = text.str.contains(r"(?i)\bMobile\b|\bPhone\b")
    device_class = (
        pl.when(text == "")
        .then(pl.lit("unknown"))
        .when("is_bot")
        .then(pl.lit("bot"))
        .when(text.str.contains(_TELEVISION))
        .then(pl.lit("other"))
        .when(text.str.contains(_TABLET) | ((system == "Android") & ~is_phone))
        .then(pl.lit("tablet"))
        .when(system.is_in(MOBILE_SYSTEMS) | is_phone)
        .then(pl.lit("mobile"))
        .when(system.is_in(DESKTOP_SYSTEMS))
        .then(pl.lit("desktop"))
        .otherwise(pl.lit("other"))
    )
    is_spider = (pl.col("device") == "Spider").fill_null(False)
    return (
        read.with_columns(text=texts)
        .with_columns(is_bot=(text != "") & (is_spider | text.str.contains(_crawler_pattern())))
        .with_columns(device_class=device_class)
        .select(list(USER_AGENT_PARTS))
        .to_struct()
    )


@lru_cache(maxsize=20_000)
def _families(text: str) -> tuple[str | None, ...]:
    """The families of browser, system and device. Kept, for the next days bring almost the same user agents."""
    from ua_parser import parse

    found = parse(text)
    return tuple(part.family if part else None for part in (found.user_agent, found.os, found.device))


@cache
def _crawler_pattern() -> str:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA

    return "|".join(f"(?:{crawler['pattern']})" for crawler in CRAWLER_USER_AGENTS_DATA)
