"""Contract, key and checks give one outcome per day; a check that cannot judge is skipped, never passed."""

from dataclasses import replace

import polars as pl

from puffy_platform.outcomes import blocked_days, evaluate
from puffy_platform.settings import load_settings
from puffy_platform.table import Check, DayRange, count_broken
from puffy_platform_tests.toy import TOY, day, toy_rows

MARCH = DayRange(day(1), day(3))
SETTINGS = load_settings("unused", environment={})


def status(outcomes: pl.DataFrame, check: str) -> list[str]:
    return outcomes.filter(check=check).sort("day")["status"].to_list()


def test_good_rows_pass_and_a_day_without_rows_is_skipped() -> None:
    outcomes = evaluate(TOY, toy_rows((1, 1, "a"), (2, 2, None)), {}, MARCH, SETTINGS)
    for check in ("contract", "key", "few_numbers"):
        assert status(outcomes, check) == ["pass", "pass", "skipped"]
    assert blocked_days(outcomes) == set()


def test_a_broken_contract_blocks_its_day_only_and_never_quotes_a_value() -> None:
    outcomes = evaluate(TOY, toy_rows((1, 1, "a"), (2, -77, "b")), {}, MARCH, SETTINGS)
    assert status(outcomes, "contract") == ["pass", "fail", "skipped"]
    assert blocked_days(outcomes) == {day(2)}
    observed = outcomes.filter(status="fail")["observed"].item()
    assert "number" in observed
    assert "77" not in observed


def test_a_key_that_repeats_blocks_its_day() -> None:
    outcomes = evaluate(TOY, toy_rows((1, 1, "a"), (2, 5, "b"), (2, 5, "c")), {}, MARCH, SETTINGS)
    assert status(outcomes, "key") == ["pass", "fail", "skipped"]


def test_a_warning_blocks_nothing() -> None:
    outcomes = evaluate(TOY, toy_rows((1, 1, "a"), (1, 2, "b"), (1, 3, "c")), {}, MARCH, SETTINGS)
    assert status(outcomes, "few_numbers")[0] == "warn"
    assert blocked_days(outcomes) == set()


def test_a_day_fails_by_any_row_that_breaks_a_rule_and_what_cannot_be_said_breaks_none() -> None:
    rows = toy_rows((1, 1, "a"), (1, 2, "b"), (2, 2, None), (2, 3, "c"), (3, 1, "d"))
    found = count_broken(rows, pl.col("word").is_in(["b", "c", "d"]) & (pl.col("number") > 1), "{} are off", "none")
    assert found.sort("day").rows() == [
        (day(1), False, "1 are off", "none"),
        (day(2), False, "1 are off", "none"),
        (day(3), True, "0 are off", "none"),
    ]


def test_a_missing_column_fails_every_day() -> None:
    outcomes = evaluate(TOY, toy_rows((1, 1, "a"), (2, 2, "b")).drop("word"), {}, MARCH, SETTINGS)
    assert status(outcomes, "contract") == ["fail", "fail", "skipped"]


def test_a_check_that_raises_has_failed_and_does_not_show_its_message() -> None:
    def crash(*_: object) -> pl.DataFrame:
        raise RuntimeError("client 4711")

    table = replace(TOY, checks=(Check("crashing", "It crashes.", crash),))
    outcomes = evaluate(table, toy_rows((1, 1, "a")), {}, MARCH, SETTINGS).filter(check="crashing")
    assert set(outcomes["status"]) == {"fail"}
    assert set(outcomes["observed"]) == {"the check itself failed: RuntimeError"}


def test_a_check_may_name_its_status_and_a_failure_of_severity_warn_stops_nothing() -> None:
    def named(frame: pl.DataFrame, *_: object) -> pl.DataFrame:
        return frame.select(
            "day",
            status=pl.when(pl.col("number") == 1)
            .then(pl.lit("not enough history"))
            .when(number=2)
            .then(pl.lit("fail")),
            passed=pl.lit(True),
            observed=pl.lit("o"),
            expected=pl.lit("e"),
        )

    table = replace(TOY, checks=(Check("named", "It names its status.", named, severity="warn"),))
    outcomes = evaluate(table, toy_rows((1, 1, "a"), (2, 2, "b"), (3, 3, "c")), {}, MARCH, SETTINGS)
    assert status(outcomes, "named") == ["not enough history", "fail", "pass"]
    assert blocked_days(outcomes) == set()
