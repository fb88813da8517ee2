"""URLs as they really arrive, taken apart; expected values are written by hand."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.rules.urls import CLICK_IDS, PAGE_PARTS, decode, page_parts, referrer_host


def parts(url: str | None) -> dict[str, str | None]:
    frame = pl.DataFrame({"url": [url]}, schema={"url": pl.String})
    found: dict[str, str | None] = frame.select(page=page_parts(pl.col("url")))["page"][0]
    return found


def host_of(referrer: str | None) -> str | None:
    frame = pl.DataFrame({"url": [referrer]}, schema={"url": pl.String})
    found: str | None = frame.select(referrer_host(pl.col("url"))).item()
    return found


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://puffy.com/products/mattress?size=Q#top", "puffy.com", "/products/mattress"),
        ("https://puffy.com", "puffy.com", "/"),
        ("https://puffy.com?x=1", "puffy.com", "/"),
        ("HTTPS://Checkout.PUFFY.com:8443/Cart", "checkout.puffy.com", "/Cart"),
        ("https://ann:secret@puffy.com/a", "puffy.com", "/a"),
        ("https://www.puffy.com./a", "www.puffy.com", "/a"),
        ("http://[2001:db8::1]:80/a", "2001:db8::1", "/a"),
        ("//puffy.com/a", "puffy.com", "/a"),
        ("puffy.com/a", "puffy.com", "/a"),
        ("puffy.com:443/a", "puffy.com", "/a"),
        ("  https://puffy.com/a \n", "puffy.com", "/a"),
        ("https://puffy.com/go/https://other.example/b", "puffy.com", "/go/https://other.example/b"),
        ("/products/mattress?size=Q", None, "/products/mattress"),
        ("https://puffy.com/%E9t%ZZ%", "puffy.com", "/%E9t%ZZ%"),
        ("https://puffy.com/###", "puffy.com", "/"),
        ("android-app://com.google.android.gm/", "com.google.android.gm", "/"),
        ("file:///C:/shop.html", None, "/C:/shop.html"),
        ("about:blank", None, "about:blank"),
        ("?utm_source=x", None, "/"),
        ("https://", None, "/"),
        ("", None, "/"),
        ("not a url at all", None, "not a url at all"),
    ],
)
def test_host_and_path_of_a_url(url: str, host: str | None, path: str) -> None:
    found = parts(url)
    assert (found["host"], found["path"]) == (host, path)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("utm_source=google&utm_medium=cpc", {"utm_source": "google", "utm_medium": "cpc"}),
        ("UTM_Source=Google", {"utm_source": "Google"}),
        ("utm_source=&utm_medium=cpc", {"utm_medium": "cpc"}),
        ("utm_source=&utm_source=bing", {"utm_source": "bing"}),
        ("utm_source=google&utm_source=bing", {"utm_source": "google"}),
        ("utm_source", {}),
        ("utm_source=%20+", {}),
        ("my_utm_source=google", {}),
        ("utm_campaign=spring+sale%21", {"utm_campaign": "spring sale!"}),
        ("utm_source=google%2520ads", {"utm_source": "google ads"}),
        ("utm_source=google%252520ads", {"utm_source": "google ads"}),
        ("utm_campaign=50%25+off", {"utm_campaign": "50% off"}),
        ("utm_campaign=Caf%C3%A9", {"utm_campaign": "Café"}),
        ("utm_campaign=Caf%E9", {"utm_campaign": "Café"}),
        ("utm_campaign=%ZZ%", {"utm_campaign": "%ZZ%"}),
        ("utm_campaign=a%00b%0Ac", {"utm_campaign": "a b c"}),
        ("utm_campaign=a=b", {"utm_campaign": "a=b"}),
        ("utm_source%3Dgoogle%26utm_medium%3Dcpc", {"utm_source": "google", "utm_medium": "cpc"}),
        ("utm_source%253Dgoogle%2526utm_medium%253Dcpc", {"utm_source": "google", "utm_medium": "cpc"}),
        ("utm_source%3dgoogle%2520ads%26utm_medium=cpc", {"utm_source": "google ads", "utm_medium": "cpc"}),
        ("size=Q&utm_campaign%3Da%2526b", {"utm_campaign": "a&b"}),
        ("next=%2Fcart%3Futm_source%3Dnews%26x%3D1", {}),
        ("utm_source=google&amp;utm_medium=cpc", {"utm_source": "google", "utm_medium": "cpc"}),
        ("variant=1?utm_source=google", {"utm_source": "google"}),
        ("utm_source=google#utm_source=bing", {"utm_source": "google"}),
        ("gclid=abc", {"click_id_type": "gclid"}),
        ("gclid=&size=Q", {}),
        ("GCLID=abc", {"click_id_type": "gclid"}),
        ("fbclid=1&gclid=2", {"click_id_type": "gclid"}),
        ("ScCid=1", {"click_id_type": "sccid"}),
        ("xgclid=1&gclidx=2", {}),
        ("utm_source%3Dx%26gclid%3D7", {"utm_source": "x", "click_id_type": "gclid"}),
    ],
)
def test_parameters_of_a_query(query: str, expected: dict[str, str]) -> None:
    found = parts(f"https://puffy.com/?{query}")
    parameters = {name: value for name, value in found.items() if name.startswith(("utm_", "click"))}
    assert {name: value for name, value in parameters.items() if value is not None} == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("gclid=Cj0KCQ&utm_source=google&size=Q", "&gclid&utm_source=google&size"),
        ("UTM_Source=Google&GCLID=Cj0KCQ", "&UTM_Source=Google&GCLID"),
        ("gclid=&utm_source=&size&fbclid=1", "&fbclid"),
        ("next==a&x==", "&next&x"),
        ("", "&"),
    ],
)
def test_what_a_query_says_beside_values_that_differ(query: str, expected: str) -> None:
    assert parts(f"https://puffy.com/?{query}")["parameters"] == expected


def test_an_encoded_question_mark_begins_the_query() -> None:
    found = parts("https://puffy.com/cart%3Futm_source%3Dgoogle%26utm_medium%3Dcpc?size=Q")
    assert (found["path"], found["utm_source"], found["utm_medium"]) == ("/cart", "google", "cpc")


@pytest.mark.parametrize("name", CLICK_IDS)
def test_every_click_id_is_recognised(name: str) -> None:
    assert parts(f"/?a=1&{name}=7")["click_id_type"] == name


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://www.Google.com/", "google.com"),
        ("https://www.google.com:443/search?q=puffy.com", "google.com"),
        ("www.bing.com", "bing.com"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("https://wwwsite.example/", "wwwsite.example"),
        ("about:blank", None),
        ("(direct)", None),
        (None, None),
    ],
)
def test_host_of_a_referrer(referrer: str | None, host: str | None) -> None:
    assert host_of(referrer) == host


def test_a_missing_url_has_no_parts_but_a_path() -> None:
    assert parts(None) == {**dict.fromkeys(PAGE_PARTS, None), "path": "/"}


@settings(deadline=None)
@given(st.text())
def test_decoding_never_raises_and_ends(text: str) -> None:
    assert isinstance(decode(text), str)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40) | st.none()))
def test_any_text_can_be_taken_apart(urls: list[str | None]) -> None:
    frame = pl.DataFrame({"url": urls}, schema={"url": pl.String})
    found = frame.select(page=page_parts(pl.col("url")), referrer=referrer_host(pl.col("url")))
    assert found.height == len(urls)
    assert found["page"].struct.field("path").null_count() == 0
