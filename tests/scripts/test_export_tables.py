"""Files for workstations and departments: real tables in, whole files out, and the same again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scripts import nightly_steps
from scripts.database import connect, fetch_all
from scripts.export_tables import MARKS, RISK_LISTS, TableExport, export, last_of_month_before
from scripts.warehouse import Role

NIGHT = date(2026, 11, 30)


def _fill(exported: TableExport, rows: list[tuple[object, ...]]) -> None:
    """Make the table as dbt would, all but the key as text, with rows of (night, owner, …)."""
    columns = [f"{name} text" for name in exported.columns]
    with connect(Role.TRANSFORMER) as connection:
        connection.execute(f"drop table if exists marts.{exported.table}")
        connection.execute(
            f"create table marts.{exported.table}"
            f" (business_date date, {exported.split_by} text, {', '.join(columns)})"
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                f"insert into marts.{exported.table} values"
                f" (%s, %s{', %s' * len(exported.columns)})",
                rows,
            )


def _mark(night: date, workstation: str, customer: str) -> tuple[object, ...]:
    return (night, workstation, customer, "green", "绿", "原因,一", '"核对"整治单')


@pytest.mark.usefixtures("warehouse_db")
def test_each_workstation_gets_its_file_and_a_repeated_night_the_same(tmp_path: Path) -> None:
    _fill(
        MARKS,
        [
            _mark(NIGHT, "store", "C2"),
            _mark(NIGHT, "store", "C1"),
            _mark(NIGHT, "field_service", "C1"),
            _mark(date(2026, 11, 29), "store", "C3"),
        ],
    )
    written = export(MARKS, NIGHT, tmp_path)
    assert written == {"customer_mark_field_service.csv": 1, "customer_mark_store.csv": 2}
    store = tmp_path / "2026-11-30" / "customer_mark_store.csv"
    content = store.read_bytes()
    assert content.decode().splitlines() == [
        "customer_id,list_code,colour_zh,reasons_zh,instructions_zh",
        'C1,green,绿,"原因,一","""核对""整治单"',
        'C2,green,绿,"原因,一","""核对""整治单"',
    ]
    assert store.stat().st_mode & 0o077 == 0
    assert store.parent.stat().st_mode & 0o077 == 0

    _fill(MARKS, [_mark(NIGHT, "store", "C1"), _mark(NIGHT, "store", "C2")])
    assert export(MARKS, NIGHT, tmp_path) == {"customer_mark_store.csv": 2}
    assert store.read_bytes() == content
    assert [file.name for file in store.parent.iterdir()] == [store.name]


@pytest.mark.usefixtures("warehouse_db")
def test_the_review_writes_the_lists_of_the_month_that_ended_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPORT_DIR", str(tmp_path))
    row = ["2026-11-01", "O1", "line", "S1", "S1", "C1", None, "repeat_fault"]
    row += ["high", "1", "查根因", "dispatched", "2026-11-05", "2026-12-15"]
    _fill(RISK_LISTS, [(NIGHT, "field_maintenance", *row)])

    nightly_steps.export_risk_lists(NIGHT)
    nightly_steps.export_risk_lists(date(2026, 12, 15))
    assert (tmp_path / "2026-11-30" / "risk_list_field_maintenance.csv").exists()
    nightly_steps.export_risk_lists(date(2026, 11, 29))
    runs = fetch_all(
        None, "select business_date, status, counts, message from ops.step_run order by step_run_id"
    )
    assert [run["status"] for run in runs] == ["success", "success", "skipped"]
    assert runs[1]["counts"] == {"risk_list_field_maintenance.csv": 1}
    assert "2026-10-31" in runs[2]["message"]


@pytest.mark.usefixtures("warehouse_db")
def test_departments_that_owe_answers_are_named() -> None:
    with connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "create table marts.fct_risk_answer as"
            " select * from (values ('channel', date '2026-11-16', true), ('channel', null, true),"
            " ('market_department', null, false)) as answer (department, answered_date, is_late)"
        )
    nightly_steps.check_risk_answers(NIGHT)
    [run] = fetch_all(None, "select status, counts, message from ops.step_run")
    assert run == {
        "status": "success",
        "counts": {"channel": 2},
        "message": "too late: channel 2 (1 not yet answered)",
    }


def test_the_month_that_ended_last() -> None:
    assert last_of_month_before(date(2026, 12, 1)) == date(2026, 11, 30)
    assert last_of_month_before(date(2026, 3, 31)) == date(2026, 2, 28)
