"""By what a funnel can be broken down. Names only, so that the command line has them without loading what computes."""

__all__ = ["BREAKDOWNS", "COHORT"]

# The week of the client's first visit.
COHORT = "cohort"
# The column of the session in which an attempt began.
BREAKDOWNS = {
    "channel": "channel",
    "device": "device_class",
    "landing_page": "landing_path",
    "browser": "browser",
    "os": "os",
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
}
