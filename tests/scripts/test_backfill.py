"""Backfill in date order, and nights built again when something they rest on has changed."""

from __future__ import annotations

import os
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from scripts import nightly_steps
from scripts.backfill import backfill, plan_rebuilds, rebuild
from scripts.database import fetch_all
from scripts.load_extracts import due_loads, load_each
from scripts.warehouse import Role

FIRST, SECOND = date(2026, 11, 19), date(2026, 11, 20)
PLAN = (
    "plan_id|plan_name|product_type|monthly_rent_amount|bandwidth_mbps|valid_from|valid_to\n"
    "P1|basic|broadband|99|100|2020-01-01|\n"
)
CUSTOMER = (
    "customer_id|region|is_do_not_call|registered_date\nC1|成都|false|2020-01-01\n"
    "C2|成都|false|2020-01-01\n"
)
SUBSCRIPTION = (
    "subscription_id|customer_id|account_id|product_type|plan_id|activated_at\n"
    "good|C1|A1|broadband|P1|2020-01-01 00:00:00\n"
    "dim|C2|A2|broadband|P1|2020-01-01 00:00:00\n"
)

pytestmark = pytest.mark.usefixtures("warehouse_db")


def deliver(landing: Path, source: str, extract: str, day: date, text: str) -> Path:
    folder = landing / source / extract / day.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "a.csv"
    file.write_bytes(text.encode("gb18030" if source == "crm" else "utf-8"))
    return file


def readings(day: date, **loss: float) -> str:
    rows = [f"{line},{day} 04:00:00,downstream,{value},dB\n" for line, value in loss.items()]
    return "subscription_id,measured_at,direction,reading_value,reading_unit\n" + "".join(rows)


def warnings() -> list[tuple[date, str, date]]:
    rows = fetch_all(
        Role.TRANSFORMER,
        "select business_date, subscription_id, first_raised_date from marts.fct_risk_warning"
        " where rule_code = 'optical_loss' order by 1, 2",
    )
    return [tuple(row.values()) for row in rows]


def test_loads_in_date_order_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    days = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 2)]
    for day in days:
        deliver(tmp_path, "line", "optical_reading", day, readings(day, good=20, dim=29))
        deliver(tmp_path, "crm", "plan", day, PLAN)
    due = due_loads(days[0], days[1], tmp_path)
    assert [day for day, _ in due] == [days[0], days[0], days[1], days[1]]

    stopped = load_each(due, tmp_path)
    next(stopped)
    stopped.close()

    page = StringIO()
    loads = backfill(days[0], days[2], tmp_path, Console(file=page))
    assert [load.business_date for load in loads] == [days[0], days[1], days[1], days[2], days[2]]
    assert {load.status for load in loads} == {"loaded"}
    assert "5/5" in page.getvalue()
    assert backfill(days[0], days[2], tmp_path, Console(file=page)) == []


def test_a_correction_builds_again_the_nights_that_rest_on_it(
    tmp_path: Path, target_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", str(target_dir))
    landing, console = tmp_path / "landing", Console(file=StringIO())
    for day in (FIRST, SECOND):
        deliver(landing, "crm", "plan", day, PLAN)
        deliver(landing, "crm", "customer", day, CUSTOMER)
        deliver(landing, "crm", "subscription", day, SUBSCRIPTION)
    wrong = deliver(landing, "line", "optical_reading", FIRST, readings(FIRST, good=29, dim=20))
    backfill(FIRST, SECOND, landing, console)
    assert plan_rebuilds() == []
    nightly_steps.transform(FIRST)
    nightly_steps.transform(SECOND)
    nightly_steps.decide(SECOND)
    assert warnings() == [(FIRST, "good", FIRST), (SECOND, "good", FIRST)]
    assert plan_rebuilds() == []

    deliver(landing, "line", "optical_reading", FIRST, readings(FIRST, good=20, dim=29))
    os.utime(wrong)
    (load,) = backfill(FIRST, SECOND, landing, console)
    assert (load.extract, load.business_date, load.status) == ("optical_reading", FIRST, "loaded")
    due = plan_rebuilds()
    assert [(build.stage, build.business_date) for build in due] == [
        ("transform", FIRST),
        ("transform", SECOND),
        ("decide", SECOND),
    ]
    assert "fct_risk_warning" in due[0].models
    views = ("fct_remediation_order", "fct_risk_answer", "fct_soothing_case")
    assert due[2].models == ("customer_360", "customer_mark", *views)
    decided = fetch_all(
        Role.TRANSFORMER, "select * from marts.fct_retention_decision order by 1, 2"
    )
    assert len(decided) == 1

    rebuild(due, console)
    assert warnings() == [(FIRST, "dim", FIRST), (SECOND, "dim", FIRST)]
    dim = fetch_all(
        Role.TRANSFORMER,
        "select customer_id from marts.customer_360 where highest_risk_level is not null",
    )
    assert [row["customer_id"] for row in dim] == ["C2"]
    after = fetch_all(Role.TRANSFORMER, "select * from marts.fct_retention_decision order by 1, 2")
    assert after == decided
    assert plan_rebuilds() == []
