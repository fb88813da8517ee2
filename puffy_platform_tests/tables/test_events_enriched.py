"""events_enriched: a row of raw_events read from end to end, and nothing lost on the way."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.tables.events_enriched import TABLE
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

SETTINGS = settings_with()
RAW = TABLES["raw_events"].schema
DAY = dt.date(2025, 2, 23)
DAYS = DayRange(DAY, DAY + dt.timedelta(days=2))
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.3 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PURCHASE = {
    "transaction_id": "ORD-1",
    "revenue": 1049.6,
    "items": [
        {"item_id": "10", "item_name": "Mattress", "item_variant": "Queen", "quantity": 1, "item_price": 999},
        {"item_id": "01", "item_name": "Pillow", "item_variant": None, "quantity": 2, "item_price": 50.6},
    ],
    "user_email": "AB12",
}


def raw(number: int, event_day: int = 0, landing_day: int | None = None, **values: Any) -> dict[str, Any]:
    """A raw row of the event day and landing day, given as days after DAY."""
    at = dt.datetime.combine(DAY + dt.timedelta(days=event_day), dt.time(10, 0, number % 60), dt.UTC)
    landed = DAY + dt.timedelta(days=event_day if landing_day is None else landing_day)
    usual: dict[str, Any] = dict.fromkeys(RAW) | {
        "event_id": str(number),
        "day": landed,
        "event_day": at.date(),
        "event_ts": at,
        "client_id": "ann",
        "page_url": "https://puffy.com/",
        "referrer_recorded": True,
        "event_name": "page_viewed",
        "user_agent": PHONE,
        "timestamp_kind": "utc",
        "source_file": f"events_{landed:%Y%m%d}.csv",
        "source_line": number + 2,
    }
    return usual | values


def frames(*rows: dict[str, Any]) -> dict[str, pl.DataFrame]:
    return {"raw_events": pl.DataFrame(list(rows), schema=RAW)}


def test_a_purchase_is_read_from_its_raw_row() -> None:
    row = raw(
        1,
        landing_day=1,
        page_url="https://Checkout.puffy.com/thanks?utm_source=google%2520ads&utm_medium=cpc&gclid=X1",
        referrer="https://www.google.com/",
        event_name="checkout_completed",
        event_data=json.dumps(PURCHASE),
        extra='{"store": "1"}',
    )
    (found,) = compute(TABLE, frames(row), DAYS, SETTINGS).to_dicts()
    assert found == {
        "event_id": "1",
        "day": DAY,
        "event_ts": dt.datetime(2025, 2, 23, 10, 0, 1, tzinfo=dt.UTC),
        "client_id": "ann",
        "event_name": "checkout_completed",
        "page_url": row["page_url"],
        "host": "checkout.puffy.com",
        "path": "/thanks",
        "utm_source": "google ads",
        "utm_medium": "cpc",
        "utm_campaign": None,
        "utm_content": None,
        "utm_term": None,
        "click_id_type": "gclid",
        "referrer": "https://www.google.com/",
        "referrer_host": "google.com",
        "referrer_recorded": True,
        "channel": "Paid Search",
        "device_class": "mobile",
        "browser": "Mobile Safari",
        "os": "iOS",
        "is_bot": False,
        "transaction_id": "ORD-1",
        "revenue_cents": 104_960,
        "items": [
            {
                "item_id": "10",
                "item_name": "Mattress",
                "item_variant": "Queen",
                "quantity": 1,
                "line_total_cents": 99_900,
            },
            {
                "item_id": "01",
                "item_name": "Pillow",
                "item_variant": None,
                "quantity": 2,
                "line_total_cents": 5_060,
            },
        ],
        "items_total_cents": 104_960,
        "email_hash": "ab12",
        "landing_day": DAY + dt.timedelta(days=1),
        "source_file": "events_20250224.csv",
        "source_line": 3,
        "extra": '{"store": "1"}',
        "repair": None,
    }


def test_a_bare_page_view_is_direct_and_has_no_purchase() -> None:
    row = raw(1, client_id=None, referrer=" ", user_agent=None, event_data=json.dumps(PURCHASE))
    (found,) = compute(TABLE, frames(row), DAYS, SETTINGS).to_dicts()
    assert (found["channel"], found["referrer"], found["device_class"], found["is_bot"]) == (
        "Direct",
        None,
        "unknown",
        False,
    )
    assert [found[name] for name in ("client_id", "transaction_id", "revenue_cents", "items", "email_hash")] == [
        None
    ] * 5


def test_no_referrer_is_not_the_same_as_a_referrer_that_was_not_recorded() -> None:
    rows = frames(raw(1), raw(2, referrer_recorded=False))
    assert compute(TABLE, rows, DAYS, SETTINGS)["channel"].to_list() == ["Direct", "Unknown"]


def test_the_shops_hosts_come_from_the_settings() -> None:
    rows = frames(raw(1, referrer="https://cart.other-shop.example/"))
    ours = settings_with(shop={"hosts": ("other-shop.example",)})
    assert compute(TABLE, rows, DAYS, SETTINGS)["channel"].to_list() == ["Referral"]
    assert compute(TABLE, rows, DAYS, ours)["channel"].to_list() == ["Internal"]


def test_a_rule_may_ask_for_the_value_of_a_parameter(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nchannel = "TV"\nquery.src = "tv"\n[[rule]]\nchannel = "Rest"\n', "utf-8")
    rows = frames(*(raw(n, page_url=f"https://puffy.com/?src={src}") for n, src in enumerate(("radio", "tv", "x"))))
    found = compute(TABLE, rows, DAYS, settings_with(channels={"rules_file": str(rules)}))
    assert found["channel"].to_list() == ["Rest", "TV", "Rest"]


def test_crawlers_are_kept_and_flagged() -> None:
    (found,) = compute(TABLE, frames(raw(1, user_agent=GOOGLEBOT)), DAYS, SETTINGS).to_dicts()
    assert (found["is_bot"], found["device_class"]) == (True, "bot")


def test_late_and_early_rows_come_to_their_event_day() -> None:
    rows = frames(raw(1, event_day=0, landing_day=7), raw(2, event_day=1, landing_day=0), raw(3, event_day=0))
    found = compute(TABLE, rows, DAYS, SETTINGS)
    assert dict(found.select("event_id", "day").iter_rows()) == {
        "1": DAY,
        "2": DAY + dt.timedelta(days=1),
        "3": DAY,
    }


def test_rows_and_revenue_must_be_those_of_raw_events() -> None:
    inputs = frames(
        raw(1, event_name="checkout_completed", event_data=json.dumps(PURCHASE)), raw(2), raw(3, event_day=1)
    )
    rows = compute(TABLE, inputs, DAYS, SETTINGS)
    whole = outcomes(TABLE, rows, inputs, DAYS, SETTINGS)
    assert whole[DAY, "nothing_is_lost"] == "pass"
    one_short = outcomes(TABLE, rows.filter(pl.col("event_id") != "2"), inputs, DAYS, SETTINGS)
    assert one_short[DAY, "nothing_is_lost"] == "fail"
    assert one_short[DAY + dt.timedelta(days=1), "nothing_is_lost"] == "pass"
    a_cent_short = rows.with_columns(pl.col("revenue_cents") - 1)
    assert outcomes(TABLE, a_cent_short, inputs, DAYS, SETTINGS)[DAY, "nothing_is_lost"] == "fail"
    day_gone = outcomes(TABLE, rows.filter(pl.col("day") == DAY), inputs, DAYS, SETTINGS)
    assert day_gone[DAY + dt.timedelta(days=1), "nothing_is_lost"] == "fail"


@pytest.mark.parametrize(("unrecorded", "status"), [(1, "pass"), (2, "warn")])
def test_many_unknown_channels_are_a_warning(unrecorded: int, status: str) -> None:
    inputs = frames(*(raw(n, referrer_recorded=n >= unrecorded) for n in range(20)))
    rows = compute(TABLE, inputs, DAYS, SETTINGS)
    assert outcomes(TABLE, rows, inputs, DAYS, SETTINGS)[DAY, "unknown_channel_share"] == status


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
ROWS = st.fixed_dictionaries(
    {
        "event_day": st.integers(0, 2),
        "delay": st.integers(-1, 7),
        "page_url": TEXTS | TEXTS.map("https://puffy.com/?".__add__),
        "referrer": TEXTS | st.none(),
        "referrer_recorded": st.booleans(),
        "user_agent": TEXTS | st.none(),
        "event_name": st.sampled_from(["page_viewed", "checkout_completed", "email_filled_on_popup"]),
        "revenue": st.integers(0, 10**7),
    }
)


@settings(deadline=None, max_examples=15)
@given(st.lists(ROWS, max_size=15))
def test_every_raw_row_is_one_row_with_one_channel_whatever_its_texts_hold(
    rows: list[dict[str, Any]],
) -> None:
    made = []
    for number, row in enumerate(rows):
        values = {name: row[name] for name in ("page_url", "referrer", "referrer_recorded", "user_agent", "event_name")}
        data = json.dumps({"transaction_id": str(number), "revenue": row["revenue"] / 100})
        made.append(raw(number, row["event_day"], row["event_day"] + row["delay"], event_data=data, **values))
    inputs = frames(*made)
    found = assert_chunking_does_not_matter(TABLE, inputs, DAYS, SETTINGS, chunks=(1, 2))
    assert sorted(found["event_id"]) == sorted(inputs["raw_events"]["event_id"])
    assert found["revenue_cents"].sum() == sum(
        row["revenue"] for row in rows if row["event_name"] == "checkout_completed"
    )
    judged = outcomes(TABLE, found, inputs, DAYS, SETTINGS)
    assert {judged[day, check] for day in set(found["day"]) for check in ("contract", "key", "nothing_is_lost")} <= {
        "pass"
    }
