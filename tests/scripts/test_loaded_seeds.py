"""Seeds are loaded when their files change, and not every night."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import psycopg
import pytest

from scripts import loaded_seeds, run_dbt

SELECTED = "risk_rule call_rule stg_crm__plan"


def _seeds_built(target_dir: Path) -> set[str]:
    result = run_dbt.build("transform", date(2026, 11, 20), select=SELECTED, target_dir=target_dir)
    assert result.counts["model"] == {"success": 1}
    return {node.name for node in result.nodes if node.resource_type == "seed"}


def test_a_seed_is_loaded_when_it_is_new_changed_or_gone(
    warehouse_db: str, target_dir: Path
) -> None:
    assert loaded_seeds.unchanged(loaded_seeds.fingerprints()) == []
    assert _seeds_built(target_dir) == {"risk_rule", "call_rule"}
    assert loaded_seeds.unchanged(loaded_seeds.fingerprints()) == ["call_rule", "risk_rule"]
    assert _seeds_built(target_dir) == set()
    with psycopg.connect(warehouse_db) as connection:
        connection.execute(
            "update ops.seed_state set fingerprint = 'another' where seed_name = 'risk_rule'"
        )
        connection.execute("drop table marts.call_rule cascade")
    assert _seeds_built(target_dir) == {"risk_rule", "call_rule"}


def test_a_seed_that_fails_its_tests_is_loaded_again(
    warehouse_db: str, target_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(return_code: int, *_: object) -> None:
        raise run_dbt.DbtBuildFailed(f"status {return_code}")

    with monkeypatch.context() as patched, pytest.raises(run_dbt.DbtBuildFailed):
        patched.setattr(run_dbt, "_raise_if_failed", fail)
        _seeds_built(target_dir)
    with psycopg.connect(warehouse_db) as connection:
        assert connection.execute("select from marts.risk_rule limit 1").fetchone() is not None
    assert loaded_seeds.unchanged(loaded_seeds.fingerprints()) == []


def test_the_description_is_part_of_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded_seeds, "SEED_DIR", tmp_path)
    seen = set()
    for rows, description in (("a\n1\n", "x"), ("a\n2\n", "x"), ("a\n1\n", "y")):
        (tmp_path / "seed.csv").write_text(rows, encoding="utf-8")
        (tmp_path / "seed.yml").write_text(description, encoding="utf-8")
        seen.add(loaded_seeds.fingerprints()["seed"])
    assert len(seen) == 3
