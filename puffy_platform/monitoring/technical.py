"""Rules for what is technical: deliveries, columns and tracking, whose breaking explains many metrics at once.

Each looks at a day and yields the incidents it sees, claiming the metrics they explain.
"""

from __future__ import annotations

from collections.abc import Iterator

from puffy_platform.monitoring.metrics import REFERRER
from puffy_platform.monitoring.suspicion import Day, Suspicion

__all__ = ["changed_columns", "lost_tracking", "missing_hours", "more_nulls", "worse_delivery"]

HOUR_SIGMAS = 3.5
# Tracking is lost where so much more of the events, in points, has no source.
LOST_SOURCE_POINTS = 0.08
LOST_PARAMETER_POINTS = 0.10
PARAMETERS = ("utm_source", "utm_medium", "utm_campaign", "click_id_type")
SOURCE_COLUMNS = ("referrer", "referrer_host", *PARAMETERS)
ESSENTIAL_COLUMNS = ("raw_events.client_id", "raw_events.user_agent", "raw_events.event_data", "events_enriched.host")
LEAST_POINTS_OF_OTHERS = 0.25


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
    traffic = day.traffic()
    if traffic is not None and traffic[1] < 0 and bool(day.was_unusual(lead)) == bool(day.was_unusual(traffic[0])):
        also = (*also, *day.volumes(-1))
        sentence += f", and {abs(day.change(traffic[0])):.0%} of the traffic is gone: tracking, not demand"
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
        # Rows delivered again are removed, crawlers are left out: no money is in doubt.
        in_doubt = day.points(lead) if severity == "fail" else 0.0
        yield day.suspect(key, cause, sentence, lead, found, share_of_revenue=in_doubt, severity=severity)


def _hour_ranges(hours: list[int]) -> str:
    spans: list[list[int]] = []
    for hour in sorted(hours):
        if spans and hour == spans[-1][1] + 1:
            spans[-1][1] = hour
        else:
            spans.append([hour, hour])
    return " and ".join(f"from {first:02d}:00 to {(last + 1) % 24:02d}:00" for first, last in spans)
