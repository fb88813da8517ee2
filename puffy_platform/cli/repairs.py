"""puffy repairs: known incidents and their repairs, tried and counted."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from puffy_platform.cli.common import AsJson, LandingFolder, SettingsFile, app, console, open_platform, stop

repairs_app = typer.Typer(help="Repairs of known incidents, from the home's repairs.toml.", no_args_is_help=True)
app.add_typer(repairs_app, name="repairs")


@repairs_app.command("list")
def repairs_list(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Every repair, and how many rows of the tables name it."""
    from puffy_platform.ingest.repairs_file import load_repairs
    from puffy_platform.pipeline.repairing import Repaired, repaired_rows
    from puffy_platform.present_repairs import print_repairs

    platform = open_platform(settings_file)
    repairs, found = load_repairs(platform.settings), repaired_rows(platform)
    if as_json:
        rows = [
            {
                "name": repair.name,
                "from": str(repair.days.first),
                "to": str(repair.days.last),
                "rules": list(repair.rules),
                "reason": repair.reason,
                "author": repair.author,
                **vars(found.get(repair.name, Repaired())),
            }
            for repair in repairs
        ]
        print(json.dumps(rows))
    else:
        print_repairs(console, platform.settings.repairs, repairs, found)


@repairs_app.command("test")
def repairs_test(
    name: Annotated[str | None, typer.Argument(help="Only this repair.")] = None,
    settings_file: SettingsFile = None,
    landing: LandingFolder = None,
    as_json: AsJson = False,
) -> None:
    """Run every repair on its examples, then on the landing files of its days. Writes nothing."""
    from puffy_platform.pipeline.repairing import try_repair
    from puffy_platform.present_repairs import print_trials

    platform = open_platform(settings_file, landing)
    # Looking loads the repairs, and loading them tests the examples.
    look = platform.landing()
    chosen = [repair for repair in look.repairs if name in (None, repair.name)]
    if name is not None and not chosen:
        known = ", ".join(repair.name for repair in look.repairs) or "none"
        stop(f"no repair {name!r} in {platform.settings.repairs}; there are: {known}")
    trials = {repair: try_repair(platform, repair, look) for repair in chosen}
    if as_json:
        rows = [
            {"name": repair.name, "examples": len(repair.examples), **vars(trial)} for repair, trial in trials.items()
        ]
        print(json.dumps(rows))
    else:
        print_trials(console, platform.settings.repairs, trials)
