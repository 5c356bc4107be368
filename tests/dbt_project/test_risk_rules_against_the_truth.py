"""Every planted risk found, none invented: precision and recall per rule, on clean and dirty files.

What should be raised is computed by the simulator from its own history, apart from every SQL rule.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from scripts import nightly_steps, run_dbt
from scripts.database import fetch_all
from scripts.simulate_operator.delivering import deliver
from scripts.simulate_operator.parameters import Parameters

NIGHT = date(2026, 11, 20)
RULE_COUNT = 14


def _raised() -> dict[str, set[str]]:
    rows = fetch_all(
        None,
        "select rule_code, subscription_id from marts.fct_risk_warning"
        " where business_date = %(night)s",
        night=NIGHT,
    )
    raised: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        raised[row["rule_code"]].add(row["subscription_id"])
    return raised


def _planted(truth: Path) -> dict[str, set[str]]:
    files = [truth / name for name in ("expected_warning.csv", "source_warning.csv")]
    planted = pd.concat([pd.read_csv(file, dtype=str) for file in files])
    lines: dict[str, set[str]] = defaultdict(set)
    for rule, line in zip(planted["rule_code"], planted["subscription_id"], strict=True):
        lines[rule].add(line)
    return lines


@pytest.mark.parametrize("dirt", ["none", "full"])
def test_precision_and_recall_of_every_rule_are_one(
    dirt: str, warehouse_db: str, target_dir: Path, tmp_path: Path
) -> None:
    del warehouse_db
    parameters = Parameters(business_date=NIGHT, seed=11, customer_count=600, dirt=dirt)
    deliver(parameters, tmp_path / "landing", tmp_path / "truth")
    nightly_steps.load_extracts(NIGHT, tmp_path / "landing")
    run_dbt.build("transform", NIGHT, select="fct_risk_warning", target_dir=target_dir)
    raised, planted = _raised(), _planted(tmp_path / "truth")
    assert len(planted) == RULE_COUNT
    found = {rule: len(raised[rule] & lines) for rule, lines in planted.items()}
    precision = {rule: found[rule] / len(raised[rule]) for rule in sorted(raised)}
    recall = {rule: found[rule] / len(lines) for rule, lines in sorted(planted.items())}
    assert (precision, recall) == (dict.fromkeys(precision, 1.0), dict.fromkeys(planted, 1.0))
