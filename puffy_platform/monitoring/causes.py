"""What the unusual metrics of one day have in common: incidents with a likely cause, and what money is at stake.

Rules go from the technical to the commercial: what a broken delivery or broken tracking explains is not counted again
as a fall in demand. Each unusual metric is claimed by one incident; what nobody claims is left for the daily digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from puffy_platform.monitoring.detect import Judgement
from puffy_platform.monitoring.metrics import REFERRER
from puffy_platform.monitoring.panel import Series

__all__ = ["Suspicion", "suspicions"]

# A second metric that must agree with the first, in standard deviations.
AGREES = 1.5
HOUR_SIGMAS = 3.5
# Tracking is lost where so much more of the events, in points, has no source.
LOST_SOURCE_POINTS = 0.08
LOST_PARAMETER_POINTS = 0.10
# A sale lifts the share of visitors who buy; twice the visitors with the old share are no sale.
SALE_CONVERSION = 0.13
SALE_TRAFFIC = 0.08
# A channel that never had this share of sessions, nor has it now, is not posted about.
LEAST_CHANNEL = 0.06
LEAST_DEVICE = 0.05

PARAMETERS = ("utm_source", "utm_medium", "utm_campaign", "click_id_type")
SOURCE_COLUMNS = ("referrer", "referrer_host", *PARAMETERS)
ESSENTIAL_COLUMNS = ("raw_events.client_id", "raw_events.user_agent", "raw_events.event_data", "events_enriched.host")
LEAST_POINTS_OF_OTHERS = 0.25
WITHOUT_SOURCE = ("Direct", "Unknown")


@dataclass(frozen=True)
class Suspicion:
    """One incident of one day. `key` is the same on every day it lasts; `lead` says it best; `claims` are all of the
    day's metrics that it explains; `severity`: `fail` when money or data is in doubt, `warn` when something changed and
    nothing is lost. `is_posted`: worth a message; else a line in the daily digest."""

    key: str
    cause: str
    sentence: str
    lead: Series
    claims: tuple[Series, ...]
    money_at_stake_cents: int
    severity: str = "fail"
    is_posted: bool = True


@dataclass
class Day:
    """One day of a judgement, with the metrics that no incident has claimed yet."""

    judgement: Judgement
    day: int
    claimed: set[Series] = field(default_factory=set)

    def place(self, series: Series) -> int | None:
        return self.judgement.panel.place.get(series)

    def _at(self, values: np.ndarray, series: Series) -> float:
        place = self.place(series)
        return 0.0 if place is None else float(values[place, self.day])

    def evidence(self, series: Series) -> float:
        return self._at(self.judgement.evidence, series)

    def change(self, series: Series) -> float:
        return self._at(self.judgement.change, series)

    def unusual(self, series: Series) -> int:
        return int(self._at(self.judgement.unusual, series))

    def was_unusual(self, series: Series) -> int:
        place = self.place(series)
        return 0 if place is None or not self.day else int(self.judgement.unusual[place, self.day - 1])

    def observed(self, series: Series) -> float:
        return self._at(self.judgement.panel.amount, series)

    def expected(self, series: Series) -> float:
        found = self._at(self.judgement.expectation.distribution.expected, series)
        return 0.0 if np.isnan(found) else found

    def points(self, series: Series) -> float:
        """Distance from the expected share, 0 to 1."""
        basis = self._at(self.judgement.expectation.distribution.basis, series)
        return (self.observed(series) - self.expected(series)) / basis if basis > 0 else 0.0

    def share(self, series: Series) -> float:
        basis = self._at(self.judgement.expectation.distribution.basis, series)
        return self.observed(series) / basis if basis > 0 else 0.0

    def of(self, metric: str) -> Iterator[Series]:
        """The unusual, unclaimed series of a metric."""
        panel = self.judgement.panel
        for place in panel.of(metric):
            series = panel.series[place]
            if self.judgement.unusual[place, self.day] and series not in self.claimed:
                yield series

    def unclaimed(self, *metrics: str) -> tuple[Series, ...]:
        return tuple(series for metric in metrics for series in self.of(metric))

    @property
    def revenue(self) -> float:
        """Expected revenue of the whole day."""
        place = self.place(("revenue", ""))
        if place is None:
            return 0.0
        distribution = self.judgement.expectation.distribution
        expected, basis = distribution.expected[place, self.day], distribution.basis[place, self.day]
        return 0.0 if np.isnan(expected) or basis <= 0 else float(expected / basis)

    def suspect(
        self,
        key: str,
        cause: str,
        sentence: str,
        lead: Series,
        also: tuple[Series, ...] = (),
        *,
        share_of_revenue: float,
        severity: str = "fail",
        is_posted: bool = True,
    ) -> Suspicion:
        claims = tuple(dict.fromkeys((lead, *also)))
        self.claimed.update(claims)
        stake = round(self.revenue * min(abs(share_of_revenue), 1.0) * (1 if share_of_revenue else 0))
        return Suspicion(key, cause, sentence, lead, claims, stake, severity, is_posted)


Rule = Callable[[Day], Iterator[Suspicion]]


def suspicions(judgement: Judgement, day: int) -> list[Suspicion]:
    """The incidents of a day, the most money at stake first."""
    looked_at = Day(judgement, day)
    found = [suspicion for rule in RULES for suspicion in rule(looked_at)]
    return sorted(found, key=lambda each: (not each.is_posted, -each.money_at_stake_cents, each.severity, each.key))


def missing_hours(day: Day) -> Iterator[Suspicion]:
    """Hours in which nothing happened although there should have been enough to see."""
    judgement = day.judgement
    hours = judgement.panel.of("hour_events")
    if len(hours) != 24 or not judgement.panel.there[day.day]:
        return
    gone = [
        judgement.panel.series[place]
        for number, place in enumerate(hours)
        if judgement.expectation.empty_hours[number, day.day] and judgement.deviation[place, day.day] <= -HOUR_SIGMAS
    ]
    if gone:
        names = _hour_ranges([int(hour) for _, hour in gone])
        lost = 1 - float(judgement.expectation.coverage[day.day])
        yield day.suspect(
            "missing hours",
            "delivery",
            f"no events {names} UTC: {lost:.0%} of a usual day is missing",
            gone[0],
            tuple(gone),
            share_of_revenue=lost,
        )


def changed_columns(day: Day) -> Iterator[Suspicion]:
    """A column renamed, missing or new since the landing day before."""
    found = day.unclaimed("column_drift")
    if found:
        names = ", ".join(segment for _, segment in found)
        yield day.suspect(
            f"columns: {names}",
            "sender",
            f"the files changed: {names}",
            found[0],
            found,
            share_of_revenue=0.0,
            severity="fail" if names.endswith("missing") or "missing," in names else "warn",
        )


def lost_tracking(day: Day) -> Iterator[Suspicion]:
    """Where visits come from is no longer recorded: the sources move together, demand need not have."""
    signs = [REFERRER, ("unknown_channel_share", "")]
    lost = [each for each in signs if day.unusual(each) > 0 and day.points(each) >= LOST_SOURCE_POINTS]
    parameters = [
        series
        for series in (("null_share", f"events_enriched.{name}") for name in PARAMETERS)
        if day.unusual(series) > 0 and day.points(series) >= LOST_PARAMETER_POINTS
    ]
    if not lost and parameters:
        fallen = [series for series in day.of("channel_share") if day.unusual(series) < 0]
        lost = parameters if len(fallen) >= 2 else []
    columns = tuple(series for series in day.of("column_drift") if series[1].startswith("referrer "))
    is_gone = any(segment.endswith(" missing") for _, segment in columns)
    if not lost and not is_gone:
        return
    # Without the column there is nothing to wait for, however few days there are to compare with.
    lead = max(lost, key=day.points) if lost else columns[0]
    usual = REFERRER if not lost else lead
    rest = 1 - (day.share(usual) - day.points(usual))
    part = min(max(day.points(usual), 0.0) / rest, 1.0) if rest > 0 else 1.0
    nulls = tuple(series for series in day.of("null_share") if series[1].split(".")[-1] in SOURCE_COLUMNS)
    also = (*lost, *nulls, *columns, *day.unclaimed("channel_share", "channel_revenue", "unknown_channel_share"))
    words = (
        f"the source of {part:.0%} of the visits that should have one is not recorded"
        if part
        else "sources are not recorded"
    )
    sentence = f"{words}: {columns[0][1]}" if columns else words
    traffic = _traffic(day)
    if traffic is not None and traffic[1] < 0 and bool(day.was_unusual(lead)) == bool(day.was_unusual(traffic[0])):
        also = (*also, *_volumes(day, -1))
        sentence += f", and {_percent(day.change(traffic[0]))} of it is gone: tracking, not demand"
    yield day.suspect("tracking", "tracking", sentence, lead, also, share_of_revenue=part)


def more_nulls(day: Day) -> Iterator[Suspicion]:
    """A column lost values it used to have."""
    for series in day.unclaimed("null_share"):
        column, points = series[1], day.points(series)
        if series == REFERRER or (column not in ESSENTIAL_COLUMNS and points < LEAST_POINTS_OF_OTHERS):
            continue
        sentence = f"{day.share(series):.1%} of {column} is null instead of {day.share(series) - points:.1%}"
        yield day.suspect(f"nulls: {column}", "sender", sentence, series, share_of_revenue=points)


def worse_delivery(day: Day) -> Iterator[Suspicion]:
    """More rows again, unreadable, or of doubtful time; order ids used twice."""
    for metric, cause, severity in (
        ("quarantined_share", "sender", "fail"),
        ("collision_share", "order ids used again", "fail"),
        ("zero_revenue_share", "shop", "warn"),
        ("repeat_share", "shop", "warn"),
        ("duplicate_share", "delivery", "warn"),
        ("naive_timestamp_share", "sender", "warn"),
        ("bot_share", "crawlers", "warn"),
    ):
        found = day.unclaimed(metric)
        if not found:
            continue
        lead = max(found, key=lambda series: (day.points(series), series))
        words = day.judgement.panel.metrics[day.judgement.panel.place[lead]].described(lead[1])
        sentence = f"{words} is {day.share(lead):.1%} instead of {day.share(lead) - day.points(lead):.1%}"
        key = f"{metric}: {lead[1]}" if lead[1] else metric
        yield day.suspect(key, cause, sentence, lead, found, share_of_revenue=day.points(lead), severity=severity)


def demand(day: Day) -> Iterator[Suspicion]:
    """All traffic up or down, the share of visitors who buy, and sales that nobody declared."""
    traffic, conversion = _traffic(day), _conversion(day)
    up = max((("events", ""), ("sessions", "")), key=day.evidence)
    lifts = day.change(("conversion_rate", ""))
    if traffic is not None and traffic[1] > 0:
        is_sale = lifts > SALE_CONVERSION and day.evidence(("conversion_rate", "")) > 0.5
    else:
        is_sale = (
            conversion is not None
            and conversion[1] > 0
            and day.evidence(up) >= AGREES
            and day.change(up) > SALE_TRAFFIC
        )
    business = ("add_to_cart_rate", "checkout_rate", "conversion_rate", "checkout_completion")
    if is_sale:
        lead = traffic[0] if traffic is not None else conversion[0] if conversion is not None else up
        also = (*_volumes(day, 1), *day.unclaimed(*business, "capped_order_value", "channel_share", "event_share"))
        yield day.suspect(
            "traffic up",
            "demand, like a sale",
            f"traffic is {_percent(day.change(up))} and conversion {_percent(lifts)}: like a sale nobody declared",
            lead,
            also,
            share_of_revenue=day.change(up),
            severity="warn",
            is_posted=False,
        )
        return
    if traffic is not None:
        lead, sign = traffic
        sentence = f"{lead[0]} are {_percent(day.change(lead))}, in all channels alike"
        cause = "demand or delivery" if sign < 0 else "demand, crawlers or double tracking"
        yield day.suspect(
            f"traffic {_side(sign)}", cause, sentence, lead, _volumes(day, sign), share_of_revenue=day.change(lead)
        )
    if conversion is not None:
        lead, sign = conversion
        words = "fewer visitors buy" if sign < 0 else "more orders than visitors and checkouts explain"
        also = day.unclaimed(*business, "orders", "revenue", "channel_revenue", "event_share")
        yield day.suspect(
            f"conversion {_side(sign)}",
            "checkout" if sign < 0 else "orders counted twice",
            f"{words}: {lead[0].replace('_', ' ')} is {_percent(day.change(lead))}",
            lead,
            also,
            share_of_revenue=day.change(lead),
        )


def order_value(day: Day) -> Iterator[Suspicion]:
    """What an order brings."""
    for lead in day.unclaimed("capped_order_value"):
        sign = day.unusual(lead)
        yield day.suspect(
            f"order value {_side(sign)}",
            "prices, currency or baskets",
            f"an order brings {_percent(day.change(lead))}",
            lead,
            day.unclaimed("revenue", "channel_revenue"),
            share_of_revenue=day.change(lead),
        )


def channels(day: Day) -> Iterator[Suspicion]:
    """One channel against the others; several that move together are the mix, led by the farthest."""
    found = [
        series
        for series in day.of("channel_share")
        if max(day.share(series), day.share(series) - day.points(series)) >= LEAST_CHANNEL
    ]
    if not found:
        return
    lead = max(found, key=lambda series: (abs(day.evidence(series)), series))
    sign, channel = day.unusual(lead), lead[1]
    also = (*found, *day.unclaimed("channel_share", "channel_revenue"))
    yield day.suspect(
        f"channel {channel} {_side(sign)}",
        f"channel {channel}",
        f"{channel} brings {day.share(lead):.1%} of the sessions instead of {day.share(lead) - day.points(lead):.1%}",
        lead,
        also,
        share_of_revenue=day.points(lead),
    )


def parts(day: Day) -> Iterator[Suspicion]:
    """One device or one kind of event against the others, and tables whose rows do not follow the traffic."""
    for metric, cause in (("device_share", "device"), ("event_share", "tracking of an event")):
        found = [
            series
            for series in day.of(metric)
            if metric == "event_share" or max(day.share(series), day.share(series) - day.points(series)) >= LEAST_DEVICE
        ]
        if found:
            lead = max(found, key=lambda series: (abs(day.evidence(series)), series))
            sentence = f"{lead[1]}: {day.share(lead):.1%} instead of {day.share(lead) - day.points(lead):.1%}"
            yield day.suspect(
                f"{metric} {lead[1]} {_side(day.unusual(lead))}",
                cause,
                sentence,
                lead,
                tuple(found),
                share_of_revenue=day.points(lead),
                severity="warn",
            )
    for lead in day.unclaimed("table_rows"):
        yield day.suspect(
            f"rows of {lead[1]}",
            "computation",
            f"{lead[1]} has {_percent(day.change(lead))} rows than usual, its sources have not",
            lead,
            share_of_revenue=0.0,
            severity="warn",
        )


RULES: tuple[Rule, ...] = (
    missing_hours,
    lost_tracking,
    changed_columns,
    more_nulls,
    worse_delivery,
    demand,
    order_value,
    channels,
    parts,
)


def _traffic(day: Day) -> tuple[Series, int] | None:
    """The leading volume and its side, when events and sessions agree; None otherwise."""
    pair = (("events", ""), ("sessions", ""))
    if any(series in day.claimed for series in pair):
        return None
    lead = max(pair, key=lambda series: abs(day.evidence(series)))
    other = pair[0] if lead == pair[1] else pair[1]
    sign = day.unusual(lead)
    least = (
        day.judgement.panel.metrics[day.judgement.panel.place[lead]].least_change if day.place(lead) is not None else 0
    )
    agrees = sign * day.evidence(other) >= AGREES and abs(day.change(other)) >= least
    return (lead, sign) if sign and agrees else None


def _conversion(day: Day) -> tuple[Series, int] | None:
    """The leading rate and its side, when orders a session and orders a checkout do not contradict each other."""
    pair = (("conversion_rate", ""), ("checkout_completion", ""))
    lead = max(pair, key=lambda series: abs(day.evidence(series)))
    other = pair[0] if lead == pair[1] else pair[1]
    sign = day.unusual(lead)
    return (lead, sign) if sign and sign * day.evidence(other) >= 1.0 else None


def _volumes(day: Day, sign: int) -> tuple[Series, ...]:
    """Everything that grows with traffic and moved to this side."""
    names = ("events", "sessions", "clients", "orders", "revenue", "landed_rows", "channel_revenue", "table_rows")
    return tuple(series for series in day.unclaimed(*names) if day.unusual(series) == sign)


def _side(sign: int) -> str:
    return "down" if sign < 0 else "up"


def _percent(change: float) -> str:
    return f"{abs(change):.0%} {'lower' if change < 0 else 'higher'}"


def _hour_ranges(hours: list[int]) -> str:
    spans: list[list[int]] = []
    for hour in sorted(hours):
        if spans and hour == spans[-1][1] + 1:
            spans[-1][1] = hour
        else:
            spans.append([hour, hour])
    return " and ".join(f"from {first:02d}:00 to {(last + 1) % 24:02d}:00" for first, last in spans)
