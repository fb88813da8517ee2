"""Page URLs and referrers taken apart: host, path, UTM parameters, click ids. Their meaning: channels.py.

Vectorised, for callers that ask once a distinct URL; Python, for decoding, sees only the distinct texts that need it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import unquote_to_bytes

import polars as pl

from puffy_platform.distinct import each_distinct, places_of

__all__ = ["CLICK_IDS", "UTM", "page_parts", "parameter", "parameters_present", "referrer_host"]

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
# Query parameters that networks add to a click, by which click_id_type is named; earlier ones come first.
CLICK_IDS = (
    "gclid",  # Google Ads
    "gbraid",  # Google Ads, to a web page from an app on iOS
    "wbraid",  # Google Ads, from a web page to an app on iOS
    "msclkid",  # Microsoft Advertising
    "yclid",  # Yandex Direct
    "ttclid",  # TikTok
    "twclid",  # X
    "li_fat_id",  # LinkedIn
    "rdt_cid",  # Reddit
    "sccid",  # Snapchat
    "fbclid",  # Facebook and Instagram, on every outgoing link, paid or not
    "epik",  # Pinterest, paid or not
    "dclid",  # Display & Video 360, Campaign Manager
    "irclickid",  # Impact
    "sscid",  # ShareASale
    "cjevent",  # CJ
    "ransiteid",  # Rakuten
    "awc",  # Awin
    "pjid",  # Ascend, formerly Pepperjam
    "affid",  # Everflow
    "srsltid",  # Google Merchant Center, unpaid results
    "_kx",  # Klaviyo, email or SMS
    "mc_eid",  # Mailchimp
    "_hsenc",  # HubSpot
)
# Each system a link passes through may encode it once more; still more rounds would decode what is data.
DECODING_ROUNDS = 3

# scheme://user@host:port/path, //host/path, or host.with.dots/path.
_ADDRESS = (
    r"(?s)^(?:(?:[a-zA-Z][a-zA-Z0-9+.\-]*:)?//(?:[^/]*@)?(?P<host>\[[^\]/]*\]|[^/:]*)[^/]*"
    r"|(?P<bare_host>[a-zA-Z0-9\-]+(?:\.[a-zA-Z0-9\-]+)+)(?::\d*)?)(?P<path>/.*)?$"
)
PAGE_PARTS = dict.fromkeys(("host", "path", "query", "parameters", *UTM, "click_id_type"), pl.String())

# What senders break: the "?" is encoded; &amp; from HTML; a second "?"; "=" and "&" encoded with the name.
_BROKEN_QUESTION_MARK = "^[^?]*%(?:25)*3[fF]"
_BROKEN_SEPARATOR = r"(?i)&amp;|\?utm_|&[^=&]*%(?:25)*(?:3d|26)"
_ENCODED_QUESTION_MARK = re.compile("%(?:25)*3f", re.IGNORECASE)
_ENCODED = re.compile("%(25|26|3d)", re.IGNORECASE)
_DECODED = {"25": "%", "26": "&", "3d": "="}
_CONTROL_CHARACTERS = dict.fromkeys([*range(32), 127], " ")


def page_parts(url: pl.Expr) -> pl.Expr:
    """A struct of host, path, query, parameters, the utm_* among them and click_id_type (`PAGE_PARTS`).

    `host` is in lower case, without user, port and final dot; null for a relative or unreadable address.
    `path` keeps its case and encoding; what cannot be understood stays in it. `query` is null or
    "&name=value&…" with its separators repaired. `parameters` is what of it says how a visitor came: utm_* with their
    values, of the others that have one the names. Parameters without a value are null. Ask it for distinct URLs.
    """
    return url.map_batches(_page_parts, return_dtype=pl.Struct(PAGE_PARTS))


def referrer_host(referrer: pl.Expr) -> pl.Expr:
    """The referrer's host in lower case, without `www.`; of android-app:// the app's name; null if none. Ask it for
    distinct referrers."""
    return referrer.map_batches(_referrer_host, return_dtype=pl.String)


def _page_parts(urls: pl.Series) -> pl.Series:
    parts = _split(urls).with_columns(parameters=_parameters(pl.col("query")))
    # Queries differ in their click ids; what they say beside them repeats.
    parameters, place = places_of(parts["parameters"])
    utm = {name: parameter(pl.col("parameters"), name) for name in UTM}
    said = parameters.to_frame("parameters").select(click_id_type=_first_click_ids(parameters), **utm)
    return parts.hstack(said.select(pl.all().gather(place))).select(list(PAGE_PARTS)).to_struct()


def _parameters(query: pl.Expr) -> pl.Expr:
    """The parameters of a query that have a value: utm_* as they are, of the others the name alone."""
    part = pl.element()
    halves = part.str.splitn("=", 2).struct
    is_utm = part.str.contains_any(["utm_"], ascii_case_insensitive=True)
    kept = pl.when(is_utm).then(part).otherwise(halves.field("field_0"))
    with_value = pl.when(halves.field("field_1") != "").then(kept)
    return "&" + query.str.split("&").list.eval(with_value).list.join("&")


def _referrer_host(referrers: pl.Series) -> pl.Series:
    return _split(referrers)["host"].str.strip_prefix("www.")


def _split(urls: pl.Series) -> pl.DataFrame:
    """host, path and query; the fragment is left out. What stands before the "?" repeats far more than whole URLs."""
    whole = pl.col("url").str.strip_chars().str.splitn("#", 2).struct.field("field_0")
    halves = pl.col("halves").struct
    return (
        urls.rename("url")
        .to_frame()
        .select(halves=_rewritten(whole, ("%",), _BROKEN_QUESTION_MARK, _with_question_mark).str.splitn("?", 2))
        .select(
            address=each_distinct(halves.field("field_0"), _address_parts, {"host": pl.String(), "path": pl.String()}),
            query=_rewritten(
                "&" + halves.field("field_1"), ("&amp;", "?utm_", "%"), _BROKEN_SEPARATOR, _with_separators
            ),
        )
        .unnest("address")
    )


def _address_parts(addresses: pl.Series) -> pl.Series:
    """A struct of host and path."""
    address, host = pl.col("address"), pl.coalesce("host", "bare_host")
    return (
        addresses.to_frame("address")
        .with_columns(address.str.extract_groups(_ADDRESS).struct.unnest())
        .select(
            host=host.str.to_lowercase().str.strip_chars(".[] ").replace("", None),
            path=pl.coalesce("path", pl.when(host.is_null() & (address != "")).then(address), pl.lit("/")),
        )
        .to_struct()
    )


def parameter(query: pl.Expr, name: str) -> pl.Expr:
    """The first value of the parameter that is not empty, decoded; null if none. Its name is in any case."""
    found = query.str.extract(f"(?i)&{re.escape(name)}=([^&]+)")
    return _rewritten(found, ("%", "+"), "[%+]", decode).str.strip_chars().replace("", None)


def parameters_present(parameters: pl.Expr, names: Iterable[str]) -> pl.Expr:
    """Of `parameters`, as page_parts has them, which of the names are there, as text in lower case: "gclid utm_source";
    null if there is no query. Names are in lower case."""
    wanted = set(names)

    def present(texts: pl.Series) -> pl.Series:
        found = (None if text is None else wanted.intersection(_names(text)) for text in texts)
        return pl.Series([None if names is None else " ".join(sorted(names)) for names in found], dtype=pl.String)

    return each_distinct(parameters, present, pl.String)


def _names(parameters: str) -> list[str]:
    return [part.partition("=")[0].lower() for part in parameters.split("&")]


def decode(value: str) -> str:
    """Percent-decoding and "+" until nothing changes, at most DECODING_ROUNDS times.

    Bytes that are no UTF-8 (%E9) are read as Latin-1, as older senders write it; what is no code (%ZZ) stays.
    """
    for _ in range(DECODING_ROUNDS):
        octets = unquote_to_bytes(value.replace("+", " "))
        try:
            decoded = octets.decode("utf-8")
        except UnicodeDecodeError:
            decoded = octets.decode("latin-1")
        if decoded == value:
            break
        value = decoded
    return value.translate(_CONTROL_CHARACTERS)


def _first_click_ids(parameters: pl.Series) -> pl.Series:
    """Of the parameters present the one that stands first in CLICK_IDS."""
    found = [set(_names(text)) if text else set() for text in parameters]
    return pl.Series([next((name for name in CLICK_IDS if name in names), None) for names in found], dtype=pl.String)


def _with_question_mark(url: str) -> str:
    address, _, query = url.partition("?")
    return _ENCODED_QUESTION_MARK.sub("?", address, count=1) + "&" + query


def _with_separators(query: str) -> str:
    """A parameter may be encoded as a whole: utm_source%253Dgoogle%2526utm_medium%253Dcpc.

    That is told from an encoded value (next=%2F%3Fa%3D1) by the name, which cannot hold "=" or "&".
    """

    def split(piece: str) -> str:
        name, equals, value = piece.partition("=")
        for _ in range(DECODING_ROUNDS):
            if "=" in name:
                break
            name = _ENCODED.sub(lambda code: _DECODED[code[1].lower()], name)
        return name + equals + value

    plain = query.replace("&amp;", "&").replace("?utm_", "&utm_")
    return "&".join(split(piece) for piece in plain.split("&"))


def _rewritten(texts: pl.Expr, hints: Sequence[str], where: str, rewrite: Callable[[str], str]) -> pl.Expr:
    """`rewrite`, a Python function, on each distinct text matching the pattern; the others as they are.

    Only a text that holds one of the hints, in any case, can match: most do not, and that is told at once.
    """

    def on_distinct(values: pl.Series) -> pl.Series:
        likely = values.filter(values.str.contains_any(list(hints), ascii_case_insensitive=True))
        matching = likely.filter(likely.str.contains(where)).unique()
        if matching.is_empty():
            return values
        return values.replace(matching, pl.Series([rewrite(text) for text in matching], dtype=pl.String))

    return texts.map_batches(on_distinct, return_dtype=pl.String)
