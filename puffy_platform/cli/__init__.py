"""The `puffy` command: thin and human, over the same functions the assets call. One module a group of commands."""

from puffy_platform.cli import runs  # isort: split  (the help lists commands in this order)
from puffy_platform.cli import look  # isort: split
from puffy_platform.cli import quarantine  # isort: split
from puffy_platform.cli.common import app, stop

__all__ = ["app", "main"]

COMMANDS = (runs, look, quarantine)


def main() -> None:
    """Entry point: an error a user can act on is one message and exit code 2, never a traceback."""
    from puffy_platform.settings import SettingsError

    try:
        app()
    except SettingsError as error:
        stop(str(error))
