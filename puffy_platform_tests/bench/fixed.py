"""`python -m puffy_platform_tests.bench.fixed`: what a run costs however few rows there are.

Days of five rows: `puffy run` of 90 of them, then of one more, which is also computed by the bare functions, without
Dagster and marts. Every run is a process of its own on a home of its own. Prints Markdown, medians of the repetitions.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from puffy_platform.speed.measure import Cost, median, run
from puffy_platform_tests.bench.pipeline import BENCH, FIRST_DAY, machine, print_report, puffy_run

HEADER = "client_id,page_url,referrer,timestamp,event_name,event_data,user_agent"
AGENT = '"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"'
ROWS = 5


def write_day(landing: Path, number: int) -> None:
    """The file of one day: three visitors, of whom one buys."""
    day = FIRST_DAY + dt.timedelta(days=number)
    order = (
        f'"{{""transaction_id"": ""order-{number}"", ""revenue"": 1250, ""user_email"": ""{number:064x}"", ""items"": '
        f'[{{""item_id"": ""1"", ""item_name"": ""Mattress"", ""item_price"": 1250, ""quantity"": 1}}]}}"'
    )
    events = [("a", "page_viewed", ""), ("a", "checkout_started", ""), ("a", "checkout_completed", order)]
    events += [("b", "page_viewed", ""), ("c", "page_viewed", "")]
    url, seen = "https://shop.example/p?utm_source=google&utm_medium=cpc", f"{day}T1{{}}:00:00.000Z"
    lines = [
        f"{client}-{number},{url},,{seen.format(hour)},{name},{data},{AGENT}"
        for hour, (client, name, data) in enumerate(events)
    ]
    landing.mkdir(parents=True, exist_ok=True)
    (landing / f"events_{day:%Y%m%d}.csv").write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")


def make_days(home: Path, days: int) -> Path:
    """A home with so many days of files and nothing computed."""
    for number in range(days):
        write_day(home / "landing", number)
    (home / "puffy.toml").write_text(f"[partitions]\nstart_day = {FIRST_DAY}\n", "utf-8")
    return home


def first_row_after(home: Path, began: float) -> float:
    """Seconds from `began` (of the system's clock) to the first rows committed to a table."""
    commits = (path.stat().st_mtime for path in home.glob("warehouse/[a-z]*/_delta_log/*.json"))
    return min(at for at in commits if at >= began) - began


def report(root: Path, days: int, repetitions: int) -> Iterable[str]:
    """The Markdown, line by line."""
    home = make_days(root / "home", days)
    history = puffy_run(home, days)
    runs: list[Cost] = []
    bares: list[Cost] = []
    waited: list[float] = []
    for number in range(repetitions):
        for costs, name in ((runs, "run"), (bares, "bare")):
            copy = Path(shutil.copytree(home, root / f"{name}-{number}"))
            write_day(copy / "landing", days)
            if costs is bares:
                costs.append(run(f"{BENCH}.stages", str(copy)))
            else:
                began = time.time()
                costs.append(puffy_run(copy, 1, FIRST_DAY + dt.timedelta(days=days)))
                waited.append(first_row_after(copy, began))
            shutil.rmtree(copy)
    with_dagster, bare = median(runs), median(bares)
    yield f"{ROWS} rows a day; {machine()}; medians of {repetitions}.\n"
    yield "| | wall s | CPU s | peak MiB |\n|---|--:|--:|--:|"
    for name, cost in (
        (f"`puffy run` of {days} days, all tables and the marts", history),
        ("`puffy run` of one more day", with_dagster),
        ("the same day by the bare functions, tables only", bare),
    ):
        yield f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.peak_mib:,.0f} |"
    yield f"| what Dagster and the marts add to a day | {with_dagster.wall - bare.wall:.1f} | " + (
        f"{with_dagster.cpu - bare.cpu:.1f} | {with_dagster.peak_mib - bare.peak_mib:,.0f} |"
    )
    yield f"| from `puffy run` to the first row | {statistics.median(waited):.1f} | | |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, default=90)
    options.add_argument("--repetitions", type=int, default=3)
    asked = options.parse_args()
    print_report(lambda root: report(root, asked.days, asked.repetitions))


if __name__ == "__main__":
    main()
