"""Outcomes delivered as a file: applied in the order of the calls, once, and nothing lost."""

from __future__ import annotations

import csv
import logging
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scripts import database, nightly_steps
from scripts.contracts import find_extract
from scripts.import_outcomes import (
    OutcomesNotLoadedError,
    apply_outcomes,
    apply_pending_outcomes,
    import_outcomes,
)
from scripts.raw_tables import create_partition_statement
from scripts.warehouse import Role

SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHT = date(2020, 3, 2)
CALL_DAY = NIGHT + timedelta(days=1)
COLUMNS = find_extract("dialer", "call_outcome").column_names

pytestmark = pytest.mark.usefixtures("warehouse_db")

Call = dict[str, object]


def add_tasks(count: int) -> list[int]:
    with database.connect(Role.TRANSFORMER) as connection:
        rows = connection.execute(
            """
            with list as (
                insert into dialer.call_list (business_date, revisit_tag)
                values (%(night)s, 'risk_soothing')
                returning call_list_id, business_date, revisit_tag
            )

            insert into dialer.call_task (
                call_list_id, business_date, customer_id, revisit_tag, phone_number,
                priority_rank, due_at
            )
            select list.*, 'C' || rank, 'risk_soothing', '13900000000', rank, now()
            from (select call_list_id, business_date from list) as list
            cross join generate_series(1, %(count)s) as rank
            order by rank
            returning call_task_id
            """,
            {"night": NIGHT, "count": count},
        ).fetchall()
    return [row["call_task_id"] for row in rows]


def call(
    call_id: str, task_id: int, outcome: str = "no_answer", *, minute: int = 0, agent: str = "A1"
) -> Call:
    return {
        "call_id": call_id,
        "call_task_id": task_id,
        "agent_id": agent,
        "called_at": datetime(2020, 3, 3, 10, minute, tzinfo=SHANGHAI),
        "outcome_code": outcome,
        "talk_seconds": 5,
        "next_call_at": None,
    }


def deliver(landing: Path, day: date, *calls: Call, name: str = "outcomes.csv") -> None:
    """Write a delivery as the dialer does: local times without an offset."""
    folder = landing / "dialer" / "call_outcome" / day.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in calls:
            called_at = row["called_at"]
            assert isinstance(called_at, datetime)
            writer.writerow(row | {"called_at": called_at.strftime("%Y-%m-%d %H:%M:%S")})


def put_into_raw(day: date, *calls: Call, file: str = "outcomes.csv") -> None:
    with database.connect(Role.LOADER) as connection:
        connection.execute(create_partition_statement(find_extract("dialer", "call_outcome"), day))
        connection.cursor().executemany(
            "with ledger as ("
            " insert into ops.extract_load (source, extract, business_date, file, status,"
            " started_at) values ('dialer', 'call_outcome', %(day)s, %(file)s, 'loaded', now())"
            " returning extract_load_id)"
            " insert into raw.dialer__call_outcome (call_id, call_task_id, agent_id, called_at,"
            " outcome_code, talk_seconds, next_call_at, business_date, extract_load_id)"
            " select %(call_id)s, %(call_task_id)s, %(agent_id)s, %(called_at)s, %(outcome_code)s,"
            " %(talk_seconds)s::int, %(next_call_at)s::timestamptz, %(day)s, extract_load_id"
            " from ledger",
            [row | {"day": day, "file": file} for row in calls],
        )


def stored() -> dict[str, list[dict[str, Any]]]:
    """Return everything that an import may change, times of recording included."""
    return {
        "task": database.fetch_all(
            Role.DIALER, "select * from dialer.call_task order by call_task_id"
        ),
        "attempt": database.fetch_all(
            Role.DIALER, "select * from dialer.call_attempt order by call_task_id, attempt_number"
        ),
        "unmatched": database.fetch_all(
            Role.DIALER, "select * from dialer.unmatched_outcome order by call_id, reason"
        ),
    }


def unmatched() -> list[tuple[str, str]]:
    return [(row["call_id"], row["reason"]) for row in stored()["unmatched"]]


def test_a_days_outcomes_move_the_tasks_and_again_change_nothing(tmp_path: Path) -> None:
    reached, missed, untouched = add_tasks(3)
    deliver(
        tmp_path,
        CALL_DAY,
        call("call-1", reached, "refused"),
        call("call-2", missed, "busy"),
        call("call-3", 999),
    )
    result = import_outcomes(CALL_DAY, tmp_path)
    assert (result.load.status, result.load.rows_loaded) == ("loaded", 3)
    assert (result.applied.row_count, result.applied.recorded_count) == (3, 2)
    assert result.applied.unmatched_counts == {"unknown_task": 1}
    by_id = {row["call_task_id"]: row for row in stored()["task"]}
    assert [by_id[task]["status"] for task in (reached, missed, untouched)] == [
        "succeeded",
        "open",
        "open",
    ]
    called_at = datetime(2020, 3, 3, 10, 0, tzinfo=SHANGHAI)  # the file's times are local
    assert by_id[reached]["closed_at"] == called_at
    assert by_id[missed]["due_at"] == called_at + timedelta(days=2)
    assert by_id[missed]["agent_id"] == "A1"
    assert unmatched() == [("call-3", "unknown_task")]

    before = stored()
    again = import_outcomes(CALL_DAY, tmp_path)
    assert again.applied.recorded_count == 0
    assert again.applied.duplicate_count == 2
    assert again.applied.unmatched_counts == {"unknown_task": 1}
    assert stored() == before


def test_the_same_file_delivered_on_another_day_changes_no_task(tmp_path: Path) -> None:
    [task_id] = add_tasks(1)
    for day in (CALL_DAY, CALL_DAY + timedelta(days=1)):
        deliver(tmp_path, day, call("call-1", task_id))
    import_outcomes(CALL_DAY, tmp_path)
    before = stored()
    again = import_outcomes(CALL_DAY + timedelta(days=1), tmp_path)
    assert (again.applied.recorded_count, again.applied.duplicate_count) == (0, 1)
    assert stored() == before


def test_rows_that_break_the_contract_are_rejected_and_the_rest_applied(tmp_path: Path) -> None:
    first, second = add_tasks(2)
    deliver(tmp_path, CALL_DAY, call("call-1", first), call("call-2", second, "on_holiday"))
    result = import_outcomes(CALL_DAY, tmp_path)
    assert (result.load.rows_read, result.load.rows_rejected) == (2, 1)
    assert (result.applied.row_count, result.applied.recorded_count) == (1, 1)


def test_a_file_that_cannot_be_read_changes_nothing_and_is_an_error(tmp_path: Path) -> None:
    add_tasks(1)
    folder = tmp_path / "dialer" / "call_outcome" / CALL_DAY.isoformat()
    folder.mkdir(parents=True)
    (folder / "outcomes.csv").write_text("call_id,agent_id\n1,A1\n", encoding="utf-8")
    before = stored()
    with pytest.raises(OutcomesNotLoadedError, match=r"outcomes\.csv"):
        import_outcomes(CALL_DAY, tmp_path)
    assert stored() == before


def test_no_delivery_is_no_error(tmp_path: Path) -> None:
    result = import_outcomes(CALL_DAY, tmp_path)
    assert result.load.status == "absent"
    assert result.applied.row_count == 0


def test_calls_of_one_file_count_in_the_order_they_were_made() -> None:
    [task_id] = add_tasks(1)
    put_into_raw(
        CALL_DAY,
        call("call-a", task_id, "switched_off", minute=30, agent="A3"),
        call("call-b", task_id, "no_answer", minute=10, agent="A1"),
        call("call-c", task_id, "accepted", minute=40, agent="A4"),
        call("call-d", task_id, "busy", minute=20, agent="A2"),
    )
    result = apply_outcomes(CALL_DAY)
    assert [row["call_id"] for row in stored()["attempt"]] == ["call-b", "call-d", "call-a"]
    [task] = stored()["task"]
    assert (task["status"], task["agent_id"]) == ("failed", "A1")
    assert result.unmatched_counts == {"task_closed": 1}
    assert unmatched() == [("call-c", "task_closed")]


def test_only_the_days_own_rows_are_applied() -> None:
    [task_id] = add_tasks(1)
    put_into_raw(CALL_DAY + timedelta(days=1), call("call-1", task_id))
    assert apply_outcomes(CALL_DAY).row_count == 0
    assert stored()["attempt"] == []


def test_one_call_id_for_two_tasks_counts_for_the_first_only() -> None:
    first, second = add_tasks(2)
    put_into_raw(CALL_DAY, call("call-1", first), call("call-1", second, minute=1))
    assert apply_outcomes(CALL_DAY).unmatched_counts == {"call_id_of_other_task": 1}
    before = stored()
    assert [row["call_task_id"] for row in before["attempt"]] == [first]
    apply_outcomes(CALL_DAY)
    assert stored() == before


def test_what_fits_later_or_is_delivered_no_more_leaves_the_unmatched() -> None:
    put_into_raw(CALL_DAY, call("call-1", 1), call("call-2", 999), call("call-3", 998))
    apply_outcomes(CALL_DAY)
    assert unmatched() == [
        ("call-1", "unknown_task"),
        ("call-2", "unknown_task"),
        ("call-3", "unknown_task"),
    ]
    kept = stored()["unmatched"][1]
    assert add_tasks(1) == [1]
    with database.connect(Role.LOADER) as connection:
        connection.execute("delete from raw.dialer__call_outcome where call_id = 'call-3'")
    assert apply_outcomes(CALL_DAY).recorded_count == 1
    assert stored()["unmatched"] == [kept]


def test_unmatched_rows_of_other_days_stay() -> None:
    for day in (CALL_DAY, CALL_DAY + timedelta(days=1)):
        put_into_raw(day, call(f"call of {day}", 999))
        apply_outcomes(day)
    assert len(unmatched()) == 2


def test_many_outcomes_are_applied_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tasks = add_tasks(2000)
    put_into_raw(CALL_DAY, *(call(f"call-{task}", task, "accepted") for task in tasks))
    assert apply_outcomes(CALL_DAY).recorded_count == 2000
    assert {row["status"] for row in stored()["task"]} == {"succeeded"}
    assert "2000 outcomes, 2000 recorded" in caplog.text


def test_what_an_interrupted_run_has_loaded_is_applied_later_and_once() -> None:
    first, second = add_tasks(2)
    put_into_raw(CALL_DAY, call("a", first, "accepted"), call("b", 99_999_999, "accepted"))
    put_into_raw(CALL_DAY + timedelta(days=9), call("c", second, "accepted"))
    apply_pending_outcomes(CALL_DAY + timedelta(days=1))
    assert [row["call_id"] for row in stored()["attempt"]] == ["a"]
    assert unmatched() == [("b", "unknown_task")]
    before = stored()
    apply_pending_outcomes(CALL_DAY + timedelta(days=1))
    assert stored() == before


def test_all_deliveries_up_to_the_day_of_the_calls_are_taken_in_and_a_bad_one_is_told(
    tmp_path: Path,
) -> None:
    first, second, third = add_tasks(3)
    deliver(tmp_path, CALL_DAY, call("a", first, "accepted"))
    deliver(tmp_path, CALL_DAY + timedelta(days=1), call("b", second, "accepted"))
    deliver(tmp_path, CALL_DAY + timedelta(days=2), call("c", third, "accepted"))
    nightly_steps.import_outcomes(CALL_DAY, tmp_path)
    assert [row["call_id"] for row in stored()["attempt"]] == ["a", "b"]
    before = stored()
    nightly_steps.import_outcomes(CALL_DAY, tmp_path)
    assert stored() == before
    (tmp_path / "dialer" / "call_outcome" / "2020-03-04" / "bad.csv").write_text("call_id\n")
    deliver(tmp_path, CALL_DAY, call("d", third, "busy"), name="more.csv")
    with pytest.raises(nightly_steps.StepFailed, match=r"bad\.csv"):
        nightly_steps.import_outcomes(CALL_DAY, tmp_path)
    assert [row["call_id"] for row in stored()["attempt"]] == ["a", "b", "d"]
