"""Funnels: by hand, and against a loop over each client's events one by one, on random histories."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods import client_order
from puffy_platform.methods.funnel import Funnel, attempts, step_columns
from puffy_platform.methods.funnel_steps import fold
from puffy_platform.table import DayRange
from puffy_platform_tests.tables.visits import START, at, days

WEEK = dt.timedelta(days=7)
SHOP = ("page_viewed", "product_added_to_cart", "checkout_started", "checkout_completed")
SHORT = dict(zip("VACB", SHOP, strict=True))
SCHEMA: dict[str, Any] = {
    "client_id": pl.String,
    "event_ts": pl.Datetime("us", "UTC"),
    "event_name": pl.String,
    "revenue_cents": pl.Int64,
    "landing_day": pl.Date,
    "source_file": pl.String,
    "source_line": pl.Int64,
}


def walk(client: str, *steps: tuple[str, dt.datetime]) -> list[dict[str, Any]]:
    """Events of a client, V view, A add to cart, C checkout, B buy for 100.00, in lines of one file in that order."""
    return [
        {
            "client_id": client,
            "event_ts": when,
            "event_name": SHORT[letter],
            "revenue_cents": 10_000 if letter == "B" else None,
            "landing_day": START.date(),
            "source_file": "events.csv",
            "source_line": line,
        }
        for line, (letter, when) in enumerate(steps)
    ]


def shop_events(*walks: list[dict[str, Any]], steps: Sequence[str] = SHOP) -> pl.DataFrame:
    rows = pl.DataFrame([event for found in walks for event in found], schema=SCHEMA)
    does = (pl.col("event_name") == name for name in steps)
    return rows.with_columns(**dict(zip(step_columns(len(steps)), does, strict=True)))


def reached(events: pl.DataFrame, funnel: Funnel, entered: DayRange | None = None) -> list[int]:
    """Attempts that reached each step."""
    return fold(attempts(events, funnel, entered or days(0, 30)), funnel.steps)["reached"].to_list()


def test_the_example_of_the_documentation() -> None:
    """docs/methods/funnels.md: Ann buys, Ben leaves his cart and comes back too late, Cleo only looks."""
    events = shop_events(
        walk("ann", ("V", at(0, "10:00")), ("A", at(0, "10:05")), ("C", at(0, "10:07")), ("B", at(0, "10:10"))),
        walk("ben", ("V", at(0, "12:00")), ("A", at(0, "12:15")), ("C", at(8, "09:00")), ("B", at(8, "09:05"))),
        walk("cleo", ("V", at(1, "08:00")), ("V", at(1, "08:30"))),
    )
    found = fold(attempts(events, Funnel(4, WEEK), days(0, 6)), 4)
    assert found.select("step", "reached", "dropped", "mean_seconds", "revenue_cents").rows() == [
        (1, 3, 1, None, 10_000),
        (2, 2, 1, 600.0, 10_000),
        (3, 1, 0, 120.0, 10_000),
        (4, 1, 0, 180.0, 10_000),
    ]
    assert found["rate"].to_list() == [None, 0.666666667, 0.5, 1.0]
    assert found["rate_of_all"].to_list() == [None, 0.666666667, 0.333333333, 0.333333333]


def test_the_window_runs_from_the_entry_and_includes_its_last_instant() -> None:
    microsecond = dt.timedelta(microseconds=1)
    for late, completed in ((0 * microsecond, 1), (microsecond, 0)):
        events = shop_events(walk("ann", ("V", at(0)), ("A", at(5)), ("C", at(6)), ("B", at(7) + late)))
        assert reached(events, Funnel(4, WEEK)) == [1, 1, 1, completed]


def test_a_client_counts_once_by_its_furthest_attempt_its_first_or_by_every_one() -> None:
    """Views on days 0, 1 and 9, a cart on day 9: within two days only the last view leads to it."""
    events = shop_events(walk("ann", ("V", at(0)), ("V", at(1)), ("V", at(9)), ("A", at(9, "13:00"))), steps=SHOP[:2])
    funnel = Funnel(2, dt.timedelta(days=2))
    assert reached(events, funnel) == [1, 1]
    assert reached(events, replace(funnel, reentry="first")) == [1, 0]
    # The view of day 1 lies inside the window of that of day 0: it begins nothing of its own.
    assert reached(events, replace(funnel, reentry="every")) == [2, 1]
    assert reached(events, replace(funnel, per_day=True)) == [3, 1]


def test_events_of_the_same_instant_come_in_the_order_of_landing_day_file_and_line() -> None:
    """Only by their lines the cart comes after the view."""
    together = walk("ann", ("V", at(0)), ("A", at(0)))
    cart_first = [together[0], together[1] | {"source_line": -1}]
    cart_in_earlier_file = [together[0], together[1] | {"source_file": "a.csv"}]
    cart_landed_later = [
        together[0],
        together[1] | {"landing_day": at(1).date(), "source_file": "a.csv", "source_line": 0},
    ]
    for rows, expected in (
        (together, [1, 1]),
        (cart_first, [1, 0]),
        (cart_in_earlier_file, [1, 0]),
        (cart_landed_later, [1, 1]),
    ):
        for shuffled in (rows, rows[::-1]):
            assert reached(shop_events(shuffled, steps=SHOP[:2]), Funnel(2, WEEK)) == expected


def test_a_strict_funnel_is_broken_by_any_event_between_two_steps() -> None:
    straight = walk("ann", ("V", at(0)), ("A", at(1)), ("C", at(2)))
    astray = walk("ben", ("V", at(0)), ("A", at(1)), ("V", at(1, "13:00")), ("C", at(2)))
    steps = SHOP[:3]
    assert reached(shop_events(straight, astray, steps=steps), Funnel(3, WEEK)) == [2, 2, 2]
    assert reached(shop_events(straight, astray, steps=steps), Funnel(3, WEEK, "strict")) == [2, 2, 1]


def test_in_any_order_the_steps_are_counted_as_they_come() -> None:
    events = shop_events(walk("ann", ("C", at(0)), ("V", at(1))), walk("ben", ("A", at(0)), ("A", at(1))))
    assert reached(events, Funnel(4, WEEK, "any")) == [2, 1, 0, 0]
    assert reached(events, Funnel(4, WEEK)) == [1, 0, 0, 0]


def test_an_event_that_does_two_steps_is_refused_in_any_order_and_does_one_of_them_in_order() -> None:
    events = shop_events(walk("ann", ("V", at(0)), ("V", at(1))), steps=("page_viewed", "page_viewed"))
    assert reached(events, Funnel(2, WEEK)) == [1, 1]
    assert reached(shop_events(walk("ann", ("V", at(0))), steps=("page_viewed",) * 2), Funnel(2, WEEK)) == [1, 0]
    with pytest.raises(ValueError, match="let the conditions exclude each other"):
        attempts(events, Funnel(2, WEEK, "any"), days(0, 6))


def test_what_dropping_holds_is_priced_at_the_average_of_those_who_went_on_when_they_are_enough() -> None:
    """40 looked, 30 of them went on and brought 100.00 together: the 10 who stopped hold 33.33."""
    stopped = [walk(f"no{n}", ("V", at(0))) for n in range(10)]
    bought = [walk(f"yes{n}", ("V", at(0)), ("A", at(1))) for n in range(29)]
    buyer = walk("buyer", ("V", at(0)), ("A", at(1)))
    buyer[1]["revenue_cents"] = 10_000
    steps = SHOP[:2]
    found = fold(attempts(shop_events(*stopped, *bought, buyer, steps=steps), Funnel(2, WEEK), days(0, 6)), 2)
    assert found["dropped_value_cents"].to_list() == [3_333, None]
    fewer = fold(attempts(shop_events(*stopped, *bought, steps=steps), Funnel(2, WEEK), days(0, 6)), 2)
    assert fewer["dropped_value_cents"].to_list() == [None, None]


def test_without_events_there_are_no_attempts() -> None:
    for order in ("ordered", "strict", "any"):
        for reentry in ("best", "first", "every"):
            funnel = Funnel(2, WEEK, order, reentry)
            found = attempts(shop_events(steps=SHOP[:2]), funnel, days(0, 6))
            assert found.is_empty()
            assert fold(found, 2).is_empty()


# One by one.


def naive_attempt(events: list[dict[str, Any]], entry: int, funnel: Funnel) -> list[int]:
    """The places of the events that do the steps, in the order in which they are done."""
    begun = events[entry]["event_ts"]
    inside = [place for place in range(entry, len(events)) if events[place]["event_ts"] - begun <= funnel.within]
    steps = step_columns(funnel.steps)
    if funnel.order == "any":
        firsts = [next((place for place in inside if events[place][step]), None) for step in steps]
        return sorted(place for place in firsts if place is not None)
    done = [entry]
    for place in inside[1:]:
        if len(done) == len(steps):
            break
        if events[place][steps[len(done)]]:
            done.append(place)
        elif funnel.order == "strict":
            break
    return done


def naive_attempts(events: list[dict[str, Any]], funnel: Funnel, entered: DayRange) -> list[list[int]]:
    """The attempts of one client that count."""

    def begins(event: dict[str, Any]) -> bool:
        steps = step_columns(funnel.steps) if funnel.order == "any" else ["step_1"]
        return any(event[step] for step in steps) and event["event_ts"].date() in entered

    entries = [place for place, event in enumerate(events) if begins(event)]
    if funnel.reentry == "every":
        found, free_from = [], 0
        for entry in entries:
            if entry < free_from:
                continue
            done = naive_attempt(events, entry, funnel)
            found.append(done)
            if funnel.order == "strict" or len(done) == funnel.steps:
                free_from = done[-1] + 1
            else:
                limit = events[entry]["event_ts"] + funnel.within
                free_from = next((n for n, event in enumerate(events) if event["event_ts"] > limit), len(events))
        return found
    units: dict[Any, list[list[int]]] = {}
    for entry in entries:
        unit = events[entry]["event_ts"].date() if funnel.per_day else None
        units.setdefault(unit, []).append(naive_attempt(events, entry, funnel))
    return [tries[0] if funnel.reentry == "first" else max(tries, key=len) for tries in units.values()]


def naive(events: pl.DataFrame, funnel: Funnel, entered: DayRange) -> list[tuple[Any, ...]]:
    rows = events.sort("client_id", "event_ts", *client_order.TIES).to_dicts()
    found = []
    for client in sorted({row["client_id"] for row in rows}):
        own = [row for row in rows if row["client_id"] == client]
        for done in naive_attempts(own, funnel, entered):
            times = [own[place]["event_ts"] for place in done]
            cents = sum(own[place]["revenue_cents"] or 0 for place in done)
            found.append((client, times[0], len(done), *times, *[None] * (funnel.steps - len(done)), cents))
    return found


@st.composite
def histories(draw: st.DrawFn, steps: int, *, exclusive: bool) -> pl.DataFrame:
    """Events of three clients on a grid of six hours, many at the same instant; any event may do any steps."""
    names = step_columns(steps)
    one = st.sampled_from([*names, None]).map(lambda done: {name: name == done for name in names})
    several = st.fixed_dictionaries({name: st.booleans() for name in names})
    event = st.fixed_dictionaries(
        {
            "client_id": st.sampled_from(("a", "b", "c")),
            "event_ts": st.integers(0, 40).map(lambda quarter: START + quarter * dt.timedelta(hours=6)),
            "revenue_cents": st.sampled_from((None, 1, 20, 300)),
            "landing_day": st.sampled_from((START.date(), at(1).date())),
            "source_file": st.sampled_from(("b.csv", "a.csv")),
        }
    )
    rows = draw(st.lists(st.tuples(event, one if exclusive else several), max_size=30))
    lines = draw(st.permutations(range(len(rows))))
    schema = {**SCHEMA, **dict.fromkeys(names, pl.Boolean)}
    schema.pop("event_name")
    return pl.DataFrame(
        [{**first, **second, "source_line": line} for (first, second), line in zip(rows, lines, strict=True)],
        schema=schema,
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data(), steps=st.integers(1, 4))
def test_attempts_are_those_of_a_loop_over_each_clients_events(data: st.DataObject, steps: int) -> None:
    funnel = Funnel(
        steps,
        data.draw(st.integers(1, 16)) * dt.timedelta(hours=6),
        data.draw(st.sampled_from(("ordered", "strict", "any"))),
        data.draw(st.sampled_from(("best", "first", "every"))),
        data.draw(st.booleans()),
    )
    events = data.draw(histories(steps, exclusive=funnel.order == "any"))
    entered = data.draw(st.sampled_from((days(0, 30), days(2, 3), days(4, 4))))
    found = attempts(events, funnel, entered).sort("client_id", "entered_at").rows()
    assert found == naive(events, funnel, entered)


def test_clients_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = client_order._hash
    length = pl.col("client_id").str.len_bytes().cast(pl.Int64)
    monkeypatch.setattr(client_order, "_hash", lambda seed: honest(seed) if seed else length)
    events = shop_events(walk("ann", ("V", at(0)), ("C", at(2))), walk("ben", ("A", at(1)), ("B", at(3))))
    assert reached(events, Funnel(4, WEEK)) == [1, 0, 0, 0]
