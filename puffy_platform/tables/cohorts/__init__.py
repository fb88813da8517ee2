"""cohorts: who came first when, and how many of them came back and what they spent since.

Here the table is put together; columns are in contract.py, the computation in cells.py, checks in checks.py.
"""

from puffy_platform.table import Check, Reads, Table
from puffy_platform.tables.cohorts.cells import build
from puffy_platform.tables.cohorts.checks import (
    measure_active_within_size,
    measure_customer_revenue,
    measure_null_while_incomplete,
    measure_units_agree,
)
from puffy_platform.tables.cohorts.contract import CELL, CohortsContract

__all__ = ["TABLE", "CohortsContract"]

TABLE = Table(
    name="cohorts",
    description=(
        "Cohorts of clients (first visit) and customers (first purchase) by day, week and month: size, "
        "active members, retention and revenue in the period that contains the day, as of its end."
    ),
    owner="team:marketing",
    group="customers",
    contract=CohortsContract,
    key=CELL,
    reads=(
        Reads("client_days", history=True, columns=("day", "client_id", "is_bot")),
        Reads(
            "conversions",
            history=True,
            columns=("day", "client_id", "customer_id", "revenue_cents", "is_counted"),
        ),
    ),
    transform=build,
    settings_sections=("bots",),
    checks=(
        Check(
            name="active_within_size",
            description="No cohort has more active members than members.",
            measure=measure_active_within_size,
        ),
        Check(
            name="null_while_incomplete",
            description="A running period's numbers are null, a complete one's not: zero means nobody came.",
            measure=measure_null_while_incomplete,
        ),
        Check(
            name="units_agree",
            description="Every member is in exactly one cohort of each unit.",
            measure=measure_units_agree,
        ),
        Check(
            name="customer_revenue_is_all_counted",
            description="The day's revenue over all customer cohorts is that of its counted conversions.",
            measure=measure_customer_revenue,
        ),
    ),
    sort=("member", "unit", "cohort"),
    lineage={
        "cohort": (("client_days", "day"), ("conversions", "day")),
        "cohort_size": (("client_days", "client_id"), ("conversions", "customer_id")),
        "active": (("client_days", "client_id"), ("conversions", "customer_id")),
        "retention": (("client_days", "client_id"), ("conversions", "customer_id")),
        "revenue_cents": (("conversions", "revenue_cents"),),
        "cumulative_revenue_cents": (("conversions", "revenue_cents"),),
        "revenue_per_member_cents": (("conversions", "revenue_cents"),),
    },
)
