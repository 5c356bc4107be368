"""Do scores and clues find what is true of the simulated operator's customers?"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from scripts import load_extracts, run_dbt
from scripts.database import fetch_all
from scripts.simulate_operator import delivering
from scripts.simulate_operator.parameters import Parameters

BUSINESS_DATE = date(2026, 11, 20)
# A bound for chance: with 3,000 customers a correlation of 0.07 is four standard errors.
CORRELATION = {"complaint": ("service", 0.12), "fee": ("price", 0.35)}
PRECISION, RECALL = 0.9, 0.8
CALIBRATION_ERROR = 0.25  # of the rate
READ = {
    "crm.customer",
    "crm.customer_attribute",
    "crm.plan",
    "crm.subscription",
    "contact_center.interaction",
}
SNAPSHOTS = {"crm.customer", "crm.plan", "crm.subscription"}
MODELS = ["+int_customer_sensitivity_scored", "+fct_customer_attribute"]
KEY = ["customer_id", "attribute_code", "attribute_value"]


@pytest.fixture
def truth_dir(warehouse_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Deliver and load what the scores rest on, with dirty rows; return the folder of the truth."""
    all_tasks = delivering.tasks

    def needed(parameters: Parameters) -> list[delivering.Task]:
        return [
            task
            for task in all_tasks(parameters)
            if str(task.extract) in READ
            and (task.delivery.is_last or str(task.extract) not in SNAPSHOTS)
        ]

    monkeypatch.setattr(delivering, "tasks", needed)
    parameters = Parameters(business_date=BUSINESS_DATE, customer_count=3000)
    delivering.deliver(parameters, tmp_path / "landing", tmp_path / "truth")
    loads = load_extracts.load_all(BUSINESS_DATE, tmp_path / "landing")
    loaded = {f"{load.source}.{load.extract}" for load in loads if load.status == "loaded"}
    assert loaded == READ
    return tmp_path / "truth"


def _scores(truth_dir: Path) -> pd.DataFrame:
    rows = fetch_all(
        None,
        "select customer_id, complaint_sensitivity_score as complaint,"
        " fee_sensitivity_score as fee from intermediate.int_customer_sensitivity_scored",
    )
    scores = pd.DataFrame(rows).astype({"complaint": float, "fee": float})
    return scores.merge(pd.read_parquet(truth_dir / "customer_latent.parquet"), on="customer_id")


def _noted() -> set[tuple[str, str, str]]:
    rows = fetch_all(None, "select * from marts.fct_customer_attribute where clue_count > 0")
    return {(row[KEY[0]], row[KEY[1]], row[KEY[2]]) for row in rows}


def test_scores_and_clues_agree_with_the_truth(truth_dir: Path, target_dir: Path) -> None:
    variables = {"business_date": BUSINESS_DATE.isoformat()}
    kinds = ["--resource-type", "seed", "--resource-type", "model"]
    run_dbt.run(["build", "--select", *MODELS, *kinds], variables, target_dir)

    scores = _scores(truth_dir)
    assert len(scores) > 2500
    for kind, (latent, bound) in CORRELATION.items():
        found = scores[kind].corr(scores[f"{latent}_sensitivity"], method="spearman")
        assert found > bound, f"{kind}: {found:.3f}"

    # Calibrated: the mean score is the share of customers who had the outcome in the last month.
    rates = fetch_all(
        None,
        "select sensitivity_kind, max(overall_rate) as rate from marts.fct_sensitivity_calibration"
        " where calibration_month = '2026-10-01' group by sensitivity_kind",
    )
    assert {row["sensitivity_kind"] for row in rates} == set(CORRELATION)
    for row in rates:
        mean = scores[row["sensitivity_kind"]].mean() / 100
        assert mean == pytest.approx(float(row["rate"]), rel=CALIBRATION_ERROR)

    noted, told = _noted(), pd.read_csv(truth_dir / "note_clue.csv")
    true = set(told[KEY].itertuples(index=False, name=None))
    assert len(true) > 100
    assert len(noted & true) >= PRECISION * len(noted)
    assert len(noted & true) >= RECALL * len(true)
