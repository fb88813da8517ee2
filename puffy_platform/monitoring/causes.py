"""What the unusual metrics of one day have in common: incidents with a likely cause, and what money is at stake.

The rules go from the technical to the commercial: what a broken delivery or broken tracking explains is not counted
again as a fall in demand. Each unusual metric is claimed by one incident; what nobody claims is left for the digest.
"""

from __future__ import annotations

from puffy_platform.monitoring.commercial import channels, demand, order_value, parts, undeclared_sale
from puffy_platform.monitoring.detect import Judgement
from puffy_platform.monitoring.suspicion import Day, Rule, Suspicion
from puffy_platform.monitoring.technical import (
    changed_columns,
    lost_tracking,
    missing_hours,
    more_nulls,
    worse_delivery,
)

__all__ = ["suspicions"]

RULES: tuple[Rule, ...] = (
    missing_hours,
    lost_tracking,
    changed_columns,
    more_nulls,
    worse_delivery,
    undeclared_sale,
    demand,
    order_value,
    channels,
    parts,
)


def suspicions(judgement: Judgement, day: int) -> list[Suspicion]:
    """The incidents of a day, the most money at stake first."""
    looked_at = Day(judgement, day)
    found = [suspicion for rule in RULES for suspicion in rule(looked_at)]
    return sorted(found, key=lambda each: (not each.is_posted, -each.money_at_stake_cents, each.severity, each.key))
