"""puffy features: what is known of clients and customers, now or at any instant, described and looked up."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from puffy_platform.cli.common import AsJson, SettingsFile, app, console, errors, open_platform, stop

if TYPE_CHECKING:
    import polars as pl

    from puffy_platform.settings import Settings

features_app = typer.Typer(
    help="What is known of clients and customers, now or at any instant: for models and segments.",
    no_args_is_help=True,
)
app.add_typer(features_app, name="features")
Names = Annotated[
    list[str], typer.Argument(metavar="FEATURE...", help="As `list` names them; 'customer_value.*' is a whole set.")
]
Entities = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV or Parquet with client_id or customer_id, and the timestamps.")
]
Output = Annotated[Path | None, typer.Option("--out", help="Write a .csv or .parquet file; default: CSV, printed.")]


class Basis(StrEnum):
    event_time = "event_time"
    known = "known"


@features_app.command("list")
def list_features(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Every feature: of whom, what it says, whose it is, how fresh it must be, and how fresh it is."""
    from puffy_platform.features import SETS, newest_days
    from puffy_platform.present_features import features_to_json, print_features

    newest = newest_days(open_platform(settings_file))
    if as_json:
        print(json.dumps(features_to_json(SETS, newest)))
    else:
        print_features(console, SETS, newest)


@features_app.command()
def describe(
    name: Annotated[str, typer.Argument(metavar="FEATURE", help="For example customer_value.p_alive.")],
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """One feature: its meaning, type, source columns, owner and freshness."""
    from puffy_platform.features import SETS, FeatureError, newest_days
    from puffy_platform.features.declare import chosen
    from puffy_platform.present_features import feature_to_json, print_feature

    newest = newest_days(open_platform(settings_file))
    try:
        found = [(one, feature) for one, features in chosen(SETS, [name]) for feature in features]
    except FeatureError as error:
        stop(str(error))
    if as_json:
        print(json.dumps([feature_to_json(one, feature, newest) for one, feature in found]))
    else:
        for one, feature in found:
            print_feature(console, one, feature, newest)


@features_app.command("as-of")
def as_of(
    entities: Entities,
    names: Names,
    basis: Annotated[
        Basis,
        typer.Option(
            help="event_time: that day as the tables tell it now, with late and corrected rows; for training. known: "
            "as it had been recorded at that instant; for what was decided then."
        ),
    ] = Basis.event_time,
    time_column: Annotated[str, typer.Option(help="The column of the timestamps.")] = "timestamp",
    out: Output = None,
    settings_file: SettingsFile = None,
) -> None:
    """The rows of a file, each with the features as of its own timestamp; nothing of that day or later is used."""
    from puffy_platform import features

    platform = open_platform(settings_file)
    asked = _read(entities, platform.settings, time_column)
    _answer(lambda: features.as_of(asked, names, basis=basis.value, time_column=time_column, platform=platform), out)


@features_app.command()
def latest(
    names: Names,
    file: Annotated[Path | None, typer.Option("--file", help="CSV or Parquet with client_id or customer_id.")] = None,
    client: Annotated[str | None, typer.Option("--client", help="One client, by its id.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="One customer, by the hashed email.")] = None,
    out: Output = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """The features as they are known now, of one client or customer or of those in a file: what a model is served."""
    import polars as pl

    from puffy_platform import features
    from puffy_platform.present_features import print_values

    platform = open_platform(settings_file)
    one = {name: [value] for name, value in (("client_id", client), ("customer_id", customer)) if value is not None}
    if bool(one) == bool(file):
        stop("give either --client or --customer (or both), or --file")
    asked = _read(file, platform.settings) if file else pl.DataFrame(one)
    if file or out:
        _answer(lambda: features.latest(asked, names, platform=platform), out)
        return
    try:
        found = features.latest(asked, names, platform=platform)
    except features.FeatureError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(found.to_dicts()[0], default=str))
    else:
        print_values(console, found)


def _read(file: Path, settings: Settings, time_column: str | None = None) -> pl.DataFrame:
    """The file as it is; but timestamps of a CSV are read as elsewhere, naive ones in the zone of the shop."""
    import polars as pl

    from puffy_platform.ingest.times import to_utc

    if not file.is_file():
        stop(f"there is no file {file}")
    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        rows = pl.read_csv(file, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        stop(f"{file} cannot be read ({type(error).__name__}): give a CSV file with a header, or .parquet")
    if time_column is None or time_column not in rows.columns:
        return rows
    times = to_utc(rows[time_column], settings.shop.time_zone)["event_ts"]
    if wrong := (rows[time_column].is_not_null() & times.is_null()).arg_true().to_list():
        stop(f"{file}, line {wrong[0] + 2}: {time_column} is no time; write it like 2025-03-01T12:00:00Z")
    return rows.with_columns(times.alias(time_column))


def _answer(ask: Callable[[], pl.DataFrame], out: Path | None) -> None:
    from puffy_platform.features import FeatureError
    from puffy_platform.present_features import print_outcomes
    from puffy_platform.warehouse.history import HistoryError

    if out is not None and out.suffix not in (".csv", ".parquet"):
        stop(f"--out {out}: write a .csv or a .parquet file")
    try:
        found = ask()
    except (FeatureError, HistoryError) as error:
        stop(str(error))
    if out is None:
        print(found.write_csv(datetime_format="%+"), end="")
    elif out.suffix == ".parquet":
        found.write_parquet(out)
    else:
        found.write_csv(out, datetime_format="%+")
    print_outcomes(errors if out is None else console, found)
