"""The customer view: what a night costs with more history behind it, and the view against DuckDB.

The nights are whole runs of dbt's stage `transform`, where the events by day and month are kept,
and of the view; dbt's own share (start, parsing, what lies between its statements) is told apart.
DuckDB joins the same rows, as Parquet, by the same statement, and psql copies the result in.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
from psycopg import sql

from scripts import run_dbt, warehouse
from scripts.database import connect
from tests.bench.histories import busy_seconds, drop_database, use_database
from tests.bench.measure import Comparison, Limit, Measure
from tests.bench.operator_rows import CUSTOMERS, EXTRACTS, deliver_night, fill
from tests.bench.parquet import write_parquet
from tests.bench.processes import psql

# A night in the middle of a month, so that no month is charged and none is frozen.
NIGHT = date(2026, 11, 20)
FIRST_DAYS = {1: date(2026, 10, 20), 3: date(2026, 8, 20), 12: date(2025, 11, 20)}
HISTORY_FACTOR = 1.3
VIEW = "customer_360"
VIEW_TARGET_RATIO = 0.75


@dataclass(frozen=True)
class Night:
    """Seconds that a night took: in all, and of them those in which a statement ran."""

    seconds: float
    busy_seconds: float


class Nights:
    """Nights with one, three and twelve months behind them, each built once, when first asked for.

    Every history has a database of its own, which goes when the next is made: a year of a million
    customers takes 50 GB. What is measured on a history comes before the next.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: dict[int, Night] = {}

    def seconds(self, months: int) -> float:
        return self._night(months).seconds

    def factor(self, months: int) -> float:
        """Return how much longer the statements of the night take than with one month behind it."""
        return self._night(months).busy_seconds / self._night(1).busy_seconds

    def own_share_of_dbt(self) -> float:
        night = self._night(1)
        return 1 - night.busy_seconds / night.seconds

    def _night(self, months: int) -> Night:
        if months not in self.taken:
            self.taken[months] = self._take(months)
        return self.taken[months]

    def _take(self, months: int) -> Night:
        for earlier in self.taken:
            drop_database(f"history_{earlier}")
        use_database(f"history_{months}")
        target_dir = self.folder / f"dbt_{months}" / "target"
        eve = NIGHT - timedelta(days=1)
        with connect(None) as connection:
            fill(connection, CUSTOMERS, dict.fromkeys(EXTRACTS, FIRST_DAYS[months]), eve)
        for stage in run_dbt.STAGES:
            run_dbt.build(stage, eve, target_dir=target_dir)
        with connect(None) as connection:
            deliver_night(connection, CUSTOMERS, NIGHT, EXTRACTS)
        started = time.perf_counter()
        run_dbt.build("transform", NIGHT, target_dir=target_dir)
        busy = busy_seconds(target_dir)
        run_dbt.build("decide", NIGHT, select=VIEW, target_dir=target_dir)
        seconds = time.perf_counter() - started
        return Night(seconds, busy + busy_seconds(target_dir))


def measures(folder: Path) -> list[Measure]:
    """Return what is measured; the first measure builds the first operator."""
    nights = Nights(folder)
    view = View(folder, nights)
    return [
        Limit(
            f"seconds of a night, {CUSTOMERS:,} customers, 1 month", lambda: nights.seconds(1), 600
        ),
        Limit("share of it that is dbt's own", nights.own_share_of_dbt, 1),
        Comparison(
            f"{VIEW} of {CUSTOMERS:,} customers, against DuckDB and psql \\copy",
            ours=view.build,
            reference=view.build_in_duckdb,
            target_ratio=VIEW_TARGET_RATIO,
        ),
        Limit("milliseconds to look up who calls, median of 1,000", view.lookup_milliseconds, 1),
        Limit("3 months of history, times 1 month", lambda: nights.factor(3), HISTORY_FACTOR),
        Limit("12 months of history, times 1 month", lambda: nights.factor(12), HISTORY_FACTOR),
    ]


class View:
    """The view built by the statements that dbt runs, and by DuckDB from what they read."""

    def __init__(self, folder: Path, nights: Nights) -> None:
        self.folder = folder
        self.nights = nights
        self.statements = ""
        self.query = ""

    def build(self) -> None:
        """Run what dbt ran, on a table beside the one that stands."""
        self._prepare()
        with connect(None) as connection:
            connection.execute(sql.SQL("drop table if exists bench.customer_360"))
            connection.execute(self.statements)
            connection.execute("set default_statistics_target = 20")  # as analyze_table.sql does
            connection.execute("analyze bench.customer_360")

    def build_in_duckdb(self) -> None:
        self._prepare()
        result = self.folder / "customer_360.csv"
        with duckdb.connect() as connection:
            for file in sorted(self.folder.glob("parents/*.parquet")):
                connection.execute(f"create view \"{file.stem}\" as select * from '{file}'")
            connection.execute(f"copy ({self.query}) to '{result}' (format csv, header false)")
        with connect(None) as connection:
            connection.execute("drop table if exists bench.copied")
            connection.execute("create table bench.copied (like marts.customer_360 including all)")
        psql(f"\\copy bench.copied from '{result}' (format csv)")

    def lookup_milliseconds(self) -> float:
        self._prepare()
        with connect(None) as connection:
            numbers = [
                row["contact_phone"]
                for row in connection.execute(
                    "select contact_phone from intermediate.int_customer_dated"
                    " where contact_phone is not null order by customer_id limit 1000"
                )
            ]
            run = []
            for number in numbers:
                started = time.perf_counter()
                found = connection.execute("select * from dialer.inbound_hint(%s)", [number])
                assert found.fetchall()
                run.append(time.perf_counter() - started)
        return sorted(run)[len(run) // 2] * 1000

    def _prepare(self) -> None:
        """Take dbt's statements, and write what they read as Parquet."""
        if self.statements:
            return
        self.nights.seconds(1)
        use_database("history_1")
        target_dir = self.folder / "dbt_1" / "target"
        run_dbt.build("decide", NIGHT, target_dir=target_dir)
        [written] = target_dir.glob(f"run/**/{VIEW}.sql")
        [compiled] = target_dir.glob(f"compiled/**/{VIEW}.sql")
        statements = written.read_text(encoding="utf-8")
        temporary = (
            f'"{warehouse.url().rpartition("/")[2].partition("?")[0]}"."marts"."{VIEW}__dbt_tmp"'
        )
        assert temporary in statements
        self.statements = statements.replace(temporary, "bench.customer_360")
        self.query = self._export_parents(compiled.read_text(encoding="utf-8"), target_dir)
        with connect(None) as connection:
            connection.execute("create schema if not exists bench")

    def _export_parents(self, query: str, target_dir: Path) -> str:
        """Write each model that the view reads; return the query with them as DuckDB's views."""
        manifest = run_dbt.read_manifest(target_dir)
        for parent in manifest["nodes"][f"model.retention.{VIEW}"]["depends_on"]["nodes"]:
            node = manifest["nodes"][parent]
            write_parquet(
                self.folder / f"parents/{node['name']}.parquet",
                f"select * from {node['schema']}.{node['name']}",
                {
                    name: column["data_type"] or "varchar"
                    for name, column in node["columns"].items()
                },
            )
            query = query.replace(node["relation_name"], f'"{node["name"]}"')
        return query.replace("array[]::text[]", "'{}'")
