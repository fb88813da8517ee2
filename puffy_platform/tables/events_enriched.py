"""events_enriched: every accepted raw row with its URL, user agent and purchase read and its channel named.

Contract, transform and checks. How each of them is read is in rules/ and event_data.py.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import numpy as np
import pandera.polars as pa
import polars as pl

from puffy_platform.distinct import places_among, places_of
from puffy_platform.event_data import EMAIL_EVENTS, ITEMS, PURCHASE, email_hash, purchase_fields, purchase_money
from puffy_platform.ordering import sorted_by
from puffy_platform.rules.rules_file import load_rules
from puffy_platform.rules.urls import CLICK_IDS, UTM, page_parts, referrer_host
from puffy_platform.rules.user_agents import DEVICE_CLASSES, user_agent_parts
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, share_within
from puffy_platform.threads import at_once

__all__ = ["TABLE"]

PII = {"tags": ("pii",)}
UNKNOWN = "Unknown"
SORT = ("client_id", "event_ts")


class EventsEnrichedContract(pa.DataFrameModel):
    """One row an event, exactly one for every row of raw_events."""

    event_id: str = pa.Field(description="Stable hash of the raw row.")
    day: pl.Date = pa.Field(description="UTC date of the event.")
    event_ts: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the event in UTC.")
    client_id: str = pa.Field(
        nullable=True,
        description="Browser or device, by first-party cookie; null when it was empty.",
        metadata=PII,
    )
    event_name: str = pa.Field(description="What the client did.")
    page_url: str = pa.Field(description="Address of the page as sent.", metadata=PII)
    host: str = pa.Field(
        nullable=True, description="Host of page_url, lower case, without port; null when it has none."
    )
    path: str = pa.Field(description="Path of page_url as sent; / when empty.")
    utm_source: str = pa.Field(nullable=True, description="utm_source of page_url, decoded; null when empty.")
    utm_medium: str = pa.Field(nullable=True, description="utm_medium of page_url, decoded; null when empty.")
    utm_campaign: str = pa.Field(nullable=True, description="utm_campaign of page_url, decoded; null when empty.")
    utm_content: str = pa.Field(nullable=True, description="utm_content of page_url, decoded; null when empty.")
    utm_term: str = pa.Field(nullable=True, description="utm_term of page_url, decoded; null when empty.")
    click_id_type: str = pa.Field(
        nullable=True,
        isin=CLICK_IDS,
        description="Parameter by which a network marked the click (gclid, fbclid, …); of several, the "
        "first in CLICK_IDS.",
    )
    referrer: str = pa.Field(nullable=True, description="Referrer as sent; null when empty.", metadata=PII)
    referrer_host: str = pa.Field(
        nullable=True, description="Host of the referrer, lower case, without www.; of an app, its name."
    )
    referrer_recorded: bool = pa.Field(
        description="False when the file had no referrer column: then a missing referrer says nothing."
    )
    channel: str = pa.Field(description="Channel by the first channel rule that matches.")
    device_class: str = pa.Field(
        isin=DEVICE_CLASSES,
        description="desktop, mobile, tablet, bot, other (a television, an unknown program) or "
        "unknown (no user agent).",
    )
    browser: str = pa.Field(nullable=True, description="Browser family, without version; null when not recognised.")
    os: str = pa.Field(nullable=True, description="Operating system, without version; null when not recognised.")
    is_bot: bool = pa.Field(description="The user agent is a crawler's.")
    transaction_id: str = pa.Field(nullable=True, description="The shop's order id; of purchases only.")
    revenue_cents: pl.Int64 = pa.Field(
        nullable=True,
        description="Revenue as sent, in minor units of the shop's currency; of purchases only.",
    )
    items: ITEMS = pa.Field(  # type: ignore[valid-type]
        nullable=True, description="Lines of the order as sent; line_total_cents is the line's, not a unit's."
    )
    items_total_cents: pl.Int64 = pa.Field(
        nullable=True,
        description="Sum of the line totals, in minor units; null when a line has no readable price.",
    )
    email_hash: str = pa.Field(
        nullable=True,
        description="The email, hashed by the shop, of a purchase or of a filled popup.",
        metadata={"tags": ("pii", "identity")},
    )
    landing_day: pl.Date = pa.Field(description="Day of the file the row came in.")
    source_file: str = pa.Field(description="Name of that file.")
    source_line: pl.Int64 = pa.Field(ge=1, description="Line of that file.")
    extra: str = pa.Field(
        nullable=True, description="Unknown columns that held anything, as a JSON object.", metadata=PII
    )
    repair: str = pa.Field(nullable=True, description="Name of the repair by which the raw row was read.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Row by row: take the URLs apart, read the user agent, name the channel, type the purchase.

    Each is done once a distinct text. While the rows are put in order they carry their texts' places, not the texts.
    """
    raw = inputs["raw_events"].filter(days.covers("event_day")).rename({"day": "landing_day", "event_day": "day"})
    rows = raw.collect()
    recorded = rows["referrer_recorded"]
    works = (_pages, _in_order, _said, _origins, _agents)
    (pages, page), (in_order, order), (said, saying), (origins, origin), (agents, agent) = at_once(
        [partial(work, rows) for work in works]
    )
    del rows  # its texts are much of what is held here
    channel = load_rules(settings).channel()
    # What the channel depends on, as one number. Of a page it is the parameters, which repeat, or else the whole query.
    says = places_of(pages["query" if "query" in channel.meta.root_names() else "parameters"])[1]
    kinds, kind = places_of((says.gather(page).cast(pl.Int64) * len(origins) + origin) * 2 + recorded)
    examples = pages.gather(np.unique(says, return_index=True)[1])
    came = examples.gather(kinds // 2 // len(origins)).hstack(origins.gather(kinds // 2 % len(origins)))
    channels = came.with_columns(referrer_recorded=kinds % 2 == 1).select(channel=channel)
    found = ((pages, page), (origins, origin), (agents, agent), (channels, kind), (said, saying))
    spread = [
        texts.select(pl.col(set(texts.columns) & set(COLUMNS)).gather(place.gather(order))) for texts, place in found
    ]
    return pl.concat([in_order, *spread], how="horizontal").lazy().select(COLUMNS)


def _pages(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The distinct page URLs taken apart, and each row's place among them."""
    urls, place = places_of(rows["page_url"])
    return urls.to_frame("page_url").with_columns(page=page_parts(pl.col("page_url"))).unnest("page"), place


def _origins(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The same of the referrers."""
    texts, place = places_of(rows["referrer"])
    referrers = texts.str.strip_chars().replace("", None).to_frame("referrer")
    return referrers.with_columns(referrer_host=referrer_host(pl.col("referrer"))), place


def _agents(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The same of the user agents."""
    agents, place = places_of(rows["user_agent"])
    return agents.to_frame("agent").select(user_agent_parts(pl.col("agent"))).unnest("agent"), place


def _said(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """What event_data says, of the events that may say it, and each row's place among these; null of the others."""
    may_say = rows["event_name"].is_in(EMAIL_EVENTS)
    said = (
        purchase_fields(rows.lazy().filter(may_say).select("event_name", "event_data"))
        .with_columns(email_hash=email_hash(pl.col("event_name"), pl.col("event_data")))
        .select("transaction_id", "revenue_cents", "items", "items_total_cents", "email_hash")
    )
    return said.collect(), places_among(may_say)


def _in_order(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The rows in storage order, without the texts that others take apart; and where each of them stood."""
    plain = rows.drop("page_url", "referrer", "user_agent", "event_data", "timestamp_kind").with_row_index("stood")
    in_order = sorted_by(plain, ("day", *SORT))
    return in_order.drop("stood"), in_order["stood"]


def nothing_is_lost(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """As many rows, and as much revenue, as raw_events holds for the event day."""
    raw, cents = inputs["raw_events"], pl.col("revenue_cents").sum()
    bought = raw.filter(pl.col("event_name") == PURCHASE).select("event_name", "event_data", day="event_day")
    held = frame.lazy().group_by("day").agg(rows=pl.len(), cents=cents)
    return (
        raw.group_by(day="event_day")
        .agg(raw_rows=pl.len())
        .join(purchase_money(bought).group_by("day").agg(raw_cents=cents), on="day", how="left")
        .join(held, on="day", how="full", coalesce=True)
        .with_columns(pl.exclude("day").fill_null(0))
        .select(
            "day",
            passed=(pl.col("rows") == pl.col("raw_rows")) & (pl.col("cents") == pl.col("raw_cents")),
            observed=pl.format("{} events, {} cents", "rows", "cents"),
            expected=pl.format("{} events, {} cents", "raw_rows", "raw_cents"),
        )
        .collect()
    )


def unknown_channel_share(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The share of events whose channel cannot be told because the referrer was not recorded stays small."""
    return share_within(frame, pl.col("channel") == UNKNOWN, settings.thresholds.max_unknown_channel_share)


COLUMNS = list(EventsEnrichedContract.to_schema().columns)
_PAGE = ("host", "path", *UTM, "click_id_type")

TABLE = Table(
    name="events_enriched",
    description=(
        "Accepted events by event day, a row each: URL parts, channel, device, bot flag and typed purchase "
        "fields, with the file and line they came from."
    ),
    owner="team:analytics",
    group="events",
    contract=EventsEnrichedContract,
    key=("event_id",),
    reads=(Reads("raw_events", before=1, after=lambda settings: settings.ingest.late_days, touching="event_day"),),
    transform=transform,
    together="event_id",
    settings_sections=("shop", "channels", "thresholds"),
    checks=(
        Check(
            "nothing_is_lost",
            "Rows and revenue are those of raw_events for the event day, to the cent.",
            nothing_is_lost,
        ),
        Check(
            "unknown_channel_share",
            "Few events have channel Unknown (thresholds.max_unknown_channel_share).",
            unknown_channel_share,
            severity="warn",
        ),
    ),
    sort=SORT,
    money="revenue_cents",
    lineage={
        **{name: (("raw_events", name),) for name in ("event_id", "event_ts", "client_id", "event_name", "page_url")},
        "day": (("raw_events", "event_day"),),
        **{name: (("raw_events", "page_url"),) for name in _PAGE},
        "referrer": (("raw_events", "referrer"),),
        "referrer_host": (("raw_events", "referrer"),),
        "channel": tuple(("raw_events", name) for name in ("page_url", "referrer", "referrer_recorded")),
        **{name: (("raw_events", "user_agent"),) for name in ("device_class", "browser", "os", "is_bot")},
        **{
            name: (("raw_events", "event_data"),)
            for name in ("transaction_id", "revenue_cents", "items", "items_total_cents", "email_hash")
        },
        "landing_day": (("raw_events", "day"),),
        "source_file": (("raw_events", "source_file"),),
        "source_line": (("raw_events", "source_line"),),
        "repair": (("raw_events", "repair"),),
    },
)
