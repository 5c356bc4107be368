"""The dialer's files, read back as VICIdial's web loader reads its Standard Format."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import re
import stat
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scripts import database
from scripts.export_call_list import VICIDIAL_STANDARD, ExportResult, export
from scripts.warehouse import Role

SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHT = date(2020, 3, 2)
FIRST_CALL = datetime(2020, 3, 3, 9, 30, tzinfo=SHANGHAI)
# Position and width of each column as the loader and vicidial_list have them, written down here a
# second time on purpose: the module's table is what is tested.
LOADER_COLUMNS = {
    "vendor_lead_code": 20, "source_id": 50, "list_id": 14, "phone_code": 10, "phone_number": 18,
    "title": 4, "first_name": 30, "middle_initial": 1, "last_name": 30, "address1": 100,
    "address2": 100, "address3": 100, "city": 50, "state": 2, "province": 50, "postal_code": 10,
    "country_code": 3, "gender": 1, "date_of_birth": 10, "alt_phone": 12, "email": 70,
    "security_phrase": 100, "comments": 255, "rank": 6, "owner": 20,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("warehouse_db")


def load_as_vicidial(file: Path) -> list[dict[str, str]]:
    """Read a file as the loader does: split, strip what it strips, take 25 positions.

    Fails where the loader would change or cut a value without a word.
    """
    leads = []
    content = file.read_bytes().decode("utf-8")
    assert content.endswith("\n")
    assert "\r" not in content
    for line in content.removesuffix("\n").split("\n"):
        stripped = re.sub(r"['\"\\`;]", "", line)
        assert stripped == line
        values = stripped.split("|")
        assert len(values) == 25
        lead = dict(zip(LOADER_COLUMNS, values, strict=True))
        for name, width in LOADER_COLUMNS.items():
            assert len(lead[name]) <= width, name
        assert re.sub(r"[^0-9]", "", lead["phone_number"]) == lead["phone_number"]
        assert 3 <= len(str(int(lead["list_id"]))) <= 12
        assert -32768 <= int(lead["rank"]) <= 32767
        assert lead["gender"] in {"M", "F", "U"}
        leads.append(lead)
    return leads


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
    assert manifest["layout"] == "vicidial_standard"
    leads: dict[int, dict[str, str]] = {}
    for entry in manifest["files"]:
        file = result.folder / entry["name"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["sha256"]
        in_file = load_as_vicidial(file) if entry["row_count"] else []
        assert len(in_file) == entry["row_count"]
        assert {lead["list_id"] for lead in in_file} <= {str(entry["list_id"])}
        leads |= {int(lead["vendor_lead_code"]): lead for lead in in_file}
    assert len(leads) == result.exported_count == manifest["exported_count"]
    assert len(rejected(result)) == result.rejected_count == manifest["rejected_count"]
    return leads


def rejected(result: ExportResult) -> dict[int, Mapping[str, str]]:
    with (result.folder / "vicidial_standard.rejected.csv").open(encoding="utf-8") as file:
        return {int(row["call_task_id"]): row for row in csv.DictReader(file)}


def test_the_layout_has_the_loaders_positions_and_widths() -> None:
    assert [field.name for field in VICIDIAL_STANDARD] == list(LOADER_COLUMNS)
    for field in VICIDIAL_STANDARD:
        assert field.max_length <= LOADER_COLUMNS[field.name]


def test_the_documented_sample_is_a_line_of_the_layout(tmp_path: Path, project_dir: Path) -> None:
    page = (project_dir / "docs" / "dialer-layouts.md").read_text(encoding="utf-8")
    [sample] = [line.strip() for line in page.splitlines() if "|risk_soothing:" in line]
    (tmp_path / "sample.txt").write_text(f"{sample}\n", encoding="utf-8")
    [lead] = load_as_vicidial(tmp_path / "sample.txt")
    assert (lead["vendor_lead_code"], lead["rank"], lead["owner"]) == ("4711", "7", "A0231")
    assert (lead["province"], lead["comments"][:3]) == ("成都市", "风险：")


def test_a_task_becomes_a_lead(tmp_path: Path) -> None:
    task_id = add_task("C1", phone_number="13912345678", priority_rank=7)
    [list_row] = database.fetch_all(Role.DIALER, "select call_list_id from dialer.call_list")
    lead = exported(export(NIGHT, tmp_path))[task_id]
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
    result = export(NIGHT, tmp_path)
    assert result.folder == tmp_path / "2020-03-02"
    assert [file.name for file in result.files] == [
        "vicidial_standard_churn_warning.txt",
        "vicidial_standard_risk_soothing.txt",
    ]
    codes = [
        [int(lead["vendor_lead_code"]) for lead in load_as_vicidial(result.folder / file.name)]
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
    result = export(NIGHT, tmp_path)
    assert (result.task_count, result.exported_count, result.rejected_count) == (2, 1, 1)
    assert set(exported(result)) == {good}
    [(task_id, rejection)] = rejected(result).items()
    assert (task_id, rejection["field"]) == (bad, field)
    assert rejection["reason"]


def test_what_just_fits_is_exported(tmp_path: Path) -> None:
    task_id = add_task("C1", customer_name="名" * 30, region="区" * 50, priority_rank=32767)
    assert task_id in exported(export(NIGHT, tmp_path))


def test_an_agents_id_with_a_forbidden_character_rejects(tmp_path: Path) -> None:
    task_id = add_task("C1")
    call(task_id, "busy", agent="A;1")
    result = export(NIGHT + timedelta(days=2), tmp_path)
    assert rejected(result)[task_id]["field"] == "owner"


def test_what_is_only_shown_is_cleaned_and_comments_are_cut(tmp_path: Path) -> None:
    nasty = "a|b'c\"d`e\\f;g\r\nh\ti\u2028j\u0085k\x00"[:-1]
    task_id = add_task(
        "C1", customer_name="O'Neil|x", region="成\n都", agent_hint=nasty + "长" * 300
    )
    lead = exported(export(NIGHT, tmp_path))[task_id]
    assert (lead["first_name"], lead["province"]) == ("O Neil x", "成 都")
    assert lead["comments"] == ("a b c d e f g h i j k" + "长" * 300)[:255]


def test_missing_details_leave_their_fields_empty(tmp_path: Path) -> None:
    task_id = add_task("C1", customer_name=None, region=None, agent_hint=None)
    lead = exported(export(NIGHT, tmp_path))[task_id]
    assert lead["first_name"] == lead["province"] == lead["comments"] == lead["owner"] == ""


def test_a_number_is_called_for_one_task_a_night(tmp_path: Path) -> None:
    later = add_task("C1", priority_rank=2, phone_number="13912345678")
    first = add_task("C2", priority_rank=1, phone_number="13912345678", revisit_tag="churn_warning")
    result = export(NIGHT, tmp_path)
    assert set(exported(result)) == {first}
    assert rejected(result)[later]["field"] == "phone_number"
    assert "already" in rejected(result)[later]["reason"]


def test_the_same_night_gives_the_same_bytes_even_after_the_calls(tmp_path: Path) -> None:
    tasks = [add_task(f"C{number}", priority_rank=number) for number in range(1, 21)]
    add_task("C99", revisit_tag="churn_warning", phone_number="broken")

    def contents(folder: Path) -> dict[str, bytes]:
        export(NIGHT, folder)
        return {file.name: file.read_bytes() for file in (folder / "2020-03-02").iterdir()}

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
    assert len(exported(export(NIGHT, tmp_path))) == 5
    assert set(exported(export(NIGHT, tmp_path, is_open_only=True))) == {expired, waiting}


def test_a_withdrawn_task_is_never_written(tmp_path: Path) -> None:
    task_id = add_task("C1")
    change_task(task_id, "status = 'withdrawn', closed_at = now()")
    result = export(NIGHT, tmp_path)
    assert (result.task_count, result.files) == (0, ())


def test_repeat_attempts_come_back_when_due_first_and_with_their_agent(tmp_path: Path) -> None:
    task_id = add_task("C1")
    call(task_id, "no_answer")  # on the 3rd, so due again on the 5th
    assert export(NIGHT + timedelta(days=1), tmp_path).task_count == 0  # called on the 4th
    fresh = add_task("C2", night=NIGHT + timedelta(days=2))
    result = export(NIGHT + timedelta(days=2), tmp_path)
    leads = exported(result)
    assert list(leads) == [task_id, fresh]
    assert (leads[task_id]["owner"], leads[fresh]["owner"]) == ("A1", "")
    assert {lead["list_id"] for lead in leads.values()} == {"2020030401"}
    call(task_id, "accepted", FIRST_CALL + timedelta(days=2))
    assert set(exported(export(NIGHT + timedelta(days=3), tmp_path))) == {fresh}


def test_a_later_night_is_not_in_the_files(tmp_path: Path) -> None:
    add_task("C1", night=NIGHT + timedelta(days=1))
    assert export(NIGHT, tmp_path).task_count == 0


def test_only_the_pipelines_account_may_read_the_files(tmp_path: Path) -> None:
    add_task("C1")
    folder = tmp_path / "2020-03-02"
    folder.mkdir(mode=0o755)
    stale = folder / "vicidial_standard_old_tag.txt"
    stale.write_text("left over\n")
    export(NIGHT, tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert {file.name for file in files} == {
        "manifest.json",
        "vicidial_standard.rejected.csv",
        "vicidial_standard_risk_soothing.txt",
    }
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_the_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    add_task("C1")
    add_task("C2", phone_number="broken")
    result = export(NIGHT, tmp_path, is_dry_run=True)
    assert (result.task_count, result.exported_count, result.rejected_count) == (2, 1, 1)
    assert list(tmp_path.iterdir()) == []


def test_no_number_and_no_name_is_logged_or_rejected_in_clear(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    add_task("C1", phone_number="13912345678")
    add_task("C2", phone_number="13912345678;", customer_name="李四")
    result = export(NIGHT, tmp_path)
    report = (result.folder / "vicidial_standard.rejected.csv").read_text(encoding="utf-8")
    assert "1 rejected" in caplog.text
    for told in (caplog.text, report):
        assert "139123" not in told
        assert "李四" not in told
