"""Runs declared tables over stored days: what is current, what must be computed and why, and computing it.

Between the pure core (tables, ingest) and the warehouse; Dagster and the CLI call it. No Dagster here.
"""

from puffy_platform.pipeline.ingesting import materialise_ingest
from puffy_platform.pipeline.landing import Landing
from puffy_platform.pipeline.materialise import materialise
from puffy_platform.pipeline.plan import Plan, Reason, affected
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.report import DayResult, Report, check_results

__all__ = [
    "DayResult",
    "Landing",
    "Plan",
    "Platform",
    "Reason",
    "Report",
    "affected",
    "check_results",
    "materialise",
    "materialise_ingest",
]
