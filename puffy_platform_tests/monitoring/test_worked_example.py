"""The example of docs/monitoring.md by hand: half the orders are nothing at 20 a day, and news at 200."""

import math

import pytest

from puffy_platform_tests.monitoring.histories import judged, panel

ORDERS = ("orders", "")
DAYS = 85
# The least relative variance that a day is believed to have beyond chance: two percent, squared.
SCATTER = 0.02**2


def deviation_by_hand(orders: int, usual: int) -> float:
    """Wilson and Hilferty's cube root, of pieces each as large as the variance over the mean."""
    piece = 1 + SCATTER * usual
    pieces, mean = orders / piece + 0.5, usual / piece
    return 3 * math.sqrt(pieces) * (1 - 1 / (9 * pieces) - (mean / pieces) ** (1 / 3))


@pytest.mark.parametrize(("usual", "by_hand", "verdict"), [(20, -2.42, 0), (200, -7.49, -1)])
def test_half_the_orders_of_a_day_are_judged_as_the_page_says(usual: int, by_hand: float, verdict: int) -> None:
    found = judged(panel({ORDERS: [usual] * (DAYS - 1) + [usual // 2]}))
    expected = found.expectation.distribution
    assert expected.expected[0, -1] == pytest.approx(usual)
    assert expected.scatter[0, -1] == pytest.approx(SCATTER)
    assert deviation_by_hand(usual // 2, usual) == pytest.approx(by_hand, abs=0.005)
    # Student's t for the days that the scatter was estimated from takes next to nothing off here.
    assert found.deviation[0, -1] == pytest.approx(by_hand, rel=0.005)
    assert found.unusual[0, -1] == verdict


def test_the_usual_limits_of_the_page() -> None:
    for usual, low, high in ((20, 2, 46), (200, 132, 276)):
        found = judged(panel({ORDERS: [usual] * DAYS}))
        lowest, highest = found.usual_limits(slice(DAYS - 1, DAYS))
        assert (round(lowest[0, 0]), round(highest[0, 0])) == (low, high)
