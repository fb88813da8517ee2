"""Rules for what is commercial: sales, demand, buying, order values, channels, devices. What technical rules left over.

Each looks at a day and yields the incidents it sees, claiming the metrics they explain.
"""

from __future__ import annotations

from collections.abc import Iterator

from puffy_platform.monitoring.panel import Series
from puffy_platform.monitoring.suspicion import AGREES, VOLUMES, Day, Suspicion, percent, side

__all__ = ["channels", "demand", "order_value", "parts", "undeclared_sale"]

# A sale brings more visitors, and more of them to the checkout. More come to the checkout than pay, so that share is
# the better known one. As many of those buy as ever.
SALE_TRAFFIC = 0.08
SALE_CHECKOUTS = 0.16
MOST_COMPLETION = 3.0
CHECKOUTS: Series = ("checkout_rate", "")
COMPLETION: Series = ("checkout_completion", "")
RATES = ("add_to_cart_rate", "checkout_rate", "conversion_rate", "checkout_completion")
# The other rate of buying must lean to the same side at least.
LEANS = 1.0
# A channel that never had this share of sessions, nor has it now, is not posted about.
LEAST_CHANNEL = 0.07
LEAST_DEVICE = 0.05


def undeclared_sale(day: Day) -> Iterator[Suspicion]:
    """More visitors of whom more come to the checkout, and as many of those buy as ever: nothing is broken.

    A line in the digest. Orders counted twice raise orders over checkouts, and twice the visitors with the old habits
    are double tracking or crawlers: neither is a sale.
    """
    up = max((("events", ""), ("sessions", "")), key=day.evidence)
    has_more_visitors = day.evidence(up) >= AGREES and day.change(up) > SALE_TRAFFIC
    lifts = day.change(CHECKOUTS)
    if not has_more_visitors or lifts <= SALE_CHECKOUTS or day.evidence(COMPLETION) > MOST_COMPLETION:
        return
    risen = (*VOLUMES, "add_to_cart_rate", "checkout_rate", "conversion_rate", "event_share")
    signs = {**dict.fromkeys(risen, 1), "capped_order_value": -1}
    claims = tuple(
        series for metric, sign in signs.items() for series in day.unclaimed(metric) if day.unusual(series) == sign
    )
    if claims:
        lead = up if up in claims else claims[0]
        yield day.suspect(
            "traffic up",
            "demand, like a sale",
            f"traffic is {percent(day.change(up))} and {percent(lifts)} of it comes to the checkout: like a sale "
            "nobody declared",
            lead,
            (*claims, *day.unclaimed("channel_share")),
            share_of_revenue=day.change(up),
            severity="warn",
            is_posted=False,
        )


def demand(day: Day) -> Iterator[Suspicion]:
    """All traffic up or down, and the share of visitors who buy."""
    traffic, conversion = day.traffic(), _conversion(day)
    if traffic is not None:
        lead, sign = traffic
        sentence = f"{lead[0]} are {percent(day.change(lead))}, in all channels alike"
        cause = "demand or delivery" if sign < 0 else "demand, crawlers or double tracking"
        yield day.suspect(
            f"traffic {side(sign)}", cause, sentence, lead, day.volumes(sign), share_of_revenue=day.change(lead)
        )
    if conversion is not None:
        lead, sign = conversion
        words = "fewer visitors buy" if sign < 0 else "more orders than visitors and checkouts explain"
        also = day.unclaimed(*RATES, "orders", "revenue", "channel_revenue", "event_share")
        yield day.suspect(
            f"conversion {side(sign)}",
            "checkout" if sign < 0 else "orders counted twice",
            f"{words}: {lead[0].replace('_', ' ')} is {percent(day.change(lead))}",
            lead,
            also,
            share_of_revenue=day.change(lead),
        )


def order_value(day: Day) -> Iterator[Suspicion]:
    """What an order brings."""
    for lead in day.unclaimed("capped_order_value"):
        sign = day.unusual(lead)
        yield day.suspect(
            f"order value {side(sign)}",
            "prices, currency or baskets",
            f"an order brings {percent(day.change(lead))}",
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
        f"channel {channel} {side(sign)}",
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
                f"{metric} {lead[1]} {side(day.unusual(lead))}",
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
            f"{lead[1]} has {percent(day.change(lead))} rows than usual, its sources have not",
            lead,
            share_of_revenue=0.0,
            severity="warn",
        )


def _conversion(day: Day) -> tuple[Series, int] | None:
    """The leading rate and its side, when orders a session and orders a checkout do not contradict each other."""
    pair = (("conversion_rate", ""), ("checkout_completion", ""))
    lead = max(pair, key=lambda series: abs(day.evidence(series)))
    other = pair[0] if lead == pair[1] else pair[1]
    sign = day.unusual(lead)
    return (lead, sign) if sign and sign * day.evidence(other) >= LEANS else None
