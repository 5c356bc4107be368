"""VICIdial's own reports: mapped by flags, counted once, and no line of them lost."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scripts import database, nightly_steps
from scripts.import_call_reports import (
    ReportNotReadError,
    ReportsResult,
    import_call_reports,
    read_forms,
)
from scripts.import_outcomes import apply_outcomes
from scripts.warehouse import Role

SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHT = date(2020, 3, 2)
CALL_DAY = NIGHT + timedelta(days=1)
PHONE = "13912345678"
LOG, REPORT = "vicidial_call_log", "vicidial_call_report"
# The header row of call_report_export.php up to the lead; its rows may go on.
REPORT_HEADER = [
    "call_date", "phone_number_dialed", "status", "user", "full_name", "campaign_id",
    "vendor_lead_code", "source_id", "list_id", "gmt_offset_now", "phone_code", "phone_number",
    "title", "first_name", "middle_initial", "last_name", "address1", "address2", "address3",
    "city", "state", "province", "postal_code", "country_code", "gender", "date_of_birth",
    "alt_phone", "email", "security_phrase", "comments", "length_in_sec", "user_group",
    "alt_dial", "rank", "owner", "lead_id",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("warehouse_db")


def add_tasks(count: int) -> list[int]:
    with database.connect(Role.TRANSFORMER) as connection:
        rows = connection.execute(
            """
            with list as (
                insert into dialer.call_list (business_date, revisit_tag)
                values (%(night)s, 'risk_soothing')
                returning call_list_id, business_date
            )

            insert into dialer.call_task (
                call_list_id, business_date, customer_id, revisit_tag, phone_number,
                priority_rank, due_at
            )
            select list.*, 'C' || rank, 'risk_soothing', %(phone)s, rank, now()
            from list
            cross join generate_series(1, %(count)s) as rank
            order by rank
            returning call_task_id
            """,
            {"night": NIGHT, "count": count, "phone": PHONE},
        ).fetchall()
    return [row["call_task_id"] for row in rows]


def call(task: object, status: str, **changes: object) -> dict[str, object]:
    """Return what the dialer knows of one call; its lead follows from the task."""
    return {
        "call_date": "2020-03-03 10:00:00",
        "vendor_lead_code": task,
        "status": status,
        "user": "A1",
        "lead_id": f"9{task}",
        "list_id": "2020030201",
        "campaign_id": "RETAIN",
        "length_in_sec": 25,
        "source_id": "risk_soothing:1",
        "alt_dial": "MAIN",
    } | changes


def log_line(each: dict[str, object], delimiter: str = "|") -> str:
    """Write a call as AST_call_log_export.pl does, pipe-basic or tab-basic."""
    values = [
        each["call_date"], PHONE, each["vendor_lead_code"], each["status"], each["user"], "王小明",
        "", each["lead_id"], each["list_id"], each["campaign_id"], each["length_in_sec"],
        each["source_id"],
    ]  # fmt: skip
    return "".join(f"{value}{delimiter}" for value in values)


def report(*calls: dict[str, object], header: bool = True) -> str:
    """Write calls as call_report_export.php does, extended: rows longer than the known header."""
    rows = [
        "\t".join(
            str(each.get(name, PHONE if "phone_number" in name else "")) for name in REPORT_HEADER
        )
        for each in calls
    ]
    extra = "\tlist_name\tlist_description\tstatus_name\twrapup_time\tuniqueid"
    lines = ["\t".join(REPORT_HEADER) + extra] * header
    return "".join(
        f"{line}\r\n" for line in [*lines, *(f"{row}\tR\t\tName\t3\t1.1" for row in rows)]
    )


def deliver(landing: Path, form: str, text: str, name: str = "a.txt", day: date = CALL_DAY) -> None:
    folder = landing / "dialer" / form / day.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8", newline="")


def deliver_log(landing: Path, *calls: dict[str, object], name: str = "a.txt") -> None:
    deliver(landing, LOG, "".join(f"{log_line(each)}\n" for each in calls), name)


def take_in(landing: Path) -> ReportsResult:
    return import_call_reports(CALL_DAY, landing)


def rows(query: str) -> list[dict[str, Any]]:
    with database.connect(None) as connection:
        return connection.execute(query.encode()).fetchall()


def verdicts() -> list[str]:
    return [
        row["verdict"]
        for row in rows("select verdict from dialer.reported_call order by report_file_id, line")
    ]


def attempts() -> list[tuple[int, str]]:
    found = rows("select * from dialer.call_attempt order by call_task_id, attempt_number")
    return [(row["call_task_id"], row["outcome_code"]) for row in found]


def everything() -> dict[str, list[dict[str, Any]]]:
    tables = ("call_task", "call_attempt", "unmatched_outcome", "reported_call", "report_file")
    return {table: rows(f"select * from dialer.{table} order by 1, 2") for table in tables}


def test_the_forms_are_those_of_the_two_reports() -> None:
    assert [form.name for form in read_forms()] == [LOG, REPORT]


def test_a_log_moves_its_tasks_and_again_changes_nothing(tmp_path: Path) -> None:
    sold, missed, untouched = add_tasks(3)
    deliver_log(
        tmp_path,
        call(sold, "SALE", length_in_sec=85),
        call(missed, "NA", user="VDAD"),
        call(9999, "SALE"),
    )
    result = take_in(tmp_path)
    assert (result.file_count, result.row_count) == (1, 3)
    assert result.verdict_counts == {"recorded": 2, "unknown_task": 1}
    tasks = {row["call_task_id"]: row for row in rows("select * from dialer.call_task")}
    assert [tasks[each]["status"] for each in (sold, missed, untouched)] == [
        "succeeded", "open", "open",
    ]  # fmt: skip
    called_at = datetime(2020, 3, 3, 10, tzinfo=SHANGHAI)
    assert tasks[missed]["due_at"] == called_at + timedelta(days=2)
    spoken = rows("select talk_seconds from dialer.call_attempt order by call_task_id")
    assert [row["talk_seconds"] for row in spoken] == [85, 0]  # the other one only rang
    [unmatched] = rows("select * from dialer.unmatched_outcome")
    assert (unmatched["call_task_id"], unmatched["reason"]) == (9999, "unknown_task")

    before = everything()
    again = take_in(tmp_path)
    assert (again.file_count, again.verdict_counts) == (0, {"unknown_task": 1})
    assert everything() == before


@pytest.mark.parametrize(
    ("status", "outcome", "state"),
    [
        ("SALE", "accepted", "succeeded"),  # shipped without customer_contact
        ("DNC", "do_not_call", "succeeded"),  # likewise
        ("NI", "refused", "succeeded"),
        ("DEC", "contacted", "succeeded"),
        ("XFER", "contacted", "succeeded"),
        ("CALLBK", "callback_agreed", "open"),  # a contact, and still to be called
        ("DROP", "no_answer", "open"),  # shipped with human_answered
        ("NP", "no_answer", "open"),  # likewise
        ("A", "no_answer", "open"),
        ("B", "busy", "open"),
        ("DC", "invalid_number", "open"),
    ],
)
def test_the_flags_of_a_status_decide(
    tmp_path: Path, status: str, outcome: str, state: str
) -> None:
    [task] = add_tasks(1)
    deliver_log(tmp_path, call(task, status))
    assert take_in(tmp_path).recorded_count == 1
    assert attempts() == [(task, outcome)]
    assert rows("select status from dialer.call_task") == [{"status": state}]


def test_a_sites_own_status_is_judged_by_its_campaigns_flags(tmp_path: Path) -> None:
    rival, moved = add_tasks(2)
    deliver_log(tmp_path, call(rival, "RIVAL"), call(moved, "RIVAL", campaign_id="OTHER"))
    assert take_in(tmp_path).verdict_counts == {"unknown_status": 2}
    assert attempts() == []
    with database.connect(None) as connection:
        connection.execute(
            """
            insert into dialer.vicidial_status
            select
                campaign, 'RIVAL', 'Goes to a rival', true, false, false, contact, refused, false,
                false, false, false, true, 'no_answer', reason
            from (
                values ('RETAIN', false, true, 'to_competitor'), ('*', true, false, 'none')
            ) as site (campaign, contact, refused, reason)
            """
        )
    assert take_in(tmp_path).verdict_counts == {"recorded": 2}
    assert attempts() == [(rival, "refused"), (moved, "contacted")]
    [feedback] = rows("select * from dialer.call_feedback")
    assert (feedback["call_task_id"], feedback["reason_code"]) == (rival, "to_competitor")
    assert take_in(tmp_path).verdict_counts == {}


def test_what_is_no_call_of_ours_is_put_aside_with_its_reason(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    deliver_log(
        tmp_path,
        call("", "SALE"),
        call("LEAD-7", "SALE"),
        call(task, "SALE", source_id="bought leads"),
        call(task, "SALE", source_id="", list_id="101"),
        call(task, "DNCL"),
    )
    deliver(tmp_path, REPORT, report(call(task, "SALE", alt_dial="12.00")))
    take_in(tmp_path)
    assert verdicts() == [
        "no_task_number", "no_task_number", "not_ours", "not_ours", "not_a_call", "inbound_call",
    ]  # fmt: skip
    assert attempts() == []


def test_a_dialer_that_keeps_no_source_is_known_by_the_list(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    deliver_log(tmp_path, call(task, "SALE", source_id=""))
    assert take_in(tmp_path).recorded_count == 1


def test_a_call_reported_while_it_lasts_counts_when_it_is_over(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    deliver_log(tmp_path, call(task, "INCALL"))
    take_in(tmp_path)
    deliver_log(tmp_path, call(task, "SALE"), name="b.txt")
    take_in(tmp_path)
    assert verdicts() == ["not_a_call", "recorded"]


def test_a_call_counts_once_however_often_it_is_reported(tmp_path: Path) -> None:
    first, second = add_tasks(2)
    deliver_log(tmp_path, call(first, "NA"))
    take_in(tmp_path)
    deliver_log(tmp_path, call(first, "NA"), call(second, "B"), name="b.txt")
    # The other report has the time at which the agent was ready, not that of the call.
    deliver(tmp_path, REPORT, report(call(first, "NA", call_date="2020-03-03 10:02:30")))
    take_in(tmp_path)
    assert verdicts() == ["recorded", "duplicate", "recorded", "same_call"]
    assert attempts() == [(first, "no_answer"), (second, "busy")]
    later = call(first, "NA", call_date="2020-03-03 10:32:31")
    deliver(tmp_path, REPORT, report(later), "b.txt")
    take_in(tmp_path)
    assert verdicts()[-1] == "recorded"


def test_late_calls_count_in_the_order_they_come_and_keep_the_due_time(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    deliver_log(tmp_path, call(task, "B", call_date="2020-03-03 15:00:00"))
    take_in(tmp_path)
    due = rows("select due_at from dialer.call_task")
    deliver_log(tmp_path, call(task, "NA", call_date="2020-03-03 09:30:00"), name="late.txt")
    take_in(tmp_path)
    assert attempts() == [(task, "busy"), (task, "no_answer")]
    assert rows("select due_at from dialer.call_task") == due
    calls = [call(task, "NA", call_date=f"2020-03-05 1{hour}:00:00") for hour in (1, 0)]
    deliver_log(tmp_path, *calls, name="more.txt")
    take_in(tmp_path)
    assert verdicts() == ["recorded", "recorded", "task_closed", "recorded"]  # the later one
    assert rows("select status from dialer.call_task") == [{"status": "failed"}]


def test_no_line_is_lost(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    lines = [
        log_line(call(task, "SALE"), "\t"),
        log_line(call(task, "SALE", call_date="yesterday")),
        log_line(call(task, "SALE", length_in_sec="long")),
        "3 columns|of|text",
        log_line(call(task, "SALE")).removesuffix("|"),
    ]
    deliver(tmp_path, LOG, "".join(f"{line}\r\n" for line in lines))
    result = take_in(tmp_path)
    assert result.row_count == len(lines) == len(verdicts())
    assert verdicts() == ["recorded", *["unreadable"] * 4]


def test_a_report_that_grew_takes_the_place_of_what_it_was(tmp_path: Path) -> None:
    first, second = add_tasks(2)
    deliver_log(tmp_path, call(first, "NA"))
    take_in(tmp_path)
    deliver_log(tmp_path, call(first, "NA"), call(second, "NA"))
    assert take_in(tmp_path).verdict_counts == {"duplicate": 1, "recorded": 1}
    assert len(rows("select * from dialer.report_file")) == 1


def test_a_report_without_its_header_is_refused_and_the_others_are_applied(tmp_path: Path) -> None:
    first, second = add_tasks(2)
    deliver(tmp_path, REPORT, report(call(first, "SALE"), header=False))
    deliver(tmp_path, REPORT, report(call(second, "SALE")), "b.txt")
    with pytest.raises(ReportNotReadError, match=r"a\.txt: the header lacks call_date") as refusal:
        take_in(tmp_path)
    assert PHONE not in str(refusal.value)
    assert attempts() == [(second, "accepted")]
    assert len(verdicts()) == 1


def test_a_report_that_is_still_written_waits_until_it_is_whole(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    whole = report(call(task, "SALE"))
    deliver(tmp_path, REPORT, whole.removesuffix("1.1\r\n"))
    with pytest.raises(ReportNotReadError, match="not complete"):
        take_in(tmp_path)
    assert verdicts() == []
    deliver(tmp_path, REPORT, whole)
    assert take_in(tmp_path).recorded_count == 1


def test_a_wrong_length_costs_no_call(tmp_path: Path) -> None:
    first, second = add_tasks(2)
    deliver_log(
        tmp_path,
        call(first, "SALE", length_in_sec=-5),
        call(second, "SALE", length_in_sec=99_999_999_999),
    )
    assert take_in(tmp_path).recorded_count == 2
    spoken = rows("select talk_seconds from dialer.call_attempt order by call_task_id")
    assert [row["talk_seconds"] for row in spoken] == [0, 86_400]


def test_later_days_wait_for_their_import(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    text = f"{log_line(call(task, 'SALE'))}\n"
    deliver(tmp_path, LOG, text, day=CALL_DAY + timedelta(days=1))
    assert take_in(tmp_path).file_count == 0
    assert import_call_reports(CALL_DAY + timedelta(days=1), tmp_path).file_count == 1


def test_the_step_takes_in_the_calls_of_the_day_after_the_night(tmp_path: Path) -> None:
    [task] = add_tasks(1)
    deliver_log(tmp_path, call(task, "SALE"))
    nightly_steps.import_call_reports(NIGHT, tmp_path)
    [run] = rows("select * from ops.step_run")
    assert (run["step"], run["status"]) == ("import_call_reports", "success")
    assert run["counts"] == {"reports": 1, "lines": 1, "recorded": 1}
    deliver(tmp_path, REPORT, "")
    with pytest.raises(nightly_steps.StepFailed, match=r"a\.txt: the file is empty"):
        nightly_steps.import_call_reports(NIGHT, tmp_path)
    assert rows("select status from ops.step_run order by step_run_id desc limit 1") == [
        {"status": "failed"}
    ]


def test_no_number_and_no_name_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    [task] = add_tasks(1)
    deliver_log(tmp_path, call(task, "SALE"), call(task, "SALE", call_date="?"))
    take_in(tmp_path)
    for told in (caplog.text, str(everything()["reported_call"])):
        assert PHONE not in told
        assert "王小明" not in told


def test_outcomes_of_the_contract_leave_what_a_report_left_unmatched(tmp_path: Path) -> None:
    deliver_log(tmp_path, call(9999, "SALE"))
    take_in(tmp_path)
    apply_outcomes(CALL_DAY)
    assert len(rows("select * from dialer.unmatched_outcome")) == 1
    add_tasks(3)
    with database.connect(None) as connection:
        connection.execute("update dialer.reported_call set task_number = '3'")
        connection.execute("update dialer.unmatched_outcome set call_task_id = 3")
    assert take_in(tmp_path).recorded_count == 1
    assert rows("select * from dialer.unmatched_outcome") == []
