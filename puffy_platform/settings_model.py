"""What can be set, and what is allowed: one validated model. Where values come from is said in `settings`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "DEFAULT_RULES_FILE",
    "RAW_COLUMNS",
    "Churn",
    "Design",
    "Freshness",
    "Monitoring",
    "Run",
    "Settings",
    "same_name",
]

DEFAULT_RULES_FILE = Path(__file__).with_name("rules") / "channels.toml"
# Since churn_features counts the days since a visit only so far.
LONGEST_SEEN_DAYS = 90
RAW_COLUMNS = ("client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent")

Share = Annotated[float, Field(ge=0, le=1)]


def same_name(column: str) -> str:
    """What two ways to write a column's name share: `Client ID`, `client-id` and `clientId` are one name."""
    return re.sub(r"[\s_.-]", "", column).lower()


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shop(Section):
    name: str = Field(min_length=1)
    time_zone: str
    hosts: tuple[str, ...] = Field(min_length=1)

    @field_validator("time_zone")
    @classmethod
    def zone_exists(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("must be an IANA time zone, for example America/Los_Angeles")
        return zone


class Ingest(Section):
    late_days: int = Field(ge=0, le=60)
    max_field_bytes: int = Field(ge=1_000, le=100_000_000)
    aliases: dict[Literal[RAW_COLUMNS], tuple[str, ...]]  # type: ignore[valid-type]

    @model_validator(mode="after")
    def aliases_are_unambiguous(self) -> Ingest:
        seen: dict[str, str] = {same_name(name): name for name in RAW_COLUMNS}
        for column, names in self.aliases.items():
            for name in names:
                if seen.setdefault(same_name(name), column) != column:
                    raise ValueError(f"alias {name!r} of {column} already means {seen[same_name(name)]}")
        return self


class Sessions(Section):
    timeout_minutes: int = Field(ge=1, le=240)


class Bots(Section):
    include: bool


class Orders(Section):
    duplicate_policy: Literal["first", "keep_collisions"]


class Attribution(Section):
    windows_days: tuple[Annotated[int, Field(ge=1, le=365)], ...] = Field(min_length=1)
    half_life_days: float = Field(gt=0, le=365)
    excluded_channels: tuple[str, ...]
    unattributed_channel: str = Field(min_length=1)

    @field_validator("windows_days")
    @classmethod
    def windows_ascend(cls, windows: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(windows)))

    @property
    def longest_window_days(self) -> int:
        return max(self.windows_days)


class DataDriven(Section):
    rolling_days: int = Field(ge=1, le=366)
    min_conversions: int = Field(ge=2, le=1_000_000)
    markov_orders: tuple[Annotated[int, Field(ge=1, le=4)], ...]
    draws: int = Field(ge=50, le=5_000)

    @field_validator("markov_orders")
    @classmethod
    def orders_ascend(cls, orders: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(orders)))


class Funnel(Section):
    within_days: int = Field(ge=1, le=60)


class Clv(Section):
    fit_every_days: int = Field(ge=1, le=31)
    min_repeat_customers: int = Field(ge=10, le=1_000_000)
    holdout_days: int = Field(ge=1, le=365)


class Churn(Section):
    activity: Literal["order", "visit"]
    horizon_days: int = Field(ge=1, le=365)
    recent_days: int = Field(ge=1, le=3_650)
    retrain_every_days: int = Field(ge=1, le=366)
    snapshots: int = Field(ge=1, le=24)
    keep_retrainings: int = Field(ge=1, le=24)
    min_each: int = Field(ge=2, le=1_000_000)
    max_psi: float = Field(gt=0, le=10)

    @model_validator(mode="after")
    def visits_are_known(self) -> Churn:
        if self.activity == "visit" and self.horizon_days > LONGEST_SEEN_DAYS:
            raise ValueError(f"horizon_days of visits is at most {LONGEST_SEEN_DAYS}: so far back visits are known")
        return self

    @property
    def reach_days(self) -> int:
        """How far before a retraining the first snapshot lies that it learns from: labels and the holdout between."""
        return 2 * self.horizon_days + (self.snapshots - 1) * self.retrain_every_days

    def retrained_on(self, day: dt.date) -> dt.date:
        """The last retraining up to a day; they are counted from the calendar, not from the first run."""
        return day - dt.timedelta(days=day.toordinal() % self.retrain_every_days)


class Experiments(Section):
    assignments_file: str = Field(min_length=1)
    outcome_days: int = Field(ge=1, le=90)
    covariate_days: int = Field(ge=0, le=90)


class Design(Section):
    """What was planned for one experiment before its start; the first variant is control."""

    variants: tuple[str, ...] = Field(min_length=2)
    shares: tuple[Annotated[float, Field(gt=0)], ...] = ()
    clients: int = Field(default=0, ge=0)
    primary: str = "conversion"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"

    @model_validator(mode="after")
    def variants_have_their_shares(self) -> Design:
        if len(set(self.variants)) < len(self.variants):
            raise ValueError("a variant is named twice")
        if self.shares and len(self.shares) != len(self.variants):
            raise ValueError(f"{len(self.variants)} variants take as many shares, not {len(self.shares)}")
        return self

    @property
    def planned_shares(self) -> dict[str, float]:
        """By variant; equal unless the design says otherwise."""
        return dict(zip(self.variants, self.shares or (1.0,) * len(self.variants), strict=True))


class Channels(Section):
    rules_file: str


class Thresholds(Section):
    max_quarantined_share: Share
    max_duplicate_share: Share
    max_empty_client_share: Share
    max_unknown_channel_share: Share
    max_revenue_mismatch_share: Share
    max_collision_share: Share


class KnownEvent(Section):
    """A sale or the like: traffic and orders of its days are no history, and a rise on them is no surprise."""

    name: str = Field(min_length=1)
    first: dt.date
    last: dt.date

    @model_validator(mode="after")
    def ends_after_it_starts(self) -> KnownEvent:
        if self.last < self.first:
            raise ValueError(f"the event {self.name!r} ends before it starts")
        return self


class Monitoring(Section):
    level_days: int = Field(ge=1, le=366)
    scatter_days: int = Field(ge=1, le=366)
    least_days: int = Field(ge=1, le=366)
    sigma_factor: float = Field(ge=0.1, le=10)
    effect_factor: float = Field(ge=0, le=10)
    known_events: tuple[KnownEvent, ...]


class Paths(Section):
    landing: str = Field(min_length=1)
    warehouse: str = Field(min_length=1)
    marts: str = Field(min_length=1)
    repairs: str = Field(min_length=1)


class Partitions(Section):
    start_day: dt.date | None = None


class Run(Section):
    chunk_days: int = Field(ge=1, le=366)
    chunk_rows: int = Field(ge=1_000, le=1_000_000_000)
    look_every_seconds: int = Field(ge=1, le=3_600)
    settled_after_seconds: float = Field(ge=0, le=3_600)


class Maintain(Section):
    retain_days: int = Field(ge=1, le=3_650)


class Freshness(Section):
    deadline: dt.time
    missing_after_hours: int = Field(ge=0, le=24 * 30)
    half_delivered_share: Share


class Routes(Section):
    error: Literal["now", "soon", "digest", "none"]
    warn: Literal["now", "soon", "digest", "none"]


class Alerts(Section):
    quiet_hours: tuple[dt.time, ...]
    digest_at: dt.time
    dagster_url: str = Field(pattern=r"^https?://.+")
    slack_url: str = Field(pattern=r"^https?://.+/$")
    routes: Routes
    channels: dict[str, Annotated[str, Field(pattern=r"^[#@].+")]]

    @field_validator("quiet_hours")
    @classmethod
    def quiet_hours_are_two(cls, hours: tuple[dt.time, ...]) -> tuple[dt.time, ...]:
        if len(hours) not in (0, 2):
            raise ValueError('must be two times, begin and end, for example ["22:00", "07:00"], or [] for none')
        return hours


class Settings(Section):
    """All settings of the platform. Immutable; sections are passed on only to the tables that declare them."""

    home: Path
    shop: Shop
    ingest: Ingest
    sessions: Sessions
    bots: Bots
    orders: Orders
    attribution: Attribution
    data_driven: DataDriven
    funnel: Funnel
    clv: Clv
    churn: Churn
    experiments: Experiments
    channels: Channels
    thresholds: Thresholds
    monitoring: Monitoring
    paths: Paths
    partitions: Partitions
    run: Run
    maintain: Maintain
    freshness: Freshness
    alerts: Alerts
    designs: dict[str, Design] = Field(default_factory=dict)

    @property
    def landing(self) -> Path:
        return self.home / self.paths.landing

    @property
    def warehouse(self) -> str:
        """Folder or object-store URL of the Delta tables."""
        path = self.paths.warehouse
        return path if "://" in path else str(self.home / path)

    @property
    def marts(self) -> Path:
        return self.home / self.paths.marts

    @property
    def repairs(self) -> Path:
        """The file of repairs of known incidents; it need not exist."""
        return self.home / self.paths.repairs

    @property
    def assignments(self) -> Path:
        """The file that says which client got which variant of an experiment; it need not exist."""
        return self.home / self.experiments.assignments_file

    @property
    def rules_file(self) -> Path | None:
        """The user's channel rules; None means the built-in rules, DEFAULT_RULES_FILE."""
        return Path(self.channels.rules_file) if self.channels.rules_file else None

    def values_of(self, sections: tuple[str, ...]) -> dict[str, Any]:
        """The values of these sections, by section and key, as JSON has them."""
        return {name: getattr(self, name).model_dump(mode="json") for name in sorted(sections)}

    def fingerprint(self, sections: tuple[str, ...]) -> str:
        """Stable hash of these sections (and of the rules file, if `channels` is one of them, and of the assignments
        file, if `experiments` is)."""
        chosen = self.values_of(sections)
        if "channels" in sections:
            chosen["rules"] = (self.rules_file or DEFAULT_RULES_FILE).read_text("utf-8")
        if "experiments" in sections and self.assignments.exists():
            chosen["assignments"] = hashlib.sha256(self.assignments.read_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]
