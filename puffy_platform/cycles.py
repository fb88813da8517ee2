"""How often Python looks for cycles of garbage in a process of ours. Called once, before what is large is loaded."""

import gc

__all__ = ["look_for_cycles_rarely"]


def look_for_cycles_rarely() -> None:
    """What takes memory here are frames, which no cycle holds; looking for cycles among the many objects that loading
    modules makes, and among Dagster's, is time lost."""
    gc.set_threshold(50_000, 20, 20)
