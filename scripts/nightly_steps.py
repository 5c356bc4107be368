"""The steps of the night, in order; each runs without Airflow and leaves its trace in ops.step_run.

Every step takes the business date, does its work as its own database role and returns nothing: its
counts, its time and what went wrong are rows that the summary shows. A step that cannot do its
work raises `StepFailed` with a message that says what to do; to repeat a step changes nothing.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from scripts import warehouse
from scripts.database import connect, fetch_all
from scripts.export_folder import export_dir
from scripts.warehouse import PROJECT_DIR, Role

WHAT_TO_DO = "docs/runbooks/how-to-handle-a-failed-night.md"

log = logging.getLogger(__name__)


class StepFailed(RuntimeError):  # noqa: N818 (says what happened)
    """A step could not do its work, and repeating it without a change would not help."""


@dataclass
class StepRun:
    """What a running step wants to be remembered for."""

    counts: dict[str, Any] = field(default_factory=dict)
    message: str | None = None
    is_skipped: bool = False

    def skip(self, reason: str) -> None:
        """Note that the step had nothing to do, and why."""
        self.is_skipped = True
        self.message = reason
        log.warning("skipped: %s", reason)


def prepare_warehouse(business_date: date) -> None:
    """Create databases, roles, schemas and plain tables that do not exist yet."""
    started_at = datetime.now(UTC)
    warehouse.migrate()
    _record(business_date, "prepare_warehouse", StepRun(), "success", started_at, Role.LOADER)


def load_extracts(business_date: date, landing_dir: Path) -> None:
    """Load what was delivered, delete what has expired; what failed is left to gate 1 to judge."""
    from scripts.expire_raw import expire_raw
    from scripts.import_call_reports import ReportNotReadError, import_call_reports
    from scripts.import_outcomes import apply_pending_outcomes
    from scripts.load_extracts import load_all

    with _step("load_extracts", business_date, Role.LOADER) as run:
        if not landing_dir.is_dir():
            raise StepFailed(f"there is no landing folder {landing_dir}: set LANDING_DIR")
        loads = load_all(business_date, landing_dir)
        expire_raw(business_date)
        run.counts = {
            "rows_read": sum(load.rows_read for load in loads),
            "rows_loaded": sum(load.rows_loaded for load in loads),
            "rows_rejected": sum(load.rows_rejected for load in loads),
            "loads_failed": sum(load.status == "failed" for load in loads),
        }
        apply_pending_outcomes(business_date)
        try:
            import_call_reports(business_date, landing_dir)
        except ReportNotReadError:
            run.message = "a dialer's report could not be read: see the log"


def assess_staleness(business_date: date) -> None:
    """Record how old the data is that the night works on."""
    from scripts import assess_staleness as staleness

    with _step("assess_staleness", business_date, Role.LOADER) as run:
        run.counts = {"stale_extracts": len(staleness.assess(business_date))}


def check_landing(business_date: date) -> None:
    """Gate 1 on what landed."""
    with _step("check_landing", business_date, Role.LOADER) as run:
        _run_gate("expectations.gate_landing", "landing", business_date, run)


def transform(business_date: date) -> None:
    """Build staging, intermediate, risk warnings and churn features; mark what rests on old data.

    The marks come with the build, from the lineage that it has just written.
    """
    from scripts.assess_staleness import mark_relations

    with _step("transform", business_date, Role.TRANSFORMER) as run:
        _build("transform", business_date, run)
        run.counts["stale_relations"] = mark_relations(business_date)


def build_again(
    stage: str, business_date: date, models: Sequence[str], observation_dates: Sequence[date]
) -> None:
    """Build models of an earlier night from what has been delivered for it since."""
    from scripts import run_dbt

    with _step(stage, business_date, Role.TRANSFORMER) as run:
        days = [day.isoformat() for day in observation_dates]
        result = run_dbt.build(
            stage, business_date, {"observation_dates": days}, select=" ".join(models)
        )
        run.message = f"built again: {', '.join(models)}"
        run.counts = {"nodes": len(result.nodes), "warnings": len(result.warnings)}


def ensure_champion(business_date: date) -> None:
    """Train a churn model when there is none that can be read; others come from their own DAG."""
    from models_ml import registry, train

    with _step("ensure_champion", business_date, Role.SCORER) as run:
        if not registry.is_champion_usable():
            _build_training_history(business_date)
            status = train.ensure_champion(business_date)
            run.message = status.notice
            if status.model_version is None:
                run.skip(status.notice or "")
        champion = None if run.is_skipped else registry.load_champion()
        if champion is not None:
            metrics = champion.model.metadata.metrics
            run.counts = {
                "model_version": champion.version,
                "out_of_time_auc": round(metrics.roc_auc, 4),
                "out_of_time_customers": metrics.row_count,
            }


def build_training_history(business_date: date) -> None:
    """Build features and labels of the observation dates that a model is made from."""
    with _step("build_training_history", business_date, Role.TRANSFORMER) as run:
        run.counts = {"observation_dates": _build_training_history(business_date)}


def train_churn_model(business_date: date) -> None:
    """Train a model and offer it to the registry; it becomes champion if it is not worse."""
    from models_ml import train

    with _step("train_churn_model", business_date, Role.SCORER) as run:
        try:
            result = train.train_churn_model(business_date)
        except train.TooLittleHistory as shortage:
            run.skip(str(shortage))
            return
        run.message = result.promotion_reason
        run.counts = {
            "model_version": result.model_version,
            "is_champion": result.is_champion,
            "out_of_time_auc": round(result.metrics.roc_auc, 4),
            "training_rows": result.training_row_count,
        }


def train_uplift_model(business_date: date) -> None:
    """Judge from the controls what calls are ranked by, and train the uplift model."""
    from models_ml import experiment, train_uplift

    with _step("train_uplift_model", business_date, Role.SCORER) as run:
        try:
            verdict = train_uplift.train_uplift_model(business_date)
        except experiment.NoExperiment as absence:
            run.skip(str(absence))
            return
        run.message = f"calls are ranked by {verdict.ranking}: {verdict.reason}"
        run.counts = {
            "model_version": verdict.model_version,
            "called_customers": verdict.treated_count,
            "control_customers": verdict.control_count,
        }


def score(business_date: date) -> None:
    """Append tonight's churn scores; without a champion there are none, and the list says so.

    Features, or the score, that have moved since the champion was made are told.
    """
    from models_ml.score import score_customers
    from models_ml.stored_files import UnreadableModelError

    with _step("score", business_date, Role.SCORER) as run:
        try:
            result = score_customers(business_date)
        except UnreadableModelError as error:
            run.skip(f"{error}: tonight's list comes from the risk warnings alone")
            return
        run.counts = {"customers_scored": result.customer_count, "moved": len(result.moved)}
        if result.status == "no_champion":
            run.skip("no churn model yet: tonight's list comes from the risk warnings alone")
        if result.moved:
            run.message = "moved since the churn model was made (stability index): " + ", ".join(
                f"{drift.feature} {drift.stability_index:.2f}" for drift in result.moved
            )
            log.warning("%s", run.message)


def score_uplift(business_date: date) -> None:
    """Append what a call would do to each customer, while calls are ranked by that."""
    from models_ml import score_uplift as uplift
    from models_ml.stored_files import UnreadableModelError

    with _step("score_uplift", business_date, Role.SCORER) as run:
        try:
            result = uplift.score_uplift(business_date)
        except UnreadableModelError as error:
            run.skip(
                f"{error}: calls are ranked by risk until uplift is trained as of a later night"
            )
            return
        run.counts = {
            "customers_scored": result.customer_count,
            "sleeping_dogs": result.sleeping_dog_count,
        }
        if result.status == "no_champion":
            run.skip("calls are ranked by risk: uplift has not been shown to rank them better")


def decide(business_date: date) -> None:
    """Build customer_360, the decision log and the planned call list."""
    with _step("decide", business_date, Role.TRANSFORMER) as run:
        _build("decide", business_date, run)


def check_call_list(business_date: date) -> None:
    """Gate 2 on the planned call list."""
    with _step("check_call_list", business_date, Role.TRANSFORMER) as run:
        _run_gate("expectations.gate_call_list", "call_list", business_date, run)


def publish_call_list(business_date: date) -> None:
    """Hand the planned call list to the dialer's tables."""
    from scripts.publish_call_list import publish

    with _step("publish_call_list", business_date, Role.TRANSFORMER) as run:
        result = publish(business_date)
        run.counts = asdict(result)
        del run.counts["business_date"]
        if result.waiting_counts:
            run.message = f"waiting for an approval: {', '.join(result.waiting_counts)}"


def export_call_list(business_date: date) -> None:
    """Write the published call lists as files that the dialer imports."""
    from scripts.export_call_list import export_night

    with _step("export_call_list", business_date, Role.TRANSFORMER) as run:
        results = export_night(business_date, export_dir())
        run.counts = {"tasks": results[0].task_count} | {
            f"exported_{result.layout}": result.exported_count for result in results
        }


def export_marks(business_date: date) -> None:
    """Write the colour marks as files, one for each workstation."""
    from scripts.export_tables import MARKS, export

    with _step("export_marks", business_date, Role.TRANSFORMER) as run:
        run.counts = export(MARKS, business_date, export_dir())


def export_offers(business_date: date) -> None:
    """Write what each channel offers tomorrow, one file for each; calls have files of their own."""
    from scripts.export_tables import OFFERS, export

    with _step("export_offers", business_date, Role.TRANSFORMER) as run:
        run.counts = export(OFFERS, business_date, export_dir())


def import_outcomes(business_date: date, landing_dir: Path) -> None:
    """Take in the outcomes delivered in the contract's form, up to the next day's calls."""
    from scripts.import_outcomes import OutcomesNotLoadedError, import_delivered_outcomes

    with _step("import_outcomes", business_date, Role.LOADER) as run:
        try:
            loads = import_delivered_outcomes(business_date + timedelta(days=1), landing_dir)
        except OutcomesNotLoadedError as error:
            raise StepFailed(str(error)) from error
        run.counts = {
            "files_loaded": sum(load.status == "loaded" for load in loads),
            "rows_loaded": sum(load.rows_loaded for load in loads),
            "rows_rejected": sum(load.rows_rejected for load in loads),
        }


def import_call_reports(business_date: date, landing_dir: Path) -> None:
    """Take in the dialer's own reports, up to the next day's calls."""
    from scripts import import_call_reports as reports

    with _step("import_call_reports", business_date, Role.LOADER) as run:
        try:
            result = reports.import_call_reports(business_date + timedelta(days=1), landing_dir)
        except reports.ReportNotReadError as error:
            raise StepFailed(str(error)) from error
        run.counts = {"reports": result.file_count, "lines": result.row_count} | dict(
            result.verdict_counts
        )


def export_risk_lists(business_date: date) -> None:
    """Write the risk lists of the month that ended last before the business date, or with it."""
    from scripts.export_tables import RISK_LISTS, export, last_of_month_before

    with _step("export_risk_lists", business_date, Role.TRANSFORMER) as run:
        last_night = last_of_month_before(business_date + timedelta(days=1))
        run.counts = export(RISK_LISTS, last_night, export_dir())
        if not run.counts:
            run.skip(f"the night of {last_night} has written no risk list: run that night first")


def check_risk_answers(business_date: date) -> None:
    """Count which departments owe answers to their risk lists, and how many came too late."""
    with _step("check_risk_answers", business_date, Role.TRANSFORMER) as run:
        owing = fetch_all(
            Role.TRANSFORMER,
            "select department, count(*) filter (where answered_date is null) as missing,"
            " count(*) as late from marts.fct_risk_answer where is_late"
            " group by department order by department",
        )
        run.counts = {row["department"]: row["late"] for row in owing}
        if owing:
            run.message = "too late: " + ", ".join(
                f"{row['department']} {row['late']} ({row['missing']} not yet answered)"
                for row in owing
            )
            log.warning("%s", run.message)


def summarize(business_date: date) -> None:
    """Write the night's summary to the log."""
    from scripts.summarize_run import summarize as summarize_run

    log.info("%s", summarize_run(business_date))


def _build_training_history(business_date: date) -> list[str]:
    """Build what a model is made from; return the observation dates, oldest first."""
    from models_ml import train
    from scripts import run_dbt

    days = [day.isoformat() for day in train.read_parameters().observation_dates(business_date)]
    settings = {"observation_dates": days}
    run_dbt.build("transform", business_date, settings, select="fct_churn_feature fct_churn_label")
    return days


def _build(stage: str, business_date: date, run: StepRun) -> None:
    from scripts import run_dbt

    result = run_dbt.build(stage, business_date)
    run.counts = {"nodes": len(result.nodes), "warnings": len(result.warnings)}


def _run_gate(module: str, gate: str, business_date: date, run: StepRun) -> None:
    """Run a gate in a process of its own and count its verdicts."""
    process = subprocess.run(
        [sys.executable, "-m", module, "--business-date", business_date.isoformat()],
        cwd=PROJECT_DIR,
        check=False,
    )
    verdicts = fetch_all(
        Role.LOADER,
        "select subject, expectation, severity, observed from ops.gate_result"
        " where gate = %(gate)s and business_date = %(business_date)s and not is_success"
        " order by severity, subject",
        gate=gate,
        business_date=business_date,
    )
    errors = [row for row in verdicts if row["severity"] == "error"]
    run.counts = {"errors": len(errors), "warnings": len(verdicts) - len(errors)}
    if process.returncode:
        found = "; ".join(
            f"{row['subject']}: {row['expectation']} ({row['observed']})" for row in errors
        )
        raise StepFailed(f"gate {gate} stops the night: {found or 'see its log'}")


@contextmanager
def _step(name: str, business_date: date, role: Role) -> Iterator[StepRun]:
    """Time a step and record how it ended; an error is recorded and goes on its way."""
    run = StepRun()
    started_at = datetime.now(UTC)
    try:
        yield run
    except Exception as error:
        run.message = f"{type(error).__name__}: {error}"
        _record(business_date, name, run, "failed", started_at, role)
        raise
    status = "skipped" if run.is_skipped else "success"
    _record(business_date, name, run, status, started_at, role)


def _record(
    business_date: date, step: str, run: StepRun, status: str, started_at: datetime, role: Role
) -> None:
    with connect(role) as connection:
        connection.execute(
            "insert into ops.step_run (business_date, step, status, message, counts, started_at)"
            " values (%s, %s, %s, %s, %s, %s)",
            [business_date, step, status, run.message, Jsonb(run.counts), started_at],
        )
