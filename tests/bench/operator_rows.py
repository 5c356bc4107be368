"""Rows of an operator of any size, made inside PostgreSQL: what a night finds in raw.

Plain sizes and shares like the simulator's, without its stories: 0.7 mobile and 0.5 broadband lines
a customer, used every day; 2 % of the broadband lines have a fault in a month, and some many more;
one in seven is copper. Everything is written of every day, but for what comes from every line: of
it the days that the windows of a night reach, and every fifteenth before them, so that a year of a
million customers can be made in minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date, timedelta
from typing import LiteralString

from scripts.contracts import Extract, find_extract
from scripts.database import Connection
from scripts.raw_tables import create_partition_statement, settle

CUSTOMERS = int(os.environ.get("BENCH_CUSTOMERS", "1000000"))
# What comes from every line, and how many days of it the windows of a night reach back.
REACHES = {
    "usage.mobile_daily": 32,
    "usage.broadband_hourly": 61,
    "line.copper_test": 31,
    "line.optical_reading": 8,
}
SPARSE_STEP = 15
DAY = timedelta(days=1)
# Broadband lines with a fault on a day, some days before the business date: one in 1,500, and of
# the bad ones, which are one in 250, one in 25; one line in 2,500 has six faults a month. One fault
# in fifty takes eleven days and a half.
FAULTY = """
        from generate_series(2, %(customers)s, 2) as line
        cross join (values (0), (12)) as age (days)
        cross join lateral (
            select
                %(day)s::date - age.days as fault_date,
                line * 7919::bigint + (%(day)s::date - age.days - '2020-01-01') * 104729 as draw
        ) as fault
        cross join lateral (
            select 'T' || fault_date || line as ticket_id, draw / 1500 %% 50 = 0 as is_long
        ) as ticket
        where
            (
                draw %% 1500 = 0
                or (line %% 500 = 0 and draw %% 25 = 0)
                or (line %% 5000 = 0 and draw %% 5 = 0)
            )
            and (age.days = 0 or is_long)
"""

# What is delivered every night; %(day)s is the business date, %(customers)s how many there are.
DAILY: dict[str, LiteralString] = {
    "usage.mobile_daily": """
        insert into raw.usage__mobile_daily
        select
            'M' || line, %(day)s::date, line %% 5, line %% 50, line %% 4, line %% 40, line %% 9,
            line %% 2, line %% 6, line %% 2, (line * 7919::bigint) %% 90000, (line * 31) %% 5000,
            (line * 17) %% 40000, (line * 13) %% 20000, (line * 11) %% 20000,
            (line * 5) %% 9000, %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        where line %% 10 < 7
    """,
    "usage.broadband_hourly": """
        insert into raw.usage__broadband_daily
        select
            'B' || line, %(day)s::date, (line * 7919::bigint) %% 4000000000,
            (line * 31::bigint) %% 90000000, 75 + line %% 825, 2 + line %% 15, line %% 24,
            %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        where line %% 2 = 0
    """,
    "contact_center.interaction": """
        insert into raw.contact_center__interaction
            (interaction_id, customer_id, contacted_at, channel, interaction_kind,
            complaint_category, is_repeat, is_escalated, resolution, duration_seconds,
            business_date, extract_load_id)
        select
            'I' || %(day)s::date || contact, 'C' || contact,
            %(day)s::date::timestamptz + interval '10 hours',
            case when contact %% 3 = 0 then 'hotline' else 'app' end,
            case contact %% 10 when 0 then 'complaint' when 1 then 'inquiry' else 'bill_query' end,
            case when contact %% 10 = 0 then 'fee' end, false, false, 'resolved', 60,
            %(day)s::date, 1
        from generate_series(1, %(customers)s) as contact
        where (contact * 7919::bigint + (%(day)s::date - '2020-01-01') * 104729) %% 37 = 0
    """,
    "usage.roaming": """
        insert into raw.usage__roaming
        select
            'R' || %(day)s::date || line, 'M' || line, %(day)s::date::timestamptz,
            %(day)s::date::timestamptz + interval '5 hours', 'domestic', '重庆', '重庆', 'BS1',
            10, 1, 1000, 1.5, %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        where
            line %% 10 < 7
            and (line * 7919::bigint + (%(day)s::date - '2020-01-01') * 104729) %% 150 = 0
    """,
    "fault.trouble_ticket": """
        insert into raw.fault__trouble_ticket
        select
            ticket_id, 'B' || line, 'C' || line,
            fault_date::timestamptz + interval '9 hours',
            case
                when age.days > 0 then fault_date::timestamptz + interval '11.5 days'
                when not is_long then fault_date::timestamptz + interval '15 hours'
            end,
            case when age.days = 0 and is_long then 'inProgress' else 'closed' end,
            'line', draw / 7 %% 3 = 0, (draw / 7 %% 20 = 0)::integer, %(day)s::date, 1
    """
    + FAULTY,
    "fault.dispatch": """
        insert into raw.fault__dispatch
        select
            'W' || ticket_id, ticket_id, fault_date::timestamptz + interval '11 hours',
            fault_date::timestamptz + interval '14 hours', 'FS' || line %% 300, %(day)s::date, 1
    """
    + FAULTY
    + "and age.days = 0",
    "service_order.service_order": """
        insert into raw.service_order__service_order
            (order_id, subscription_id, customer_id, order_kind, product_type, order_state,
            accepted_at, completed_at, operator_delay_minutes, delay_cause, no_resource_raised_at,
            no_resource_answered_at, urge_count, changed_at, business_date, extract_load_id)
        select
            'O' || %(day)s::date || line, 'B' || line, 'C' || line, 'install', 'broadband',
            'completed', %(day)s::date::timestamptz - interval '6 days',
            %(day)s::date::timestamptz + interval '8 hours',
            case when draw / 2000 %% 40 = 0 then 5000 else 0 end,
            case when draw / 2000 %% 40 = 0 then 'line_construction' end,
            case when draw / 2000 %% 40 = 1 then %(day)s::date::timestamptz - interval '5 days' end,
            case when draw / 2000 %% 40 = 1 then %(day)s::date::timestamptz - interval '3 days' end,
            0, %(day)s::date::timestamptz + interval '8 hours', %(day)s::date, 1
        from generate_series(2, %(customers)s, 2) as line
        cross join lateral (
            select line * 6101::bigint + (%(day)s::date - '2020-01-01') * 104729 as draw
        ) as drawn
        where draw %% 2000 = 0 or (line %% 500 = 0 and draw / 2000 %% 400 = 0)
    """,
    "line.copper_test": """
        insert into raw.line__copper_test
        select
            'B' || line, %(day)s::date::timestamptz + interval '3 hours', 1, -120, 50,
            line / 14 %% 20 = 0, line / 14 %% 25 = 0, line / 14 %% 30 = 0, 20, 9, 12, 900,
            %(day)s::date, 1
        from generate_series(14, %(customers)s, 14) as line
        where (line / 14 + (%(day)s::date - '2020-01-01')) %% 7 = 0
    """,
    "line.optical_reading": """
        insert into raw.line__optical_reading
        select
            'B' || line, %(day)s::date::timestamptz + interval '3 hours', light.direction,
            16 + line * 7919::bigint %% 1000 / 82.0, 'dB', %(day)s::date, 1
        from generate_series(2, %(customers)s, 2) as line
        cross join (values ('downstream'), ('upstream')) as light (direction)
        where line %% 14 > 0 and (line / 2 + (%(day)s::date - '2020-01-01')) %% 7 = 0
    """,
}

# What is delivered on the first of a month, for the month before.
MONTHLY: dict[str, LiteralString] = {
    "billing.invoice": """
        insert into raw.billing__invoice
        select
            'N' || %(day)s::date || customer, 'A' || customer, 'C' || customer,
            (%(day)s::date - interval '1 month')::date, 30 + customer %% 200,
            %(day)s::date::timestamptz, %(day)s::date + 14, %(day)s::date, 1
        from generate_series(1, %(customers)s) as customer
    """,
    "billing.payment": """
        insert into raw.billing__payment
        select
            'P' || %(day)s::date || customer, 'A' || customer, 'C' || customer,
            'N' || %(day)s::date || customer, %(day)s::date::timestamptz + interval '1 hour',
            30 + customer %% 200, 'online', %(day)s::date, 1
        from generate_series(1, %(customers)s) as customer
        where customer %% 40 > 0
    """,
    "usage.value_added_monthly": """
        insert into raw.usage__value_added_monthly
        select
            'M' || line, (%(day)s::date - interval '1 month')::date, service.code, service.name,
            service.kind, null, '2024-01-01'::timestamptz, 'app', null, 'personal', null, 5, 0, 0,
            0, 0, 0, service.allowance_kb,
            case when service.kind = 'data_package' then line %% 10000000 end, 5, 0,
            %(day)s::date::timestamptz, %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        inner join (
            values
            (0, 'GPRS10', '流量包', 'data_package', 10485760),
            (1, 'CRBT01', '彩铃', 'ring_back_tone', null)
        ) as service (number, code, name, kind, allowance_kb) on line %% 10 < 7 - 3 * service.number
    """,
    "crm.loyalty_points": """
        insert into raw.crm__loyalty_points
        select
            'C' || customer, customer %% 9000, customer %% 9999, 0, 0, null,
            %(day)s::date::timestamptz, %(day)s::date, 1
        from generate_series(1, %(customers)s) as customer
    """,
}

# The state of the day, as snapshots deliver it.
SNAPSHOTS: dict[str, LiteralString] = {
    "crm.customer": """
        insert into raw.crm__customer
        select
            'C' || customer, '客户' || customer, null, '161' || lpad(customer::text, 8, '0'),
            'female', '1980-01-01'::date + customer %% 9000, '城' || customer %% 9, '区',
            customer %% 8, false, '2015-01-01'::date + customer %% 3000, %(day)s::date, 1
        from generate_series(1, %(customers)s) as customer
    """,
    "crm.subscription": """
        insert into raw.crm__subscription
        select
            kind.prefix || line, 'C' || line, 'A' || line, kind.product_type,
            kind.prefix || case when line %% 44 = 0 then 8 else line %% 8 end,
            case when kind.prefix = 'M' then '162' || lpad(line::text, 8, '0') end,
            '2015-01-01'::timestamptz + line %% 3000 * interval '1 day', null, null,
            '2027-01-01'::date + line %% 300,
            case
                when kind.prefix = 'M' then null
                when line %% 14 = 0 then 'copper'
                else 'ftth'
            end,
            300, case when kind.prefix = 'B' then 'JX' || line %% 1000 end, %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        inner join (values ('M', 'mobile'), ('B', 'broadband')) as kind (prefix, product_type)
            on case when kind.prefix = 'M' then line %% 10 < 7 else line %% 2 = 0 end
    """,
    "crm.plan": """
        insert into raw.crm__plan
        select
            kind.prefix || number, '套餐' || number, kind.product_type, 29 + 20 * number, 300,
            '2015-01-01', null, %(day)s::date, 1
        from generate_series(0, 8) as number
        cross join (values ('M', 'mobile'), ('B', 'broadband')) as kind (prefix, product_type)
    """,
    "billing.balance": """
        insert into raw.billing__balance
        select
            'A' || customer, 'C' || customer, 'postpaid', 10, 0,
            case when customer %% 40 = 0 then 30 else 0 end, null, null, 'in_service', 500, false,
            null, %(day)s::date, 1
        from generate_series(1, %(customers)s) as customer
    """,
    "crm.staff": """
        insert into raw.crm__staff
            (staff_id, staff_role, department_code, region, hired_date, business_date,
            extract_load_id)
        select
            'AM' || number, 'account_manager', 'market', '城' || number %% 9, '2020-01-01',
            %(day)s::date, 1
        from generate_series(1, 900) as number
    """,
    "line.access_resource": """
        insert into raw.line__access_resource
            (cross_connect_area_id, region, is_ftth_covered, ftth_free_port_count,
            field_manager_staff_id, grid_contractor_staff_id, business_date, extract_load_id)
        select
            'JX' || number, '城' || number %% 9, number %% 3 > 0, number %% 20,
            'FM' || number %% 30, 'GC' || number %% 90, %(day)s::date, 1
        from generate_series(0, 999) as number
    """,
    "crm.customer_link": """
        insert into raw.crm__customer_link
        select
            'C' || customer, 'C' || customer + 1, 'family', '2022-01-01'::timestamptz, null,
            'declared', 1, %(day)s::date, 1
        from generate_series(1, %(customers)s, 20) as customer
    """,
    "crm.list_membership": """
        insert into raw.crm__list_membership
        select
            'L' || customer, 'C' || customer, 'colour', 'gold', '2024-01-01', null, null, null,
            '2024-01-01'::timestamptz, %(day)s::date, 1
        from generate_series(1, %(customers)s, 200) as customer
    """,
}

# What was delivered once and has not changed since.
UNCHANGED: dict[str, LiteralString] = {
    "crm.device": """
        insert into raw.crm__device
        select
            'D' || line, 'M' || line, 'C' || line, null, 'mobile_phone', '云帆', 'YF-1', true, true,
            true, true, true, '5g', false, '2024-01-01'::timestamptz, 'in_use',
            '2024-01-01'::timestamptz, %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        where line %% 10 < 7
    """,
}

EXTRACTS = (*UNCHANGED, *DAILY, *MONTHLY, *SNAPSHOTS)


def fill(connection: Connection, customers: int, first_days: dict[str, date], last: date) -> None:
    """Make what was delivered until `last`, of every extract named from its first day on.

    Of what comes from every line only some days are made before its reach; of snapshots, the last.
    """
    for day in _days(min(first_days.values()), last):
        due = {
            extract: statement
            for extract, statement in _events_due(day).items()
            if day >= first_days.get(extract, date.max) and not _is_left_out(extract, day, last)
        }
        deliver(connection, due, customers, day)
    deliver(connection, _named(UNCHANGED, first_days), customers, min(first_days.values()))
    deliver(connection, _named(SNAPSHOTS, first_days), customers, last)
    for extract in first_days:
        settle(connection, _contract(extract).table, [last])


def deliver_night(
    connection: Connection, customers: int, day: date, extracts: Iterable[str]
) -> None:
    """Make what one more night brings of these extracts."""
    due = _named(_events_due(day) | SNAPSHOTS, extracts)
    deliver(connection, due, customers, day)
    for extract in due:
        settle(connection, _contract(extract).table, [day])


def deliver(
    connection: Connection, statements: dict[str, LiteralString], customers: int, day: date
) -> None:
    for extract, statement in statements.items():
        connection.execute(create_partition_statement(_contract(extract), day))
        connection.execute(statement, {"customers": customers, "day": day})


def _days(first: date, last: date) -> list[date]:
    return [first + number * DAY for number in range((last - first).days + 1)]


def _is_left_out(extract: str, day: date, last: date) -> bool:
    age = (last - day).days
    return age >= REACHES.get(extract, age + 1) and age % SPARSE_STEP > 0


def _events_due(day: date) -> dict[str, LiteralString]:
    return DAILY | (MONTHLY if day.day == 1 else {})


def _named(
    statements: dict[str, LiteralString], extracts: Iterable[str]
) -> dict[str, LiteralString]:
    return {extract: statements[extract] for extract in extracts if extract in statements}


def _contract(extract: str) -> Extract:
    source, _, name = extract.partition(".")
    return find_extract(source, name)
