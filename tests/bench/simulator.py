"""The simulator at the size of a large operator: a million customers, thirty days."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.bench.measure import Limit, Measure
from tests.bench.processes import ProcessFigures, run_module

CUSTOMERS = 1_000_000
DAYS = 30


def measures(folder: Path) -> list[Measure]:
    """Return the limits of one delivery of every source."""

    @cache
    def figures() -> ProcessFigures:
        return run_module(
            *("scripts.simulate_operator", "deliver", "--business-date", "2026-11-20"),
            *("--customers", str(CUSTOMERS), "--history-days", str(DAYS)),
            *("--landing-dir", f"{folder}/simulated", "--truth-dir", f"{folder}/truth"),
        )

    what = f"simulator, {CUSTOMERS:,} customers x {DAYS} days"
    return [
        Limit(f"{what}: seconds", lambda: figures().seconds, 600),
        Limit(f"{what}: peak MiB", lambda: figures().peak_mib, 4096),
    ]
