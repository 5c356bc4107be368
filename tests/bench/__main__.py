"""Compare this project with a reference in the same run: python -m tests.bench [--group load]

Every measure is timed in turn with its reference, `ROUNDS` times; the ratio of the medians counts.
Prints a table and writes var/bench/results.json. Runs on an embedded server of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts import warehouse
from tests.bench import load
from tests.bench.measure import Measure

ROUNDS = 5
GROUPS: dict[str, Callable[[Path], list[Measure]]] = {"load": load.measures}
RESULTS_FILE = warehouse.PROJECT_DIR / "var" / "bench" / "results.json"

Result = dict[str, str | float | bool]


def run(groups: list[str], folder: Path) -> list[Result]:
    """Time every measure of the groups against its reference."""
    return [_time(group, measure) for group in groups for measure in GROUPS[group](folder)]


def _time(group: str, measure: Measure) -> Result:
    ours, reference = [], []
    for _ in range(ROUNDS):
        ours.append(_seconds(measure.ours))
        reference.append(_seconds(measure.reference))
    ratio = statistics.median(ours) / statistics.median(reference)
    return {
        "group": group,
        "measure": measure.name,
        "ours": round(statistics.median(ours), 3),
        "reference": round(statistics.median(reference), 3),
        "ratio": round(ratio, 3),
        "target": measure.target_ratio,
        "ok": ratio <= measure.target_ratio,
    }


def _seconds(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _print(results: list[Result]) -> None:
    table = Table(title="Seconds (medians) and their ratio")
    for name in results[0]:
        table.add_column(name, justify="left" if name in ("group", "measure") else "right")
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(file=sys.stdout).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--group", choices=sorted(GROUPS))
    group = parser.parse_args().group
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        os.environ.pop("WAREHOUSE_URL", None)
        os.environ["WAREHOUSE_DIR"] = f"{folder}/warehouse"
        warehouse.migrate()
        try:
            results = run([group] if group else sorted(GROUPS), Path(folder))
        finally:
            warehouse.stop()
    RESULTS_FILE.parent.mkdir(parents=True, exist_ok=True)
    RESULTS_FILE.write_text(json.dumps(results, indent=2), encoding="utf-8")
    _print(results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
