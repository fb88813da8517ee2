"""Everything CI asks of a change: formatting, lint, types, tests. `python -m puffy_platform_tests`."""

import subprocess
import sys

COMMANDS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("pytest", "-n", "2", "--dist", "worksteal"),
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
