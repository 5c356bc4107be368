"""The dialers' files, read back as each dialer reads them."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import stat
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scripts import database
from scripts.export_call_list import ExportResult, export, export_night
from scripts.export_call_list.layouts import find_layout, read_layouts
from scripts.warehouse import Role
from tests.scripts.dialer_readers import READERS

SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHT = date(2020, 3, 2)
FIRST_CALL = datetime(2020, 3, 3, 9, 30, tzinfo=SHANGHAI)
WEB = find_layout("vicidial_web_standard")
LAYOUTS = list(read_layouts())

pytestmark = pytest.mark.usefixtures("warehouse_db")


def add_task(customer: str, **changes: object) -> int:
    """Publish one task, by default one that fits the layout; return its id."""
    values: dict[str, object] = {
        "night": NIGHT,
        "customer_id": customer,
        "revisit_tag": "risk_soothing",
        "phone_number": "139" + hashlib.sha256(customer.encode()).hexdigest().translate(
            str.maketrans("abcdef", "012345")
        )[:8],
        "customer_name": "王小明",
        "region": "成都市",
        "priority_rank": 1,
        "agent_hint": "一个月内派单 5 次, line repaired",
    } | changes  # fmt: skip
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "insert into dialer.call_list (business_date, revisit_tag)"
            " values (%(night)s, %(revisit_tag)s) on conflict do nothing",
            values,
        )
        [row] = connection.execute(
            """
            insert into dialer.call_task (
                call_list_id, business_date, customer_id, revisit_tag, phone_number,
                customer_name, region, priority_rank, agent_hint, due_at
            )
            select
                call_list_id, business_date, %(customer_id)s, revisit_tag, %(phone_number)s,
                %(customer_name)s, %(region)s, %(priority_rank)s, %(agent_hint)s,
                (business_date + 1 + time '09:00') at time zone 'Asia/Shanghai'
            from dialer.call_list
            where business_date = %(night)s and revisit_tag = %(revisit_tag)s
            returning call_task_id
            """,
            values,
        ).fetchall()
    return int(row["call_task_id"])


def call(task_id: int, outcome: str, called_at: datetime = FIRST_CALL, agent: str = "A1") -> None:
    rows = database.fetch_all(
        Role.DIALER,
        "select dialer.record_attempt(%(id)s, %(call)s, %(agent)s, %(at)s, %(outcome)s, 0, null)"
        " as verdict",
        id=task_id,
        call=f"{task_id} at {called_at}",
        agent=agent,
        at=called_at,
        outcome=outcome,
    )
    assert rows == [{"verdict": "recorded"}]


def change_task(task_id: int, change: str) -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            f"update dialer.call_task set {change} where call_task_id = {task_id}".encode()
        )


def exported(result: ExportResult) -> dict[int, dict[str, str]]:
    """Return every lead of every file by task id, after checking each file against its manifest."""
    manifest = json.loads((result.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["task_count"] == manifest["exported_count"] + manifest["rejected_count"]
    assert manifest["layout"] == result.folder.name == "vicidial_web_standard"
    leads: dict[int, dict[str, str]] = {}
    for entry in manifest["files"]:
        file = result.folder / entry["name"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["sha256"]
        in_file = READERS["vicidial_web_standard"](file.read_bytes())
        assert len(in_file) == entry["row_count"]
        assert {lead["list_id"] for lead in in_file} <= {str(entry["list_id"])}
        leads |= {int(lead["vendor_lead_code"]): lead for lead in in_file}
    assert len(leads) == result.exported_count == manifest["exported_count"]
    assert len(rejected(result)) == result.rejected_count == manifest["rejected_count"]
    return leads


def rejected(result: ExportResult) -> dict[int, Mapping[str, str]]:
    with (result.folder / "rejected.csv").open(encoding="utf-8") as file:
        return {int(row["call_task_id"]): row for row in csv.DictReader(file)}


def test_a_night_is_written_in_every_chosen_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_task("C1")
    monkeypatch.setenv("DIALER_LAYOUTS", ", ".join(LAYOUTS))
    results = export_night(NIGHT, tmp_path)
    assert [result.layout for result in results] == LAYOUTS
    for result in results:
        [file] = result.files
        assert len(READERS[result.layout]((result.folder / file.name).read_bytes())) == 1
        manifest = json.loads((result.folder / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["layout"] == result.layout
    monkeypatch.setenv("DIALER_LAYOUTS", "vicidial")
    with pytest.raises(KeyError, match=r"no layout vicidial; there are: .*plain_csv"):
        export_night(NIGHT, tmp_path)


def test_after_calls_of_the_dialer_alone_a_task_goes_to_the_first_person(tmp_path: Path) -> None:
    automatic, mixed = add_task("C1"), add_task("C2")
    call(automatic, "no_answer", agent="VDAD")
    call(mixed, "no_answer", agent="VDAD")
    call(mixed, "busy", FIRST_CALL + timedelta(hours=1), agent="A7")
    owners = {
        number: lead["owner"]
        for number, lead in exported(export(NIGHT + timedelta(days=2), tmp_path, WEB)).items()
    }
    assert owners == {automatic: "", mixed: "A7"}


def test_a_task_that_a_supervisor_gave_out_goes_to_that_agent(tmp_path: Path) -> None:
    given, common = add_task("C1"), add_task("C2")
    database.fetch_all(
        Role.SUPERVISOR, "select dialer.assign_tasks('ZG001', 'A9', array[%(id)s])", id=given
    )
    owners = {
        number: lead["owner"] for number, lead in exported(export(NIGHT, tmp_path, WEB)).items()
    }
    assert owners == {given: "A9", common: ""}


def test_a_task_becomes_a_lead(tmp_path: Path) -> None:
    task_id = add_task("C1", phone_number="13912345678", priority_rank=7)
    [list_row] = database.fetch_all(Role.DIALER, "select call_list_id from dialer.call_list")
    lead = exported(export(NIGHT, tmp_path, WEB))[task_id]
    assert {name: value for name, value in lead.items() if value} == {
        "vendor_lead_code": str(task_id),
        "source_id": f"risk_soothing:{list_row['call_list_id']}",
        "list_id": "2020030201",
        "phone_code": "86",
        "phone_number": "13912345678",
        "first_name": "王小明",
        "province": "成都市",
        "country_code": "CHN",
        "gender": "U",
        "security_phrase": "risk_soothing",
        "comments": "一个月内派单 5 次, line repaired",
        "rank": "7",
    }


def test_one_file_per_tag_in_calling_order(tmp_path: Path) -> None:
    third = add_task("C3", priority_rank=3)
    first = add_task("C1", priority_rank=1)
    other = add_task("C2", priority_rank=2, revisit_tag="churn_warning")
    result = export(NIGHT, tmp_path, WEB)
    assert result.folder == tmp_path / "2020-03-02" / "vicidial_web_standard"
    assert [file.name for file in result.files] == [
        "churn_warning_2020030202.txt",
        "risk_soothing_2020030201.txt",
    ]
    read = READERS["vicidial_web_standard"]
    codes = [
        [int(lead["vendor_lead_code"]) for lead in read((result.folder / file.name).read_bytes())]
        for file in result.files
    ]
    assert codes == [[other], [first, third]]
    assert [file.list_id for file in result.files] == [2020030202, 2020030201]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"phone_number": "02812345678"}, "phone_number"),
        ({"phone_number": "1391234567"}, "phone_number"),
        ({"phone_number": "139 1234 5678"}, "phone_number"),
        ({"phone_number": "+8613912345678"}, "phone_number"),
        ({"customer_name": "名" * 31}, "first_name"),
        ({"region": "区" * 51}, "province"),
        ({"revisit_tag": "t" * 50}, "source_id"),
        ({"priority_rank": 32768}, "rank"),
    ],
)
def test_what_does_not_fit_is_rejected_with_its_field(
    tmp_path: Path, changes: dict[str, object], field: str
) -> None:
    good, bad = add_task("C1"), add_task("C2", **changes)
    result = export(NIGHT, tmp_path, WEB)
    assert (result.task_count, result.exported_count, result.rejected_count) == (2, 1, 1)
    assert set(exported(result)) == {good}
    [(task_id, rejection)] = rejected(result).items()
    assert (task_id, rejection["field"]) == (bad, field)
    assert rejection["reason"]


def test_what_just_fits_is_exported(tmp_path: Path) -> None:
    task_id = add_task("C1", customer_name="名" * 30, region="区" * 50, priority_rank=32767)
    assert task_id in exported(export(NIGHT, tmp_path, WEB))


def test_an_agents_id_with_a_forbidden_character_rejects(tmp_path: Path) -> None:
    task_id = add_task("C1")
    call(task_id, "busy", agent="A;1")
    result = export(NIGHT + timedelta(days=2), tmp_path, WEB)
    assert rejected(result)[task_id]["field"] == "owner"


def test_what_is_only_shown_is_cleaned_and_comments_are_cut(tmp_path: Path) -> None:
    nasty = "a|b'c\"d`e\\f;g\r\nh\ti\u2028j\u0085k\x00"[:-1]
    task_id = add_task(
        "C1", customer_name="O'Neil|x", region="成\n都", agent_hint=nasty + "长" * 300
    )
    lead = exported(export(NIGHT, tmp_path, WEB))[task_id]
    assert (lead["first_name"], lead["province"]) == ("O Neil x", "成 都")
    assert lead["comments"] == ("a b c d e f g h i j k" + "长" * 300)[:255]


def test_missing_details_leave_their_fields_empty(tmp_path: Path) -> None:
    task_id = add_task("C1", customer_name=None, region=None, agent_hint=None)
    lead = exported(export(NIGHT, tmp_path, WEB))[task_id]
    assert lead["first_name"] == lead["province"] == lead["comments"] == lead["owner"] == ""


def test_a_number_is_called_for_one_task_a_night(tmp_path: Path) -> None:
    later = add_task("C1", priority_rank=2, phone_number="13912345678")
    first = add_task("C2", priority_rank=1, phone_number="13912345678", revisit_tag="churn_warning")
    result = export(NIGHT, tmp_path, WEB)
    assert set(exported(result)) == {first}
    assert rejected(result)[later]["field"] == "phone_number"
    assert "already" in rejected(result)[later]["reason"]


def test_the_same_night_gives_the_same_bytes_even_after_the_calls(tmp_path: Path) -> None:
    tasks = [add_task(f"C{number}", priority_rank=number) for number in range(1, 21)]
    add_task("C99", revisit_tag="churn_warning", phone_number="broken")

    def contents(folder: Path) -> dict[str, bytes]:
        export(NIGHT, folder, WEB)
        written = folder / "2020-03-02" / "vicidial_web_standard"
        return {file.name: file.read_bytes() for file in written.iterdir()}

    before = contents(tmp_path)
    assert len(before) == 4
    assert contents(tmp_path) == before
    call(tasks[0], "accepted")
    call(tasks[1], "no_answer")
    add_task("C50", night=NIGHT + timedelta(days=1))
    assert contents(tmp_path / "again") == before


def test_open_only_leaves_out_what_was_called_claimed_or_closed(tmp_path: Path) -> None:
    called, closed, claimed, expired, waiting = (
        add_task(f"C{number}", priority_rank=number) for number in range(1, 6)
    )
    call(called, "busy")
    call(closed, "refused")
    lease = "status = 'claimed', agent_id = 'A1', lease_expires_at = now()"
    change_task(claimed, f"{lease} + interval '10 minutes'")
    change_task(expired, f"{lease} - interval '1 second'")
    assert len(exported(export(NIGHT, tmp_path, WEB))) == 5
    assert set(exported(export(NIGHT, tmp_path, WEB, is_open_only=True))) == {expired, waiting}


def test_a_withdrawn_task_is_never_written(tmp_path: Path) -> None:
    task_id = add_task("C1")
    change_task(task_id, "status = 'withdrawn', closed_at = now()")
    result = export(NIGHT, tmp_path, WEB)
    assert (result.task_count, result.files) == (0, ())


def test_repeat_attempts_come_back_when_due_first_and_with_their_agent(tmp_path: Path) -> None:
    task_id = add_task("C1")
    call(task_id, "no_answer")  # on the 3rd, so due again on the 5th
    assert export(NIGHT + timedelta(days=1), tmp_path, WEB).task_count == 0  # called on the 4th
    fresh = add_task("C2", night=NIGHT + timedelta(days=2))
    result = export(NIGHT + timedelta(days=2), tmp_path, WEB)
    leads = exported(result)
    assert list(leads) == [task_id, fresh]
    assert (leads[task_id]["owner"], leads[fresh]["owner"]) == ("A1", "")
    assert {lead["list_id"] for lead in leads.values()} == {"2020030401"}
    call(task_id, "accepted", FIRST_CALL + timedelta(days=2))
    assert set(exported(export(NIGHT + timedelta(days=3), tmp_path, WEB))) == {fresh}


def test_a_later_night_is_not_in_the_files(tmp_path: Path) -> None:
    add_task("C1", night=NIGHT + timedelta(days=1))
    assert export(NIGHT, tmp_path, WEB).task_count == 0


def test_only_the_pipelines_account_may_read_the_files(tmp_path: Path) -> None:
    add_task("C1")
    folder = tmp_path / "2020-03-02" / "vicidial_web_standard"
    folder.mkdir(mode=0o755, parents=True)
    (folder / "old_tag_2020030209.txt").write_text("left over\n")
    export(NIGHT, tmp_path, WEB)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert {file.name for file in files} == {
        "manifest.json",
        "rejected.csv",
        "risk_soothing_2020030201.txt",
    }
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_the_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    add_task("C1")
    add_task("C2", phone_number="broken")
    result = export(NIGHT, tmp_path, WEB, is_dry_run=True)
    assert (result.task_count, result.exported_count, result.rejected_count) == (2, 1, 1)
    assert list(tmp_path.iterdir()) == []


def test_no_number_and_no_name_is_logged_or_rejected_in_clear(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    add_task("C1", phone_number="13912345678")
    add_task("C2", phone_number="13912345678;", customer_name="李四")
    result = export(NIGHT, tmp_path, WEB)
    report = (result.folder / "rejected.csv").read_text(encoding="utf-8")
    assert "1 rejected" in caplog.text
    for told in (caplog.text, report):
        assert "139123" not in told
        assert "李四" not in told
