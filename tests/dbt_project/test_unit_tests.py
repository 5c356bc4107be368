"""dbt's own unit tests: rows on both sides of every threshold, see the yml of the models."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scripts import run_dbt


@pytest.mark.usefixtures("warehouse_db")
def test_all_dbt_unit_tests_pass(target_dir: Path) -> None:
    result = run_dbt.run_unit_tests(date(2026, 11, 20), target_dir)
    assert result.counts["unit_test"]["pass"] > 30
    assert set(result.counts["unit_test"]) == {"pass"}
