"""The code location Dagster loads: everything in it comes from the registry and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from puffy_platform.cycles import look_for_cycles_rarely

if TYPE_CHECKING:
    from dagster import Definitions

    from puffy_platform.pipeline import Platform


def _platform() -> Platform:
    from puffy_platform.pipeline import Platform
    from puffy_platform.settings import load_settings

    return Platform(load_settings())


def _definitions() -> Definitions:
    look_for_cycles_rarely()
    from puffy_platform.orchestration.build import build_definitions

    return build_definitions(_platform(), reload=_platform)


defs = _definitions()
