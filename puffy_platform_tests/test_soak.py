"""Four kills of a real `puffy run`; `python -m puffy_platform_tests.soak --kills 200` is the long form."""

from pathlib import Path

from puffy_platform_tests.soak import soak


def test_four_kills_at_random_points_leave_nothing_wrong_and_nothing_behind(tmp_path: Path) -> None:
    said: list[str] = []
    assert soak(tmp_path / "home", kills=4, seed=6, say=said.append) == []
    assert said[-1].startswith("identical: ")
