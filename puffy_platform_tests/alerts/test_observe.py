"""What is bad, as incidents know it: rows of the table anomalies."""

import datetime as dt

import polars as pl

from puffy_platform.alerts.observe import ANOMALIES, anomaly_findings


def test_an_incident_of_anomalies_is_one_finding_a_day_told_by_the_metric_that_leads_it() -> None:
    assert ANOMALIES == "anomalies"
    row = {
        "day": dt.date(2025, 3, 9),
        "table": "sessions",
        "status": "fail",
        "explanation": "sources lost",
        "incident": "tracking",
        "cause": "no referrer is recorded",
        "is_lead": False,
        "is_posted": True,
        "observed": 0.12,
        "expected": 0.405,
        "low": 0.3,
        "high": 0.51,
        "money_at_stake_cents": 123_400,
        "metric": "device_share",
        "segment": "mobile",
    }
    rows = pl.DataFrame([row | {"metric": "orders", "table": "conversions"}, row | {"is_lead": True}])
    rows = pl.concat([rows, rows.with_columns(status=pl.lit("pass")), rows.with_columns(incident=pl.lit(None))])
    (found,) = anomaly_findings(rows)
    assert (found.key.table, found.key.check, found.severity) == ("sessions", "tracking", "error")
    assert found.seen.observed == "share of sessions on mobile: 12.0% (and 1 more)"
    assert found.seen.expected == "about 40.5%, from 30.0% to 51.0%"
    assert found.cause == "no referrer is recorded; about 1,234 of the day's revenue in doubt"
    assert found.explanation == "sources lost"
