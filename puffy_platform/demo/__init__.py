"""A shop simulator whose truth is known: event files with planted defects, and what must come out of them.

`simulate` gives the shop as it was, `write_landing` its files and their truth. Neither reads a clock.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from puffy_platform.demo.defects import deliver
from puffy_platform.demo.files import write_files
from puffy_platform.demo.model import Damage, ShopModel
from puffy_platform.demo.reckoning import true_of
from puffy_platform.demo.shop import Shop, simulate
from puffy_platform.demo.truth import Truth

__all__ = ["Damage", "Shop", "ShopModel", "Truth", "simulate", "write_landing"]


def write_landing(
    folder: Path,
    first_day: dt.date,
    days: int,
    seed: int,
    events_per_day: int = 10_000,
    model: ShopModel | None = None,
    damage: Damage | None = None,
) -> Truth:
    """Write the event files of a simulated shop into the folder and return what is true of them.

    The same arguments give byte-identical files. Other files in the folder are left alone. Raises ValueError
    below 10 days or 200 events a day.
    """
    shop = simulate(first_day, days, seed, events_per_day, model)
    deliveries = deliver(shop, damage or Damage())
    write_files(folder, deliveries)
    return true_of(shop, deliveries)
