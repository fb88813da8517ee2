"""What each definition hash of the ledger stands for, so that "which setting was it?" can be answered later."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl

from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import Table

__all__ = ["DEFINITIONS", "difference", "recorded_definitions", "remember_definition"]

DEFINITIONS = "_definitions"
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "definition_hash": pl.String,
    "table": pl.String,
    "definition": pl.String,
    "recorded_at": pl.Datetime("us", "UTC"),
}
# By warehouse, the hashes this process knows to be in the log: it is read once a process, not once a write.
_SEEN: dict[str, set[str]] = {}


def remember_definition(platform: Platform, table: Table) -> str:
    """Append the table's definition under its hash, unless it is known already; returns the hash."""
    hashed = table.definition_fingerprint(platform.settings)
    root = platform.warehouse.root
    if root not in _SEEN:
        _SEEN[root] = set(recorded_definitions(platform))
    if hashed not in _SEEN[root]:
        row = (hashed, table.name, json.dumps(table.definition(platform.settings)), dt.datetime.now(dt.UTC))
        platform.warehouse.append(DEFINITIONS, pl.DataFrame([row], schema=SCHEMA, orient="row"))
        _SEEN[root].add(hashed)
    return hashed


def recorded_definitions(platform: Platform) -> dict[str, dict[str, Any]]:
    """Every remembered definition by its hash."""
    delta = platform.warehouse.open(DEFINITIONS)
    if delta is None:
        return {}
    rows = pl.scan_delta(delta).select("definition_hash", "definition").collect()
    return {hashed: json.loads(text) for hashed, text in rows.iter_rows()}


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two definitions, in words: settings by name with both values, code by what of it."""
    found = []
    for section in sorted(before["settings"].keys() | after["settings"].keys()):
        old, new = before["settings"].get(section, {}), after["settings"].get(section, {})
        found += [
            f"setting {section}.{key}: {_shown(old.get(key))} -> {_shown(new.get(key))}"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
    if not found and before["settings_fingerprint"] != after["settings_fingerprint"]:
        found.append("the text of the channel rules")
    if before["version"] != after["version"]:
        found.append(f"the table's code: version {before['version']} -> {after['version']}")
    if before["columns"] != after["columns"]:
        changed = sorted(
            name
            for name in before["columns"].keys() | after["columns"].keys()
            if before["columns"].get(name) != after["columns"].get(name)
        )
        found.append(f"the contract's columns: {', '.join(changed)}")
    if before["reads"] != after["reads"]:
        found.append("the days it reads")
    return found


def _shown(value: object) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
