"""What docs/ingest.md says is what happens: every rule is in it, and its examples come out as told."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from puffy_platform.settings import load_settings
from puffy_platform_tests.ingest.delivery import (
    DECLARED_RULES,
    DEFAULTS,
    NAME,
    as_csv,
    drift_of,
    event,
    land,
    purchase,
    rules_of,
)

PAGE = (Path(__file__).parents[2] / "docs" / "ingest.md").read_text("utf-8")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


def table(heading: str) -> list[list[str]]:
    """The cells of the last table under the heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


RULES = {cells[0].strip("`"): cells[1] for cells in table("The rules")}
# `column = value`: what a row holds that breaks the rule.
EXAMPLES = [(rule, *found) for rule, text in RULES.items() for found in re.findall(r"`(\w+) = ([^`]*)`", text)]


def test_the_page_has_every_rule_and_no_other_in_the_order_in_which_they_are_judged() -> None:
    assert {rule.partition(":")[0] for rule in RULES} == DECLARED_RULES
    assert len(RULES) == len(DECLARED_RULES)


@pytest.mark.parametrize(("rule", "column", "value"), EXAMPLES)
def test_an_example_of_a_rule_breaks_that_rule(tmp_path: Path, rule: str, column: str, value: str) -> None:
    row = purchase(value) if "checkout_completed" in RULES[rule] else event(**{column: value.strip()})
    assert rules_of(land(tmp_path, {NAME: as_csv([row])})) == {rule: 1}


def test_half_of_the_rules_have_an_example_that_is_tried() -> None:
    assert len({rule for rule, _, _ in EXAMPLES}) >= 8


def test_the_file_comes_out_line_by_line_as_told(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: block("csv").encode()})
    places = {
        line: (name, rule)
        for name, rules in (("raw_events", False), ("duplicate_events", False), ("quarantined_events", True))
        for line, rule in tables[name].select("source_line", "rule" if rules else "source_file").iter_rows()
    }
    told = table("A file, line by line")
    assert [int(cells[0]) for cells in told] == sorted(places)
    for number, name, why in told:
        assert f"`{places[int(number)][0]}`" == name
        assert name != "`quarantined_events`" or why.startswith(f"`{places[int(number)][1]}`")
    assert drift_of(tables)["renamed"] == [{"seen": "clientId", "meant": "client_id"}]
    assert tables["raw_events"]["extra"].drop_nulls().unique().to_list() == ['{"consent":"granted"}']
    assert tables["quarantined_events"]["revenue_cents"].drop_nulls().to_list() == [349_00]
    message = tables["quarantined_events"].filter(rule="wrong_column_count")["message"].item()
    assert message in block("text")


def test_the_aliases_in_the_page_are_the_default_ones_and_a_new_name(tmp_path: Path) -> None:
    (tmp_path / "puffy.toml").write_text(block("toml"))
    shown = load_settings(tmp_path, environment={}).ingest.aliases["timestamp"]
    assert shown == (*DEFAULTS.ingest.aliases["timestamp"], "occurred")
    assert tomllib.loads(block("toml")).keys() == {"ingest"}


def test_the_numbers_in_the_page_are_the_settings() -> None:
    ingest, thresholds = DEFAULTS.ingest, DEFAULTS.thresholds
    assert f"`ingest.late_days` ({ingest.late_days})" in PAGE
    assert ingest.max_field_bytes == 1_000_000
    assert f"above {thresholds.max_duplicate_share:.0%}".replace("%", " %") in PAGE
