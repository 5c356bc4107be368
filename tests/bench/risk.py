"""The risk step of a night: against DuckDB, and with a year behind it.

The step is every risk mart with all that it rests on, from raw, tests included; dbt's own share is
told apart. DuckDB raises the fourteen rules alone (risk_in_duckdb.sql), from the same rows as
Parquet, and psql copies the warnings in; both must raise the same. The step does so too, and then
diagnoses lines, sends orders and watches them: what it takes for the rules alone is told beside it.
Two nights went before, so that most orders stand, as on any night.
"""

from __future__ import annotations

import statistics
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb

from scripts import changed_history, run_dbt
from scripts.contracts import find_extract
from scripts.database import connect
from scripts.delivery_terms import OPERATOR_ZONE
from scripts.raw_tables import raw_columns
from tests.bench.histories import busy_seconds, drop_database, use_database
from tests.bench.measure import Comparison, Limit, Measure
from tests.bench.operator_rows import CUSTOMERS, deliver_night, fill
from tests.bench.parquet import write_parquet
from tests.bench.processes import psql

NIGHT = date(2026, 11, 20)
EVES = (NIGHT - timedelta(days=2), NIGHT - timedelta(days=1))
YEAR = timedelta(days=365)
ROUNDS = 3
STEP_TARGET_RATIO = 3
HISTORY_FACTOR = 1.2
# Days of each extract that the longest window of any rule reaches back; optical readings have none,
# and each line is read once a week.
WINDOWS = {
    "fault.trouble_ticket": YEAR,
    "fault.dispatch": YEAR,
    "service_order.service_order": YEAR,
    "usage.broadband_hourly": timedelta(days=60),
    "line.copper_test": timedelta(days=30),
    "line.optical_reading": timedelta(days=7),
    "crm.subscription": timedelta(days=1),
    "crm.plan": timedelta(days=1),
}
# What the other risk marts read beside them.
BESIDE = ("crm.customer", "crm.staff", "line.access_resource")
HISTORIES = {
    "windows": {name: NIGHT - days for name, days in WINDOWS.items()},
    "year": dict.fromkeys(WINDOWS, NIGHT - YEAR),
}
MARTS = " ".join(
    sorted(file.stem for file in (run_dbt.DBT_PROJECT_DIR / "models/marts/risk").glob("*.sql"))
)
REFERENCE = Path(__file__).with_name("risk_in_duckdb.sql")


def measures(folder: Path) -> list[Measure]:
    """Return what is measured; a history is built when it is first asked for."""
    step = RiskStep(folder)
    return [
        Comparison(
            f"risk step, {CUSTOMERS:,} customers, against DuckDB's warnings and psql \\copy",
            ours=step.run,
            reference=step.warn_in_duckdb,
            target_ratio=STEP_TARGET_RATIO,
        ),
        Limit("seconds of dbt's own beside it", step.own_seconds, 60),
        Comparison(
            f"its warnings alone, {CUSTOMERS:,} customers, against the same",
            ours=step.warn,
            reference=step.warn_in_duckdb,
            target_ratio=STEP_TARGET_RATIO,
        ),
        Limit("the step with a year of everything, times its windows", step.factor, HISTORY_FACTOR),
    ]


class RiskStep:
    """The step as the night runs it, on either history, and DuckDB's way to the same warnings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = ""
        self.taken: dict[str, list[float]] = {"year": [], "windows": []}
        self.last_seconds = 0.0

    def run(self, history: str = "year") -> float:
        """Return the seconds in which a statement of the step ran."""
        target_dir = self._prepare(history)
        self.last_seconds = run_dbt.build(
            "transform", NIGHT, select=MARTS, target_dir=target_dir
        ).seconds
        seconds = busy_seconds(target_dir)
        self.taken[history].append(seconds)
        return seconds

    def warn(self) -> float:
        """Return the seconds in which a statement ran of what the warnings rest on."""
        target_dir = self._prepare("year")
        run_dbt.build("transform", NIGHT, select="fct_risk_warning", target_dir=target_dir)
        return busy_seconds(target_dir)

    def own_seconds(self) -> float:
        return self.last_seconds - self.taken["year"][-1]

    def factor(self) -> float:
        """Return how much longer the step takes with a year than with its windows (medians)."""
        for history, taken in self.taken.items():
            while len(taken) < ROUNDS:
                self.run(history)
        return statistics.median(self.taken["year"]) / statistics.median(self.taken["windows"])

    def warn_in_duckdb(self) -> None:
        self._prepare("year")
        result = self.folder / "warnings.csv"
        with duckdb.connect() as connection:
            for file in self.folder.glob("parquet/*.parquet"):
                connection.execute(f"create view {file.stem} as select * from '{file}'")
            connection.execute(
                "create view risk_rule as select * from read_csv("
                f"'{run_dbt.DBT_PROJECT_DIR.parent}/seeds/risk_rule.csv',"
                " types = {'valid_from': 'date', 'valid_to': 'date'})"
            )
            query = REFERENCE.read_text(encoding="utf-8")
            connection.sql(
                query, params={"night": NIGHT.isoformat(), "zone": OPERATOR_ZONE.key}
            ).write_csv(str(result), header=False)
        with connect(None) as connection:
            connection.execute("create schema if not exists bench")
            connection.execute("drop table if exists bench.warnings")
            connection.execute(
                "create table bench.warnings (like marts.fct_risk_warning including all)"
            )
        psql(
            "\\copy bench.warnings (business_date, customer_id, subscription_id, rule_code,"
            " risk_level, measured_value, threshold_value, evidence, first_raised_date, is_new)"
            f" from '{result}' (format csv)"
        )
        _assert_same_warnings()

    def _prepare(self, history: str) -> Path:
        """Go on with this history, made with its eves if it is not the one at hand."""
        target_dir = self.folder / f"risk_{history}" / "target"
        if self.history == history:
            return target_dir
        if self.history:
            drop_database(f"risk_{self.history}")
        self.history = history
        use_database(f"risk_{history}")
        with connect(None) as connection:
            first_days = HISTORIES[history] | dict.fromkeys(BESIDE, EVES[0])
            fill(connection, CUSTOMERS, first_days, EVES[0])
        for eve, next_night in pairwise((*EVES, NIGHT)):
            run_dbt.build("transform", eve, select=MARTS, target_dir=target_dir)
            changed_history.finish_build(eve, changed_history.newest_loads())
            with connect(None) as connection:
                deliver_night(connection, CUSTOMERS, next_night, [*WINDOWS, *BESIDE])
        self._export()
        return target_dir

    def _export(self) -> None:
        """Write as Parquet what the rules read."""
        for name, days in WINDOWS.items():
            source, _, extract = name.partition(".")
            contract = find_extract(source, extract)
            types = raw_columns(contract) | {"business_date": "date", "extract_load_id": "bigint"}
            write_parquet(
                self.folder / f"parquet/{contract.table.partition('__')[2]}.parquet",
                f"select {', '.join(types)} from raw.{contract.table}"
                f" where business_date > '{NIGHT - days}'",
                types,
            )
        write_parquet(
            self.folder / "parquet/warned_before.parquet",
            "select subscription_id, rule_code, first_raised_date from marts.fct_risk_warning"
            f" where business_date = '{EVES[-1]}'",
            {"subscription_id": "text", "rule_code": "text", "first_raised_date": "date"},
        )


def _assert_same_warnings() -> None:
    """Raise if DuckDB and the step did not raise the same rules for the same lines and values."""
    warnings = (
        "select subscription_id, rule_code, round(measured_value, 6) as measured_value,"
        " risk_level, first_raised_date, is_new from {} where business_date = %(night)s"
    )
    ours, theirs = warnings.format("marts.fct_risk_warning"), warnings.format("bench.warnings")
    with connect(None) as connection:
        different = connection.execute(
            f"(({ours}) except ({theirs})) union all (({theirs}) except ({ours})) limit 3",
            {"night": NIGHT},
        ).fetchall()
    if different:
        raise RuntimeError(f"DuckDB and the step differ, for one in {different}")
