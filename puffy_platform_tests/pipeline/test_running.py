"""The running day: its files in any pieces lead to one verdict, which lasts until the whole day has its own."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from puffy_platform.alerts.channels import open_store
from puffy_platform.alerts.incidents import Finding, Incident, fold, news, tell
from puffy_platform.alerts.observe import look_at_checks
from puffy_platform.monitoring.measure import measure_delivery
from puffy_platform.orchestration import running_day, waves
from puffy_platform.orchestration.alerting import look_at_tables
from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.names import RUNNING_DAY_JOB
from puffy_platform.orchestration.running_day import look_at_today
from puffy_platform.orchestration.waves import next_wave
from puffy_platform.pipeline import Platform, check_results, materialise, materialise_ingest
from puffy_platform.pipeline.materialise import store
from puffy_platform.pipeline.running import RUNNING_DAY, judge_running, record_running, running_rows
from puffy_platform.pipeline.status import status_of
from puffy_platform.pipeline.verify import verify
from puffy_platform.settings import Settings, load_settings
from puffy_platform.table import DayRange, Inputs, Reads
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Ledger
from puffy_platform_tests.alerts.samples import NOW
from puffy_platform_tests.ingest.delivery import INGESTED, Row, as_csv, event

TODAY = dt.date(2025, 3, 26)
HISTORY = DayRange(dt.date(2025, 3, 1), TODAY - dt.timedelta(days=1))


def what_was_delivered(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Of daily_metrics what it says of files and raw rows: the rest needs every table there is."""
    found = pl.concat(measure_delivery(inputs))
    return found.with_columns(kind=pl.lit("share"), value=pl.lit(None, pl.Float64))


COMPUTED = ("events_enriched", "purchases", "sessions", "conversions", "daily_metrics", "hourly_metrics", "anomalies")
FEW = {
    **INGESTED,
    **{name: TABLES[name] for name in TABLES if name in COMPUTED},
    "daily_metrics": dataclasses.replace(
        TABLES["daily_metrics"],
        reads=tuple(Reads(name) for name in INGESTED if name != "row_index"),
        transform=what_was_delivered,
        checks=(),
        lineage={},
    ),
}


def visits(day: dt.date, hours: range, an_hour: int) -> list[Row]:
    """Visits of one page, each of a client of its own."""
    return [
        event(client_id=f"{day}-{hour}-{number}", timestamp=f"{day}T{hour:02d}:{number:02d}:00Z")
        for hour in hours
        for number in range(an_hour)
    ]


def land(platform: Platform, name: str, rows: list[Row]) -> None:
    (platform.settings.landing / name).write_bytes(as_csv(rows))


def open_home(home: Path) -> Platform:
    return Platform(load_settings(home, environment={}), FEW)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 days of twelve visits an hour."""
    home = tmp_path_factory.mktemp("history") / "home"
    (home / "landing").mkdir(parents=True)
    (home / "puffy.toml").write_text("[ingest]\nlate_days = 1\n[run]\nsettled_after_seconds = 0\n", "utf-8")
    platform = open_home(home)
    for day in HISTORY:
        land(platform, f"events_{day:%Y%m%d}.csv", visits(day, range(24), 12))
    computed = HISTORY.widen(before=1)
    materialise_ingest(platform, computed, run_id="r")
    for name in COMPUTED:
        materialise(platform, platform.tables[name], computed, run_id="r")
    return home


@pytest.fixture
def platform(history: Path, tmp_path: Path) -> Platform:
    return open_home(Path(shutil.copytree(history, tmp_path / "home")))


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last partition is the day before."""
    for module in (waves, running_day):
        monkeypatch.setattr(module, "last_partition", lambda: HISTORY.last)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def land_a_fall(platform: Platform) -> None:
    """Until 15:00 today there are three visits an hour."""
    land(platform, "events_20250326_0.csv", visits(TODAY, range(15), 3))


def look(platform: Platform) -> None:
    record_running(platform, judge_running(platform, TODAY), "r")


def found_by_alerts(platform: Platform) -> list[Finding]:
    return [each for each in look_at_checks(platform).bad if each.key.kind == "anomaly"]


def folded(known: list[Incident], bad: list[Finding]) -> list[Incident]:
    after = {each.id: each for each in known} | {each.id: each for each in fold(known, bad, {}, NOW)}
    return list(after.values())


def test_pieces_in_any_order_are_judged_as_one_file(platform: Platform) -> None:
    rows = visits(TODAY, range(15), 3)
    pieces = {
        "events_20250326.csv": rows[:10],
        "events_20250326_b.csv": rows[10:31],
        "events_20250326_c.csv": rows[31:],
    }
    verdicts = []
    for order in (pieces, dict(reversed(pieces.items()))):
        for name, part in order.items():
            land(platform, name, part)
            latest = judge_running(platform, TODAY)
        verdicts.append(latest)
        for name in pieces:
            (platform.settings.landing / name).unlink()
    land(platform, "events_20250326.csv", rows)
    verdicts.append(judge_running(platform, TODAY))
    assert [each.hours for each in verdicts] == [14] * 3
    assert all(each.rows.equals(verdicts[0].rows) for each in verdicts)
    (lead,) = verdicts[0].rows.filter("is_lead").to_dicts()
    assert lead["explanation"] == "until 14:00 UTC: events are 75% lower, in all channels alike"
    assert (lead["observed"], lead["expected"]) == (14 * 3, pytest.approx(14 * 12))


def test_an_ordinary_running_day_is_as_usual_however_little_of_it_there_is(platform: Platform) -> None:
    land(platform, "events_20250326.csv", visits(TODAY, range(4), 12))
    found = judge_running(platform, TODAY)
    assert found.hours == 3
    assert set(found.rows["status"]) == {"pass"}


def test_a_column_that_is_missing_today_is_seen_with_the_first_piece(platform: Platform) -> None:
    rows = visits(TODAY, range(3), 12)
    (platform.settings.landing / "events_20250326.csv").write_bytes(
        as_csv(rows, [name for name in rows[0] if name != "referrer"])
    )
    found = judge_running(platform, TODAY)
    lead = found.rows.filter("is_lead")
    assert lead["incident"].to_list() == ["tracking"]
    assert "referrer missing" in lead["explanation"].item()


def test_a_look_writes_no_table_and_its_outcomes_are_those_of_the_checks_of_anomalies(platform: Platform) -> None:
    land_a_fall(platform)
    look(platform)
    assert not any(entry.day == TODAY for entry in Ledger(platform.warehouse))
    outcomes = check_results(platform).filter(day=TODAY)
    assert set(outcomes["table"]) == {"anomalies"}
    assert outcomes.filter(check="traffic_is_usual")["status"].to_list() == ["fail"]
    assert outcomes.filter(check="traffic_is_usual")["observed"].item().startswith("2 of 2 metrics: until 14:00 UTC")
    found = status_of(platform, HISTORY.last)
    assert found is not None
    assert f"{TODAY} is not over; until 14:00 UTC: events are 75% lower, in all channels alike" in found.notes


def test_the_whole_day_takes_the_place_of_its_hours_and_the_incident_is_carried_on_not_doubled(
    platform: Platform,
) -> None:
    land_a_fall(platform)
    look(platform)
    (incident,) = [tell(each, NOW, "thread") for each in folded([], found_by_alerts(platform))]
    assert (incident.key.check, list(incident.days)) == ("traffic down", [TODAY])

    land(platform, "events_20250326_1.csv", visits(TODAY, range(15, 19), 3))
    look(platform)
    (same,) = folded([incident], found_by_alerts(platform))
    assert (same.id, news(same, NOW)) == (incident.id, None), "more hours of it are no news"

    # The day is over and still low.
    table, day = platform.tables["anomalies"], DayRange(TODAY, TODAY)
    rows = judge_running(platform, TODAY).rows
    store(platform, Ledger(platform.warehouse), table, day, rows, {TODAY: "x"}, "r")
    assert running_rows(platform) is None
    (same,) = folded([same], found_by_alerts(platform))
    assert (same.id, same.is_open, news(same, NOW)) == (incident.id, True, None)

    # Or it is over, and as usual.
    store(platform, Ledger(platform.warehouse), table, day, rows.clear(), {TODAY: "y"}, "r")
    (over,) = folded([same], found_by_alerts(platform))
    assert news(over, NOW) == "recover"


def test_the_last_hours_of_a_day_that_lands_in_pieces_are_not_missing_before_they_are_due(platform: Platform) -> None:
    """The day is over and judged as a whole, and its last piece is still to come: by eight it must be there. What was
    told of its hours before goes on."""
    rows = visits(TODAY, range(20), 12)
    land(platform, "events_20250326.csv", rows)
    day = DayRange(TODAY, TODAY)
    materialise_ingest(platform, day, run_id="r")
    for name in COMPUTED:
        materialise(platform, platform.tables[name], day, run_id="r")
    table = platform.tables["anomalies"]
    found = platform.warehouse.read(table, day).collect()
    lead = found.head(1).with_columns(
        status=pl.lit("fail"), incident=pl.lit("missing hours"), is_lead=pl.lit(True), is_posted=pl.lit(True)
    )
    store(platform, Ledger(platform.warehouse), table, day, lead, {TODAY: "x"}, "r")
    due = dt.datetime(2025, 3, 27, 8, tzinfo=dt.UTC)

    def told(moment: dt.datetime) -> list[str]:
        with open_store(platform.settings) as alerts:
            look_at_tables(platform, alerts, moment)
            return [each.key.check for each in alerts.incidents(("anomaly",)) if each.is_open]

    assert told(due - dt.timedelta(minutes=2)) == []
    assert told(due) == ["missing hours"]
    store(platform, Ledger(platform.warehouse), table, day, lead.with_columns(observed=1.0), {TODAY: "y"}, "r")
    assert told(due - dt.timedelta(minutes=1)) == ["missing hours"], "early again, and no end of what lasts"


def test_the_audit_of_the_days_before_is_not_disturbed_by_files_of_today(platform: Platform) -> None:
    """A visit runs on over midnight: the tables of yesterday do not know, for none has rows of today."""
    late = event(client_id=f"{HISTORY.last}-23-11", timestamp=f"{HISTORY.last}T23:50:00Z")
    land(platform, "events_20250326.csv", [late, late | {"timestamp": f"{TODAY}T00:10:00Z"}])
    yesterday = DayRange(HISTORY.last, HISTORY.last)
    materialise_ingest(platform, DayRange(TODAY, TODAY), run_id="r")
    for name in COMPUTED:
        materialise(platform, platform.tables[name], yesterday, run_id="r")
    assert verify(platform, yesterday, over=HISTORY.last) == []
    assert {each.table for each in verify(platform, yesterday)} == {"sessions"}


@pytest.mark.usefixtures("today")
def test_the_sensor_asks_for_a_look_when_files_of_today_come_and_only_then(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    settle = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)

    def asked() -> list[dg.RunRequest]:
        return [each for each in next_wave(platform, instance, settle).requests if each.job_name == RUNNING_DAY_JOB]

    assert asked() == []
    land_a_fall(platform)
    (request,) = asked()
    done = (
        build_definitions(platform)
        .resolve_job_def(RUNNING_DAY_JOB)
        .execute_in_process(
            instance=instance,
            tags=request.tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    )
    assert done.success
    (event_,) = done.get_asset_materialization_events()
    assert event_.materialization.metadata["until"].value == f"{TODAY} until 14:00 UTC"
    assert asked() == []
    land(platform, "events_20250326_1.csv", visits(TODAY, range(15, 18), 3))
    assert len(asked()) == 1


@pytest.mark.usefixtures("today")
def test_without_the_daemon_files_are_looked_at_once(platform: Platform) -> None:
    assert look_at_today(platform) == ""
    land_a_fall(platform)
    assert look_at_today(platform) == f"{TODAY} until 14:00 UTC is judged"
    assert look_at_today(platform) == ""
    assert platform.warehouse.version(RUNNING_DAY) is not None
