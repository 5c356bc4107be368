"""The decision of a night, from the customer view to the published list, against DuckDB.

dbt builds and tests what lies between the view, which has a bench of its own, and the planned list,
and the list is published; dbt's own share is told apart. DuckDB decides the same by the same rules
(decide_in_duckdb.sql) from the same rows as Parquet, and psql copies its decisions and its list
into tables like ours; both must decide the same.
"""

from __future__ import annotations

import time
from datetime import date
from functools import cache
from pathlib import Path

import duckdb

from scripts import run_dbt
from scripts.database import connect, fetch_all
from scripts.delivery_terms import OPERATOR_ZONE
from scripts.publish_call_list import publish
from scripts.warehouse import SEED_DIR
from tests.bench.candidate_rows import TABLES, fill
from tests.bench.histories import busy_seconds, use_database
from tests.bench.measure import Comparison, Limit, Measure
from tests.bench.operator_rows import CUSTOMERS
from tests.bench.parquet import write_parquet
from tests.bench.processes import psql

NIGHT = date(2026, 11, 20)
TARGET_RATIO = 2.5
# Models of the stage that the planned list rests on, the view and what is for it alone left out.
BUILD = [
    *("build", "--select", "+planned_call_task,tag:decide"),
    *("--exclude", "customer_360 int_customer_revisited"),
    *("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable"),
]
REFERENCE = Path(__file__).with_name("decide_in_duckdb.sql")
# What is compared, by table of ours and DuckDB's.
DECIDED = {
    "marts.fct_retention_decision": "decision",
    "intermediate.planned_call_task": "planned",
}


def measures(folder: Path) -> list[Measure]:
    """Return what is measured; what the decision reads is drawn when it is first asked for."""
    decision = Decision(folder)
    return [
        Comparison(
            f"decide and publish, {CUSTOMERS:,} customers, against DuckDB and psql \\copy",
            ours=decision.decide_and_publish,
            reference=decision.decide_in_duckdb,
            target_ratio=TARGET_RATIO,
        ),
        Limit("seconds of dbt's own beside it", lambda: decision.own_seconds, 60),
    ]


class Decision:
    """The step as the night runs it, and DuckDB's way to the same decisions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target_dir = folder / "decide" / "target"
        self.own_seconds = 0.0

    def decide_and_publish(self) -> float:
        """Return the seconds in which a statement of the build ran, and those of publishing."""
        self._prepare()
        self._take_back()
        result = run_dbt.run(BUILD, {"business_date": NIGHT.isoformat()}, self.target_dir)
        busy = busy_seconds(self.target_dir)
        self.own_seconds = result.seconds - busy
        started = time.perf_counter()
        published = publish(NIGHT)
        seconds = time.perf_counter() - started
        assert published.published_count > 0
        return busy + seconds

    def decide_in_duckdb(self) -> float:
        """Return the seconds until DuckDB's decisions and list are in PostgreSQL."""
        self._prepare()
        with connect(None) as connection:
            connection.execute("create schema if not exists bench")
            for ours, theirs in DECIDED.items():
                connection.execute(f"drop table if exists bench.{theirs}")
                connection.execute(f"create table bench.{theirs} (like {ours} including all)")
        started = time.perf_counter()
        with duckdb.connect() as connection:
            self._offer_inputs(connection)
            connection.execute(REFERENCE.read_text(encoding="utf-8"))
            for theirs in DECIDED.values():
                connection.table(theirs).write_csv(f"{self.folder}/{theirs}.csv", header=False)
        for theirs in DECIDED.values():
            psql(f"\\copy bench.{theirs} from '{self.folder}/{theirs}.csv' (format csv)")
        seconds = time.perf_counter() - started
        _assert_everything_occurs()
        _assert_same_decisions()
        return seconds

    def _offer_inputs(self, connection: duckdb.DuckDBPyConnection) -> None:
        for file in self.folder.glob("decide_parquet/*.parquet"):
            connection.execute(f"create view {file.stem} as select * from '{file}'")
        for seed in SEED_DIR.glob("*.csv"):
            connection.execute(f"create view {seed.stem} as select * from read_csv('{seed}')")
        connection.execute(
            f"create view night as select date '{NIGHT}' as night_date, '{OPERATOR_ZONE.key}' as"
            f" zone, (date '{NIGHT}' + 1)::timestamp at time zone '{OPERATOR_ZONE.key}' as end_at"
        )

    def _take_back(self) -> None:
        """Let the night be decided for the first time again."""
        with connect(None) as connection:
            connection.execute("truncate marts.fct_retention_decision")
            connection.execute("delete from dialer.call_task where business_date = %s", [NIGHT])
            connection.execute("delete from dialer.call_list where business_date = %s", [NIGHT])

    @cache  # noqa: B019 - one for the whole run
    def _prepare(self) -> None:
        """Make every table, empty, draw what the decision reads, and write it as Parquet."""
        use_database("decide")
        run_dbt.run(
            [
                *("build", "--select", "+planned_call_task drop_reason"),
                *("--resource-type", "seed", "--resource-type", "model"),
            ],
            {"business_date": NIGHT.isoformat()},
            self.target_dir,
        )
        with connect(None) as connection:
            fill(connection, CUSTOMERS, NIGHT)
        run_dbt.run(
            ["run", "--select", "fct_offer"], {"business_date": NIGHT.isoformat()}, self.target_dir
        )
        for table in (*TABLES, "marts.fct_offer"):
            columns = fetch_all(
                None,
                "select attname, format_type(atttypid, atttypmod) as type from pg_attribute"
                " where attrelid = %(table)s::regclass and attnum > 0 and not attisdropped"
                " order by attnum",
                table=table,
            )
            write_parquet(
                self.folder / f"decide_parquet/{table.partition('.')[2]}.parquet",
                f"select * from {table}",
                {column["attname"]: column["type"] for column in columns},
            )


def _assert_everything_occurs() -> None:
    """Raise if a campaign has no candidate, or a reason to drop one drops none.

    Only a holiday's eve has hours in which nobody is called; lists are as long as teams can call.
    """
    lacking = fetch_all(
        None,
        "select campaign_code as code from marts.campaign"
        " except select campaign_code from marts.fct_retention_decision"
        " union all"
        " (select drop_reason from marts.drop_reason where drop_reason <> 'quiet_hours'"
        " except select drop_reason from marts.fct_retention_decision)",
    )
    if lacking:
        raise RuntimeError(f"the drawn night lacks {[row['code'] for row in lacking]}")


def _assert_same_decisions() -> None:
    for ours, theirs in DECIDED.items():
        different = fetch_all(
            None,
            f"(table {ours} except table bench.{theirs})"
            f" union all (table bench.{theirs} except table {ours}) limit 3",
        )
        if different:
            raise RuntimeError(f"DuckDB and {ours} differ, for one in {different}")
