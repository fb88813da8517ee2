"""Kills `puffy run` at random points, over and over, while files land, change and vanish; then audits what is left.

    python -m puffy_platform_tests.soak --kills 200

Exit code 0 when the warehouse ends identical to one computation over the files, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import unquote

from puffy_platform.pipeline import Platform, affected
from puffy_platform.pipeline.verify import verify
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform_tests.command import environment
from puffy_platform_tests.properties.driving import deliver
from puffy_platform_tests.properties.histories import Deliver, assignments, history

__all__ = ["Soak", "leftovers", "orphans", "soak"]

SHOP_DAYS = 4
# A run that has ended is read to its end at once, but for a machine that is busy.
STRAY_SECONDS = 30
PARTIAL = (".tmp", ".wal", ".lock", ".building")
# Windows as short as the shop; everything else as delivered.
SETTINGS = """\
[ingest]
late_days = 2
[attribution]
windows_days = [1, 2]
[data_driven]
rolling_days = 3
min_conversions = 2
draws = 50
[clv]
fit_every_days = 1
holdout_days = 1
[churn]
horizon_days = 1
retrain_every_days = 1
snapshots = 1
keep_retrainings = 2
[monitoring]
level_days = 1
scatter_days = 1
least_days = 1
[experiments]
outcome_days = 1
covariate_days = 1
[partitions]
start_day = {start}
[run]
chunk_days = 4
"""


@dataclass
class Soak:
    """A home with a tiny shop, every version its files ever have, and what has happened to it so far."""

    home: Path
    random: Random
    days: DayRange = field(init=False)
    versions: dict[str, list[Deliver]] = field(init=False, default_factory=dict)
    kills: int = 0
    completed: int = 0
    rewrites: int = 0
    # How long the last run worked that came to its end: kills fall inside that.
    work_seconds: float = 5.0

    def __post_init__(self) -> None:
        story = history(self.random, SHOP_DAYS, runs=0)
        self.days = story.days
        for act in story.acts:
            assert isinstance(act, Deliver)
            self.versions.setdefault(act.name, []).append(act)
        (self.home / "landing").mkdir(parents=True)
        (self.home / "puffy.toml").write_text(SETTINGS.format(start=self.days.first), "utf-8")
        (self.home / "assignments.csv").write_text(assignments(self.days), "utf-8")
        for versions in self.versions.values():
            deliver(self.platform, self.random.choice(versions))

    @property
    def platform(self) -> Platform:
        return Platform(load_settings(self.home, environment={}))

    def rewrite(self) -> None:
        """Some files change to another of their versions, or to the one they have, or vanish, or come back."""
        for name in self.random.sample(sorted(self.versions), self.random.choice((0, 1, 1, 2, 4))):
            removed = Deliver(name, None)
            deliver(self.platform, self.random.choice((*self.versions[name], removed)))
            self.rewrites += 1

    @property
    def temporary(self) -> Path:
        """Where the processes put what the system is to clear away; beside the home, to be looked at."""
        folder = self.home.with_name(f"{self.home.name}-tmp")
        folder.mkdir(exist_ok=True)
        return folder

    def run(self, *, kill: bool) -> bool:
        """Start a run; with `kill`, end it by SIGKILL somewhere in its work. True when it came to its own end.

        Raises RuntimeError when it failed of anything else than being killed.
        """
        process = self.start(self.days)
        self._wait_for_work(process)
        began = time.monotonic()
        if kill:
            try:
                process.wait(self.random.uniform(0, self.work_seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if not self.end(process):
            self.kills += 1
            if not self.completed:
                self.work_seconds *= 1.3  # nobody knows yet how long a run takes here
            return False
        self.work_seconds = max(1.0, time.monotonic() - began)
        return True

    def end(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the end of a run; False when it was killed. Raises RuntimeError when it failed, or left a process
        behind: such a one holds open what the run wrote to."""
        try:
            _, errors = process.communicate(timeout=None if process.poll() is None else STRAY_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError("the run has ended, and a process that it started has not") from None
        if process.returncode == -signal.SIGKILL:
            return False
        if process.returncode:
            raise RuntimeError(f"puffy run ended with {process.returncode}:\n{errors.decode()[-2000:]}")
        self.completed += 1
        return True

    def look(self) -> Counter[str]:
        """How many table-days are not current, by why."""
        plan = affected(self.platform, self.days)
        return Counter(reason.value for days in plan.days.values() for reason in days.values())

    def start(self, days: DayRange) -> subprocess.Popen[bytes]:
        """`puffy run` over these days, in a process of its own."""
        words = ("run", "--from", str(days.first), "--to", str(days.last), "--json")
        return subprocess.Popen(
            [sys.executable, "-m", "puffy_platform.cli", *words],
            env=environment(self.home, {"TMPDIR": str(self.temporary)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _wait_for_work(self, process: subprocess.Popen[bytes]) -> None:
        """Until Dagster has noted the run: starting Python takes as long as the work, and kills are for the work."""
        runs = self.home / "dagster" / "history" / "runs.db"
        before = _modified(runs)
        while process.poll() is None and _modified(runs) == before:
            time.sleep(0.01)


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def leftovers(soak: Soak) -> list[str]:
    """Partial files in the home and files in the temporary folder: what nothing will read or clear away."""
    partial = [
        str(path.relative_to(soak.home))
        for path in soak.home.rglob("*")
        if path.is_file() and (path.name.startswith(".") or path.suffix in PARTIAL)
    ]
    return sorted([*partial, *(f"(temporary) {path.name}" for path in soak.temporary.iterdir())])


def orphans(soak: Soak) -> list[str]:
    """Data files that no commit names: written by a run that was killed before its commit. A vacuum removes them."""
    found = []
    for log in sorted((soak.home / "warehouse").glob("*/_delta_log")):
        commits = "".join(commit.read_text("utf-8") for commit in log.glob("*.json"))
        named = {unquote(unquote(path)) for path in re.findall(r'"path":"([^"]+)"', commits)}
        data = (path.relative_to(log.parent) for path in log.parent.rglob("*.parquet") if path.parent != log)
        found += [f"{log.parent.name}/{path}" for path in data if unquote(str(path)) not in named]
    return found


def soak(home: Path, kills: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """Kill so many runs, let one come to its end, and return what is wrong then (nothing, if all is well)."""
    subject = Soak(home, Random(seed))
    say(f"{len(subject.versions)} files in {sum(map(len, subject.versions.values()))} versions, days {subject.days}")
    table_days, in_kills = Counter[str](), Counter[str]()
    while subject.kills < kills:
        subject.rewrite()
        if subject.run(kill=True):
            continue
        stale = subject.look()
        table_days += stale
        in_kills += Counter(stale.keys())
        if subject.kills % max(1, kills // 10) == 0:
            say(f"{subject.kills} kills, {subject.completed} runs came to their end, {subject.rewrites} rewrites")
    for reason, count in table_days.most_common():
        say(f"after a kill: {reason}: {count:,} table-days, after {in_kills[reason]:,} of {kills} kills")
    say(f"data files that no commit names: {len(orphans(subject))} (puffy maintain removes them)")
    while not subject.run(kill=False):
        pass
    wrong = [f"not current: {why} ({count} table-days)" for why, count in subject.look().items()]
    differences = verify(subject.platform, subject.days)
    wrong += [f"differs: {found.table} {found.day}" for found in differences]
    wrong += [f"left behind: {path}" for path in leftovers(subject)]
    if not differences:
        say(f"identical: {len(subject.platform.tables)} tables, {subject.days}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=6)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        wrong = soak(Path(folder) / "home", chosen.kills, chosen.seed, lambda line: print(line, flush=True))
        print(f"{time.monotonic() - began:,.0f} seconds")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
