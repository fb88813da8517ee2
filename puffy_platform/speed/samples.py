"""Random inputs of any size for the methods, the same for the same size: journeys, customers, events and visits."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from puffy_platform.methods.churn.customers import FEATURES
from puffy_platform.methods.clv.bg_nbd import BgNbd
from puffy_platform.methods.clv.gamma_gamma import GammaGamma
from puffy_platform.table import DayRange
from puffy_platform.tables.funnel import STEPS

__all__ = ["DAYS", "PURCHASES", "SPEND", "at_risk", "customers", "events", "journeys"]

CHANNELS = 15
MEAN_TOUCHES = 2.5
CONVERTED = 0.03
# Fader, Hardie and Lee (2005) and Fader and Hardie (2013), in days instead of weeks.
PURCHASES = BgNbd(0.243, 7 * 4.414, 0.793, 2.426)
SPEND = GammaGamma(6.25, 3.74, 15.44)
KNOWN_DAYS, NEWEST_CUSTOMER_DAYS = 273, 91
DAYS = DayRange(dt.date(2025, 1, 1), dt.date(2025, 1, 30))
EVENTS_A_CLIENT = 8
SHARES_OF_STEPS = (0.8, 0.12, 0.05, 0.03)


def journeys(count: int, seed: int = 1) -> pl.DataFrame:
    """Journeys of 2.5 touchpoints on average over 15 channels, common and rare ones; 3 % order for 1,000.00."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(1 / MEAN_TOUCHES, count)
    weight = 0.75 ** np.arange(CHANNELS)
    names = pl.Series([f"Channel {number:02}" for number in range(CHANNELS)])
    steps = rng.choice(CHANNELS, lengths.sum(), p=weight / weight.sum())
    won = pl.Series(rng.random(count) < CONVERTED)
    return (
        pl.DataFrame({"journey": np.repeat(np.arange(count), lengths), "path": names.gather(pl.Series(steps))})
        .group_by("journey", maintain_order=True)
        .agg("path")
        .select(
            "path",
            conversions=won.cast(pl.Int64),
            non_conversions=(~won).cast(pl.Int64),
            revenue_cents=won.cast(pl.Int64) * 100_000,
        )
    )


def customers(count: int, seed: int = 1) -> pl.DataFrame:
    """frequency, recency, T (whole days) and monetary of customers who are what the models take them for."""
    rng = np.random.default_rng(seed)
    born = rng.integers(0, NEWEST_CUSTOMER_DAYS, count)
    rate = np.maximum(rng.gamma(PURCHASES.r, 1 / PURCHASES.alpha, count), 1e-12)
    leaves = rng.beta(PURCHASES.a, PURCHASES.b, count)
    last, frequency = born.astype(np.float64), np.zeros(count, np.int64)
    is_customer = np.ones(count, np.bool_)
    while is_customer.any():
        following = last + rng.exponential(1 / rate)
        is_customer &= following <= KNOWN_DAYS
        last = np.where(is_customer, following, last)
        frequency += is_customer
        is_customer &= rng.random(count) >= leaves
    # The mean of x purchases of shape p is gamma distributed with shape p x.
    shape = np.maximum(SPEND.p * frequency, 1.0)
    monetary = rng.gamma(shape) / (np.maximum(frequency, 1) * rng.gamma(SPEND.q, 1 / SPEND.v, count))
    return pl.DataFrame(
        {
            "frequency": frequency,
            "recency": np.where(frequency > 0, np.floor(last) - born, 0.0),
            "T": (KNOWN_DAYS - born).astype(np.float64),
            "monetary": np.where(frequency > 0, monetary, 0.0),
        }
    )


def at_risk(count: int, seed: int = 1) -> pl.DataFrame:
    """Rows of churn_features, with who churned: the more probably, the longer ago the last order and visit."""
    rng = np.random.default_rng(seed)
    days = {name: rng.integers(0, 90, count) for name in FEATURES if name.endswith("_days")}
    shares = {name: rng.random(count) for name in FEATURES if "_share_" in name}
    counts = {name: rng.poisson(2.0, count) for name in FEATURES if name not in days and name not in shares}
    odds = (days["recency_days"] + days["last_seen_days"]) / 60
    return pl.DataFrame({**days, **shares, **counts, "churned": rng.random(count) < 1 / (1 + np.exp(-odds))})


def events(count: int, seed: int = 1) -> pl.DataFrame:
    """Events of the shop funnel's four steps, of clients with eight each on average, evenly over 30 days; purchases of
    1,000.00."""
    rng = np.random.default_rng(seed)
    clients = pl.Series(rng.integers(0, 2**62, max(1, count // EVENTS_A_CLIENT))).cast(pl.String).str.zfill(32)
    step = pl.Series(rng.choice(len(STEPS), count, p=SHARES_OF_STEPS))
    day = pl.Series(rng.integers(0, len(DAYS), count))
    midnight = pl.lit(DAYS.first).dt.offset_by(pl.format("{}d", pl.col("day")))
    return (
        pl.DataFrame({"day": day, "microsecond": rng.integers(0, 86_400_000_000, count), "step": step})
        .with_columns(client_id=clients.gather(rng.integers(0, len(clients), count)), landing_day=midnight)
        .select(
            "client_id",
            "landing_day",
            event_ts=pl.col("landing_day").cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds="microsecond"),
            event_name=pl.Series([step.event for step in STEPS]).gather(step),
            revenue_cents=pl.when(pl.col("step") == 3).then(pl.lit(100_000, pl.Int64)),
            source_file=pl.format("events_{}.csv", pl.col("landing_day").dt.strftime("%Y%m%d")),
            source_line=pl.int_range(1, count + 1, dtype=pl.Int64),
        )
    )
