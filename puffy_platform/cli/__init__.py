"""The `puffy` command: thin and human, over the same functions the assets call. One module a group of commands."""

# The help lists commands in the order of these imports.
# isort: off
from puffy_platform.cli import runs
from puffy_platform.cli import look
from puffy_platform.cli import alerts
from puffy_platform.cli import quarantine
from puffy_platform.cli import repairs
from puffy_platform.cli import history
from puffy_platform.cli import attribution
from puffy_platform.cli import funnel
from puffy_platform.cli import retention
from puffy_platform.cli import experiment
from puffy_platform.cli import customers
from puffy_platform.cli import features
from puffy_platform.cli import why
from puffy_platform.cli import bench

# isort: on
from puffy_platform.cli.common import app, stop
from puffy_platform.cycles import look_for_cycles_rarely

__all__ = ["app", "main"]

COMMANDS = (
    runs,
    look,
    alerts,
    quarantine,
    repairs,
    history,
    attribution,
    funnel,
    retention,
    experiment,
    customers,
    features,
    why,
    bench,
)


def main() -> None:
    """Entry point: an error a user can act on is one message and exit code 2, never a traceback."""
    look_for_cycles_rarely()
    try:
        app()
    except OSError as error:
        if error.filename is None:
            raise
        stop(f"{error.filename}: {error.strerror}")
    except Exception as error:
        # Heavy to load, and loaded already when one of them was raised.
        from puffy_platform.settings import SettingsError
        from puffy_platform.warehouse import WarehouseError

        if isinstance(error, SettingsError | WarehouseError):
            stop(str(error))
        raise
