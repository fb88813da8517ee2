"""The registry: every table, upstream first. Adding a table is adding one file and one line here."""

from types import MappingProxyType

from puffy_platform.table import Table
from puffy_platform.tables import (
    anomalies,
    attribution,
    attribution_data_driven,
    channel_summary,
    churn_features,
    churn_models,
    churn_scores,
    churn_training,
    client_days,
    cohorts,
    conversions,
    customer_value,
    customer_value_model,
    daily_metrics,
    duplicate_events,
    events_enriched,
    experiment_stats,
    file_drift,
    funnel,
    hourly_metrics,
    identities,
    identity_links,
    paths,
    purchases,
    quarantined_events,
    raw_events,
    row_index,
    sessions,
    user_journeys,
)

__all__ = ["TABLES"]

_ORDER = (
    row_index,
    raw_events,
    duplicate_events,
    quarantined_events,
    file_drift,
    events_enriched,
    purchases,
    identity_links,
    identities,
    sessions,
    conversions,
    attribution,
    channel_summary,
    user_journeys,
    paths,
    attribution_data_driven,
    funnel,
    experiment_stats,
    client_days,
    cohorts,
    churn_features,
    churn_training,
    churn_models,
    churn_scores,
    customer_value_model,
    customer_value,
    daily_metrics,
    hourly_metrics,
    anomalies,
)

TABLES: MappingProxyType[str, Table] = MappingProxyType({module.TABLE.name: module.TABLE for module in _ORDER})
