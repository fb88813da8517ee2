"""Reads the file of repairs (TOML), tests each repair on its own examples, and says what is wrong: file, repair, key.

What a repair does is in `repairs`, how to write one in docs/repairs.md.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from puffy_platform.ingest.columns import RAW_COLUMNS
from puffy_platform.ingest.records import BROKEN_RULES
from puffy_platform.ingest.repair_examples import mistake_in
from puffy_platform.ingest.repairs import RAW_TEXT, RULES, Example, Repair
from puffy_platform.ingest.row_sql import RowSqlError, row_expression
from puffy_platform.settings import Settings, SettingsError
from puffy_platform.table import DayRange

__all__ = ["RepairsError", "load_repairs", "parse_repairs"]

# A name is written into rows and into the ledger's hashes, which these characters cannot confuse.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Text = Annotated[str, Field(min_length=1)]
Column = Literal[(*RAW_COLUMNS, RAW_TEXT)]  # type: ignore[valid-type]
Rule = Literal[RULES]  # type: ignore[valid-type]


class RepairsError(SettingsError):
    """The repairs cannot be used: every mistake with its file, line, repair and key, and what to do."""


class ExampleTable(BaseModel):
    """[[repair.example]]: a row as delivered, and what must become of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    given: dict[str, str] = Field(min_length=1)
    then: dict[str, str | dt.datetime] = Field(default_factory=dict)
    untouched: bool = False
    file: str | None = None

    @model_validator(mode="after")
    def says_one_thing(self) -> ExampleTable:
        if self.untouched == bool(self.then):
            raise ValueError("give either 'then', the columns as they must be after, or untouched = true")
        return self


class RepairTable(BaseModel):
    """[[repair]] as it is written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=NAME)
    reason: Text
    author: Text
    first: dt.date = Field(alias="from")
    last: dt.date | None = Field(default=None, alias="to")
    files: tuple[Text, ...] = ()
    rules: tuple[Rule, ...]
    where: Text = "TRUE"
    change: dict[Column, Text] = Field(alias="set")
    examples: tuple[ExampleTable, ...] = Field(alias="example")

    @field_validator("files", "rules", mode="before")
    @classmethod
    def one_is_a_list_too(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def makes_sense(self) -> RepairTable:
        if self.last and self.last < self.first:
            raise ValueError(f"'to' {self.last} is before 'from' {self.first}")
        if not self.rules or not self.change:
            raise ValueError("'rules' says for which rows it is, 'set' what it changes: neither may be empty")
        broken = [rule for rule in self.rules if rule in BROKEN_RULES]
        if RAW_TEXT in self.change and (len(self.change) > 1 or len(broken) < len(self.rules)):
            raise ValueError(
                f"'set.raw' is the text of records that cannot be cut into fields: use it alone, and for the rules "
                f"{', '.join(BROKEN_RULES)} only"
            )
        if broken and RAW_TEXT not in self.change:
            raise ValueError(f"records of rule {broken[0]} have no columns yet: set 'raw', their text")
        if not any(example.then for example in self.examples):
            raise ValueError("no example shows a repaired row: give one a 'then'")
        return self

    def repair(self) -> Repair:
        return Repair(
            name=self.name,
            days=DayRange(self.first, self.last or self.first),
            rules=self.rules,
            change=tuple(sorted(self.change.items())),
            where=self.where,
            files=self.files,
            reason=self.reason,
            author=self.author,
            examples=tuple(Example(**example.model_dump()) for example in self.examples),
        )


def load_repairs(settings: Settings) -> tuple[Repair, ...]:
    """The repairs of settings.repairs in the file's order; none when there is no such file. Raises RepairsError."""
    path = settings.repairs
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise RepairsError(f"{path}: cannot be read: {error}") from None
    return _parsed(text, str(path), settings.model_dump_json())


@lru_cache(maxsize=8)
def _parsed(text: str, file: str, settings: str) -> tuple[Repair, ...]:
    """Repairs are asked for at every look at the landing folder, and their examples take a moment."""
    return parse_repairs(text, file, Settings.model_validate_json(settings))


def parse_repairs(text: str, file: str, settings: Settings) -> tuple[Repair, ...]:
    """The repairs in a TOML text, each tested on its examples; `file` is named in errors. Raises RepairsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RepairsError(f"{file}: not valid TOML: {error}") from None
    tables = document.pop("repair", [])
    if document or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        wrong = "".join(f" (found {key!r}{_closest(key, ['repair'])})" for key in document)
        raise RepairsError(f"{file}: a file of repairs is a series of [[repair]] tables and nothing else{wrong}")
    heads = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*repair\s*\]\]", line)]
    repairs: list[Repair] = []
    mistakes: list[str] = []
    for number, table in enumerate(tables):
        found = list(_read(table, repairs, settings))
        line = f", line {heads[number]}" if number < len(heads) else ""
        name = f" ({table['name']})" if isinstance(table.get("name"), str) else ""
        mistakes += [f"{file}{line}, repair {number + 1}{name}: {mistake}" for mistake in found]
    if mistakes:
        raise RepairsError("\n".join(mistakes))
    return tuple(repairs)


def _read(table: Mapping[str, Any], repairs: list[Repair], settings: Settings) -> Iterator[str]:
    """Append the repair to those before it; yields the mistakes in it."""
    try:
        repair = RepairTable.model_validate(table).repair()
    except ValidationError as error:
        yield from (_explain(dict(problem)) for problem in error.errors())
        return
    if repair.name in (known.name for known in repairs):
        yield "'name' is an earlier repair's, and rows name their repair by it"
    repairs.append(repair)
    mistakes = [*_mistakes_in_sql(repair)]
    yield from mistakes
    if not mistakes:
        for number, example in enumerate(repair.examples, 1):
            mistake = mistake_in(repair, example, settings)
            if mistake:
                yield f"example {number}: {mistake}"


def _mistakes_in_sql(repair: Repair) -> Iterator[str]:
    seen = {*repair.columns, *(name for example in repair.examples for name in example.given)}
    expressions = [
        ("where", repair.where, pl.Boolean),
        *((f"set.{name}", sql, pl.String) for name, sql in repair.change),
    ]
    for key, sql, gives in expressions:
        try:
            _, reads = row_expression(sql, repair.columns, gives)
        except RowSqlError as error:
            yield f"{key!r}: {error}"
            continue
        for name in sorted({*reads} - seen):
            yield f"{key!r} reads {name!r}, which no example has{_closest(name, sorted(seen))}"


def _explain(problem: dict[str, Any]) -> str:
    path = [str(part) for part in problem["loc"] if part != "[key]"]
    path = path[:1] if path[:1] == ["rules"] else path
    key = f"'{'.'.join(path)}' " if path else ""
    if problem["type"] == "extra_forbidden":
        model = ExampleTable if path[0] == "example" else RepairTable
        known = [field.alias or name for name, field in model.model_fields.items()]
        return f"unknown key {path[-1]!r}{_closest(path[-1], known)}"
    if problem["type"] == "missing":
        return f"{key}is missing"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        known = list(RULES) if path[0] == "rules" else [*RAW_COLUMNS, RAW_TEXT]
        return f"{key}cannot be {problem['input']!r}{_closest(problem['input'], known)}"
    if problem["type"].startswith("date"):
        return f"{key}must be a date, for example 2025-03-04"
    if path == ["name"]:
        return "'name' may hold letters, digits, '.', '_' and '-' only: it is written into rows"
    return f"{key}{problem['msg'].removeprefix('Value error, ')}"


def _closest(key: str, known: Collection[str]) -> str:
    match = difflib.get_close_matches(key, known, n=1)
    return (f"; did you mean {match[0]!r}? Known" if match else "; known") + f" here: {', '.join(known)}"
