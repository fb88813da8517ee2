"""Adds up the truth of a set of files from what was simulated and planted; nothing of the product is run."""

from __future__ import annotations

import polars as pl

from puffy_platform.demo.calendar import File
from puffy_platform.demo.defects import PURCHASE, RULE_OF, UNREADABLE_REVENUE, Deliveries
from puffy_platform.demo.model import BASELINE
from puffy_platform.demo.shop import Shop
from puffy_platform.demo.truth import ChannelTruth, CustomerTruth, FileTruth, OrderTruth, ShopTruth, Truth

__all__ = ["true_of"]

SESSION_TIMEOUT_MS = 30 * 60_000


def true_of(shop: Shop, deliveries: Deliveries) -> Truth:
    """Add up what must come out of these files."""
    rows = _judged(shop, deliveries)
    by_file = tuple(_files(deliveries.files, rows))
    quarantined: dict[str, int] = {}
    for file in by_file:
        for rule, count in file.quarantined.items():
            quarantined[rule] = quarantined.get(rule, 0) + count
    cents = dict(rows.group_by("outcome").agg(pl.col("readable_cents").sum()).iter_rows())
    accepted = rows.filter(outcome="accepted")
    recovered = rows.filter((pl.col("outcome") == "accepted") | (pl.col("damage") == "renamed_timestamp"))
    return Truth(
        first_day=shop.first_day,
        days=shop.days,
        seed=shop.seed,
        events_per_day=shop.events_per_day,
        by_file=by_file,
        rows=sum(file.rows for file in by_file),
        accepted=sum(file.accepted for file in by_file),
        duplicates=sum(file.duplicates for file in by_file),
        quarantined=dict(sorted(quarantined.items())),
        revenue_cents=sum(file.revenue_cents for file in by_file),
        accepted_cents=cents.get("accepted", 0),
        duplicate_cents=cents.get("duplicate", 0),
        quarantined_cents=cents.get("quarantined", 0),
        shop=_shop(accepted),
        shop_after_alias=_shop(recovered),
        visits_of_people=shop.sessions_of_people,
        channels=_channels(shop),
        orders=_orders(shop, accepted),
        customers=_customers(shop),
    )


def _judged(shop: Shop, deliveries: Deliveries) -> pl.DataFrame:
    """Every delivered record with its outcome, its rule, and what it is about."""
    facts = shop.events.select(
        "ts",
        "is_bot",
        "order",
        "transaction_id",
        "email_hash",
        "revenue_cents",
        "items_total_cents",
        sent_name="event_name",
    )
    rule = pl.col("damage").replace_strict(RULE_OF, return_dtype=pl.String)
    readable = (pl.col("sent_name") == PURCHASE) & ~pl.col("damage").is_in(UNREADABLE_REVENUE)
    return (
        deliveries.rows.select("file", "event", "damage", "is_redelivery", "client_id")
        .join(
            facts.with_row_index("event").cast({"event": pl.Int64}),
            on="event",
            how="left",
            maintain_order="left",
        )
        .with_columns(rule=rule)
        .with_columns(
            outcome=pl.when(pl.col("rule").is_not_null())
            .then(pl.lit("quarantined"))
            .when("is_redelivery")
            .then(pl.lit("duplicate"))
            .otherwise(pl.lit("accepted")),
            readable_cents=pl.when(readable).then("revenue_cents").otherwise(0),
        )
    )


def _files(files: tuple[File, ...], rows: pl.DataFrame) -> list[FileTruth]:
    valid = pl.col("outcome") != "quarantined"
    counts = rows.group_by("file").agg(
        rows=pl.len(),
        accepted=(pl.col("outcome") == "accepted").sum(),
        duplicates=(pl.col("outcome") == "duplicate").sum(),
        naive_timestamps=(valid & (pl.col("damage") == "naive")).sum(),
        offset_timestamps=(valid & (pl.col("damage") == "offset")).sum(),
        empty_client_ids=(valid & pl.col("client_id").is_null()).sum(),
        revenue_cents=pl.col("readable_cents").sum(),
    )
    found = {row.pop("file"): row for row in counts.iter_rows(named=True)}
    nothing = dict.fromkeys(counts.drop("file").columns, 0)
    rules: dict[int, dict[str, int]] = {}
    by_rule = rows.filter(~valid).group_by("file", "rule").len().sort("file", "rule")
    for number, rule, count in by_rule.iter_rows():
        rules.setdefault(number, {})[rule] = count
    truths = []
    for number, file in enumerate(files):
        count = found.get(number, nothing)
        quarantined = rules.get(number, {})
        if file.status == "unreadable":
            # One quarantined record stands for the file.
            count, quarantined = nothing | {"rows": 1}, {"unreadable_file": 1}
        truths.append(
            FileTruth(
                name=file.name,
                day=file.day,
                format=file.format,
                status=file.status,
                quarantined=quarantined,
                renamed=file.renamed,
                missing=file.missing,
                added=file.added,
                **count,
            )
        )
    return truths


def _shop(rows: pl.DataFrame) -> ShopTruth:
    purchases = rows.filter(pl.col("order").is_not_null()).sort("ts")
    firsts = purchases.filter(pl.col("transaction_id").is_first_distinct())
    buyer = ("transaction_id", "email_hash", "revenue_cents")
    later = purchases.filter(~pl.col("transaction_id").is_first_distinct())
    repeats = purchases.filter(~pl.struct(buyer).is_first_distinct()).height
    gap = pl.col("ts") - pl.col("ts").shift(1).over("client_id")
    known = rows.filter(pl.col("client_id").is_not_null() & ~pl.col("is_bot")).sort("ts")
    bots = int(rows["is_bot"].sum())
    return ShopTruth(
        purchases=purchases.height,
        purchases_cents=int(purchases["revenue_cents"].sum()),
        orders=firsts.height,
        revenue_cents=int(firsts["revenue_cents"].sum()),
        repeats=repeats,
        collisions=later.height - repeats,
        free_purchases=int((purchases["revenue_cents"] == 0).sum()),
        mismatched_purchases=int((purchases["revenue_cents"] != purchases["items_total_cents"]).sum()),
        sessions_of_people=known.select((gap.is_null() | (gap > SESSION_TIMEOUT_MS)).sum()).item(),
        bot_events=bots,
        bot_share=bots / rows.height,
    )


def _channels(shop: Shop) -> tuple[ChannelTruth, ...]:
    names = [*(channel.name for channel in shop.model.channels), BASELINE]
    visits = dict(shop.events.group_by("channel").agg(pl.col("visit").n_unique()).iter_rows())
    caused = {
        name: (count, cents)
        for name, count, cents in shop.orders.group_by("true_channel")
        .agg(pl.len(), pl.col("revenue_cents").sum())
        .iter_rows()
    }
    last = dict(shop.orders.group_by("last_channel").len().iter_rows())
    return tuple(
        ChannelTruth(
            channel=name,
            effect=shop.model.effects.get(name, 0.0),
            visits=visits.get(name, 0),
            caused_orders=caused.get(name, (0, 0))[0],
            caused_revenue_cents=caused.get(name, (0, 0))[1],
            expected_orders=round(float(shop.orders["credit"].list.get(place).sum()), 6),
            last_visit_orders=last.get(name, 0),
        )
        for place, name in enumerate(names)
    )


def _orders(shop: Shop, accepted: pl.DataFrame) -> tuple[OrderTruth, ...]:
    purchases = accepted.filter(pl.col("order").is_not_null()).sort("ts")
    counted = purchases.filter(pl.col("transaction_id").is_first_distinct())["order"]
    orders = shop.orders.select(
        "transaction_id",
        _moment(shop, "ts").alias("ordered_at"),
        "email_hash",
        "revenue_cents",
        pl.col("order").is_in(counted.implode()).alias("is_counted"),
        "true_channel",
        "last_channel",
    )
    return tuple(OrderTruth(*row) for row in orders.iter_rows())


def _customers(shop: Shop) -> tuple[CustomerTruth, ...]:
    customers = shop.customers.select(
        "email_hash",
        _moment(shop, "since").dt.date().alias("since"),
        _moment(shop, "leaves").dt.date().alias("leaves"),
        "purchases_per_day",
        "visits_per_day",
    )
    return tuple(CustomerTruth(*row) for row in customers.iter_rows())


def _moment(shop: Shop, column: str) -> pl.Expr:
    midnight = pl.lit(shop.first_day).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    return midnight + pl.duration(milliseconds=column)
