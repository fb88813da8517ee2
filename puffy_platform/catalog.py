"""The catalog page of all tables, written out of their declarations: `python -m puffy_platform.catalog`."""

from __future__ import annotations

from collections.abc import Iterable

from puffy_platform.outcomes import check_names
from puffy_platform.settings import Settings
from puffy_platform.table import Reads, Table

__all__ = ["catalog"]


def catalog(tables: Iterable[Table], settings: Settings) -> str:
    """Markdown: for every table its description, owner, key, what a day reads, columns and checks."""
    tables = list(tables)
    parts = [
        "# Tables\n\nWritten by `python -m puffy_platform.catalog > docs/tables.md` from the declarations; a test "
        "keeps it true.\n`day` is the partition of every table. Money is in integer cents.\n",
        "| table | group | owner | what it holds |\n|---|---|---|---|\n"
        + "\n".join(
            f"| [{t.name}](#{t.name}) | {t.group} | {t.owner} | {_first_sentence(t.description)} |" for t in tables
        )
        + "\n",
    ]
    return "\n".join([*parts, *(_section(table, settings) for table in tables)])


def _section(table: Table, settings: Settings) -> str:
    reads = [f"- {_read(read, settings)}" for read in table.reads] or ["- the landing files of the day"]
    columns = [
        f"| `{c['name']}` | {c['type']}{' or null' if c['nullable'] else ''} | {_cell(c['description'])}"
        f"{' *(' + ', '.join(c['tags']) + ')*' if c['tags'] else ''} |"
        for c in table.describe()
    ]
    checks = [
        f"| `{name}` | {'stops' if severity == 'error' else 'warns'} | {_cell(text)} |"
        for name, (severity, text) in check_names(table).items()
    ]
    lines = [
        f"## {table.name}\n",
        f"{table.description}\n",
        f"Owner {table.owner}, key `({', '.join(table.key)})`. A day reads:\n",
        *reads,
        "\n| column | type | meaning |\n|---|---|---|",
        *columns,
        "\n| check | | what it says |\n|---|---|---|",
        *checks,
        "",
    ]
    return "\n".join(lines)


def _read(read: Reads, settings: Settings) -> str:
    if read.history:
        sharing = f", their rows that share a `{read.sharing}` with it" if read.sharing else ""
        return f"`{read.table}`: all days up to the day{sharing}"
    before, after = read.offsets(settings)
    touching = f", its rows whose `{read.touching}` is the day" if read.touching else ""
    if not before and not after:
        return f"`{read.table}`: the same day{touching}"
    return f"`{read.table}`: {before} day(s) before to {after} after{touching}"


def _first_sentence(text: str) -> str:
    return _cell(text.strip().split(". ")[0].rstrip("."))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    from puffy_platform.settings import load_settings
    from puffy_platform.tables import TABLES

    print(catalog(TABLES.values(), load_settings(environment={})), end="")
