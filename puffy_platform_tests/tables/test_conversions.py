"""Conversions: which purchase of a transaction id is the order, which repeat it, and which collide."""

from __future__ import annotations

import dataclasses
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from puffy_platform.tables.conversions import TABLE
from puffy_platform_tests.tables.visits import PURCHASES, at, days, histories, purchase, purchases_of
from puffy_platform_tests.windows import (
    assert_chunking_does_not_matter,
    compute,
    compute_in_chunks,
    outcomes,
    settings_with,
)

FIRST = settings_with()
KEEP_COLLISIONS = settings_with(orders={"duplicate_policy": "keep_collisions"})


def kinds(*purchases: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Kind and repeat_of of every purchase, each day computed on its own."""
    history = {"purchases": pl.DataFrame(purchases, schema=PURCHASES)}
    found = compute_in_chunks(TABLE, history, days(0, 5), FIRST, chunk_days=1)
    return {row["event_id"]: (row["kind"], row["repeat_of"]) for row in found.iter_rows(named=True)}


def test_a_purchase_is_one_row_with_its_buyer_and_money() -> None:
    bought = purchase("p1", at(1), "o1", 89_900, client_id="laptop", email_hash="ann", items_count=2)
    found = compute(TABLE, {"purchases": pl.DataFrame([bought], schema=PURCHASES)}, days(1, 1), FIRST)
    assert found.to_dicts() == [
        {
            "day": at(1).date(),
            "event_id": "p1",
            "transaction_id": "o1",
            "converted_at": at(1),
            "client_id": "laptop",
            "customer_id": "ann",
            "revenue_cents": 89_900,
            "kind": "unique",
            "is_counted": True,
            "first_event_id": "p1",
            "repeat_of": None,
            "items_count": 2,
            "is_bot": False,
        }
    ]


def test_the_same_buyer_and_revenue_is_a_repeat_and_anything_else_a_collision() -> None:
    assert kinds(
        purchase("p1", at(1), "o1", 500, client_id="laptop", email_hash="ann"),
        # Ann on her phone, days later.
        purchase("p2", at(3), "o1", 500, client_id="phone", email_hash="ann"),
        # Ann, another amount.
        purchase("p3", at(3), "o1", 700, client_id="laptop", email_hash="ann"),
        # Ben, the same amount, even at Ann's laptop.
        purchase("p4", at(4), "o1", 500, client_id="laptop", email_hash="ben"),
        # Another order id has nothing to do with it.
        purchase("p5", at(4), "o2", 500, client_id="laptop", email_hash="ann"),
    ) == {
        "p1": ("unique", None),
        "p2": ("repeat", "p1"),
        "p3": ("collision", None),
        "p4": ("collision", None),
        "p5": ("unique", None),
    }


def test_without_both_emails_the_client_tells_whether_it_is_the_same_buyer() -> None:
    assert kinds(
        purchase("p1", at(1), "o1", 500, client_id="laptop"),
        purchase("p2", at(2), "o1", 500, client_id="laptop", email_hash="ann"),
        purchase("p3", at(3), "o1", 500, client_id="phone"),
        purchase("p4", at(4), "o1", 500, client_id="phone"),
    ) == {
        "p1": ("unique", None),
        "p2": ("repeat", "p1"),
        "p3": ("collision", None),
        "p4": ("repeat", "p3"),
    }


def test_two_unknown_buyers_are_not_the_same_one() -> None:
    assert kinds(purchase("p1", at(1), "o1", 500), purchase("p2", at(2), "o1", 500)) == {
        "p1": ("unique", None),
        "p2": ("collision", None),
    }


def test_of_two_purchases_of_the_same_moment_the_smaller_event_id_is_first() -> None:
    assert kinds(
        purchase("p2", at(1), "o1", 500, client_id="laptop"),
        purchase("p1", at(1), "o1", 500, client_id="laptop"),
    ) == {"p1": ("unique", None), "p2": ("repeat", "p1")}


def test_the_policy_decides_whether_a_collision_counts_and_a_repeat_never_does() -> None:
    history = pl.DataFrame(
        [
            purchase("p1", at(1), "o1", 500, client_id="a"),
            purchase("p2", at(1, "13:00"), "o1", 900, client_id="b"),
            purchase("p3", at(1, "14:00"), "o1", 900, client_id="b"),
        ],
        schema=PURCHASES,
    )

    def counted(policy: Any) -> int:
        found = compute(TABLE, {"purchases": history}, days(1, 1), policy)
        return int(found.filter("is_counted")["revenue_cents"].sum())

    assert counted(FIRST) == 500
    assert counted(KEEP_COLLISIONS) == 500 + 900


def plain_reading(purchases: pl.DataFrame) -> dict[str, tuple[str, str | None]]:
    """Every purchase compared with every earlier one of its id."""
    found: dict[str, tuple[str, str | None]] = {}
    earlier: dict[str, list[dict[str, Any]]] = {}
    for row in purchases.sort("purchased_at", "event_id").iter_rows(named=True):
        others = earlier.setdefault(row["transaction_id"], [])
        twins = [o["event_id"] for o in others if is_same_buyer(row, o) and row["revenue_cents"] == o["revenue_cents"]]
        kind = "unique" if not others else "repeat" if twins else "collision"
        found[row["event_id"]] = (kind, twins[0] if twins else None)
        others.append(row)
    return found


def is_same_buyer(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one["email_hash"] and other["email_hash"]:
        return bool(one["email_hash"] == other["email_hash"])
    return one["client_id"] is not None and one["client_id"] == other["client_id"]


@settings(max_examples=25, deadline=None)
@given(history=histories())
def test_every_purchase_is_judged_as_a_plain_reading_does_whatever_the_chunks(history: pl.DataFrame) -> None:
    inputs = {"purchases": purchases_of(history)}
    found = assert_chunking_does_not_matter(TABLE, inputs, days(-1, 5), FIRST, chunks=(1, 3))
    judged = {row["event_id"]: (row["kind"], row["repeat_of"]) for row in found.iter_rows(named=True)}
    assert judged == plain_reading(inputs["purchases"])
    judgement = outcomes(TABLE, found, inputs, days(-1, 5), FIRST)
    assert "fail" not in judgement.values()


def test_reading_less_than_all_purchases_of_an_id_would_be_noticed() -> None:
    inputs = {
        "purchases": pl.DataFrame(
            [purchase("p1", at(1), "o1", 500, client_id="a"), purchase("p2", at(4), "o1", 900, client_id="b")],
            schema=PURCHASES,
        )
    }
    of_client = dataclasses.replace(TABLE, reads=(dataclasses.replace(TABLE.reads[0], sharing="client_id"),))
    with pytest.raises(AssertionError):
        assert_chunking_does_not_matter(of_client, inputs, days(1, 4), FIRST, (1,))


def test_a_day_that_lost_all_its_purchases_is_reported_whatever_was_before() -> None:
    purchases = [purchase(f"p{day}", at(day), "o1", 500, client_id="a") for day in (1, 4)]
    judged = outcomes(TABLE, TABLE.empty(), {"purchases": pl.DataFrame(purchases, schema=PURCHASES)}, days(4, 5), FIRST)
    assert judged[at(4).date(), "nothing_is_lost"] == "fail"
    assert judged[at(5).date(), "nothing_is_lost"] == "skipped"


def test_a_lost_row_a_second_first_one_and_many_collisions_do_not_pass_the_checks() -> None:
    inputs = {
        "purchases": pl.DataFrame(
            [
                purchase("p1", at(1), "o1", 500, client_id="a"),
                purchase("p2", at(1), "o1", 900, client_id="b"),
            ],
            schema=PURCHASES,
        )
    }

    def complaints(rows: pl.DataFrame) -> dict[str, str]:
        found = outcomes(TABLE, rows, inputs, days(1, 1), FIRST)
        return {check: status for (_, check), status in found.items() if status != "pass"}

    good = compute(TABLE, inputs, days(1, 1), FIRST)
    assert complaints(good) == {"few_collisions": "warn"}
    assert complaints(good.filter(kind="unique")) == {"nothing_is_lost": "fail"}
    assert complaints(good.with_columns(kind=pl.lit("unique"))) == {"one_unique_per_transaction": "fail"}
