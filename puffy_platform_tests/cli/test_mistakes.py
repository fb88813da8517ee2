"""A mistake in the settings, the channel rules or the repairs stops every command at its start, with one message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import typer

from puffy_platform.cli import app
from puffy_platform_tests.command import puffy, puffy_process

MISTAKES = {
    "a wrong value": ("puffy.toml", "[sessions]\ntimeout_minutes = 0", "sessions.timeout_minutes = 0 (from"),
    "an unknown key": ("puffy.toml", "[sessions]\ntimeout = 5", "unknown key; did you mean 'timeout_minutes'?"),
    "an unknown section": ("puffy.toml", "[sesions]", "unknown key; did you mean 'sessions'?"),
    "no TOML": ("puffy.toml", "[sessions", "puffy.toml: not valid TOML"),
    "an unknown key of a rule": ("rules.toml", "[[rule]]\nchanel = 'Email'", "rules.toml, line 2, rule 1: unknown key"),
    "rules that do not end": ("rules.toml", '[[rule]]\nchannel = "Email"\nutm_medium = "email"', "rules.toml, line 1"),
    "an unknown key of a repair": ("repairs.toml", "[[repair]]\nnmae = 'x'", "unknown key 'nmae'"),
}
SAMPLES = {"date": "2025-03-01", "text": "select 1"}


def every_command() -> Iterator[tuple[str, ...]]:
    """Each command there is, with something for what it requires."""

    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        children = getattr(command, "commands", None)
        if children is not None:
            for name, child in children.items():
                yield from walk(child, (*path, name))
            return
        words = list(path)
        for parameter in command.params:  # type: ignore[attr-defined]
            if parameter.required:
                is_day = "YYYY" in (parameter.metavar or "")
                sample = SAMPLES["date" if is_day else "text"]
                words += [parameter.opts[0], sample] if parameter.param_type_name == "option" else [sample]
        yield tuple(words)

    return walk(typer.main.get_command(app), ())


COMMANDS = sorted(every_command())


def with_mistake(home: Path, mistake: str) -> str:
    """Put the mistake into the home; returns what a message must say of it."""
    name, text, words = MISTAKES[mistake]
    (home / "puffy.toml").write_text("[channels]\nrules_file = 'rules.toml'\n" if name == "rules.toml" else "")
    (home / name).write_text(text)
    return words


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("mistake", ["a wrong value", "an unknown key of a rule"])
def test_a_mistake_stops_every_command_before_any_work(tmp_path: Path, command: tuple[str, ...], mistake: str) -> None:
    words = with_mistake(tmp_path, mistake)
    before = sorted(tmp_path.rglob("*"))
    # A command that goes on all the same fails here instead of waiting for Ctrl-C.
    with patch("puffy_platform.orchestration.ui.subprocess.Popen", side_effect=AssertionError("the UI was started")):
        finished = puffy(tmp_path, *command)
    assert (finished.code, finished.out) == (2, "")
    assert finished.message.startswith("puffy: ")
    assert words in finished.message
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_message_names_the_place_and_what_would_be_right(tmp_path: Path, mistake: str) -> None:
    words = with_mistake(tmp_path, mistake)
    (tmp_path / "landing").mkdir()
    finished = puffy(tmp_path, "plan")
    assert finished.code == 2
    assert words in finished.message


def test_a_variable_with_a_wrong_value_is_named_as_such(tmp_path: Path) -> None:
    finished = puffy(tmp_path, "status", variables={"PUFFY_SESSIONS__TIMEOUT_MINUTES": "soon"})
    assert finished.code == 2
    assert "sessions.timeout_minutes = 'soon' (from environment variable PUFFY_SESSIONS__TIMEOUT_MINUTES)" in (
        finished.message
    )


def test_a_brackets_text_in_a_message_is_shown_as_it_is(tmp_path: Path) -> None:
    with_mistake(tmp_path, "rules that do not end")
    assert "[[rule]]" in puffy(tmp_path, "plan").message


def test_the_shell_sees_a_message_and_no_traceback(tmp_path: Path) -> None:
    words = with_mistake(tmp_path, "an unknown key of a rule")
    finished = puffy_process(tmp_path, "status")
    assert (finished.code, finished.out) == (2, "")
    assert words in finished.message
    assert "Traceback" not in finished.err


def test_a_home_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finished = puffy(tmp_path / "file", "demo", "--no-ask")
    assert finished.code == 2
    assert str(tmp_path / "file") in finished.err.replace("\n", "")
