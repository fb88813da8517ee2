"""Daily sums of experiments: by hand, and against a loop over clients on random histories."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods.experiments.moments import Moments
from puffy_platform.methods.experiments.outcomes import METRICS, SUMS
from puffy_platform.settings import Settings
from puffy_platform.tables.experiment_stats import TABLE
from puffy_platform_tests.tables.visits import CONVERSIONS, START, at, conversion, day, days, event, events
from puffy_platform_tests.windows import Frames, assert_chunking_does_not_matter, compute, outcomes, settings_with

CART = "product_added_to_cart"
ALL_DAYS = days(-3, 12)
Assigned = tuple[str, str, str, dt.datetime]


def written(folder: Path, lines: Sequence[Assigned], extra: str = "", **experiments: Any) -> Settings:
    """Settings with a file of these assignments (experiment, variant, client, time), and other lines after them."""
    text = "".join(f"{client},{name},{variant},{when.isoformat()}\n" for name, variant, client, when in lines)
    file = folder / "assignments.csv"
    file.write_text(f"client_id,experiment,variant,time\n{text}{extra}", "utf-8")
    return settings_with(
        experiments={"assignments_file": str(file), "outcome_days": 3, "covariate_days": 2} | experiments
    )


def inputs_of(deeds: Sequence[dict[str, Any]], orders: Sequence[dict[str, Any]] = ()) -> Frames:
    return {"events_enriched": events(*deeds), "conversions": pl.DataFrame(list(orders), schema=CONVERSIONS)}


def sums(rows: pl.DataFrame, metric: str, variant: str, until: int = 30, experiment: str = "e") -> Moments:
    """The Moments as of the end of a day."""
    found = rows.filter(pl.col("day") <= day(until), metric=metric, variant=variant, experiment=experiment)
    return Moments(*found.select(pl.col(SUMS).sum()).row(0))


ASSIGNED = [
    ("e", "control", "ann", at(1, "12:00")),
    ("e", "treatment", "ben", at(1, "18:00")),
    ("e", "control", "cleo", at(2)),
    ("e", "treatment", "ann", at(2)),  # crosses over: the first variant counts
    ("e", "control", "crawler", at(2)),
]
SHOP = inputs_of(
    [
        event("ann", at(0), CART),  # covariate: within two days before
        event("ann", at(1, "11:59"), CART),  # covariate
        event("ann", at(1, "12:00"), CART),  # at the very instant of the assignment: an outcome
        event("ann", at(4, "11:59"), CART),  # the last minute of three days
        event("ann", at(4, "12:00"), CART),  # too late
        event("ben", at(-2), CART),  # before the covariate's two days
        event("crawler", at(2), is_bot=True),
        event("nobody", at(1), CART),
    ],
    [
        conversion("c1", "ann", at(2), 10_000),
        conversion("c2", "ann", at(3), 5_000),
        conversion("c3", "ann", at(3), 5_000, is_counted=False),
        conversion("c4", "ben", at(1, "17:59"), 7_000),
    ],
)


def test_outcomes_count_from_the_assignment_on_and_the_sums_add_up_day_by_day(tmp_path: Path) -> None:
    rows = compute(TABLE, SHOP, ALL_DAYS, written(tmp_path, ASSIGNED))
    # Ann and Cleo are control. On day 1 there is Ann, without an order; she buys for 100.00, then for 50.00.
    assert sums(rows, "revenue", "control", until=1) == Moments(clients=1, d=1, dd=1)
    assert sums(rows, "revenue", "control", until=2) == Moments(clients=2, y=10_000, d=2, yy=10_000**2, dd=2, yd=10_000)
    assert sums(rows, "revenue", "control", until=3) == Moments(clients=2, y=15_000, d=2, yy=15_000**2, dd=2, yd=15_000)
    assert sums(rows, "conversion", "control") == Moments(clients=2, y=1, d=2, yy=1, dd=2, yd=1)
    # Of two carts before and two after the assignment: x = y = 1 for Ann.
    assert sums(rows, "cart", "control") == Moments(2, y=1, d=2, x=1, yy=1, dd=2, xx=1, yd=1, yx=1, dx=1)
    # Order value: 150.00 by 2 orders.
    assert sums(rows, "order_value", "control") == Moments(2, y=15_000, d=2, yy=15_000**2, dd=4, yd=30_000)
    # Ben bought a minute too early, which is his covariate, and his old cart counts nowhere.
    assert sums(rows, "revenue", "treatment") == Moments(1, d=1, dd=1, x=7_000, xx=7_000**2, dx=7_000)
    assert sums(rows, "cart", "treatment") == Moments(1, d=1, dd=1)
    assert rows.filter(pl.col("day") > day(4)).is_empty()


def test_the_checks_pass_name_unused_lines_and_notice_a_mismatch(tmp_path: Path) -> None:
    def judged(chosen: Settings, number: int, rows: pl.DataFrame | None = None) -> dict[str, str]:
        computed = compute(TABLE, SHOP, ALL_DAYS, chosen) if rows is None else rows
        found = outcomes(TABLE, computed, SHOP, ALL_DAYS, chosen)
        return {check: status for (when, check), status in found.items() if when == day(number)}

    good = written(tmp_path, ASSIGNED)
    own = ("file_is_usable", "every_line_is_used", "everyone_assigned_enters", "sample_ratios")
    assert [judged(good, 1)[name] for name in own] == ["pass"] * 4
    assert judged(written(tmp_path, ASSIGNED, "dora,e,control,soon\n"), 2)["every_line_is_used"] == "warn"
    lopsided = [*ASSIGNED, *(("e", "control", f"c{n}", at(2)) for n in range(40))]
    assert judged(written(tmp_path, lopsided), 2)["sample_ratios"] == "warn"
    assert judged(written(tmp_path, lopsided), 1)["sample_ratios"] == "pass"
    rows = compute(TABLE, SHOP, ALL_DAYS, written(tmp_path, ASSIGNED))
    for broken in (rows.filter(pl.col("metric") != "cart"), rows.with_columns(clients=pl.col("clients") + 1)):
        assert judged(good, 1, broken)["everyone_assigned_enters"] == "fail"


def test_a_file_that_cannot_be_used_holds_the_days_back_and_no_file_is_no_mistake(tmp_path: Path) -> None:
    chosen = written(tmp_path, ASSIGNED)
    Path(chosen.experiments.assignments_file).write_text("client,variant\n", "utf-8")
    rows = compute(TABLE, SHOP, ALL_DAYS, chosen)
    assert rows.is_empty()
    assert outcomes(TABLE, rows, SHOP, ALL_DAYS, chosen)[day(1), "file_is_usable"] == "fail"
    without = settings_with(experiments={"assignments_file": str(tmp_path / "none.csv")})
    assert compute(TABLE, SHOP, ALL_DAYS, without).is_empty()
    assert set(outcomes(TABLE, rows, SHOP, ALL_DAYS, without).values()) <= {"pass", "skipped"}


def test_the_file_is_part_of_what_the_days_were_computed_from(tmp_path: Path) -> None:
    before = TABLE.definition_fingerprint(written(tmp_path, ASSIGNED[:2]))
    assert TABLE.definition_fingerprint(written(tmp_path, ASSIGNED[:2])) == before
    assert TABLE.definition_fingerprint(written(tmp_path, ASSIGNED)) != before


def test_crawlers_count_when_bots_are_included(tmp_path: Path) -> None:
    chosen = written(tmp_path, ASSIGNED)
    assert sums(compute(TABLE, SHOP, ALL_DAYS, chosen), "cart", "control").clients == 2
    with_bots = Settings(**(chosen.model_dump() | {"bots": {"include": True}}))
    assert sums(compute(TABLE, SHOP, ALL_DAYS, with_bots), "cart", "control").clients == 3


# One by one.


def naive(
    lines: Sequence[Assigned], inputs: Frames, until: dt.date, outcome_days: int, covariate_days: int
) -> dict[Any, Any]:
    """(experiment, variant, metric) -> Moments as of the end of a day."""
    deeds = inputs["events_enriched"].to_dicts()
    orders = [row for row in inputs["conversions"].to_dicts() if row["is_counted"]]
    first: dict[tuple[str, str], tuple[dt.datetime, str]] = {}
    for name, variant, client, when in sorted(lines, key=lambda line: line[3]):
        first.setdefault((name, client), (when, variant))
    found: dict[Any, Moments] = {}
    for (name, client), (when, variant) in first.items():
        if when.date() > until:
            continue

        def amounts(start: dt.datetime, end: dt.datetime, client: str = client) -> dict[str, tuple[int, int]]:
            own = [row for row in deeds if row["client_id"] == client and start <= row["event_ts"] < end]
            own = [row for row in own if row["event_ts"].date() <= until]
            bought = [row for row in orders if row["client_id"] == client and start <= row["converted_at"] < end]
            bought = [row for row in bought if row["converted_at"].date() <= until]
            count = {kind: sum(row["event_name"] == kind for row in own) for kind in ("page_viewed", CART)}
            revenue = sum(row["revenue_cents"] for row in bought)
            return {
                "conversion": (int(bool(bought)), 1),
                "revenue": (revenue, 1),
                "orders": (len(bought), 1),
                "order_value": (revenue, len(bought)),
                "cart": (int(count[CART] > 0), 1),
                "checkout": (0, 1),
                "email": (0, 1),
                "page_views": (count["page_viewed"], 1),
            }

        after = amounts(when, when + dt.timedelta(days=outcome_days))
        before = amounts(when - dt.timedelta(days=covariate_days), when)
        for metric in METRICS:
            (y, d), x = after[metric], before[metric][0]
            one = Moments(1, y, d, x, y * y, d * d, x * x, y * d, y * x, d * x)
            found[name, variant, metric] = found.get((name, variant, metric), Moments()) + one
    return found


TIMES = st.integers(-6, 24).map(lambda half: START + half * dt.timedelta(hours=12))
CLIENTS = st.sampled_from(("a", "b", "c", "d"))


@st.composite
def shops(draw: st.DrawFn) -> Frames:
    deed = st.tuples(CLIENTS, TIMES, st.sampled_from(("page_viewed", CART, "checkout_completed")))
    order = st.tuples(CLIENTS, TIMES, st.integers(0, 50_000), st.booleans())
    return inputs_of(
        [event(client, when, name) for client, when, name in draw(st.lists(deed, max_size=14))],
        [
            conversion(f"c{number}", client, when, cents, is_counted=counted)
            for number, (client, when, cents, counted) in enumerate(draw(st.lists(order, max_size=8)))
        ],
    )


@settings(max_examples=15, deadline=None)
@given(
    lines=st.lists(
        st.tuples(st.sampled_from(("e", "f")), st.sampled_from("AB"), CLIENTS, TIMES), min_size=1, max_size=8
    ),
    inputs=shops(),
    covariate_days=st.sampled_from((0, 2)),
    until=st.integers(0, 12),
)
def test_sums_are_those_of_a_loop_over_clients_in_any_chunking(
    lines: list[Assigned], inputs: Frames, covariate_days: int, until: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Lines of the same instant are decided by their place; the loop sorts in the same, stable way.
        chosen = written(Path(folder), lines, covariate_days=covariate_days)
        rows = assert_chunking_does_not_matter(TABLE, inputs, ALL_DAYS, chosen, chunks=(1, 4))
        assert "fail" not in outcomes(TABLE, rows, inputs, ALL_DAYS, chosen).values()
    for (name, variant, metric), moments in naive(lines, inputs, day(until), 3, covariate_days).items():
        assert sums(rows, metric, variant, until, name) == moments, (name, variant, metric)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_what_it_is(name: str) -> None:
    assert METRICS[name].description.endswith(".")
    assert (METRICS[name].kind == "ratio") == (METRICS[name].d is not None)
