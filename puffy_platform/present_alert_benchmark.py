"""How the benchmark of alerts looks in 80 columns. Formats what it is given; computes and reads nothing."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from puffy_platform.monitoring.benchmark.run import DETECTOR, AlertBenchmark
from puffy_platform.monitoring.benchmark.score import Score

__all__ = ["print_alert_benchmark"]

UNTRUE_SHOWN = 8


def print_alert_benchmark(console: Console, found: AlertBenchmark) -> None:
    """Four tables: the detector, the methods compared, kinds of incidents, false messages and repeats."""
    console.print(f"Shops of seeds {found.seeds[0]} to {found.seeds[-1]}, 52 weeks each after 8 weeks of history.")
    console.print(
        "day 1: of the found, on the first day they could be; posted: messages a week,\n"
        "of which false, and again (about one found before).\n"
    )
    _print_scores(console, found)
    _print_methods(console, found)
    _print_kinds(console, found)
    _print_untrue(console, found)


def _grid(title: str, *columns: str, words: int = 1) -> Table:
    """A table of which the first columns hold words, the others numbers."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        grid.add_column(column, no_wrap=True, justify="left" if place < words else "right")
    return grid


def _share(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"


def _scores(score: Score) -> tuple[str, ...]:
    return (
        _share(score.precision),
        _share(score.recall),
        _share(score.first_day_share),
        f"{score.posted_a_week:.2f}",
        f"{score.false_a_week:.2f}",
        f"{score.repeats_a_week:.2f}",
        f"{score.incidents:,}",
    )


HEADS = ("precision", "recall", "day 1", "posted", "false", "again", "planted")


def _print_scores(console: Console, found: AlertBenchmark) -> None:
    grid = _grid("The detector", "a week", "orders/day", *HEADS, words=2)
    for rate in sorted({rate for _, rate, _ in found.whole}):
        for method, other, size in found.whole:
            if (method, other) == (DETECTOR, rate):
                grid.add_row(str(rate), f"{size:,}", *_scores(found.whole[method, rate, size]))
        grid.add_row(str(rate), "all", *_scores(found.of(DETECTOR, rate)))
    console.print(grid, "")


def _print_methods(console: Console, found: AlertBenchmark) -> None:
    grid = _grid("Against what is usually done, all sizes", "a week", "method", *HEADS[:-1], words=2)
    methods = list(dict.fromkeys(method for method, _, _ in found.whole))
    for rate in sorted({rate for _, rate, _ in found.whole}):
        for method in methods:
            grid.add_row(str(rate), method, *_scores(found.of(method, rate))[:-1])
    console.print(grid, "")


def _print_kinds(console: Console, found: AlertBenchmark) -> None:
    sizes = sorted({size for _, size in found.by_kind})
    grid = _grid("Found / on the first day, by orders a day", "kind", *(f"{size:,}" for size in sizes))
    for kind in sorted({kind for kind, _ in found.by_kind}):
        scores = [found.by_kind.get((kind, size), Score()) for size in sizes]
        cells = (
            f"{score.found / score.incidents:.2f} / {score.on_first_day / score.incidents:.2f}"
            if score.incidents
            else "-"
            for score in scores
        )
        grid.add_row(kind, *cells)
    console.print(grid, "")


def _print_untrue(console: Console, found: AlertBenchmark) -> None:
    grid = _grid("False messages and repeats, most often first", "message", "orders a day", "times")
    for (key, size), count in sorted(found.untrue.items(), key=lambda each: (-each[1], each[0]))[:UNTRUE_SHOWN]:
        grid.add_row(key, f"{size:,}", str(count))
    console.print(grid)
