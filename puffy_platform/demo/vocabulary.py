"""The words of the simulated shop: pages, catalogue, user agents, and what a visit by each channel looks like.

Invented data only. How often each occurs is decided here by weights or in `model.py`; nothing is drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

__all__ = ["BOT_AGENTS", "CATALOGUE", "LANDINGS", "PAGES", "PEOPLE_AGENTS", "Item", "Landing", "Weighted"]

SHOP = "https://puffy.com"
CHECKOUT = "https://checkout.puffy.com/checkouts/cn/"


@dataclass(frozen=True)
class Weighted:
    """Texts and how likely each is."""

    texts: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def probabilities(self) -> np.ndarray:
        weights = np.asarray(self.weights, dtype=np.float64)
        return weights / weights.sum()


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
    "how-to-clean-a-mattress", "what-is-memory-foam", "queen-or-king", "best-sleep-temperature", "sleeping-positions",
    "how-long-does-a-mattress-last", "how-to-wash-a-comforter", "bed-frame-heights", "naps-and-you", "pillow-guide",
    "mattress-sizes", "why-do-we-dream", "latex-or-foam", "blankets-by-season", "how-to-fold-fitted-sheets",
)  # fmt: skip
PAGES = _zipf(
    [
        "/products/cloudrest-mattress", "/products/cloudrest-lux-mattress", "/", "/cart",
        "/products/cloudrest-royal-mattress", "/products/cloud-topper", "/pages/compare-mattresses",
        "/products/drift-bed-frame", "/products/adjustable-base", "/pages/reviews", "/products/sheet-set",
        "/collections/bed-frames", "/pages/store-locator", "/products/mattress-protector", "/products/pillow",
        "/collections/bedding", "/products/comforter", "/pages/sleep-trial", "/pages/warranty", "/pages/contact",
        "/products/foundation", "/products/weighted-blanket", "/collections/smart-bed-sets", "/account", "/search",
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


def _campaigns(channel: str, weight: float, prefix: str, *, click_id: bool, suffix: str, referrer: str = "") -> list[Landing]:
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
    *_campaigns("Affiliates", 0.60, "irclickid=", click_id=True, suffix=_AFFILIATE, referrer="https://mattress-tests.example/"),
    *_campaigns("Affiliates", 0.40, "irclickid=", click_id=True, suffix=_AFFILIATE, referrer="https://sleep-reviews.example/"),
    *_campaigns(
        "Email", 1.0, "_kx=", click_id=True, suffix="&utm_source=klaviyo&utm_medium=email&utm_campaign={campaign}"
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

_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"


def _people_agents() -> Weighted:
    agents: list[tuple[str, float]] = []
    ios = (("18_3_1", "18.3", 9.0), ("18_1_1", "18.1.1", 3.0), ("17_6_1", "17.6", 2.0), ("18_2_1", "18.2", 1.2),
           ("16_7_10", "16.6", 0.6), ("17_5_1", "17.5", 0.5), ("17_3_1", "17.3.1", 0.4), ("15_8_3", "15.6.6", 0.3))  # fmt: skip
    for system, version, weight in ios:
        phone = f"Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) {_WEBKIT}"
        agents += [(f"{phone} Version/{version} Mobile/15E148 Safari/604.1", weight * 3)]
        agents += [(f"{phone} CriOS/133.0.6943.{n} Mobile/15E148 Safari/604.1", weight * 0.2) for n in (33, 84, 120)]
        agents += [(f"{phone} GSA/{v} Mobile/15E148 Safari/604.1", weight * 0.2) for v in ("357.0.729240823", "356.2.728375747")]
        agents += [
            (
                f"{phone} Mobile/15E148 [FBAN/FBIOS;FBAV/{app}.0.0.49.107;FBDV/{device};FBMD/iPhone;FBSN/iOS;"
                f"FBSV/{version};FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]",
                weight * 0.08,
            )
            for app, device in product((499, 501), ("iPhone14,5", "iPhone15,3", "iPhone16,2"))
        ]
        tablet = f"Mozilla/5.0 (iPad; CPU OS {system} like Mac OS X) {_WEBKIT}"
        agents += [(f"{tablet} Version/{version} Mobile/15E148 Safari/604.1", weight * 0.15)]
    for chrome, weight in ((133, 12.0), (132, 2.0), (131, 1.2), (130, 0.5), (129, 0.3), (128, 0.3), (127, 0.2), (126, 0.2)):
        agents += [
            (f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK} Chrome/{chrome}.0.0.0 Mobile Safari/537.36", weight * 1.4),
            (f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK} Chrome/{chrome}.0.0.0 Safari/537.36", weight * 0.06),
            (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Chrome/{chrome}.0.0.0 Safari/537.36", weight),
            (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Chrome/{chrome}.0.0.0 Safari/537.36 Edg/{chrome}.0.0.0", weight * 0.45),
            (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_BLINK} Chrome/{chrome}.0.0.0 Safari/537.36", weight * 0.3),
            (f"Mozilla/5.0 (X11; Linux x86_64) {_BLINK} Chrome/{chrome}.0.0.0 Safari/537.36", weight * 0.08),
            (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_BLINK} Chrome/{chrome}.0.0.0 Safari/537.36", weight * 0.05),
        ]  # fmt: skip
    for model, android in product(("SM-S908U", "SM-G991U", "SM-A156U", "SM-S928U", "Pixel 7", "Pixel 8", "moto g power"), (12, 13, 14, 15)):
        device = f"Mozilla/5.0 (Linux; Android {android}; {model} Build/UP1A.231005.007; wv)"
        browser = f"{_BLINK} Version/4.0 Chrome/132.0.6834.166 Mobile Safari/537.36"
        agents += [(f"{device} {browser} Instagram 368.0.0.45.96 Android ({android}/34; 420dpi; 1080x2115; en_US)", 0.12)]
        agents += [(f"{device} {browser} [FB_IAB/FB4A;FBAV/501.0.0.49.107;]", 0.1)]
    for version, system in (("27.0", "10; K"), ("26.0", "10; K"), ("25.0", "10; K"), ("27.0", "14; SM-X510")):
        mobile = "Mobile " if "K" in system else ""
        agents += [(f"Mozilla/5.0 (Linux; Android {system}) {_BLINK} SamsungBrowser/{version} Chrome/125.0.0.0 {mobile}Safari/537.36", 0.6)]
    for version, weight in (("18.3", 2.6), ("18.2", 0.6), ("17.6", 0.6), ("18.1.1", 0.5), ("17.5", 0.2), ("16.6", 0.2)):
        agents += [(f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/{version} Safari/605.1.15", weight)]
    for version in (135, 134, 133, 128, 115):
        agents += [
            (f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0", 0.25 if version == 135 else 0.06)
            for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10.15", "X11; Linux x86_64")
        ]
    return Weighted(tuple(text for text, _ in agents), tuple(weight for _, weight in agents))


PEOPLE_AGENTS = _people_agents()

_NEXUS = f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {_BLINK}"
_GOOGLEBOT = "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BOT_AGENTS = Weighted(
    (
        f"{_NEXUS} Chrome/133.0.6943.53 Mobile Safari/537.36 {_GOOGLEBOT}",
        f"{_NEXUS} Chrome/133.0.6943.126 Mobile Safari/537.36 {_GOOGLEBOT}",
        "Mozilla/5.0 (compatible; AhrefsSiteAudit/6.1; +http://ahrefs.com/robot/site-audit)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
        f"Mozilla/5.0 {_BLINK[:-1]}; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/112.0.0.0 Safari/537.36",
        "AdsBot-Google (+http://www.google.com/adsbot.html)",
        f"Mozilla/5.0 (X11; Linux x86_64; Storebot-Google/1.0) {_BLINK} Chrome/121.0.0.0 Safari/537.36",
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/17.4 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
        f"Mozilla/5.0 {_BLINK[:-1]}; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    ),
    (14.0, 6.0, 5.0, 1.6, 1.2, 0.9, 0.7, 0.6, 0.4, 0.4, 0.3, 0.3),
)  # fmt: skip
