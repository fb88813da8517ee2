"""Paths: every journey to a counted conversion, and every journey without one as it stood at the end of a day.

Contract, transform and checks. What they are worth to a channel, attribution_data_driven says; which touchpoints a
rule-based model sees, tables/attribution.py.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE"]

ARROW = " > "
TOUCH = pl.Struct({"touched_at": pl.Datetime("us", "UTC"), "channel": pl.String})


class PathsContract(pa.DataFrameModel):
    """One row for each counted conversion, and one for each client whose journey is open at the end of a day."""

    day: pl.Date = pa.Field(description="UTC date of the conversion, or of the last touchpoint so far.")
    journey_id: str = pa.Field(
        description="event_id of the conversion, else session_id of the last touchpoint.",
    )
    client_id: str = pa.Field(
        nullable=True, description="The browser or device, if known.", metadata={"tags": ("pii",)}
    )
    is_converted: bool = pa.Field(
        description="Ends in a conversion. If not, it did not until the end of this day; a later row may go on with it."
    )
    ended_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        description="Time of the conversion, else start of the last touchpoint so far."
    )
    revenue_cents: pl.Int64 = pa.Field(
        nullable=True, description="Revenue of the conversion, minor units; null for an open journey."
    )
    touchpoints: pl.Int64 = pa.Field(ge=0, description="Touchpoints in the longest look-back window.")
    path: str = pa.Field(
        description="Their channels in order, joined by ' > ', repeats kept; or the unattributed channel."
    )
    touches: pl.List(TOUCH) = pa.Field(  # type: ignore[valid-type]
        description="The touchpoints, oldest first; shorter look-back windows end at the same time and keep the newest."
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Put each client's touchpoints and conversions in one line of time, cut it after conversions, and look back.

    A touchpoint belongs to the client's next conversion. A conversion without one since the conversion before it
    (two in one visit) keeps the newest touchpoint there was: so it has a path exactly if the rule-based models see
    a touchpoint. Of the journey going on at the end of a day there is a row if it had a touchpoint that day.
    """
    # Looked at twice below, and made once.
    line = timeline(_of_clients_seen(inputs, days), settings).collect().lazy()
    longest = dt.timedelta(days=settings.attribution.longest_window_days)
    is_same = (pl.col("journey") == pl.col("journey").shift(-1)) & (pl.col("day") == pl.col("day").shift(-1))
    ends = line.filter(~is_same.fill_null(False)).filter(days.covers()).rename({"at": "ended_at", "place": "end"})
    touches = line.filter(~pl.col("is_converted")).select("journey", "place", "channel", touched_at="at")
    age = pl.col("ended_at") - pl.col("touched_at")
    looked_back = (
        ends.select("journey", "end", "ended_at")
        .join(touches, on="journey")
        .filter(pl.col("place") <= pl.col("end"), age <= longest)
        .sort("end", "place")
        .group_by("end", maintain_order=True)
        .agg("channel", touches=pl.struct("touched_at", "channel"))
        .with_columns(path=pl.col("channel").list.join(ARROW))
    )
    newest = pl.col("newest")
    is_near = pl.col("ended_at") - newest.struct.field("touched_at") <= longest
    return (
        ends.join(looked_back, on="end", how="left")
        .with_columns(
            touches=pl.coalesce("touches", pl.when(is_near).then(pl.concat_list(newest)), pl.lit([], pl.List(TOUCH))),
            path=pl.coalesce(
                "path",
                pl.when(is_near).then(newest.struct.field("channel")),
                pl.lit(settings.attribution.unattributed_channel),
            ),
        )
        .with_columns(touchpoints=pl.col("touches").list.len().cast(pl.Int64))
    )


def _of_clients_seen(inputs: Inputs, days: DayRange) -> dict[str, pl.LazyFrame]:
    """Of the days before, only the rows of clients that are there on the days: most come once, and the rest is long."""
    today = {name: rows.filter(days.covers()).collect() for name, rows in inputs.items()}
    seen = pl.concat([rows.select("client_id") for rows in today.values()]).unique().lazy()
    return {
        name: pl.concat(
            [today[name].lazy(), rows.filter(pl.col("day") < days.first).join(seen, on="client_id", how="semi")]
        )
        .collect()
        .lazy()
        for name, rows in inputs.items()
    }


def timeline(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """Touchpoints and counted conversions by client and time, a touchpoint before a conversion of the same moment.

    Adds `place`, the row's number; `journey`, a number that changes after every conversion and between clients; and
    `newest`, the client's newest touchpoint so far, if any. The numbers hold only within this frame.
    """
    touches = (
        inputs["sessions"]
        .filter(
            ~pl.col("channel").is_in(settings.attribution.excluded_channels),
            pl.lit(settings.bots.include) | ~pl.col("is_bot"),
        )
        .select("day", "client_id", "channel", at="started_at", journey_id="session_id", is_converted=pl.lit(False))
    )
    conversions = (
        inputs["conversions"]
        .filter("is_counted")
        .select(
            "day", "client_id", "revenue_cents", at="converted_at", journey_id="event_id", is_converted=pl.lit(True)
        )
    )
    client = pl.col("client_id")
    is_new_client = client.is_null() | client.ne_missing(client.shift())
    begins = is_new_client | pl.col("is_converted").shift(fill_value=False)
    touch = pl.when(~pl.col("is_converted")).then(pl.struct("client_id", channel="channel", touched_at="at"))
    return (
        pl.concat([touches, conversions], how="diagonal")
        .sort("client_id", "at", "is_converted", "journey_id", maintain_order=True)
        .with_row_index("place")
        .with_columns(journey=begins.cum_sum(), newest=touch.forward_fill())
        .with_columns(
            newest=pl.when(pl.col("newest").struct.field("client_id") == client).then(
                pl.struct(
                    touched_at=pl.col("newest").struct.field("touched_at"),
                    channel=pl.col("newest").struct.field("channel"),
                )
            )
        )
    )


def every_order_has_a_path(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """As many converted journeys, and as much revenue, as counted conversions of the day."""
    orders = (
        inputs["conversions"]
        .filter("is_counted")
        .group_by("day")
        .agg(orders=pl.len(), revenue=pl.col("revenue_cents").sum())
    )
    converted = frame.lazy().filter("is_converted")
    found = converted.group_by("day").agg(paths=pl.len(), held=pl.col("revenue_cents").sum())
    return (
        pl.concat([orders.select("day"), frame.lazy().select("day")])
        .unique()
        .join(orders, on="day", how="left")
        .join(found, on="day", how="left")
        .with_columns(pl.exclude("day").fill_null(0))
        .select(
            "day",
            passed=(pl.col("orders") == pl.col("paths")) & (pl.col("revenue") == pl.col("held")),
            observed=pl.format("{} converted journeys, {} cents", "paths", "held"),
            expected=pl.format("{} orders, {} cents", "orders", "revenue"),
        )
        .collect()
    )


def touches_agree(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Touchpoints in order, inside the longest window, counted; one open journey a client, without money."""
    longest = dt.timedelta(days=settings.attribution.longest_window_days)
    touched_at, ended_at = pl.col("touches").struct.field("touched_at"), pl.col("ended_at")
    is_same = pl.col("journey_id") == pl.col("journey_id").shift()
    is_odd = (touched_at > ended_at) | (touched_at < ended_at - longest) | (is_same & (touched_at < touched_at.shift()))
    odd = (
        frame.select("journey_id", "ended_at", "touches")
        .filter(pl.col("touches").list.len() > 0)
        .explode("touches")
        .filter(is_odd.fill_null(False))
    )
    is_open, has_touch = ~pl.col("is_converted"), pl.col("touchpoints") > 0
    agrees = (
        (pl.col("touches").list.len() == pl.col("touchpoints"))
        & ~pl.col("journey_id").is_in(odd["journey_id"].unique().implode())
        & (pl.col("revenue_cents").is_null() == is_open)
        & (~is_open | (has_touch & pl.col("client_id").is_not_null()))
    )
    opened = pl.col("client_id").filter(is_open)
    broken = frame.group_by("day").agg(broken=(~agrees).sum() + opened.len() - opened.n_unique())
    return broken.select(
        "day",
        passed=pl.col("broken") == 0,
        observed=pl.format("{} journeys do not agree with themselves", "broken"),
        expected=pl.lit("0 journeys"),
    )


def _look_back(settings: Settings) -> int:
    return settings.attribution.longest_window_days


TABLE = Table(
    name="paths",
    description=(
        "Journeys with and without a conversion, for models that learn from both: a client's touchpoints since the "
        "conversion before, in the longest look-back window, up to a counted conversion, or up to the last "
        "touchpoint of a day when none has come yet. As of a day, an open journey counts as it last stood."
    ),
    owner="team:marketing",
    group="attribution",
    contract=PathsContract,
    key=("journey_id",),
    reads=(
        Reads(
            "conversions",
            before=_look_back,
            columns=("day", "event_id", "client_id", "converted_at", "revenue_cents", "is_counted"),
        ),
        Reads(
            "sessions",
            before=_look_back,
            columns=("day", "session_id", "client_id", "started_at", "channel", "is_bot"),
        ),
    ),
    transform=transform,
    together="client_id",
    settings_sections=("attribution", "bots"),
    checks=(
        Check(
            "every_order_has_a_path",
            "As many converted journeys, and as much revenue, as counted conversions of the day.",
            every_order_has_a_path,
        ),
        Check(
            "touches_agree",
            "Touchpoints are in order and inside the window; a client has at most one open journey a day.",
            touches_agree,
        ),
    ),
    sort=("client_id", "ended_at", "journey_id"),
    money="revenue_cents",
    lineage={
        "journey_id": (("conversions", "event_id"), ("sessions", "session_id")),
        "client_id": (("conversions", "client_id"), ("sessions", "client_id")),
        "is_converted": (("conversions", "is_counted"), ("conversions", "converted_at")),
        "ended_at": (("conversions", "converted_at"), ("sessions", "started_at")),
        "revenue_cents": (("conversions", "revenue_cents"),),
        "path": (("sessions", "channel"), ("sessions", "started_at")),
        "touches": (("sessions", "channel"), ("sessions", "started_at")),
    },
)
