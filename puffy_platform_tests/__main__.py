"""Everything CI asks of a change: formatting, lint, types, tests. `python -m puffy_platform_tests`."""

import os
import subprocess
import sys

# One more than there are cores: tests of daemons and pages mostly wait.
PROCESSES = str((os.cpu_count() or 1) + 1)
COMMANDS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("pytest", "-n", PROCESSES, "--dist", "worksteal"),
)


def main() -> int:
    for command in COMMANDS:
        print("$", " ".join(command), flush=True)
        finished = subprocess.run([sys.executable, "-m", *command], check=False)
        if finished.returncode:
            return finished.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
