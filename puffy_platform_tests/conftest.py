"""The small demo shop that tests of orchestration and of the command share: made once, copied by who writes."""

import os
import shutil
from pathlib import Path

import pytest

from puffy_platform_tests.command import Demo, puffy

DEMO_DAYS, DEMO_EVENTS_PER_DAY = 10, 200
# Minutes each: begun first, they do not keep one process waiting for the other at the end.
LONG = ("test_soak.py", "test_two_backfills.py", "test_daemon.py", "test_alert_loop.py")

# Settings of whoever runs the tests are not the tests' settings.
for name in [name for name in os.environ if name.startswith("PUFFY_")]:
    del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`puffy demo` on an empty home, as a user would type it; to be looked at only."""
    home = tmp_path_factory.mktemp("demo") / "home"
    sizes = ("--days", str(DEMO_DAYS), "--events-per-day", str(DEMO_EVENTS_PER_DAY))
    return Demo(home, puffy(home, "demo", *sizes, "--no-ask"), DEMO_DAYS, DEMO_EVENTS_PER_DAY)


@pytest.fixture
def shop(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's home, to be written to."""
    return Path(shutil.copytree(demo.home, tmp_path / "home"))
