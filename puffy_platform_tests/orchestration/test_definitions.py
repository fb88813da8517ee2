"""What Dagster is told of the registry: every table an asset that explains itself, and the code location loads."""

import datetime as dt
import re
import runpy
import tomllib
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from puffy_platform.orchestration.assets import LANDING_FILES
from puffy_platform.orchestration.build import build_definitions
from puffy_platform.outcomes import check_names
from puffy_platform.settings import SettingsError
from puffy_platform.settings_model import RAW_COLUMNS
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.command import environment, open_home

ROOT = Path(__file__).parents[2]
MODULE = "puffy_platform.definitions"


def load_as_dagster_does(home: Path) -> dg.Definitions:
    with patch.dict("os.environ", environment(home), clear=True):
        defs = runpy.run_module(MODULE)["defs"]
    assert isinstance(defs, dg.Definitions)
    return defs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "landing").mkdir()
    (folder / "landing" / "events_20250310.csv").write_text("client_id\n")
    return folder


@pytest.fixture(scope="module")
def graph(home: Path) -> AssetGraph:
    return build_definitions(open_home(home)).resolve_asset_graph()


def test_dagster_and_the_workspace_file_load_the_same_module() -> None:
    workspace = re.search(r"module_name: (\S+)", (ROOT / "workspace.yaml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert workspace is not None
    assert workspace[1] == project["tool"]["dagster"]["module_name"] == MODULE


def test_the_definitions_load_without_a_warning(home: Path) -> None:
    # Every warning is an error in these tests.
    dg.Definitions.validate_loadable(load_as_dagster_does(home))


def test_the_definitions_load_before_anything_has_landed(tmp_path: Path) -> None:
    dg.Definitions.validate_loadable(load_as_dagster_does(tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("puffy.toml", "[sessions]\ntimeout_minutes = 0", ["puffy.toml", "sessions.timeout_minutes = 0"]),
        ("puffy.toml", "[sesions]\ntimeout_minutes = 5", ["puffy.toml", "unknown key", "did you mean 'sessions'"]),
        ("rules.toml", "[[rule]]\nchanel = 'Email'", ["rules.toml, line 2, rule 1", "did you mean 'channel'"]),
        ("repairs.toml", "[[repair]]\nnmae = 'x'", ["repairs.toml", "nmae"]),
    ],
)
def test_dagster_does_not_load_with_a_mistake_in_the_settings(
    tmp_path: Path, name: str, text: str, words: list[str]
) -> None:
    (tmp_path / "puffy.toml").write_text("[channels]\nrules_file = 'rules.toml'" if name == "rules.toml" else "")
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_as_dagster_does(tmp_path)
    for word in words:
        assert word in str(caught.value)


def test_every_table_is_an_asset_and_every_asset_says_what_it_is(graph: AssetGraph) -> None:
    assert {key.to_user_string() for key in graph.materializable_asset_keys} >= set(TABLES)
    for key in graph.materializable_asset_keys:
        asset = graph.get(key)
        assert asset.description, key
        assert asset.owners, key
        assert asset.group_name not in (None, "default"), key
        assert asset.kinds, key


@pytest.mark.parametrize("name", TABLES)
def test_an_asset_shows_what_its_table_declares(graph: AssetGraph, name: str) -> None:
    table, asset = TABLES[name], graph.get(dg.AssetKey(name))
    assert asset.description == table.description
    assert (asset.owners, asset.group_name, asset.kinds) == ([table.owner], table.group, {"polars", "deltalake"})
    schema = asset.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == list(table.schema)
    assert all(column.description for column in schema.columns)
    assert {key.name for key in asset.check_keys} == set(check_names(table))


@pytest.mark.parametrize("name", TABLES)
def test_an_assets_column_lineage_names_columns_that_exist_in_what_it_reads(graph: AssetGraph, name: str) -> None:
    table, asset = TABLES[name], graph.get(dg.AssetKey(name))
    lineage = asset.metadata.get("dagster/column_lineage")
    assert lineage is not None or table.transform is None
    columns = {read.table: set(TABLES[read.table].schema) for read in table.reads}
    columns |= {} if table.transform else {LANDING_FILES: set(RAW_COLUMNS)}
    for column, sources in lineage.deps_by_column.items() if lineage else ():
        assert column in table.schema
        for source in sources:
            assert source.column_name in columns[source.asset_key.to_user_string()]


def test_all_tables_are_partitioned_by_day_from_one_first_day(graph: AssetGraph) -> None:
    # The only file is of 10 March, and rows of it may be seven days late.
    for name in TABLES:
        partitions = graph.get(dg.AssetKey(name)).partitions_def
        assert isinstance(partitions, dg.DailyPartitionsDefinition)
        assert partitions.get_first_partition_key() == "2025-03-03"


@pytest.mark.parametrize("name", [name for name in TABLES if TABLES[name].transform])
def test_dagsters_partition_mapping_is_the_declared_window(home: Path, graph: AssetGraph, name: str) -> None:
    settings, table, asset = open_home(home).settings, TABLES[name], graph.get(dg.AssetKey(name))
    there, day = DayRange(dt.date(2025, 3, 3), dt.date(2025, 4, 30)), dt.date(2025, 3, 17)
    for read in table.reads:
        upstream = graph.get(dg.AssetKey(read.table)).partitions_def
        mapping = asset.partition_mappings[dg.AssetKey(read.table)]
        one_day = asset.partitions_def.subset_with_partition_keys([str(day)])
        mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(one_day, asset.partitions_def, upstream)
        window = read.window(DayRange(day, day), settings, there.first).clip(there)
        assert sorted(mapped.partitions_subset.get_partition_keys()) == [str(each) for each in window or ()]
