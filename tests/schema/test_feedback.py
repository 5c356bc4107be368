"""What agents have to say beside the outcome: feedback of customers, experience of their own."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest

from scripts import database
from scripts.warehouse import Role

MOMENT = datetime(2020, 3, 3, 10, tzinfo=ZoneInfo("Asia/Shanghai"))

pytestmark = pytest.mark.usefixtures("warehouse_db")


def add_task() -> int:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "insert into dialer.call_list (business_date, revisit_tag)"
            " values ('2020-03-02', 'risk_soothing')"
        )
        [row] = connection.execute(
            "insert into dialer.call_task (call_list_id, business_date, customer_id, revisit_tag,"
            " phone_number, priority_rank, due_at) select call_list_id, business_date, 'C1',"
            " revisit_tag, '16100000001', 1, now() from dialer.call_list returning call_task_id"
        ).fetchall()
    return int(row["call_task_id"])


def give(task: int, **changes: object) -> str:
    values: dict[str, object] = {
        "task": task,
        "call": "call-1",
        "agent": "A1",
        "at": MOMENT,
        "type": "churn_reason",
        "name": "价格",
        "importance": 4,
        "reason": "to_competitor",
        "content": "对手送一年宽带",
    } | changes
    [row] = database.fetch_all(
        Role.DIALER,
        "select dialer.record_feedback(%(task)s, %(call)s, %(agent)s, %(at)s, %(type)s, %(name)s,"
        " %(importance)s, %(reason)s, %(content)s) as verdict",
        **values,
    )
    return str(row["verdict"])


def share(title: str, content: str = "先道歉，再报进度") -> str:
    [row] = database.fetch_all(
        Role.DIALER,
        "select dialer.share_experience('A1', '客服代表', %(title)s, %(content)s, %(at)s,"
        " 'risk_soothing') as verdict",
        title=title,
        content=content,
        at=MOMENT,
    )
    return str(row["verdict"])


def test_feedback_is_kept_once_with_type_name_importance_reason_and_content() -> None:
    task = add_task()
    assert give(task) == "recorded"
    assert give(task, content="again") == "duplicate"
    assert give(task, reason="service") == "recorded"
    rows = database.fetch_all(
        Role.DIALER,
        "select feedback_type, feedback_name, importance, content, reason_name_zh"
        " from dialer.call_feedback inner join dialer.feedback_reason using (reason_code)"
        " order by call_feedback_id",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("churn_reason", "价格", 4, "对手送一年宽带", "转向竞争对手"),
        ("churn_reason", "价格", 4, "对手送一年宽带", "服务"),
    ]


def test_the_five_reasons_are_there() -> None:
    rows = database.fetch_all(
        Role.DIALER, "select reason_name_zh from dialer.feedback_reason where reason_code <> 'none'"
    )
    assert {row["reason_name_zh"] for row in rows} == {
        "离开本地",
        "网络不熟",
        "业务不了解",
        "转向竞争对手",
        "服务",
    }


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"reason": "weather"}, "unknown_reason"),
        ({"task": 999}, "unknown_task"),
        ({"importance": 0}, "incomplete"),
        ({"importance": 6}, "incomplete"),
        ({"importance": 5}, "recorded"),
        ({"call": ""}, "incomplete"),
        ({"at": None}, "incomplete"),
    ],
)
def test_what_cannot_be_kept_is_told(changes: dict[str, object], verdict: str) -> None:
    task = add_task()
    assert give(**({"task": task} | changes)) == verdict  # type: ignore[arg-type]


def test_experience_is_shared_once() -> None:
    assert [share("安抚"), share("安抚", "other"), share("安抚", ""), share("")] == [
        "recorded",
        "duplicate",
        "incomplete",
        "incomplete",
    ]
    [note] = database.fetch_all(Role.DIALER, "select * from dialer.experience_note")
    assert (note["post"], note["revisit_tag"], note["agent_id"]) == (
        "客服代表",
        "risk_soothing",
        "A1",
    )


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (Role.DIALER, "delete from dialer.experience_note"),
        (Role.DIALER, "update dialer.reported_call set verdict = 'recorded'"),
        (Role.DIALER, "delete from dialer.call_feedback"),
        (Role.ANALYST, "select * from dialer.call_feedback"),
        (Role.LOADER, "select * from dialer.call_feedback"),
        (Role.LOADER, "update dialer.vicidial_status set sale = true"),
        (Role.SCORER, "select * from dialer.reported_call"),
    ],
)
def test_nobody_writes_or_reads_past_the_functions(role: Role, statement: str) -> None:
    refusal = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with refusal, database.connect(role) as connection:
        connection.execute(statement.encode())
