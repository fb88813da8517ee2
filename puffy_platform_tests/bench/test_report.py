"""What the benchmark's report says of stages, on numbers that can be added by hand."""

from puffy_platform.speed.measure import Cost
from puffy_platform_tests.bench.pipeline import stage_rows

STAGES = {"plan": (0.5, 1.0, 100.0), "ingest": (1.5, 2.0, 300.0), "funnel": (2.0, 3.0, 200.0)}
PARTS = {
    "plan": {},
    "ingest": {"checks": (0.25, 0.5), "Delta writes": (0.5, 1.0)},
    "funnel": {"checks": (0.5, 0.5), "Delta writes": (1.0, 1.5)},
}


def test_core_tables_and_all_are_summed_with_their_checks_and_writes_and_held_against_the_floor() -> None:
    floor = Cost(wall=0.5, cpu=1.0, peak_mib=50)
    assert list(stage_rows(STAGES, PARTS, floor))[1:] == [
        "| core tables (plan to channel_summary) | 2.00 | 4.00 | 3.00 | 3.00 | 300 |",
        "| - of them Delta writes | 0.50 | 1.00 | 1.00 | 1.00 |  |",
        "| - of them checks | 0.25 | 0.50 | 0.50 | 0.50 |  |",
        "| all tables | 4.00 | 8.00 | 6.00 | 6.00 | 300 |",
        "| - of them Delta writes | 1.50 | 3.00 | 2.50 | 2.50 |  |",
        "| - of them checks | 0.75 | 1.50 | 1.00 | 1.00 |  |",
        "| plan | 0.50 | 1.00 | 1.00 | 1.00 | 100 |",
        "| ingest | 1.50 | 3.00 | 2.00 | 2.00 | 300 |",
        "| funnel | 2.00 | 4.00 | 3.00 | 3.00 | 200 |",
    ]
