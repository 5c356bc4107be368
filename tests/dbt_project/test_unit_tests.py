"""dbt's own unit tests, see the yml of the models, and the tables that they take types from."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts import run_dbt
from scripts.database import fetch_all

KEYS = """
    select conrelid::regclass::text as relation, array_agg(attname order by place) as columns
    from pg_constraint
    cross join unnest(conkey) with ordinality as key (attnum, place)
    inner join pg_attribute on attrelid = conrelid and pg_attribute.attnum = key.attnum
    where contype = 'p'
    group by conrelid
"""
NEVER_NULL = """
    select attrelid::regclass::text as relation, array_agg(attname order by attnum) as columns
    from pg_attribute
    where attnotnull and attnum > 0
    group by attrelid
"""


def _constraints(node: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the columns of a model's key, and those that are never null, as its contract says."""
    key, never_null = set(), set()
    for rule in node["constraints"]:
        key |= set(rule["columns"]) if rule["type"] == "primary_key" else set()
    for name, column in node["columns"].items():
        kinds = {rule["type"] for rule in column["constraints"]}
        key |= {name} if "primary_key" in kinds else set()
        never_null |= {name} if "not_null" in kinds else set()
    return key, never_null | key


@pytest.mark.usefixtures("warehouse_db")
def test_all_dbt_unit_tests_pass_and_tables_keep_their_contract(target_dir: Path) -> None:
    result = run_dbt.run_unit_tests(date(2026, 11, 20), target_dir)
    assert result.counts["unit_test"]["pass"] > 30
    assert set(result.counts["unit_test"]) == {"pass"}

    keys = {row["relation"]: set(row["columns"]) for row in fetch_all(None, KEYS)}
    never_null = {row["relation"]: set(row["columns"]) for row in fetch_all(None, NEVER_NULL)}
    stored = {
        f"{node['schema']}.{node['name']}": _constraints(node)
        for node in run_dbt.read_manifest(target_dir)["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "view"
    }
    assert len(stored) > 60
    assert {name: (keys.get(name), never_null.get(name)) for name in stored} == stored
