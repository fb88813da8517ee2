"""churn_features: what was known of each customer at the end of each day, for churn models and segments.

Here the table is put together; columns are in contract.py, computation in features.py, checks in checks.py.
"""

from puffy_platform.table import Check, Reads, Table
from puffy_platform.tables.churn_features.checks import (
    measure_every_buyer,
    measure_monetary,
    measure_windows_nest,
)
from puffy_platform.tables.churn_features.contract import ChurnFeaturesContract
from puffy_platform.tables.churn_features.features import LONGEST_WINDOW_DAYS, describe_customers

__all__ = ["TABLE", "ChurnFeaturesContract"]

TABLE = Table(
    name="churn_features",
    description=(
        "One row per customer with a counted purchase and as-of day: recency, frequency, monetary value, "
        "tenure, activity in the last 7, 30 and 90 days with its trend, and channel mix. Point-in-time."
    ),
    owner="team:marketing",
    group="customers",
    contract=ChurnFeaturesContract,
    key=("day", "customer_id"),
    reads=(
        Reads(
            "client_days",
            before=LONGEST_WINDOW_DAYS - 1,
            columns=("day", "client_id", "sessions", "page_views", "add_to_carts", "channel", "is_bot"),
        ),
        Reads("conversions", history=True, columns=("day", "customer_id", "revenue_cents", "is_counted")),
        Reads("identities", history=True, columns=("day", "client_id", "customer_id", "is_primary")),
    ),
    transform=describe_customers,
    settings_sections=("bots",),
    checks=(
        Check(
            name="monetary_is_all_counted",
            description="It adds up to the revenue of all counted conversions to date with a known customer.",
            measure=measure_monetary,
        ),
        Check(
            name="every_buyer_once",
            description="The rows of a day are the customers with a counted purchase on or before it.",
            measure=measure_every_buyer,
        ),
        Check(
            name="windows_nest",
            description="What happened in 7 days happened in 30, and in 90.",
            measure=measure_windows_nest,
        ),
    ),
    sort=("customer_id",),
    lineage={
        "customer_id": (("conversions", "customer_id"),),
        "recency_days": (("conversions", "day"),),
        "tenure_days": (("conversions", "day"),),
        "frequency": (("conversions", "customer_id"),),
        "monetary_cents": (("conversions", "revenue_cents"),),
        "average_order_cents": (("conversions", "revenue_cents"),),
        "clients": (("identities", "client_id"),),
        "last_seen_days": (("client_days", "day"),),
        **{f"sessions_{w}d": (("client_days", "sessions"),) for w in (7, 30, 90)},
        **{f"active_days_{w}d": (("client_days", "day"),) for w in (7, 30, 90)},
        "sessions_trend_30d": (("client_days", "sessions"),),
        "active_days_trend_30d": (("client_days", "day"),),
        "page_views_30d": (("client_days", "page_views"),),
        "add_to_carts_30d": (("client_days", "add_to_carts"),),
        **{
            name: (("client_days", "channel"), ("client_days", "sessions"))
            for name in ("top_channel_90d", "channels_90d", "paid_share_90d", "direct_share_90d")
        },
    },
)
