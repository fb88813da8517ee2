"""The words of the simulated shop: pages, catalogue, and what a visit by each channel looks like.

Invented data only. How often each occurs is decided here by weights or in `model.py`; nothing is drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from puffy_platform.demo.agents import Weighted

__all__ = ["CATALOGUE", "CHECKOUT", "LANDINGS", "PAGES", "SHOP", "Item", "Landing"]

SHOP = "https://puffy.com"
CHECKOUT = "https://checkout.puffy.com/checkouts/cn/"


@dataclass(frozen=True)
class Item:
    """One article in one variant; the price in cents, for one piece."""

    item_id: str
    name: str
    variant: str
    price_cents: int
    weight: float


@dataclass(frozen=True)
class Landing:
    """One way of a channel to arrive: the query is `prefix`, a click id if it has one, then `suffix`."""

    channel: str
    weight: float
    prefix: str = ""
    click_id: bool = False
    suffix: str = ""
    referrer: str = ""


def _zipf(texts: list[str], exponent: float = 1.0) -> Weighted:
    return Weighted(tuple(texts), tuple(1 / (rank + 2) ** exponent for rank in range(len(texts))))


_ARTICLES = (
    "how-to-clean-a-mattress", "what-is-memory-foam", "queen-or-king", "best-sleep-temperature",
    "sleeping-positions", "how-long-does-a-mattress-last", "how-to-wash-a-comforter", "bed-frame-heights",
    "naps-and-you", "pillow-guide",
    "mattress-sizes", "why-do-we-dream", "latex-or-foam", "blankets-by-season", "how-to-fold-fitted-sheets",
)  # fmt: skip
PAGES = _zipf(
    [
        "/products/cloudrest-mattress", "/products/cloudrest-lux-mattress", "/", "/cart",
        "/products/cloudrest-royal-mattress", "/products/cloud-topper", "/pages/compare-mattresses",
        "/products/drift-bed-frame", "/products/adjustable-base", "/pages/reviews", "/products/sheet-set",
        "/collections/bed-frames", "/pages/store-locator", "/products/mattress-protector", "/products/pillow",
        "/collections/bedding", "/products/comforter", "/pages/sleep-trial", "/pages/warranty",
        "/pages/contact", "/products/foundation", "/products/weighted-blanket", "/collections/smart-bed-sets",
        "/account", "/search",
        *(f"/blogs/best-sleep/{article}" for article in _ARTICLES),
    ]
)  # fmt: skip

_SIZES = (
    ("T", 'Twin - (38"W x 75"L)', 0.72, 0.6),
    ("F", 'Full - (54"W x 75"L)', 0.86, 0.9),
    ("Q", 'Queen - (60"W x 80"L)', 1.0, 2.2),
    ("K", 'King - (76"W x 80"L)', 1.2, 1.6),
    ("CK", 'Cal King - (72"W x 84"L)', 1.2, 0.5),
)
_ARTICLES_SOLD = (
    ("10", "CLDR", "Cloudrest Mattress", 94900, 2.6),
    ("12", "CLDX", "Cloudrest Lux Mattress", 144900, 2.4),
    ("14", "ROYL", "Cloudrest Royal Mattress", 194900, 0.8),
    ("02", "TOPR", "Cloud Mattress Topper", 24950, 1.8),
    ("01", "PROT", "Everyday Mattress Protector", 11999, 1.2),
    ("01", "SHET", "Percale Sheet Set", 13900, 1.2),
    ("01", "PILW", "Drift Pillow", 6450, 1.0),
    ("01", "COMF", "Season Comforter", 17925, 0.5),
    ("05", "FRAM", "Drift Bed Frame", 89900, 0.5),
    ("06", "BASE", "Adjustable Base", 119900, 0.2),
)
CATALOGUE = tuple(
    Item(f"{depth}{size}-{code}-24", name, variant, int(price * factor), weight * size_weight)
    for (depth, code, name, price, weight), (size, variant, factor, size_weight) in product(_ARTICLES_SOLD, _SIZES)
)

_CAMPAIGNS = ("spring-sale", "queen", "brand", "retargeting", "memorial day", "video_15s")


def _campaigns(
    channel: str, weight: float, prefix: str, *, click_id: bool, suffix: str, referrer: str = ""
) -> list[Landing]:
    each = weight / len(_CAMPAIGNS)
    return [
        Landing(channel, each, prefix, click_id, suffix.format(campaign=name.replace(" ", "%20")), referrer)
        for name in _CAMPAIGNS
    ]


_GOOGLE, _BING = "https://www.google.com/", "https://www.bing.com/"
_CPC = "&utm_source={source}&utm_medium=cpc&utm_campaign={{campaign}}"
_AFFILIATE = "&utm_source=impact&utm_medium=affiliate&utm_campaign={campaign}&irgwc=1"
LANDINGS = (
    Landing("Direct", 1.0),
    Landing("Organic Search", 0.70, referrer=_GOOGLE),
    Landing("Organic Search", 0.12, "srsltid=", True, referrer=_GOOGLE),
    Landing("Organic Search", 0.10, referrer=_BING),
    Landing("Organic Search", 0.05, referrer="https://duckduckgo.com/"),
    Landing("Organic Search", 0.03, referrer="android-app://com.google.android.googlequicksearchbox/"),
    *_campaigns("Paid Search", 0.45, "gclid=", click_id=True, suffix=_CPC.format(source="google"), referrer=_GOOGLE),
    *_campaigns("Paid Search", 0.20, "gad_source=1&gclid=", click_id=True, suffix=""),
    *_campaigns("Paid Search", 0.12, "gad_source=1&gbraid=", click_id=True, suffix=""),
    *_campaigns("Paid Search", 0.05, "wbraid=", click_id=True, suffix=_CPC.format(source="google")),
    *_campaigns("Paid Search", 0.18, "msclkid=", click_id=True, suffix=_CPC.format(source="bing"), referrer=_BING),
    *_campaigns(
        "Paid Social",
        0.70,
        "fbclid=",
        click_id=True,
        suffix="&utm_source=facebook&utm_medium=paid_social&utm_campaign={campaign}&utm_content=carousel_2",
        referrer="https://l.facebook.com/",
    ),
    *_campaigns(
        "Paid Social",
        0.30,
        "ttclid=",
        click_id=True,
        suffix="&utm_source=tiktok&utm_medium=paid_social&utm_campaign={campaign}",
    ),
    *_campaigns(
        "Affiliates",
        0.60,
        "irclickid=",
        click_id=True,
        suffix=_AFFILIATE,
        referrer="https://mattress-tests.example/",
    ),
    *_campaigns(
        "Affiliates",
        0.40,
        "irclickid=",
        click_id=True,
        suffix=_AFFILIATE,
        referrer="https://sleep-reviews.example/",
    ),
    *_campaigns(
        "Email",
        1.0,
        "_kx=",
        click_id=True,
        suffix="&utm_source=klaviyo&utm_medium=email&utm_campaign={campaign}",
    ),
    Landing("Organic Social", 0.5, referrer="https://www.instagram.com/"),
    Landing("Organic Social", 0.3, referrer="https://www.pinterest.com/"),
    Landing("Organic Social", 0.2, referrer="https://www.reddit.com/"),
    Landing("Referral", 0.5, referrer="https://home-magazine.example/"),
    Landing("Referral", 0.3, referrer="https://bedroom-ideas.example/"),
    Landing("Referral", 0.2, referrer="https://local-news.example/"),
    *_campaigns(
        "Display",
        1.0,
        "utm_source=criteo",
        click_id=False,
        suffix="&utm_medium=display&utm_campaign={campaign}",
        referrer="https://ads-exchange.example/",
    ),
)
