"""dbt's artifacts of a test process lie apart from those of any other process."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def target_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for dbt's artifacts; shared by the tests, so that dbt parses less."""
    return tmp_path_factory.mktemp("dbt") / "target"
