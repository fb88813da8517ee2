"""The code location Dagster loads: everything in it comes from the registry and the settings."""

from puffy_platform.orchestration.build import build_definitions
from puffy_platform.pipeline import Platform
from puffy_platform.settings import load_settings


def _platform() -> Platform:
    return Platform(load_settings())


defs = build_definitions(_platform(), reload=_platform)
