"""From which day on a build changes the past, and that nothing before it would have changed."""

from __future__ import annotations

import random
from datetime import date, timedelta

import psycopg
import pytest

from scripts import changed_history
from scripts.contracts import find_extract
from scripts.raw_tables import create_partition_statement

EXTRACT = "usage.mobile_daily"
TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)
CASES = 25

# What dbt does: the newest delivery of each day and line holds, as of the business date.
HELD = """
    select distinct on (subscription_id, usage_date) subscription_id, usage_date, sms_count
    from raw.usage__mobile_daily
    where
        business_date between %(first)s and %(night)s
        and usage_date between %(first)s and %(night)s
    order by subscription_id, usage_date, business_date desc, extract_load_id desc
"""


@pytest.fixture
def connection(warehouse_db: str) -> psycopg.Connection:
    opened = psycopg.connect(warehouse_db, autocommit=True)
    contract = find_extract("usage", "mobile_daily")
    for month in (8, 9, 10, 11):
        opened.execute(create_partition_statement(contract, date(2026, month, 1)))
    opened.execute(
        "create table kept (subscription_id text, usage_date date, sms_count integer,"
        " primary key (usage_date, subscription_id))"
    )
    return opened


def deliver(
    connection: psycopg.Connection, delivered: date, days: list[date], sms_count: int = 1
) -> None:
    """Load a delivery of one row a day, in the place of what was delivered for the date before."""
    values = {"delivered": delivered, "days": days, "sms_count": sms_count}
    connection.execute(
        "update ops.extract_load set status = 'superseded' where business_date = %s", [delivered]
    )
    row = connection.execute(
        "insert into ops.extract_load"
        " (source, extract, business_date, file, status, rows_read, rows_loaded, started_at)"
        " values ('usage', 'mobile_daily', %s, 'f', 'loaded', %s, %s, now())"
        " returning extract_load_id",
        [delivered, len(days), len(days)],
    ).fetchone()
    assert row is not None
    connection.execute("delete from raw.usage__mobile_daily where business_date = %s", [delivered])
    connection.execute(
        "insert into raw.usage__mobile_daily"
        " (subscription_id, usage_date, sms_count, business_date, extract_load_id)"
        " select 'S' || day, day, %(sms_count)s, %(delivered)s, %(load)s"
        " from unnest(%(days)s::date []) as day",
        values | {"load": row[0]},
    )


def build(night: date) -> date:
    """Build everything as of a night; return from which day on it was changed."""
    loads = changed_history.newest_loads()
    changed = changed_history.begin_build(night)[EXTRACT]
    changed_history.finish_build(night, loads)
    return changed


def test_everything_is_built_first(connection: psycopg.Connection) -> None:
    deliver(connection, TODAY, [TODAY])
    assert build(TODAY) == changed_history.EVERYTHING


def test_a_night_changes_the_days_that_it_brings(connection: psycopg.Connection) -> None:
    build(TODAY - DAY)
    deliver(connection, TODAY, [TODAY])
    assert build(TODAY) == TODAY
    assert build(TODAY) == TODAY, "a repeated night builds its own day again"
    assert build(TODAY + DAY) == TODAY + 2 * DAY, "without a delivery nothing changes"


def test_a_late_row_changes_its_own_day(connection: psycopg.Connection) -> None:
    build(TODAY - DAY)
    deliver(connection, TODAY, [TODAY, TODAY - 40 * DAY])
    assert build(TODAY) == TODAY - 40 * DAY


def test_a_night_of_the_past_takes_away_what_came_later(connection: psycopg.Connection) -> None:
    deliver(connection, TODAY - DAY, [TODAY - DAY])
    deliver(connection, TODAY, [TODAY, TODAY - 5 * DAY])
    build(TODAY)
    assert build(TODAY - DAY) == TODAY - 5 * DAY


def test_a_delivery_loaded_anew_changes_what_it_may_have_held(
    connection: psycopg.Connection,
) -> None:
    deliver(connection, TODAY - 3 * DAY, [TODAY - 3 * DAY])
    build(TODAY - DAY)
    deliver(connection, TODAY - 3 * DAY, [TODAY - 4 * DAY])
    deliver(connection, TODAY, [TODAY])
    assert build(TODAY) == TODAY - 3 * DAY - changed_history.REPLACED_DAYS
    assert build(TODAY) == TODAY, "it is made good once"


def test_what_a_failed_build_has_changed_is_made_good(connection: psycopg.Connection) -> None:
    deliver(connection, TODAY - DAY, [TODAY - DAY])
    build(TODAY - DAY)
    deliver(connection, TODAY, [TODAY, TODAY - 9 * DAY])
    changed_history.begin_build(TODAY)
    assert build(TODAY - DAY) == TODAY - 9 * DAY


@pytest.mark.parametrize("seed", range(CASES))
def test_what_is_kept_is_what_would_be_built_at_once(
    connection: psycopg.Connection, seed: int
) -> None:
    """Nights in any order, late rows, days delivered twice and deliveries loaded anew."""
    chance = random.Random(seed)
    nights = [TODAY - chance.randrange(12) * DAY for _ in range(8)]
    for night in nights:
        for _ in range(chance.randrange(3)):
            delivered = TODAY - chance.randrange(12) * DAY
            days = {delivered - chance.choice((0, 0, 1, 2, 30)) * DAY for _ in range(3)}
            deliver(connection, delivered, sorted(days), chance.randrange(100))
        loads = changed_history.newest_loads()
        first = changed_history.begin_build(night)[EXTRACT]
        connection.execute("delete from kept where usage_date >= %s", [first])
        connection.execute(f"insert into kept {HELD}", {"first": first, "night": night})
        if chance.random() < 0.8:
            changed_history.finish_build(night, loads)
        at_once = connection.execute(
            HELD + ", usage_date", {"first": date(1900, 1, 1), "night": night}
        ).fetchall()
        kept = connection.execute(
            "select subscription_id, usage_date, sms_count from kept order by 1, 2"
        ).fetchall()
        assert kept == sorted(at_once)
