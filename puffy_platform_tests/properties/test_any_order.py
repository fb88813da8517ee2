"""The promise, for every table of the registry at once: any order, any chunking, any correction gives the same rows.

A thousand histories: `HISTORIES=1000 python -m pytest -m soak puffy_platform_tests/properties`.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from puffy_platform_tests.properties.driving import differences, in_one_computation, live, platform_for, settle
from puffy_platform_tests.properties.histories import history

HISTORIES = int(os.environ.get("HISTORIES", "1000"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
settings.register_profile("few", max_examples=1, derandomize=True, phases=[Phase.explicit, Phase.generate])
settings.register_profile("soak", max_examples=HISTORIES, print_blob=True)


def leads_to_one_computation(random: Random, days: int, runs: int) -> None:
    story = history(random, days, runs)
    with TemporaryDirectory() as folder:
        platform = platform_for(Path(folder) / "home", story)
        live(platform, story)
        settle(platform, story.days, random)
        truth = in_one_computation(platform, story.days, Path(folder) / "truth")
        assert differences(platform, truth) == []


@settings(settings.get_profile("few"), deadline=None, database=None, suppress_health_check=SLOW)
@given(random=st.randoms(use_true_random=False))
@example(random=Random(10))
def test_whatever_lands_and_is_computed_in_whatever_order_leads_to_one_computation(random: Random) -> None:
    leads_to_one_computation(random, days=3, runs=3)


@pytest.mark.soak
@settings(settings.get_profile("soak"), deadline=None, suppress_health_check=SLOW)
@given(random=st.randoms(use_true_random=False), days=st.integers(2, 16), runs=st.integers(0, 10))
def test_long_histories_lead_to_one_computation(random: Random, days: int, runs: int) -> None:
    leads_to_one_computation(random, days, runs)
