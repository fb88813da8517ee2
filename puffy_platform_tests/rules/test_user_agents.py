"""Devices and crawlers by their user agents."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.rules.user_agents import DEVICE_CLASSES, user_agent_parts

WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3_1 like Mac OS X)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
FIRE = "Mozilla/5.0 (Linux; Android 9;"
IPAD = "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X)"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"


def read(user_agents: list[str | None]) -> list[dict[str, str | bool | None]]:
    frame = pl.DataFrame({"ua": user_agents}, schema={"ua": pl.String})
    return frame.select(agent=user_agent_parts(pl.col("ua"))).unnest("agent").to_dicts()


@pytest.mark.parametrize(
    ("user_agent", "device_class", "browser", "system"),
    [
        (
            f"{IPHONE} {WEBKIT} Version/18.3 Mobile/15E148 Safari/604.1",
            "mobile",
            "Mobile Safari",
            "iOS",
        ),
        (
            f"{ANDROID} {BLINK} Chrome/133.0.0.0 Mobile Safari/537.36",
            "mobile",
            "Chrome Mobile",
            "Android",
        ),
        (
            f"{ANDROID} {BLINK} Chrome/133.0.0.0 Safari/537.36",
            "tablet",
            "Chrome",
            "Android",
        ),
        (
            f"{IPAD} {WEBKIT} GSA/356.2.728375747 Mobile/15E148 Safari/604.1",
            "tablet",
            "Google",
            "iOS",
        ),
        (
            f"{FIRE} KFONWI) {BLINK} Silk/132.1.97 like Chrome/132.0.6834.163 Safari/537.36",
            "tablet",
            "Amazon Silk",
            "Android",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/133.0.0.0 Safari/537.36 Edg/133.0.0.0",
            "desktop",
            "Edge",
            "Windows",
        ),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/18.3 Safari/605.1.15",
            "desktop",
            "Safari",
            "Mac OS X",
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {BLINK} Chrome/132.0.0.0 Safari/537.36",
            "desktop",
            "Chrome",
            "Chrome OS",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
            "desktop",
            "Firefox",
            "Linux",
        ),
        ("something nobody has ever heard of", "other", None, None),
        ("", "unknown", None, None),
        ("   ", "unknown", None, None),
        (None, "unknown", None, None),
    ],
)
def test_people_have_a_device_a_browser_and_a_system(
    user_agent: str | None, device_class: str, browser: str | None, system: str | None
) -> None:
    expected = {"device_class": device_class, "browser": browser, "os": system, "is_bot": False}
    assert read([user_agent]) == [expected]


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {BLINK} Chrome/133.0.6943.53 Mobile Safari/537.36 "
        "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} HeadlessChrome/127.0.0.0 Safari/537.36",
        f"Mozilla/5.0 {BLINK}; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    ],
)
def test_crawlers_are_bots_whatever_device_they_pretend_to_be(user_agent: str) -> None:
    (found,) = read([user_agent])
    assert (found["is_bot"], found["device_class"]) == (True, "bot")


def test_a_television_is_neither_a_tablet_nor_a_phone() -> None:
    television = f"{FIRE} AFTKA) {BLINK} Silk/130.6.5 like Chrome/130.0.6723.184 Safari/537.36"
    assert read([television])[0]["device_class"] == "other"


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=60) | st.none()))
def test_any_text_has_a_device_class(user_agents: list[str | None]) -> None:
    found = read(user_agents)
    assert len(found) == len(user_agents)
    assert all(agent["device_class"] in DEVICE_CLASSES and agent["is_bot"] is not None for agent in found)
