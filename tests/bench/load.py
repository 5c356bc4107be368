"""Loading: the loader with all it does (checksum, decode, check, ledger) against bare tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import dlt
import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet
import sqlalchemy
from dlt.sources.filesystem import filesystem, read_csv
from sqlalchemy.engine import make_url

from scripts import warehouse
from scripts.contracts import find_extract
from scripts.database import connect
from scripts.load_extracts import load_extract
from scripts.roll_up import ROLL_UPS
from tests.bench.measure import Comparison, Limit, Measure
from tests.bench.processes import psql, run_module

DAY = date(2026, 11, 20)
READINGS = 2_000_000
FEW_READINGS = 200_000
MOBILE_DAYS = 2_000_000
HOURS = 8_000_000
HOURS_A_DAY = 24
PEAK_MIB = 1024

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"


def measures(folder: Path) -> list[Measure]:
    """Write the files to load into `folder` and return what is measured on them."""
    readings = _write_readings(_delivery(folder / "many", "line", "optical_reading"), READINGS)
    few = _write_readings(_delivery(folder / "few", "line", "optical_reading"), FEW_READINGS)
    mobile_days = _write_mobile_days(_delivery(folder / "many", "usage", "mobile_daily"))
    mobile_days_csv = _as_csv(mobile_days, folder / "mobile_days.csv")
    hours = _write_hours(_delivery(folder / "many", "usage", "broadband_hourly"), HOURS)
    _write_hours(_delivery(folder / "ten_times", "usage", "broadband_hourly"), 10 * HOURS)
    load_readings = _loading("line", "optical_reading", folder / "many")
    return [
        Comparison(
            f"{READINGS:,} optical readings from CSV, against psql \\copy",
            ours=load_readings,
            reference=lambda: _copy("line__optical_reading", readings),
            target_ratio=1.15,
        ),
        Comparison(
            f"{MOBILE_DAYS:,} mobile days from Parquet, against psql \\copy of them as CSV",
            ours=_loading("usage", "mobile_daily", folder / "many"),
            reference=lambda: _copy("usage__mobile_daily", mobile_days_csv),
            target_ratio=0.9,
        ),
        Comparison(
            f"{HOURS:,} usage hours rolled up, against DuckDB's aggregate and psql \\copy",
            ours=_loading("usage", "broadband_hourly", folder / "many"),
            reference=lambda: _aggregate_and_copy(hours, folder / "days.csv"),
            target_ratio=1.5,
        ),
        Comparison(
            f"a million readings, against pandas to_sql ({FEW_READINGS:,})",
            ours=load_readings,
            reference=lambda: _to_sql(few),
            target_ratio=1 / 20,
            our_rows=READINGS,
            reference_rows=FEW_READINGS,
        ),
        Comparison(
            f"a million readings, against dlt ({FEW_READINGS:,})",
            ours=load_readings,
            reference=lambda: _dlt(few, folder / "dlt"),
            target_ratio=1 / 5,
            our_rows=READINGS,
            reference_rows=FEW_READINGS,
        ),
        Limit(
            f"peak MiB while {HOURS:,} hours are loaded",
            lambda: _peak_mib(folder / "many"),
            PEAK_MIB,
        ),
        Limit(
            f"peak MiB while {10 * HOURS:,} hours are loaded",
            lambda: _peak_mib(folder / "ten_times"),
            PEAK_MIB,
        ),
    ]


def _delivery(landing_dir: Path, source: str, extract: str) -> Path:
    folder = landing_dir / source / extract / str(DAY)
    folder.mkdir(parents=True)
    return folder


def _loading(source: str, name: str, landing_dir: Path) -> Callable[[], None]:
    extract = find_extract(source, name)

    def load() -> None:
        _empty(extract.table)
        result = load_extract(extract, DAY, landing_dir)
        if result.status != "loaded" or result.rows_rejected:
            raise RuntimeError(f"the benchmark's own file was not loaded: {result}")

    return load


def _peak_mib(landing_dir: Path) -> float:
    _empty("usage__broadband_daily")
    figures = run_module(
        *("scripts.load_extracts", "--business-date", str(DAY), "--landing-dir", str(landing_dir))
    )
    return figures.peak_mib


def _copy(table: str, file: Path) -> None:
    """Copy a CSV file into a table with psql, each row with the origin that the loader gives."""
    _empty(table)
    with file.open(encoding="utf-8") as rows:
        columns = rows.readline().strip()
    with connect(None) as connection:
        connection.execute(
            f"alter table raw.{table} alter business_date set default '{DAY}',"
            " alter extract_load_id set default 1"
        )
    psql(f"\\copy raw.{table} ({columns}) from '{file}' with (format csv, header)")


def _aggregate_and_copy(hours: Path, days: Path) -> None:
    query = ROLL_UPS["broadband_daily"].query
    with duckdb.connect() as connection:
        connection.sql(f"create view delivered as select * from '{hours}'")
        connection.sql(f"copy ({query}) to '{days}' (format csv, header)")
    _copy("usage__broadband_daily", days)


def _to_sql(file: Path) -> None:
    engine = sqlalchemy.create_engine(warehouse.url(driver="postgresql+psycopg2"))
    readings = pd.read_csv(file, parse_dates=["measured_at"])
    readings.to_sql("pandas_reading", engine, schema="raw", if_exists="replace", index=False)
    engine.dispose()


def _dlt(file: Path, folder: Path) -> None:
    """Load the file with dlt's own reader, normaliser and loader, all settings its defaults.

    dlt asks for a host, which the address of the server's socket has in its query alone.
    """
    address = make_url(warehouse.url()).set(host="localhost")
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(folder),
        destination=dlt.destinations.postgres(address.render_as_string(hide_password=False)),
        dataset_name="dlt_bench",
    )
    rows = filesystem(bucket_url=file.parent.as_uri(), file_glob=file.name) | read_csv()
    pipeline.run(rows.with_name("dlt_reading"), write_disposition="replace")


def _empty(table: str) -> None:
    with connect(None) as connection:
        connection.execute(f"truncate raw.{table}")
        connection.execute("truncate ops.extract_load, raw.rejected_row")
        connection.execute(f"analyze raw.{table}")  # a table that is known, as on any other night


def _write_readings(folder: Path, count: int) -> Path:
    random = np.random.default_rng(7)
    moments = np.datetime64(DAY, "s") + random.integers(0, 86_400, count).astype("timedelta64[s]")
    zeros = pa.array(np.zeros(count, np.int64))
    table = pa.table(
        {
            "subscription_id": [f"S{number:08d}" for number in range(count)],
            "measured_at": pa.array(np.char.replace(moments.astype(str), "T", " ")),
            "direction": pa.array(["downstream"]).take(zeros),
            "reading_value": np.round(random.normal(20, 3, count), 2),
            "reading_unit": pa.array(["dB"]).take(zeros),
        }
    )
    arrow_csv.write_csv(table, folder / "a.csv", arrow_csv.WriteOptions(quoting_style="none"))
    return folder / "a.csv"


def _write_mobile_days(folder: Path) -> Path:
    random = np.random.default_rng(7)
    columns: dict[str, object] = {
        "subscription_id": [f"M{number:08d}" for number in range(MOBILE_DAYS)],
        "usage_date": pa.array(np.full(MOBILE_DAYS, np.datetime64(DAY, "D"))),
    }
    for column in find_extract("usage", "mobile_daily").columns[2:]:
        most = 1_000_000 if column.name.endswith("_kb") else 100
        columns[column.name] = random.integers(0, most, MOBILE_DAYS).astype(np.int32)
    parquet.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


def _as_csv(file: Path, csv_file: Path) -> Path:
    options = arrow_csv.WriteOptions(quoting_style="none")
    arrow_csv.write_csv(parquet.read_table(file), csv_file, options)
    return csv_file


def _write_hours(folder: Path, count: int) -> Path:
    """Write hours line by line, as a usage platform does: every line has all hours of the day."""
    with parquet.ParquetWriter(folder / "a.parquet", next(_hours(1)).schema) as writer:
        for part in _hours(count):
            writer.write_table(part)
    return folder / "a.parquet"


def _hours(count: int, part_rows: int = 1_000_000) -> Iterator[pa.Table]:
    random = np.random.default_rng(7)
    for first in range(0, count, part_rows):
        rows = np.arange(first, min(first + part_rows, count))
        line = rows // HOURS_A_DAY
        lines = pa.array([f"S{number:08d}" for number in range(line[0], line[-1] + 1)])
        hours = np.datetime64(DAY, "h") + (rows % HOURS_A_DAY).astype("timedelta64[h]")
        local = pa.array(hours.astype("datetime64[us]") - np.timedelta64(8, "h"))
        yield pa.table(
            {
                "subscription_id": lines.take(pa.array(line - line[0])),
                "hour_start_at": local.cast(pa.timestamp("us", "Asia/Shanghai")),
                "download_bytes": random.integers(0, 10**9, len(rows)),
                "upload_bytes": random.integers(0, 10**8, len(rows)),
                "online_minutes": random.integers(0, 61, len(rows)).astype(np.int32),
            }
        )
