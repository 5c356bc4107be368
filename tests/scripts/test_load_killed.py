"""A loader killed at any moment and started again leaves what one undisturbed run leaves."""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from scripts import warehouse
from scripts.contracts import Extract, find_extract
from scripts.load_extracts import load_all, load_extract
from scripts.raw_tables import raw_columns

NIGHT = date(2026, 11, 20)
DAY_BEFORE = date(2026, 11, 19)
EXTRACTS = (
    find_extract("crm", "customer"),
    find_extract("line", "optical_reading"),
    find_extract("usage", "broadband_hourly"),
)
ROWS = {"customer": 15_000, "optical_reading": 100_000, "broadband_hourly": 50_000}
HEADERS = {
    "customer": "customer_id|customer_name|contact_phone|region|is_do_not_call|registered_date",
    "optical_reading": "subscription_id,measured_at,direction,reading_value,reading_unit",
    "broadband_hourly": "subscription_id,hour_start_at,download_bytes,upload_bytes,online_minutes",
}
TIMEOUT_SECONDS = 120
IS_CONNECTED = (
    "select exists (select from pg_stat_activity"
    " where usename = 'retention_loader' and datname = current_database())"
)
IS_COPYING = (
    "select exists (select from pg_stat_progress_copy"
    " where relid::regclass::text like %s and tuples_processed > 0)"
)
IS_DONE = (
    "select exists (select from ops.extract_load"
    " where extract = %s and status = 'loaded' and rows_read > 1000)"
)

State = dict[str, tuple[Any, ...]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Undisturbed:
    """A warehouse and a landing folder, and what is loaded `before` and `after` an undisturbed run.

    The run took `seconds`.
    """

    connection: psycopg.Connection[Any]
    landing_dir: Path
    before: State
    after: State
    seconds: float


Moment = Callable[[Undisturbed], AbstractContextManager[None]]


@pytest.fixture
def undisturbed(warehouse_db: str, tmp_path: Path) -> Iterator[Undisturbed]:
    """Load the delivery once without a disturbance, in this process."""
    with psycopg.connect(warehouse_db, autocommit=True) as connection:
        _start_anew(connection, tmp_path)
        before = _state(connection)
        started = time.monotonic()
        assert "failed" not in {load.status for load in load_all(NIGHT, tmp_path)}
        seconds = time.monotonic() - started
        after = _state(connection)
        assert all(before[part] != after[part] for part in after)
        log.info("undisturbed: %.1f s", seconds)
        yield Undisturbed(connection, tmp_path, before, after, seconds)


def test_killed_at_any_moment_and_started_again(undisturbed: Undisturbed) -> None:
    connection, before, after = undisturbed.connection, undisturbed.before, undisturbed.after
    for name, moment in MOMENTS.items():
        _start_anew(connection, undisturbed.landing_dir)
        started = time.monotonic()
        with _loader(undisturbed.landing_dir) as loader, moment(undisturbed):
            has_ended = loader.poll() is not None  # only a time can be missed
            assert not has_ended or name.startswith("at ")
            loader.kill()
            loader.wait(TIMEOUT_SECONDS)
            killed_after = time.monotonic() - started
        _wait(connection, f"select not ({IS_CONNECTED})")
        left = _state(connection)
        half = [part for part in left if left[part] not in (before[part], after[part])]
        assert half == [], f"half loaded when killed {name}"
        results = load_all(NIGHT, undisturbed.landing_dir)
        assert _state(connection) == after, f"killed {name} and started again"
        log.info(
            "killed %-38s after %.2f s with %d of %d complete; again: %s; equal to undisturbed",
            name,
            killed_after,
            sum(left[part] == after[part] for part in left),
            len(left),
            ", ".join(f"{x.extract} {x.status}" for x in results if x.status != "absent"),
        )


def test_two_loaders_at_the_same_time(undisturbed: Undisturbed) -> None:
    folder = undisturbed.landing_dir
    _start_anew(undisturbed.connection, folder)
    with _loader(folder) as one, _loader(folder) as other:
        assert (one.wait(TIMEOUT_SECONDS), other.wait(TIMEOUT_SECONDS)) == (0, 0)
    assert _state(undisturbed.connection) == undisturbed.after
    attempts = undisturbed.connection.execute(
        "select count(*), count(distinct (file, sha256)) from ops.extract_load"
    ).fetchone()
    assert attempts == (9, 9), "each small and each large file is loaded by one of them"
    log.info("two loaders at the same time: equal to undisturbed")


# --- the moments --------------------------------------------------------------------------------


def _when(condition: str, *values: str) -> Moment:
    """Return the moment in which a query first says yes."""

    @contextmanager
    def moment(undisturbed: Undisturbed) -> Iterator[None]:
        _wait(undisturbed.connection, condition, *values)
        yield

    return moment


def _stopped_by(lock: str, condition: str, *values: str) -> Moment:
    """Return the moment in which the loader waits for a lock, taken when a query says yes."""

    @contextmanager
    def moment(undisturbed: Undisturbed) -> Iterator[None]:
        _wait(undisturbed.connection, condition, *values)
        with undisturbed.connection.transaction():
            undisturbed.connection.execute(lock)
            _wait(
                undisturbed.connection,
                "select exists (select from pg_locks inner join pg_stat_activity using (pid)"
                " where not granted and usename = 'retention_loader'"
                " and datname = current_database())",
            )
            yield

    return moment


def _at_share(share: float) -> Moment:
    """Return the moment at a share of the undisturbed run's time, from the first connection on."""

    @contextmanager
    def moment(undisturbed: Undisturbed) -> Iterator[None]:
        _wait(undisturbed.connection, IS_CONNECTED)
        time.sleep(undisturbed.seconds * share)
        yield

    return moment


MOMENTS: dict[str, Moment] = {
    "after the checksum, before the first row": _stopped_by(
        "lock table raw.crm__customer in access exclusive mode", "select true"
    ),
    "with the date's old rows deleted": _stopped_by(
        "lock table raw.rejected_row in share mode", "select true"
    ),
    "between two extracts": _stopped_by(
        "select pg_advisory_xact_lock(hashtext('load line.optical_reading'))", "select true"
    ),
    "in the middle of COPY": _when(IS_COPYING, "raw.line__optical_reading%"),
    "before the commit": _stopped_by(
        "lock table ops.extract_load in share mode", IS_COPYING, "raw.line__optical_reading%"
    ),
    "after a commit": _when(IS_DONE, "optical_reading"),
    "at three fifths of the time": _at_share(0.6),
}


def _wait(connection: psycopg.Connection[Any], condition: str, *values: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while connection.execute(condition, values or None).fetchone() != (True,):
        assert time.monotonic() < deadline, f"never came true: {condition}"
        time.sleep(0.002)


# --- what is delivered, loaded and compared -----------------------------------------------------


@contextmanager
def _loader(landing_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the loader in a process of its own, and see that it has ended."""
    arguments = ["--business-date", NIGHT.isoformat(), "--landing-dir", str(landing_dir)]
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.load_extracts", *arguments],
        cwd=warehouse.PROJECT_DIR,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _start_anew(connection: psycopg.Connection[Any], landing_dir: Path) -> None:
    """Load a small delivery, then put a large one in its place and one of the day before."""
    connection.execute("truncate raw.rejected_row, ops.extract_load")
    for extract in EXTRACTS:
        connection.execute(f"truncate raw.{extract.table}")
        _path(landing_dir, extract, DAY_BEFORE).unlink(missing_ok=True)
        _deliver(landing_dir, extract, NIGHT, 10)
        assert load_extract(extract, NIGHT, landing_dir).rows_rejected > 0
    for extract in EXTRACTS:
        _deliver(landing_dir, extract, NIGHT, ROWS[extract.name])
        _deliver(landing_dir, extract, DAY_BEFORE, 1000)


def _path(landing_dir: Path, extract: Extract, day: date) -> Path:
    folder = landing_dir / extract.source / extract.name / day.isoformat()
    return folder / ("a.csv.gz" if extract.name == "customer" else "a.csv")


def _deliver(landing_dir: Path, extract: Extract, day: date, rows: int) -> None:
    path = _path(landing_dir, extract, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_content(extract.name, day, rows))


@cache
def _content(name: str, day: date, rows: int) -> bytes:
    """Return a file of which every tenth row is to be rejected."""
    row_of = {"customer": _customer, "optical_reading": _reading, "broadband_hourly": _hour}[name]
    lines = [HEADERS[name], *(row_of(number, day) for number in range(rows))]
    text = "\n".join([*lines, ""])
    return gzip.compress(text.encode("gb18030"), 1) if name == "customer" else text.encode()


def _customer(number: int, day: date) -> str:
    region = "" if number % 10 == 0 else "東城"
    return f"C{number}|張三|161{number:08d}|{region}|false|{day}"


def _reading(number: int, day: date) -> str:
    unit = "mW" if number % 10 == 0 else "dB"
    return f"S{number},{day} 0{number % 10}:00:00,downstream,{number % 90}.5,{unit}"


def _hour(number: int, day: date) -> str:
    minutes = 61 if number % 10 == 0 else number % 60
    return f"S{number // 4},{day} 0{number % 4}:00:00,{number},{number % 7},{minutes}"


def _state(connection: psycopg.Connection[Any]) -> State:
    """Return what stands of each extract and date, but for numbers and times of the loads.

    The rows of a raw table are told by their number and the sum of their hashes, by file.
    """
    return {
        f"{extract} {day}": (
            connection.execute(
                sql.SQL(
                    "select file, status, count(*), sum(hashtextextended(row({})::text, 0))"
                    " from {} left join ops.extract_load as entry using (extract_load_id)"
                    " where {}.business_date = %s group by file, status"
                ).format(
                    sql.SQL(", ").join(map(sql.Identifier, raw_columns(extract))),
                    sql.Identifier("raw", extract.table),
                    sql.Identifier(extract.table),
                ),
                [day],
            ).fetchall(),
            connection.execute(
                "select file, line, column_name, value, reason, original_text"
                " from raw.rejected_row"
                " where source = %s and extract = %s and business_date = %s order by line",
                [extract.source, extract.name, day],
            ).fetchall(),
            connection.execute(
                "select file, sha256, rows_read, rows_loaded, rows_rejected, status, warning, error"
                " from ops.extract_load where status <> 'superseded'"
                " and source = %s and extract = %s and business_date = %s order by file",
                [extract.source, extract.name, day],
            ).fetchall(),
        )
        for extract in EXTRACTS
        for day in (DAY_BEFORE, NIGHT)
    }
