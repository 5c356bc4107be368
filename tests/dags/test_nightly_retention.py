"""The night through Airflow: real files in, real DAG runs, a list out; again; and refused."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts import nightly_steps
from scripts.database import connect, fetch_all
from scripts.run_nightly import run_airflow, run_nightly
from scripts.simulate_operator.delivering import deliver
from scripts.simulate_operator.parameters import Parameters
from scripts.warehouse import Role

NIGHT = date(2026, 11, 30)  # the last of a month: it writes the month's risk lists too
DAY_BEFORE = date(2026, 11, 29)
COUNTED = (
    "raw.crm__customer",
    "raw.usage__broadband_daily",
    "raw.rejected_row",
    "ops.extract_load",
    "ops.extract_staleness",
    "ops.stale_relation",
    "marts.customer_360",
    "marts.fct_risk_warning",
    "marts.fct_retention_decision",
    "ml.churn_score",
    "dialer.call_list",
    "dialer.call_task",
)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Write the deliveries of a small operator, too small to train a model on, and its truth."""
    parameters = Parameters(business_date=NIGHT, seed=7, customer_count=500)
    deliver(parameters, tmp_path / "landing", tmp_path / "truth")
    return tmp_path / "landing"


@pytest.fixture(autouse=True)
def own_places(
    warehouse_db: str, target_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Keep Airflow, dbt and the exported files of the test apart from the project's own."""
    del warehouse_db
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("DBT_TARGET_PATH", str(target_dir))
    monkeypatch.setenv("EXPORT_DIR", str(tmp_path / "export"))
    yield


def counts() -> dict[str, int]:
    with connect(None) as connection:
        return {
            table: connection.execute(f"select count(*) as n from {table}").fetchall()[0]["n"]
            for table in COUNTED
        }


def steps() -> dict[str, str]:
    rows = fetch_all(
        Role.TRANSFORMER,
        "select distinct on (step) step, status from ops.step_run order by step, step_run_id desc",
    )
    return {row["step"]: row["status"] for row in rows}


def warnings() -> set[tuple[str, str]]:
    rows = fetch_all(
        Role.ANALYST,
        "select rule_code, subscription_id from marts.fct_risk_warning"
        " where business_date = %(night)s",
        night=NIGHT,
    )
    return {(row["rule_code"], row["subscription_id"]) for row in rows}


def expected_warnings(truth: Path) -> set[tuple[str, str]]:
    expected = set()
    for name in ("expected_warning.csv", "source_warning.csv"):
        with (truth / name).open(encoding="utf-8", newline="") as file:
            expected |= {(row["rule_code"], row["subscription_id"]) for row in csv.DictReader(file)}
    return expected


def published() -> list[dict[str, Any]]:
    return fetch_all(Role.DIALER, "select * from dialer.call_task order by call_task_id")


def repeat_without_airflow(landing: Path) -> None:
    """Run the steps that write data again, as plain functions."""
    nightly_steps.load_extracts(NIGHT, landing)
    nightly_steps.assess_staleness(NIGHT)
    nightly_steps.check_landing(NIGHT)
    nightly_steps.transform(NIGHT)
    nightly_steps.decide(NIGHT)
    nightly_steps.check_call_list(NIGHT)
    nightly_steps.publish_call_list(NIGHT)
    nightly_steps.export_call_list(NIGHT)
    nightly_steps.export_marks(NIGHT)
    nightly_steps.export_offers(NIGHT)
    nightly_steps.export_risk_lists(NIGHT)


def departments_listed() -> set[str]:
    rows = fetch_all(Role.ANALYST, "select distinct department from marts.rpt_monthly_risk_list")
    return {row["department"] for row in rows}


def stale_relations() -> set[tuple[str, str, str, date]]:
    rows = fetch_all(
        Role.ANALYST,
        "select relation, source, extract, last_loaded_date from marts.stale_relation"
        " where business_date = %(night)s",
        night=NIGHT,
    )
    return {
        (row["relation"], row["source"], row["extract"], row["last_loaded_date"]) for row in rows
    }


def test_the_night_finds_what_was_planted_publishes_a_list_and_can_be_repeated(
    landing: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It goes on without the payments, and marks what shows them as of the day before."""
    shutil.rmtree(landing / "billing" / "payment" / NIGHT.isoformat())
    assert run_nightly(NIGHT, landing)
    affected = {
        "dialer.call_task",
        "marts.channel_offer",
        "marts.customer_360",
        "marts.customer_mark",
        "marts.fct_account_manager_assignment",
        "marts.fct_base_snapshot",
        "marts.fct_churn_feature",
        "marts.fct_churn_label",
        "marts.fct_contact_flow",
        "marts.fct_customer_month",
        "marts.fct_customer_tier",
        "marts.fct_group_member",
        "marts.fct_late_payment",
        "marts.fct_list_membership",
        "marts.fct_next_contact",
        "marts.fct_payment",
        "marts.fct_retention_decision",
        "marts.fct_retention_experiment",
        "marts.rpt_base_retention",
        "marts.rpt_campaign_effect",
        "marts.rpt_pending_task",
        "marts.rpt_retention_task",
        "marts.rpt_retention_task_day",
        "marts.rpt_value_concentration",
        "ml.churn_score",
        "ml.uplift_score",
    }
    assert {mark for mark in stale_relations() if mark[3] is not None} == {
        (relation, "billing", "payment", DAY_BEFORE) for relation in affected
    }
    summary = capfd.readouterr().out
    assert (
        "billing (payment): not delivered, last delivered 2026-11-29; affects "
        + ", ".join(sorted(affected))
    ) in " ".join(summary.split())
    assert "ZC-JZ 节日加赠" in summary
    assert "ZC-GH 节日关怀" in summary
    assert steps() == {
        "prepare_warehouse": "success",
        "load_extracts": "success",
        "assess_staleness": "success",
        "check_landing": "success",
        "transform": "success",
        "ensure_champion": "skipped",
        "score": "skipped",
        "score_uplift": "skipped",
        "decide": "success",
        "check_call_list": "success",
        "publish_call_list": "success",
        "export_call_list": "success",
        "export_marks": "success",
        "export_offers": "success",
    }
    expected = expected_warnings(tmp_path / "truth")
    assert len({rule for rule, _ in expected}) == 14
    assert warnings() == expected
    first_counts, first_tasks = counts(), published()
    assert first_tasks

    review = json.dumps({"business_date": NIGHT.isoformat()})
    run_airflow("dags", "test", "monthly_risk_review", "--conf", review)
    reviewed = steps()
    assert (reviewed["export_risk_lists"], reviewed["check_risk_answers"]) == ("success",) * 2
    nightly_steps.train_churn_model(NIGHT)
    assert steps()["train_churn_model"] == "skipped"  # so few customers have too few churners
    nightly_steps.train_uplift_model(NIGHT)
    assert steps()["train_uplift_model"] == "success"
    [verdict] = fetch_all(Role.SCORER, "select ranking, reason from ml.uplift_verdict")
    assert verdict["ranking"] == "risk"  # nobody has been held out, and no outcome is known yet
    assert verdict["reason"].startswith("too few to compare: 0 called customer(s), 200 needed")
    night_dir = tmp_path / "export" / NIGHT.isoformat()
    exported = sorted(file for file in night_dir.rglob("*") if file.is_file())
    first_files = {file.name: file.read_bytes() for file in exported}
    assert {name for name in first_files if name.startswith("risk_list_")} == {
        f"risk_list_{department}.csv" for department in departments_listed()
    }
    assert len(departments_listed()) > 3

    repeat_without_airflow(landing)
    assert (counts(), published()) == (first_counts, first_tasks)
    assert {file.name: file.read_bytes() for file in exported} == first_files


def test_a_customer_extract_that_cannot_be_read_stops_the_night_before_dbt(
    landing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in (landing / "crm" / "customer" / NIGHT.isoformat()).iterdir():
        file.write_bytes(file.read_bytes()[:-25])
    with caplog.at_level(logging.ERROR):
        assert not run_nightly(NIGHT, landing)
    assert steps() == {
        "prepare_warehouse": "success",
        "load_extracts": "success",
        "assess_staleness": "success",
        "check_landing": "failed",
    }
    assert "crm.customer" in caplog.text
    assert "What to do" in caplog.text
