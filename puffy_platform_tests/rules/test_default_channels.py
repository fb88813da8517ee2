"""The built-in channel rules: what each kind of visit is called, and that no rule is without an example."""

from __future__ import annotations

import dataclasses

import pytest

from puffy_platform.rules.channels import ChannelRules
from puffy_platform.rules.urls import CLICK_IDS
from puffy_platform_tests.rules.judging import DEFAULT_RULES, NOT_RECORDED, Visit, channels

SHOP = "https://puffy.com/"
GOOGLE, FACEBOOK = "https://www.google.com/", "https://l.facebook.com/"


def tagged(query: str, referrer: object = None) -> Visit:
    return f"{SHOP}products/mattress?size=Q&{query}", referrer


def referred(referrer: object) -> Visit:
    return SHOP, referrer


EXAMPLES: list[tuple[Visit, str]] = [
    # Click ids.
    (tagged("gclid=A1"), "Paid Search"),
    (tagged("gclid=A1&utm_source=google&utm_medium=cpc&utm_campaign=brand", GOOGLE), "Paid Search"),
    (tagged("gad_source=1&gbraid=A1"), "Paid Search"),
    (tagged("wbraid=A1"), "Paid Search"),
    (tagged("msclkid=A1", "https://www.bing.com/"), "Paid Search"),
    (tagged("gclid=A1&utm_medium=affiliates"), "Paid Search"),
    (tagged("gclid=A1&utm_campaign=Shopping_mattress"), "Paid Shopping"),
    (tagged("gclid=A1&utm_campaign=workshop-tour"), "Paid Search"),
    (tagged("gclid=A1&utm_source=youtube&utm_medium=cpv"), "Paid Video"),
    (tagged("gclid=A1&utm_medium=display"), "Display"),
    (tagged("dclid=A1"), "Display"),
    (tagged("fbclid=A1&utm_source=facebook&utm_medium=paid", FACEBOOK), "Paid Social"),
    (tagged("fbclid=A1&utm_medium=cpc"), "Paid Social"),
    (tagged("fbclid=A1", FACEBOOK), "Organic Social"),
    (tagged("fbclid=A1&utm_source=newsletter&utm_medium=email"), "Email"),
    (tagged("epik=A1"), "Organic Social"),
    (tagged("ttclid=A1"), "Paid Social"),
    (tagged("ScCid=A1"), "Paid Social"),
    (tagged("irclickid=A1&irgwc=1", "https://sleep-reviews.example/"), "Affiliates"),
    (tagged("sscid=A1"), "Affiliates"),
    (tagged("cjevent=A1"), "Affiliates"),
    (tagged("ranSiteID=A1"), "Affiliates"),
    (tagged("awc=A1"), "Affiliates"),
    (tagged("oid=3&affid=5"), "Affiliates"),
    (tagged("affid=5&utm_medium=paid&utm_source=facebook"), "Paid Social"),
    (tagged("gclid="), "Direct"),
    # Medium and source.
    (tagged("utm_source=google&utm_medium=cpc"), "Paid Search"),
    (tagged("utm_source=Google%2520Ads&utm_medium=CPC"), "Paid Search"),
    (tagged("utm_source%3Dgoogle%26utm_medium%3Dcpc"), "Paid Search"),
    (tagged("utm_medium=paid-search"), "Paid Search"),
    (tagged("utm_source=google&utm_medium=cpc&utm_campaign=shopping"), "Paid Shopping"),
    (tagged("utm_source=amazon&utm_medium=cpc"), "Paid Shopping"),
    (tagged("utm_source=instagram&utm_medium=paid_social"), "Paid Social"),
    (tagged("utm_source=influencer&utm_medium=paid_social"), "Paid Social"),
    (tagged("utm_source=youtube&utm_medium=cpv"), "Paid Video"),
    (tagged("utm_source=criteo&utm_medium=display"), "Display"),
    (tagged("utm_source=somewhere&utm_medium=cpm"), "Display"),
    (tagged("utm_source=somewhere&utm_medium=cpc"), "Paid Other"),
    (tagged("utm_source=site&utm_medium=Affiliates"), "Affiliates"),
    (tagged("utm_source=klaviyo&utm_medium=email"), "Email"),
    (tagged("utm_source=newsletter"), "Email"),
    (tagged("utm_source=klaviyo&_kx=A1&utm_medium=flow"), "Email"),
    (tagged("_kx=A1"), "Email"),
    (tagged("_kx=A1&utm_medium=sms"), "SMS"),
    (tagged("utm_source=attentive"), "SMS"),
    (tagged("utm_medium=web-push"), "Mobile Push"),
    (tagged("utm_medium=podcast"), "Audio"),
    (tagged("utm_source=chatgpt.com"), "AI Assistants"),
    (tagged("utm_source=etsy"), "Organic Shopping"),
    (tagged("utm_source=whatever&utm_medium=social"), "Organic Social"),
    (tagged("utm_source=pinterest"), "Organic Social"),
    (tagged("utm_source=youtube"), "Organic Video"),
    (tagged("utm_medium=video"), "Organic Video"),
    (tagged("utm_medium=organic"), "Organic Search"),
    (tagged("utm_source=bing"), "Organic Search"),
    (tagged("utm_source=partner&utm_medium=referral"), "Referral"),
    (tagged("utm_source=(direct)&utm_medium=(none)"), "Direct"),
    (tagged("utm_source=A7D21B&utm_medium=92A2B5", GOOGLE), "Other"),
    (tagged("utm_campaign=spring"), "Other"),
    # Referrer.
    (referred("https://puffy.com/cart"), "Internal"),
    (referred("https://checkout.puffy.com/"), "Internal"),
    (referred("https://www.paypal.com/"), "Internal"),
    (referred("https://notpuffy.com/"), "Referral"),
    (referred("https://puffy.com.evil.example/"), "Referral"),
    (referred("https://chatgpt.com/"), "AI Assistants"),
    (referred("https://mail.google.com/"), "Email"),
    (referred("android-app://com.google.android.gm/"), "Email"),
    (referred("https://webmail.provider.example/"), "Email"),
    (referred("https://www.amazon.co.uk/"), "Organic Shopping"),
    (referred("https://googleads.g.doubleclick.net/"), "Display"),
    (referred(GOOGLE), "Organic Search"),
    (referred("https://www.google.co.uk/"), "Organic Search"),
    (referred("https://www.google.com.au"), "Organic Search"),
    (referred("android-app://com.google.android.googlequicksearchbox/"), "Organic Search"),
    (referred("https://www.bing.com/search?q=mattress"), "Organic Search"),
    (referred("https://duckduckgo.com/"), "Organic Search"),
    (referred("https://r.search.yahoo.com/"), "Organic Search"),
    (referred("https://docs.google.com/"), "Referral"),
    (referred("https://google.evil.example/"), "Referral"),
    (tagged("srsltid=A1"), "Organic Search"),
    (tagged("srsltid=A1", NOT_RECORDED), "Organic Search"),
    (tagged("srsltid=A1", "https://puffy.com/"), "Internal"),
    (referred("https://m.facebook.com/"), "Organic Social"),
    (referred("https://www.pinterest.co.uk/"), "Organic Social"),
    (referred("https://t.co/abc"), "Organic Social"),
    (referred("https://youtu.be/abc"), "Organic Video"),
    (referred("https://home-magazine.example/best?q=google"), "Referral"),
    # Nothing known.
    (referred("about:blank"), "Direct"),
    (referred(None), "Direct"),
    (referred(NOT_RECORDED), "Unknown"),
    (tagged("gclid=A1", NOT_RECORDED), "Paid Search"),
]


@pytest.mark.parametrize(("visit", "channel"), EXAMPLES)
def test_a_visit_has_the_channel_an_analyst_would_name(visit: Visit, channel: str) -> None:
    assert channels([visit], DEFAULT_RULES) == [channel]


def test_events_judged_together_have_the_channels_they_have_alone() -> None:
    visits = [visit for visit, _ in EXAMPLES]
    assert channels(visits * 2, DEFAULT_RULES) == [channel for _, channel in EXAMPLES] * 2


def test_every_built_in_rule_decides_some_example() -> None:
    numbered = ChannelRules(
        tuple(dataclasses.replace(rule, channel=str(n)) for n, rule in enumerate(DEFAULT_RULES.rules, 1))
    )
    deciding = set(channels([visit for visit, _ in EXAMPLES], numbered))
    assert deciding == {str(n) for n in range(1, len(numbered.rules) + 1)}


@pytest.mark.parametrize("name", CLICK_IDS)
def test_no_click_id_is_taken_for_direct(name: str) -> None:
    assert channels([tagged(f"{name}=A1")], DEFAULT_RULES) != ["Direct"]
