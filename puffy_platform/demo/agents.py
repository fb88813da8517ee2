"""The user agents of people and of crawlers, and how common each is: a few hundred, as seen on the real web.

Only texts and weights; nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOT_AGENTS", "PEOPLE_AGENTS", "Weighted"]


@dataclass(frozen=True)
class Weighted:
    """Texts and how likely each is."""

    texts: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        weights = np.array(self.weights, dtype=np.float64)
        return np.asarray(weights / weights.sum(), dtype=np.float64)


_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_NEXUS = f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {_BLINK}"

# System version, browser version, weight.
_IOS = (
    ("18_3_1", "18.3", 9.0),
    ("18_1_1", "18.1.1", 3.0),
    ("17_6_1", "17.6", 2.0),
    ("18_2_1", "18.2", 1.2),
    ("16_7_10", "16.6", 0.6),
    ("17_5_1", "17.5", 0.5),
    ("17_3_1", "17.3.1", 0.4),
    ("15_8_3", "15.6.6", 0.3),
)
_CHROME = {133: 12.0, 132: 2.0, 131: 1.2, 130: 0.5, 129: 0.3, 128: 0.3, 127: 0.2, 126: 0.2}
_SAFARI = {"18.3": 2.6, "18.2": 0.6, "17.6": 0.6, "18.1.1": 0.5, "17.5": 0.2, "16.6": 0.2}
_FIREFOX = {135: 0.25, 134: 0.06, 133: 0.06, 128: 0.06, 115: 0.06}
_ANDROID_MODELS = ("SM-S908U", "SM-G991U", "SM-A156U", "SM-S928U", "Pixel 7", "Pixel 8", "moto g power")
# Where Chrome runs: the platform in brackets, what stands before and after "Safari", and how common it is.
_CHROME_ON = (
    ("Linux; Android 10; K", "Mobile ", "", 1.4),
    ("Linux; Android 10; K", "", "", 0.06),
    ("Windows NT 10.0; Win64; x64", "", "", 1.0),
    ("Windows NT 10.0; Win64; x64", "", " Edg/{chrome}.0.0.0", 0.45),
    ("Macintosh; Intel Mac OS X 10_15_7", "", "", 0.3),
    ("X11; Linux x86_64", "", "", 0.08),
    ("X11; CrOS x86_64 14541.0.0", "", "", 0.05),
)


def _apple_mobile() -> Iterator[tuple[str, float]]:
    for system, version, weight in _IOS:
        phone = f"Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) {_WEBKIT}"
        tablet = f"Mozilla/5.0 (iPad; CPU OS {system} like Mac OS X) {_WEBKIT}"
        yield f"{phone} Version/{version} Mobile/15E148 Safari/604.1", weight * 3
        yield f"{tablet} Version/{version} Mobile/15E148 Safari/604.1", weight * 0.15
        for build in (33, 84, 120):
            yield f"{phone} CriOS/133.0.6943.{build} Mobile/15E148 Safari/604.1", weight * 0.2
        for search_app in ("357.0.729240823", "356.2.728375747"):
            yield f"{phone} GSA/{search_app} Mobile/15E148 Safari/604.1", weight * 0.2
        for app, device in product((499, 501), ("iPhone14,5", "iPhone15,3", "iPhone16,2")):
            facebook = f"FBAN/FBIOS;FBAV/{app}.0.0.49.107;FBDV/{device};FBMD/iPhone;FBSN/iOS;FBSV/{version}"
            yield f"{phone} Mobile/15E148 [{facebook};FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]", weight * 0.08


def _chrome() -> Iterator[tuple[str, float]]:
    for (chrome, weight), (platform, before, after, share) in product(_CHROME.items(), _CHROME_ON):
        browser = f"Chrome/{chrome}.0.0.0 {before}Safari/537.36{after.format(chrome=chrome)}"
        yield f"Mozilla/5.0 ({platform}) {_BLINK} {browser}", weight * share


def _android_apps() -> Iterator[tuple[str, float]]:
    for model, android in product(_ANDROID_MODELS, (12, 13, 14, 15)):
        device = f"Mozilla/5.0 (Linux; Android {android}; {model} Build/UP1A.231005.007; wv)"
        app = f"{device} {_BLINK} Version/4.0 Chrome/132.0.6834.166 Mobile Safari/537.36"
        yield f"{app} Instagram 368.0.0.45.96 Android ({android}/34; 420dpi; 1080x2115; en_US)", 0.12
        yield f"{app} [FB_IAB/FB4A;FBAV/501.0.0.49.107;]", 0.1


def _others() -> Iterator[tuple[str, float]]:
    samsung = f"{_BLINK} SamsungBrowser/{{version}} Chrome/125.0.0.0"
    for version in ("27.0", "26.0", "25.0"):
        browser = samsung.format(version=version)
        yield f"Mozilla/5.0 (Linux; Android 10; K) {browser} Mobile Safari/537.36", 0.6
        yield f"Mozilla/5.0 (Linux; Android 14; SM-X510) {browser} Safari/537.36", 0.1
    for version, weight in _SAFARI.items():
        yield f"{_MAC} {_WEBKIT} Version/{version} Safari/605.1.15", weight
    for (number, weight), platform in product(
        _FIREFOX.items(),
        ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10.15", "X11; Linux x86_64"),
    ):
        yield f"Mozilla/5.0 ({platform}; rv:{number}.0) Gecko/20100101 Firefox/{number}.0", weight


def _weighted(*agents: tuple[str, float]) -> Weighted:
    return Weighted(tuple(text for text, _ in agents), tuple(weight for _, weight in agents))


PEOPLE_AGENTS = _weighted(*_apple_mobile(), *_chrome(), *_android_apps(), *_others())

_GOOGLEBOT = "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
_COMPATIBLE = f"Mozilla/5.0 {_BLINK[:-1]}; compatible"
_APPLEBOT = "(Applebot/0.1; +http://www.apple.com/go/applebot)"
BOT_AGENTS = _weighted(
    (f"{_NEXUS} Chrome/133.0.6943.53 Mobile Safari/537.36 {_GOOGLEBOT}", 14.0),
    (f"{_NEXUS} Chrome/133.0.6943.126 Mobile Safari/537.36 {_GOOGLEBOT}", 6.0),
    ("Mozilla/5.0 (compatible; AhrefsSiteAudit/6.1; +http://ahrefs.com/robot/site-audit)", 5.0),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", 1.6),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", 1.2),
    ("Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)", 0.9),
    (f"{_COMPATIBLE}; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/112.0.0.0 Safari/537.36", 0.7),
    ("AdsBot-Google (+http://www.google.com/adsbot.html)", 0.6),
    (f"Mozilla/5.0 (X11; Linux x86_64; Storebot-Google/1.0) {_BLINK} Chrome/121.0.0.0 Safari/537.36", 0.4),
    (f"{_MAC} {_WEBKIT} Version/17.4 Safari/605.1.15 {_APPLEBOT}", 0.4),
    ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", 0.3),
    (f"{_COMPATIBLE}; GPTBot/1.2; +https://openai.com/gptbot)", 0.3),
)
