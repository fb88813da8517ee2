"""Where real files and their expected numbers are, if this machine has them; tests that use them skip elsewhere."""

import os
from pathlib import Path

SHARED = Path(os.environ.get("SHARED_FILES", Path(__file__).parents[3] / "shared"))
FIRST_WEEK = SHARED / "data" / "puffy_2025"
EXPECTED = SHARED / "acceptance" / "puffy_first_week.json"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
