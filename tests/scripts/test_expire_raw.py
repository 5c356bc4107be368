"""What leaves raw when its retention is over, what stays, and that the archive stays unread."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from scripts.contracts import find_extract
from scripts.database import connect, fetch_all
from scripts.expire_raw import expire_raw
from scripts.load_extracts import load_all
from scripts.retention import MONTHLY_SNAPSHOT_DAYS, expired_dates
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)
EVENTS = replace(find_extract("line", "optical_reading"), retention_days=60)
SNAPSHOT = replace(find_extract("crm", "customer"), retention_days=10)


def before(days: int) -> date:
    return NIGHT - timedelta(days=days)


@pytest.mark.parametrize(
    ("night", "is_expired"), [(date(2026, 11, 29), False), (date(2026, 11, 30), True)]
)
def test_events_leave_by_whole_months(night: date, is_expired: bool) -> None:
    """Sixty days before the 30th of November lies the 1st of October: September is over."""
    september = [date(2026, 9, 1), date(2026, 9, 30)]
    october = [date(2026, 10, 1)]
    assert expired_dates(EVENTS, september + october, night) == (september if is_expired else [])


def test_of_an_old_snapshot_the_last_of_each_month_stays() -> None:
    days = [date(2026, 9, 29), date(2026, 9, 30), date(2026, 10, 30), date(2026, 10, 31)]
    recent = [before(10), before(9), NIGHT]
    assert expired_dates(SNAPSHOT, days + recent, NIGHT) == [days[0], days[2]]
    assert expired_dates(SNAPSHOT, [before(11), before(10)], NIGHT) == [before(11)]


def test_a_monthly_snapshot_leaves_after_its_time_but_never_the_newest() -> None:
    ancient = before(MONTHLY_SNAPSHOT_DAYS).replace(day=1) - timedelta(days=1)
    younger = before(MONTHLY_SNAPSHOT_DAYS)
    assert expired_dates(SNAPSHOT, [ancient, younger, NIGHT], NIGHT) == [ancient]
    assert expired_dates(SNAPSHOT, [ancient], NIGHT) == []


@pytest.mark.usefixtures("warehouse_db")
def test_rows_rejected_rows_and_partitions_go_and_the_ledger_says_so(tmp_path: Path) -> None:
    days = [date(2025, 8, 31), date(2025, 9, 30), date(2025, 10, 1), NIGHT]
    for day in days:
        folder = tmp_path / "line" / "optical_reading" / day.isoformat()
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text(
            "subscription_id,measured_at,direction,reading_value,reading_unit\n"
            f"S1,{day} 10:00:00,downstream,20,dB\nS2,{day} 10:00:00,downstream,20,\n"
        )
        load_all(day, tmp_path)
    assert _state() == [(day, 1, 1, "loaded") for day in days]

    (expiry,) = expire_raw(NIGHT)

    assert expiry.partitions == ("line__optical_reading_2025_08", "line__optical_reading_2025_09")
    assert _state() == [
        (days[0], 0, 0, "expired"),
        (days[1], 0, 0, "expired"),
        (days[2], 1, 1, "loaded"),
        (days[3], 1, 1, "loaded"),
    ]
    assert expire_raw(NIGHT) == []
    assert "loaded" not in {load.status for load in load_all(NIGHT, tmp_path)}


@pytest.mark.usefixtures("warehouse_db")
def test_a_day_of_a_snapshot_is_deleted_from_a_month_that_stays(tmp_path: Path) -> None:
    days = [date(2026, 9, 29), date(2026, 9, 30), NIGHT]
    for day in days:
        folder = tmp_path / "crm" / "plan" / day.isoformat()
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text(
            "plan_id|plan_name|product_type|monthly_rent_amount|bandwidth_mbps|valid_from|valid_to\n"
            "P1|basic|broadband|99||2020-01-01|\n"
        )
        load_all(day, tmp_path)
    (expiry,) = expire_raw(NIGHT)
    assert (expiry.dates, expiry.partitions) == ((days[0],), ())
    with connect(Role.LOADER) as connection:
        left = connection.execute("select business_date from raw.crm__plan order by 1").fetchall()
    assert [row["business_date"] for row in left] == days[1:]


def _state() -> list[tuple[date, int, int, str]]:
    rows = fetch_all(
        Role.LOADER,
        """
        select
            ledger.business_date,
            (
                select count(*) from raw.line__optical_reading as reading
                where reading.business_date = ledger.business_date
            ) as loaded,
            (
                select count(*) from raw.rejected_row as rejected
                where rejected.business_date = ledger.business_date
            ) as rejected,
            ledger.status
        from ops.extract_load as ledger
        order by ledger.business_date
        """,
    )
    return [(r["business_date"], r["loaded"], r["rejected"], r["status"]) for r in rows]
