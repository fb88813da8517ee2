"""The quick pass over a contract and Pandera say the same of every rule that any table declares."""

from collections.abc import Iterator
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.errors import SchemaErrors

from puffy_platform.contract_pass import keeps
from puffy_platform.tables import TABLES


def pandera_agrees(contract: type[pa.DataFrameModel] | pa.DataFrameSchema, frame: pl.DataFrame) -> bool:
    try:
        contract.validate(frame, lazy=True)
    except SchemaErrors:
        return False
    return True


def values_near(check: Any) -> Iterator[Any]:
    """Values around what the check draws its line at."""
    for value in check.statistics.values():
        if isinstance(value, list | tuple | set | frozenset):
            yield from [*value, "never declared"]
        elif isinstance(value, str):
            yield from ["12", "", "x12", "12x"]
        else:
            yield from [value - 1, value, value + 1]


@pytest.mark.parametrize("name", TABLES)
def test_of_every_rule_of_a_table_both_say_the_same(name: str) -> None:
    contract = TABLES[name].contract
    schema = contract.to_schema()
    good = pl.DataFrame([_allowed(name, rules) for name, rules in schema.columns.items()])
    assert keeps(contract, good)
    assert pandera_agrees(contract, good)
    for column, rules in schema.columns.items():
        for value in [None, *(value for check in rules.checks for value in values_near(check))]:
            changed = good.with_columns(pl.Series(column, [value]).cast(rules.dtype.type, strict=False))
            assert keeps(contract, changed) == pandera_agrees(contract, changed), (column, value)


def _allowed(name: str, rules: pa.Column) -> pl.Series:
    """One value that the rules of the column allow, null only where there is no other."""
    dtype = rules.dtype.type
    if isinstance(dtype, pl.Struct):
        return pl.Series(name, [{field.name: None for field in dtype.fields}], dtype=dtype)
    if isinstance(dtype, pl.List):
        return pl.Series(name, [[]], dtype=dtype)
    near = [value for check in rules.checks for value in values_near(check)] or ["x" if dtype == pl.String else 0]
    alone = pa.DataFrameSchema({name: rules})
    tried = (pl.Series(name, [value]).cast(dtype, strict=False) for value in near)
    return next(values for values in tried if pandera_agrees(alone, values.to_frame()))


def test_a_frame_of_other_columns_is_left_to_pandera() -> None:
    contract = TABLES["row_index"].contract
    good = pl.DataFrame(schema=TABLES["row_index"].schema)
    assert keeps(contract, good)
    assert not keeps(contract, good.drop("id_high"))
    assert not keeps(contract, good.with_columns(more=pl.lit(1)))
    assert not keeps(contract, good.with_columns(pl.col("source_line").cast(pl.Int32)))


def test_a_rule_that_the_quick_pass_does_not_know_is_left_to_pandera() -> None:
    class Even(pa.DataFrameModel):
        number: pl.Int64 = pa.Field(isin=[2, 4])

        @pa.check("number")
        def is_even(cls, data: pa.PolarsData) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col(data.key) % 2 == 0)

    class Unique(pa.DataFrameModel):
        number: pl.Int64 = pa.Field(unique=True)

    frame = pl.DataFrame({"number": [2, 4]})
    for contract in (Even, Unique):
        assert pandera_agrees(contract, frame)
        assert not keeps(contract, frame)
