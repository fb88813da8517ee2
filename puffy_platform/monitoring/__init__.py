"""Monitoring: what a day looked like, what earlier days let expect of it, and which incidents the difference means.

Pure: frames, arrays and moments in, verdicts out; no clock, no storage, no orchestrator, no delivery of messages.
"""

from puffy_platform.monitoring.freshness import Delivery, Freshness, freshness
from puffy_platform.monitoring.incidents import (
    Finding,
    Incident,
    IncidentEvent,
    OpenIncident,
    advance,
    incidents_of,
)
from puffy_platform.monitoring.intraday import running_day

__all__ = [
    "Delivery",
    "Finding",
    "Freshness",
    "Incident",
    "IncidentEvent",
    "OpenIncident",
    "advance",
    "freshness",
    "incidents_of",
    "running_day",
]
