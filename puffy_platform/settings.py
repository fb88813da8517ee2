"""One validated settings model: TOML defaults beside this file, a user's file over them, environment over that.

Nothing here reads the clock or any data; `load_settings` reads only the settings files and the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from puffy_platform.settings_model import DEFAULT_RULES_FILE, Settings

__all__ = ["DEFAULT_RULES_FILE", "Settings", "SettingsError", "load_settings"]

ENVIRONMENT_PREFIX = "PUFFY_"
DEFAULTS_FILE = Path(__file__).with_name("settings.toml")
# Variables that steer where settings come from; they are not settings themselves.
RESERVED_VARIABLES = {"PUFFY_HOME", "PUFFY_SETTINGS"}


class SettingsError(ValueError):
    """A setting is wrong: the message names it, its value, where it came from and what is allowed."""


def load_settings(
    home: Path | str | None = None,
    file: Path | str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The defaults, then the user's file, then `PUFFY_SECTION__KEY` variables; later ones win.

    The user's file is `file`, else `$PUFFY_SETTINGS`, else `puffy.toml` in the home if it is there. Raises
    SettingsError naming every wrong value or unknown key, its source and the allowed range.
    """
    environment = os.environ if environment is None else environment
    home = Path(home or environment.get("PUFFY_HOME") or "data").expanduser().absolute()
    sources: dict[tuple[str, ...], str] = {}
    merged: dict[str, Any] = {}
    _merge(merged, _read_toml(DEFAULTS_FILE), "the defaults", sources)

    user_file = Path(file or environment.get("PUFFY_SETTINGS") or home / "puffy.toml")
    if user_file.exists():
        _merge(merged, _read_toml(user_file), str(user_file), sources)
    elif file or environment.get("PUFFY_SETTINGS"):
        raise SettingsError(f"settings file {user_file} does not exist")

    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in RESERVED_VARIABLES:
            keys = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            nested: Any = _environment_value(text)
            for key in reversed(keys):
                nested = {key: nested}
            _merge(merged, nested, f"environment variable {name}", sources)

    rules_file = merged["channels"]["rules_file"]
    if rules_file and isinstance(rules_file, str):
        beside = user_file.parent if sources[("channels", "rules_file")] == str(user_file) else Path()
        merged["channels"]["rules_file"] = str((beside / Path(rules_file).expanduser()).absolute())

    try:
        settings = Settings(home=home, **merged)
    except ValidationError as error:
        raise SettingsError(_explain(error, sources)) from None
    except TypeError:
        raise SettingsError("settings: home is set with PUFFY_HOME, not in a file") from None
    if settings.rules_file and not settings.rules_file.exists():
        raise SettingsError(f"channels.rules_file: {settings.rules_file} does not exist")
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None


def _merge(into: dict[str, Any], new: Mapping[str, Any], source: str, sources: dict[tuple[str, ...], str]) -> None:
    def walk(target: dict[str, Any], values: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for key, value in values.items():
            here = (*path, key)
            if isinstance(value, Mapping):
                child = target.get(key)
                target[key] = child if isinstance(child, dict) else {}
                sources[here] = source
                walk(target[key], value, here)
            else:
                target[key] = value
                sources[here] = source

    walk(into, new, ())


def _environment_value(text: str) -> Any:
    """TOML's reading of the text (numbers, true, lists, dates), or the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(error: ValidationError, sources: Mapping[tuple[str, ...], str]) -> str:
    lines = []
    for problem in error.errors():
        path = tuple(str(part) for part in problem["loc"])
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in sources), path)
        source = sources.get(known, "no file")
        if problem["type"] == "extra_forbidden":
            lines.append(f"{'.'.join(path)} (from {source}): unknown key{_closest(path)}")
        elif problem["type"] == "missing":
            lines.append(f"{'.'.join(path)}: is required")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{'.'.join(path)} = {problem['input']!r} (from {source}): {message}")
    return "settings: " + "\n          ".join(lines)


def _closest(path: tuple[str, ...]) -> str:
    import difflib

    model: Any = Settings
    for part in path[:-1]:
        field = model.model_fields.get(part)
        model = getattr(field, "annotation", None)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ""
    match = difflib.get_close_matches(path[-1], model.model_fields, n=1)
    known = ", ".join(name for name in model.model_fields if name != "home")
    return f"; did you mean {match[0]!r}?" if match else f"; known here: {known}"
