"""The rules shipped as examples: the definitions they follow, and what docs/examples says of them."""

from __future__ import annotations

import functools

import polars as pl
import pytest

from puffy_platform.rules.rules_file import load_rules
from puffy_platform.rules.user_agents import user_agent_parts
from puffy_platform.settings import load_settings
from puffy_platform_tests.acceptance.shared import EXAMPLES, FIRST_WEEK
from puffy_platform_tests.rules.judging import DEFAULT_RULES, Visit, channels, rules

needs_real_files = pytest.mark.skipif(not FIRST_WEEK.exists(), reason="the real files are not on this machine")
OLDER = rules((EXAMPLES / "first_week" / "channels.toml").read_text("utf-8"))
BETTER = rules((EXAMPLES / "better_rules" / "channels.toml").read_text("utf-8"))
SHOP = "https://puffy.com/"


@pytest.mark.parametrize(
    ("visit", "channel"),
    [
        ((SHOP + "?gclid=1&utm_source=x", "https://puffy.com/"), "Paid Search"),
        ((SHOP + "?utm_source=x&fbclid=1", "https://www.google.com/"), "Other"),
        ((SHOP + "?utm_source=&fbclid=1", "https://www.google.com/"), "Paid Search"),
        ((SHOP, "https://news.example/?from=Google"), "Organic Search"),
        ((SHOP, "https://cn.bing.com/"), "Organic Search"),
        ((SHOP, "https://m.facebook.com/"), "Other"),
        ((SHOP, "https://checkout.puffy.com/"), "Internal"),
        ((SHOP, "https://source-1a2b3c4d.com/"), "Affiliate"),
        ((SHOP, "https://duckduckgo.com/"), "Referral"),
        ((SHOP + "?utm_medium=email", None), "Direct"),
    ],
)
def test_the_older_analysis_names_a_visit_as_it_did(visit: Visit, channel: str) -> None:
    assert channels([visit], OLDER) == [channel]


@pytest.mark.parametrize(
    ("visit", "channel"),
    [
        ((SHOP + "?gclid=1&utm_source=175C1C&utm_medium=7B4C8A", None), "Affiliates"),
        ((SHOP + "?gclid=1&affid=E4DA3B", None), "Paid Search"),
        ((SHOP + "?gclid=1&sfdr_ptcid=15B4CF", None), "Paid Shopping"),
        ((SHOP + "?fbclid=1&utm_source=26CAE7&utm_medium=76E084", None), "Paid Social"),
        ((SHOP + "?fbclid=1", None), "Organic Social"),
        ((SHOP + "?_kx=1&utm_medium=9A780E", None), "Email"),
        ((SHOP + "?_kx=1&utm_medium=18B43C", None), "SMS"),
        ((SHOP, "https://source-ee658ef2.com/"), "Internal"),
        ((SHOP, "https://source-afb1343a.com/"), "Organic Search"),
        ((SHOP, "https://source-00000000.com/"), "Referral"),
    ],
)
def test_the_better_rules_know_the_shops_words(visit: Visit, channel: str) -> None:
    assert channels([visit], BETTER) == [channel]


@pytest.mark.parametrize("example", ["first_week", "better_rules"])
def test_an_examples_settings_are_valid_and_find_their_rules(example: str) -> None:
    found = load_settings("home", EXAMPLES / example / "puffy.toml", environment={})
    assert load_rules(found) in (OLDER, BETTER)


@functools.cache
def real_events() -> pl.DataFrame:
    files = [pl.read_csv(path, infer_schema=False) for path in sorted(FIRST_WEEK.glob("*.csv"))]
    named = [file.rename({"clientId": "client_id"}, strict=False) for file in files]
    return pl.concat([file.select("page_url", "referrer", "user_agent") for file in named])


@needs_real_files
def test_the_readme_says_what_the_rules_say_of_the_real_week() -> None:
    lines = (EXAMPLES / "README.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:5]] for line in lines if line.count("|") == 11]
    visits = real_events().select("page_url", "referrer").rows()
    for place, judge in enumerate((OLDER, DEFAULT_RULES, BETTER), 1):
        found = pl.Series(channels(visits, judge)).replace("Affiliate", "Affiliates").value_counts()
        told = {
            row[0].split(" (")[0]: int(row[place].replace(",", ""))
            for row in cells
            if row[place].replace(",", "").isdigit() and row[0] != "**all**"
        }
        assert told == dict(found.iter_rows())


@needs_real_files
def test_about_an_eighth_of_the_real_events_are_crawlers() -> None:
    agents = real_events().select(agent=user_agent_parts(pl.col("user_agent"))).unnest("agent")
    assert agents["is_bot"].mean() == pytest.approx(0.1255, abs=0.005)
    assert agents["device_class"].is_in(["desktop", "mobile", "tablet", "bot"]).mean() > 0.999
