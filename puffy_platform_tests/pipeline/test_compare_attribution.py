"""All models side by side: the same orders under each, what each moves, what each costs, and what a reader sees."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from puffy_platform.methods.attribution import MODELS
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.compare_attribution import CompareError, Comparison, compare_attribution
from puffy_platform.present_attribution import comparison_to_json, print_comparison
from puffy_platform.settings import load_settings
from puffy_platform.spend import read_spend
from puffy_platform.tables import TABLES
from puffy_platform_tests.command import puffy
from puffy_platform_tests.pipeline.stored import store
from puffy_platform_tests.tables.visits import CONVERSIONS, SESSIONS, at, conversion, day, days, session
from puffy_platform_tests.windows import compute

HISTORY = days(0, 9)
LEARNED = ("shapley_rate", "shapley_sum", "markov_1")


def shop_in(home: Path, min_conversions: int = 20) -> Platform:
    """By 20 clients came first Paid Search, then Direct, and 10 of them ordered for 100.00 each; by 20 Email alone, and
    10 ordered for 50.00; 60 came directly and did not; one order has no client. Windows of 3 and 7 days."""
    home.mkdir(exist_ok=True)
    (home / "puffy.toml").write_text(
        f"[attribution]\nwindows_days = [3, 7]\n[data_driven]\nrolling_days = 8\nmin_conversions = {min_conversions}\n"
    )
    platform = Platform(load_settings(home, environment={}))
    visits = [session(f"p{n}", f"both {n}", at(4), "Paid Search") for n in range(20)]
    visits += [session(f"d{n}", f"both {n}", at(5), "Direct") for n in range(20)]
    visits += [session(f"e{n}", f"email {n}", at(5), "Email") for n in range(20)]
    visits += [session(f"x{n}", f"direct {n}", at(6), "Direct") for n in range(60)]
    orders = [conversion(f"b{n}", f"both {n}", at(5, "13:00"), 100_00) for n in range(10)]
    orders += [conversion(f"m{n}", f"email {n}", at(6), 50_00) for n in range(10)]
    orders.append(conversion("nobody", None, at(6), 7_01))
    inputs = {
        "conversions": pl.DataFrame(orders, schema=CONVERSIONS),
        "sessions": pl.DataFrame(visits, schema=SESSIONS),
    }
    for name in ("attribution", "paths", "attribution_data_driven"):
        inputs[name] = compute(TABLES[name], inputs, HISTORY, platform.settings)
        store(platform, TABLES[name], inputs[name])
    return platform


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return shop_in(tmp_path_factory.mktemp("home") / "home")


def cells(found: Comparison, column: str) -> dict[tuple[str, str], float | None]:
    return {(row["model"], row["channel"]): row[column] for row in found.rows.iter_rows(named=True)}


def printed(found: Comparison) -> str:
    out = io.StringIO()
    print_comparison(Console(file=out, width=80, force_terminal=False), found)
    return out.getvalue()


SPEND = (
    b"day,channel,amount\n2025-02-01,Email,9\n2025-02-08,Email,150\n2025-02-09,Paid Search,300.30\n2025-02-09,Radio,5"
)


def test_every_model_credits_the_same_orders_and_the_same_money(shop: Platform) -> None:
    found = compare_attribution(shop, day(8), 3)
    assert (found.days, found.orders, found.revenue_cents) == (days(1, 8), 21, 150_701)
    assert found.models == [*MODELS, *LEARNED]
    assert found.disagreeing == []
    sums = found.rows.group_by("model").agg(pl.col("orders").sum(), pl.col("revenue_cents").sum())
    assert sums["orders"].to_list() == pytest.approx([21.0] * 9)
    assert set(sums["revenue_cents"]) == {150_701}
    assert found.rows.select("channel").n_unique() * 9 == found.rows.height
    assert (found.converted_journeys, found.lost_journeys) == (20, 80)


def test_what_a_model_moves_is_what_it_credits_more_than_last_touch(shop: Platform) -> None:
    moved = cells(compare_attribution(shop, day(8), 3), "moved_cents")
    assert moved["first_touch", "Paid Search"] == 100_000
    assert moved["first_touch", "Direct"] == -100_000
    assert moved["shapley_sum", "Paid Search"] == 50_000
    assert {moved["last_touch", channel] for channel in ("Direct", "Email", "Paid Search", "(unattributed)")} == {0}
    # Direct alone never sold: with Paid Search every second journey did, and their value together is shared.
    assert moved["shapley_rate", "Direct"] == -50_000


def test_the_newest_day_and_the_shortest_window_are_the_default(shop: Platform) -> None:
    found = compare_attribution(shop, None, None)
    assert (found.days, found.window_days) == (days(2, 9), 3)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((day(8), 5), "a look-back of 5 days is not computed; attribution.windows_days has 3, 7"),
        ((day(20), 3), "no data-driven attribution as of 2025-02-23: `puffy run`"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(shop: Platform, asked: tuple[object, int], message: str) -> None:
    with pytest.raises(CompareError, match=message):
        compare_attribution(shop, *asked)  # type: ignore[arg-type]


def test_spend_gives_cost_per_order_and_revenue_per_unit_spent_under_each_model(shop: Platform) -> None:
    found = compare_attribution(shop, day(8), 3, read_spend(SPEND, "spend.csv"))
    cost, roas = cells(found, "cost_per_order_cents"), cells(found, "roas")
    # The spend of February 1st is before the eight days; 150.00 for 10 orders of 500.00 in all.
    assert (cost["linear", "Email"], roas["linear", "Email"]) == (15_00, pytest.approx(500 / 150, abs=1e-4))
    assert (cost["first_touch", "Paid Search"], cost["linear", "Paid Search"]) == (30_03, 60_06)
    assert (cost["last_touch", "Paid Search"], roas["last_touch", "Paid Search"]) == (None, 0.0)
    assert (cost["linear", "Direct"], roas["linear", "Direct"]) == (None, None)
    assert found.spent_without_credit == ["Radio"]
    assert (found.has_spend, found.spend_days) == (True, 2)


def test_a_reader_sees_revenue_shares_moves_and_costs_in_eighty_columns(shop: Platform) -> None:
    text = printed(compare_attribution(shop, day(8), 3, read_spend(SPEND, "spend.csv")))
    assert max(map(len, text.splitlines())) <= 80
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "2025-02-04 to 2025-02-11, look-back 3 days"
    assert "21 orders, revenue 1,507" in lines
    assert any(line.startswith("Direct 0 1,000 0 500 500") for line in lines)
    assert any(line.startswith("Paid Search +1,000 +1,000 +500 +500") for line in lines)
    assert any(line.startswith("Email 150 15 15 15 15 15 15") for line in lines)
    assert "The spend file covers 2 of these 8 days." in lines
    assert "Spend without any credit: Radio. Is the channel called otherwise here?" in lines
    assert "Learned from 20 orders with a touchpoint and 80 journeys without an order." in lines


def test_without_enough_data_the_rules_are_shown_and_the_reason(tmp_path: Path) -> None:
    found = compare_attribution(shop_in(tmp_path / "home", min_conversions=21), day(8), 3)
    assert cells(found, "status")["markov_1", "(unattributed)"] == "not_enough_data"
    text = " ".join(printed(found).split())
    assert "Not enough data for shapley_rate, shapley_sum, markov_1: 20 orders with a touchpoint" in text
    assert "Shapley" not in text


def test_days_computed_from_other_orders_are_named(tmp_path: Path) -> None:
    shop = shop_in(tmp_path / "home")
    fewer = shop.warehouse.read(shop.tables["attribution"]).filter(pl.col("event_id") != "b0").collect()
    store(shop, shop.tables["attribution"], fewer)
    found = compare_attribution(shop, day(8), 3)
    assert found.disagreeing == [*LEARNED]
    assert "shapley_rate, shapley_sum, markov_1 were computed from other orders" in " ".join(printed(found).split())


def test_a_script_gets_every_figure(shop: Platform, tmp_path: Path) -> None:
    (tmp_path / "spend.csv").write_bytes(SPEND)
    words = ("--date", "2025-02-11", "--window", "3", "--spend", str(tmp_path / "spend.csv"), "--json")
    said = puffy(shop.settings.home, "attribution", "compare", *words).json()
    expected = comparison_to_json(compare_attribution(shop, day(8), 3, read_spend(SPEND, "spend.csv")))
    assert said == json.loads(json.dumps(expected))
    assert {"from": "2025-02-04", "to": "2025-02-11", "window_days": 3, "orders": 21}.items() <= said.items()
    assert {"model", "channel", "share_low", "status", "moved_cents", "roas"} <= said["rows"][0].keys()


def test_mistakes_end_with_one_message(shop: Platform, tmp_path: Path) -> None:
    (tmp_path / "spend.csv").write_text("day,channel,amount\n2025-02-11,Email,many\n")
    ended = puffy(shop.settings.home, "attribution", "compare", "--spend", str(tmp_path / "spend.csv"))
    assert (ended.code, ended.message) == (
        2,
        "puffy: spend.csv, line 2, column amount: 'many' is not an amount; write it like 1234.50, without currency "
        "or separators",
    )
    missing = puffy(shop.settings.home, "attribution", "compare", "--spend", str(tmp_path / "none.csv"))
    assert missing.code == 2
    assert "none.csv" in missing.message
    empty = puffy(tmp_path / "empty", "attribution", "compare")
    assert (empty.code, "no data-driven attribution yet" in empty.message) == (2, True)
