"""What tests of runs, and of what is told of them, share: a stored Dagster instance, and a server in place of Slack."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from puffy_platform_tests.alerts.slack_server import TOKEN, SlackServer, slack_server


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A stored instance: with the default launcher, not the in-process one of an ephemeral instance."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    with slack_server() as server:
        yield server
