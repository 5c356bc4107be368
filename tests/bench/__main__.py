"""Compare this project with references in the same run: python -m tests.bench [--group load]

Every comparison is timed in turn with its reference, `ROUNDS` times; the ratio of the medians
counts. Limits are measured once. Prints a table and writes var/bench/results.json. Runs on an
embedded server of its own.
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
from tests.bench import claim, customer, decide, effect, load, model, risk, simulator
from tests.bench.measure import Comparison, Limit, Measure

ROUNDS = 5
GROUPS: dict[str, Callable[[Path], list[Measure]]] = {
    "claim": claim.measures,
    "customer": customer.measures,
    "decide": decide.measures,
    "effect": effect.measures,
    "load": load.measures,
    "model": model.measures,
    "risk": risk.measures,
    "simulator": simulator.measures,
}
RESULTS_FILE = warehouse.PROJECT_DIR / "var" / "bench" / "results.json"

Result = dict[str, str | float | bool]


def run(groups: list[str], folder: Path) -> list[Result]:
    """Take every measure of the groups."""
    return [_take(group, measure) for group in groups for measure in GROUPS[group](folder)]


def _take(group: str, measure: Measure) -> Result:
    if isinstance(measure, Limit):
        return _result(group, measure.name, measure.measured(), measure.limit, 1.0)
    ours, reference = _time(measure)
    return _result(group, measure.name, ours, reference, measure.target_ratio)


def _time(measure: Comparison) -> tuple[float, float]:
    """Return the medians of both sides, in seconds per million rows where rows are named."""
    ours, reference = [], []
    for _ in range(ROUNDS):
        ours.append(_seconds(measure.ours))
        reference.append(_seconds(measure.reference))
    return (
        statistics.median(ours) * 1_000_000 / measure.our_rows,
        statistics.median(reference) * 1_000_000 / measure.reference_rows,
    )


def _seconds(action: Callable[[], float | None]) -> float:
    started = time.perf_counter()
    told = action()
    return time.perf_counter() - started if told is None else told


def _result(group: str, measure: str, ours: float, reference: float, target: float) -> Result:
    ratio = ours / reference
    return {
        "group": group,
        "measure": measure,
        "ours": round(ours, 3),
        "reference": round(reference, 3),
        "ratio": round(ratio, 3),
        "target": target,
        "ok": ratio <= target,
    }


def _print(results: list[Result]) -> None:
    table = Table(title="Ours, the reference or limit, and their ratio")
    for name in results[0]:
        table.add_column(name, justify="left" if name in ("group", "measure") else "right")
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(file=sys.stdout, width=140).print(table)


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
