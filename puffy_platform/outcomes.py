"""Judges computed rows: the contract, the key and the table's own checks, per day, before anything is written.

Pure: a frame in, a frame of outcomes out. Outcomes never hold row values.
"""

from __future__ import annotations

import datetime as dt
from functools import partial

import polars as pl

from puffy_platform.contract_pass import keeps
from puffy_platform.ordering import ascends_by
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Table
from puffy_platform.threads import at_once

__all__ = ["JUDGED", "OUTCOME_SCHEMA", "blocked_days", "check_names", "evaluate"]

OUTCOME_SCHEMA: dict[str, type[pl.DataType]] = {
    "table": pl.String,
    "day": pl.Date,
    "check": pl.String,
    "severity": pl.String,
    "status": pl.String,  # pass | warn | fail | skipped | not enough history
    "observed": pl.String,
    "expected": pl.String,
    "explanation": pl.String,
}

# Checks that do not name their status leave it to passed and severity.
NOT_NAMED = pl.lit(None, pl.String)
NOTHING_BROKEN = pl.DataFrame(schema={"day": pl.Date, "rule": pl.String})
# The statuses of a day about which a check could say something.
JUDGED = ("pass", "warn", "fail")


def check_names(table: Table) -> dict[str, tuple[str, str]]:
    """Every check of a table: name -> (severity, description). `contract` and `key` belong to every table."""
    general = {
        "contract": ("error", "Every column has its declared type, range and nullability."),
        "key": ("error", f"({', '.join(table.key)}) is unique."),
    }
    return general | {check.name: (check.severity, check.description) for check in table.checks}


def evaluate(table: Table, frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """One outcome for every check and day of the range.

    A day about which a check says nothing is `skipped`. A check may name its status itself (`not enough history`, or a
    `fail` that stops nothing because its severity is `warn`). A check that raises fails on all days with the kind of
    its error: a broken check must not look like a passed one.
    """

    def measure(check: Check) -> pl.DataFrame:
        try:
            measured = check.measure(frame, inputs, days, settings)
        except Exception as error:
            measured = (
                days.frame()
                .collect()
                .with_columns(
                    passed=pl.lit(False),
                    observed=pl.lit(f"the check itself failed: {type(error).__name__}"),
                    expected=pl.lit("the check runs"),
                )
            )
        named = pl.col("status") if "status" in measured.columns else NOT_NAMED
        columns = ("day", "passed", "observed", "expected")
        return measured.select(pl.lit(check.name).alias("check"), *columns, named=named)

    general = (partial(_judge_contract, table, frame), partial(_judge_key, table, frame))
    found = at_once((*general, *(partial(measure, check) for check in table.checks)))
    measured = pl.concat(found, how="vertical_relaxed")
    declared = pl.DataFrame(
        [(name, severity, text) for name, (severity, text) in check_names(table).items()],
        schema=["check", "severity", "explanation"],
        orient="row",
    )
    return (
        days.frame()
        .collect()
        .join(declared, how="cross")
        .join(measured, on=["check", "day"], how="left")
        .with_columns(
            table=pl.lit(table.name),
            status=pl.when(pl.col("named").is_not_null())
            .then("named")
            .when(pl.col("passed").is_null())
            .then(pl.lit("skipped"))
            .when("passed")
            .then(pl.lit("pass"))
            .when(pl.col("severity") == "error")
            .then(pl.lit("fail"))
            .otherwise(pl.lit("warn")),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in OUTCOME_SCHEMA.items())
    )


def blocked_days(outcomes: pl.DataFrame) -> set[dt.date]:
    """The days on which an error-severity check failed: their old rows stay."""
    return set(outcomes.filter(pl.col("status") == "fail", pl.col("severity") == "error")["day"])


def _judge_contract(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    days = frame.select("day").unique()
    broken = NOTHING_BROKEN if keeps(table.contract, frame) else _broken_rules(table, frame, days)
    return _verdict("contract", days, broken, "declared types, ranges and nullability")


def _broken_rules(table: Table, frame: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """By day, each rule of the contract that is broken, with how many rows break it."""
    from pandera.errors import SchemaErrors

    try:
        table.contract.validate(frame, lazy=True)
    except SchemaErrors as errors:
        rules = []
        for error in errors.schema_errors:
            column = getattr(error.schema, "name", None) or "table"
            mask = error.check_output
            rule = f"{column}: {getattr(error.check, 'name', None) or error.check}"
            if isinstance(mask, pl.LazyFrame):
                mask = mask.collect()
            if isinstance(mask, pl.DataFrame) and mask.height == frame.height:
                failing = frame.select("day").filter(~mask.to_series().fill_null(True))["day"]
            else:
                failing = days["day"]
            counts = failing.value_counts(name="n")
            rules.append(counts.select("day", rule=pl.format("{} ({} rows)", pl.lit(rule), "n")))
        return pl.concat(rules)
    return NOTHING_BROKEN


def _judge_key(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    key = list(dict.fromkeys(("day", *table.key)))
    in_order = ["day", *table.sort]
    # Rows come in storage order: where that is the key's, equal ones would be neighbours. Where one column alone is
    # unique, the key is; and where no two hashes are equal, no two values are.
    names_rows = set(in_order) == set(key) and ascends_by(frame, in_order)
    names_rows = names_rows or (len(key) == 2 and frame[key[1]].hash().n_unique() == frame.height)
    repeated = (frame.head(0) if names_rows else frame.filter(frame.select(key).is_duplicated()))["day"]
    broken = repeated.value_counts(name="n").select("day", rule=pl.format("{} rows share a key", "n"))
    return _verdict("key", frame.select("day").unique(), broken, f"unique ({', '.join(table.key)})")


def _verdict(check: str, days: pl.DataFrame, broken: pl.DataFrame, expected: str) -> pl.DataFrame:
    joined = days.join(broken.group_by("day").agg(pl.col("rule").str.join("; ")), on="day", how="left")
    return joined.select(
        pl.lit(check).alias("check"),
        "day",
        passed=pl.col("rule").is_null(),
        observed=pl.col("rule").fill_null("as declared"),
        expected=pl.lit(expected),
        named=NOT_NAMED,
    )
