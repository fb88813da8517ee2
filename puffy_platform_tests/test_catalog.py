"""docs/tables.md says what the declarations say."""

from pathlib import Path

import pytest

from puffy_platform.catalog import catalog
from puffy_platform.settings import load_settings
from puffy_platform.table import Table
from puffy_platform.tables import TABLES

PAGE = Path(__file__).parent.parent / "docs" / "tables.md"


def test_the_page_of_tables_is_written_out_of_the_declarations() -> None:
    page = catalog(TABLES.values(), load_settings(environment={}))
    assert page == PAGE.read_text("utf-8"), "run: python -m puffy_platform.catalog > docs/tables.md"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_and_column_says_what_it_is_and_who_answers_for_it(table: Table) -> None:
    assert table.description.strip().endswith((".", ")"))
    assert table.owner.startswith("team:")
    for column in table.describe():
        assert len(str(column["description"])) > 5, column["name"]
