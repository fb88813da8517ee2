"""identity_links and identities: who is whose client, whatever the order of arrival."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from puffy_platform.table import Reads
from puffy_platform.tables import identities, identity_links
from puffy_platform_tests.tables.customer_history import UTC_TIME, at, day, days, links, random_links
from puffy_platform_tests.windows import (
    assert_chunking_does_not_matter,
    compute,
    outcomes,
    settings_with,
)

TABLE = identities.TABLE
SETTINGS = settings_with()
LAST_DAY = 14


def events(*rows: tuple[int, str, str | None, str | None]) -> pl.DataFrame:
    """Events: day, clock, client, email hash."""
    dated = [(day(number), at(number, clock), client, email) for number, clock, client, email in rows]
    schema = {"day": pl.Date, "event_ts": UTC_TIME, "client_id": pl.String, "email_hash": pl.String}
    return pl.DataFrame(dated, schema=schema, orient="row")


def test_a_pair_seen_twice_on_a_day_is_one_link_at_the_earlier_time():
    full = {
        "events_enriched": events(
            (0, "14:00", "ann-phone", "ann"),
            (0, "09:30", "ann-phone", "ann"),
            (0, "10:00", "ann-phone", None),
            (0, "11:00", None, "ben"),
            (1, "08:00", "ann-phone", "ann"),
        )
    }
    found = compute(identity_links.TABLE, full, days(0, 1), SETTINGS)
    assert found.rows() == [
        (day(0), "ann-phone", "ann", at(0, "09:30")),
        (day(1), "ann-phone", "ann", at(1, "08:00")),
    ]
    assert "fail" not in outcomes(identity_links.TABLE, found, full, days(0, 1), SETTINGS).values()


def test_a_lost_pair_is_reported():
    full = {"events_enriched": events((0, "14:00", "ann-phone", "ann"), (0, "15:00", "ben", "ben"))}
    found = compute(identity_links.TABLE, full, days(0, 0), SETTINGS)
    judged = outcomes(identity_links.TABLE, found.head(1), full, days(0, 0), SETTINGS)
    assert judged[day(0), "no_pair_is_lost"] == "fail"


GOLDEN = links(
    (0, "library", "ben", "18:00"),
    (0, "library", "ann", "10:00"),  # earlier the same day: the library computer is ann's
    (2, "ann-phone", "ann", "12:00"),
    (3, "library", "cat", "09:00"),
    (5, "ann-phone", "ann", "07:00"),  # known already
    (5, "tied", "cat", "12:00"),
    (5, "tied", "ben", "12:00"),  # the same instant: the first by name
)


def test_each_link_is_on_its_first_day_and_the_first_of_a_client_is_primary():
    found = compute(TABLE, {"identity_links": GOLDEN}, days(0, 6), SETTINGS)
    assert found.rows() == [
        (day(0), "library", "ann", at(0, "10:00"), True),
        (day(0), "library", "ben", at(0, "18:00"), False),
        (day(2), "ann-phone", "ann", at(2, "12:00"), True),
        (day(3), "library", "cat", at(3, "09:00"), False),
        (day(5), "tied", "ben", at(5, "12:00"), True),
        (day(5), "tied", "cat", at(5, "12:00"), False),
    ]
    judged = outcomes(TABLE, found, {"identity_links": GOLDEN}, days(0, 6), SETTINGS)
    assert set(judged.values()) <= {"pass", "skipped"}
    assert judged[day(5), "one_primary_link_per_client"] == "pass"


def test_strangers_who_share_a_computer_are_not_merged():
    found = compute(TABLE, {"identity_links": GOLDEN}, days(0, 6), SETTINGS)
    customers_of_ann = found.filter(pl.col("is_primary") & (pl.col("customer_id") == "ann"))
    assert customers_of_ann["client_id"].sort().to_list() == ["ann-phone", "library"]
    shared = found.group_by("client_id").len().filter(pl.col("len") > 1)
    assert shared["client_id"].sort().to_list() == ["library", "tied"]


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (pl.col("is_primary") | (pl.col("customer_id") == "ben"), "one_primary_link_per_client"),
        (pl.col("is_primary") & (pl.col("customer_id") != "ann"), "one_primary_link_per_client"),
    ],
    ids=["a second primary", "no primary"],
)
def test_a_client_without_exactly_one_primary_link_is_reported(wrong: pl.Expr, check: str):
    found = compute(TABLE, {"identity_links": GOLDEN}, days(0, 6), SETTINGS).with_columns(is_primary=wrong)
    assert outcomes(TABLE, found, {"identity_links": GOLDEN}, days(0, 6), SETTINGS)[day(0), check] == "fail"


def test_a_link_repeated_on_a_later_day_is_reported():
    found = compute(TABLE, {"identity_links": GOLDEN}, days(0, 6), SETTINGS)
    again = found.filter(pl.col("client_id") == "ann-phone").with_columns(day=pl.lit(day(5)))
    judged = outcomes(TABLE, pl.concat([found, again]), {"identity_links": GOLDEN}, days(0, 6), SETTINGS)
    assert judged[day(5), "each_pair_once"] == "fail"


def test_a_day_that_forgot_the_days_before_it_is_reported():
    of_the_day = {"identity_links": GOLDEN.filter(day=day(5))}
    found = compute(TABLE, of_the_day, days(5, 5), SETTINGS)
    judged = outcomes(TABLE, found, {"identity_links": GOLDEN}, days(5, 5), SETTINGS)
    assert judged[day(5), "each_pair_once"] == judged[day(5), "one_primary_link_per_client"] == "fail"


def test_a_day_of_known_links_alone_is_judged_too():
    again = pl.concat([GOLDEN, links((6, "library", "ben", "12:00"))])
    judged = outcomes(TABLE, TABLE.empty(), {"identity_links": again}, days(6, 7), SETTINGS)
    checks = ("each_pair_once", "one_primary_link_per_client")
    assert [judged[day(6), check] for check in checks] == ["pass", "pass"]
    assert [judged[day(7), check] for check in checks] == ["skipped", "skipped"]
    lost = outcomes(TABLE, TABLE.empty(), {"identity_links": GOLDEN}, days(5, 5), SETTINGS)
    assert [lost[day(5), check] for check in checks] == ["fail", "fail"]


@settings(deadline=None, max_examples=25)
@given(history=random_links(LAST_DAY), order=st.randoms(use_true_random=False))
def test_neither_chunks_nor_the_order_of_arrival_change_a_link(history: pl.DataFrame, order):
    whole = assert_chunking_does_not_matter(TABLE, {"identity_links": history}, days(0, LAST_DAY), SETTINGS, (1, 4))
    rows = history.rows()
    order.shuffle(rows)
    shuffled = pl.DataFrame(rows, schema=history.schema, orient="row")
    assert_frame_equal(compute(TABLE, {"identity_links": shuffled}, days(0, LAST_DAY), SETTINGS), whole)

    primary = whole.filter("is_primary")
    assert primary["client_id"].sort().to_list() == history["client_id"].unique().sort().to_list()
    assert whole.select("client_id", "customer_id").n_unique() == whole.height
    judged = outcomes(TABLE, whole, {"identity_links": history}, days(0, LAST_DAY), SETTINGS)
    assert set(judged.values()) <= {"pass", "skipped"}


@pytest.mark.parametrize(
    "less",
    [Reads("identity_links", before=2), Reads("identity_links", history=True, sharing="customer_id")],
    ids=["two days", "the links of a customer"],
)
def test_reading_less_than_all_links_of_a_client_would_be_noticed(less: Reads):
    forgetful = dataclasses.replace(TABLE, reads=(less,))
    with pytest.raises(AssertionError):
        assert_chunking_does_not_matter(forgetful, {"identity_links": GOLDEN}, days(0, 6), SETTINGS, (1,))
