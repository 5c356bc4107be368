"""Rows of an operator of any size, made inside PostgreSQL: what a night finds in raw.

Plain sizes and shares like the simulator's, without its stories: 0.7 mobile and 0.5 broadband lines
a customer, used every day. Of the months before the last two only every fifth day of usage is
written, so that a year of a million customers can be made in minutes.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import LiteralString

from scripts.contracts import Extract, find_extract
from scripts.database import Connection
from scripts.raw_tables import create_partition_statement, settle

DENSE_DAYS = 62
SPARSE_STEP = 5
DAY = timedelta(days=1)

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
            (line * 31::bigint) %% 90000000, line %% 900, 1 + line %% 15, line %% 24,
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
            'T' || %(day)s::date || line, 'B' || line, 'C' || line,
            %(day)s::date::timestamptz + interval '9 hours',
            %(day)s::date::timestamptz + interval '15 hours', 'closed', 'line', true, 0,
            %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        where
            line %% 2 = 0
            and (line * 7919::bigint + (%(day)s::date - '2020-01-01') * 104729) %% 1500 = 0
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
            kind.prefix || line %% 9,
            case when kind.prefix = 'M' then '162' || lpad(line::text, 8, '0') end,
            '2015-01-01'::timestamptz + line %% 3000 * interval '1 day', null, null,
            '2027-01-01'::date + line %% 300, 'ftth', 300, null, %(day)s::date, 1
        from generate_series(1, %(customers)s) as line
        inner join (values ('M', 'mobile'), ('B', 'broadband')) as kind (prefix, product_type)
            on case when kind.prefix = 'M' then line %% 10 < 7 else line %% 2 = 0 end
    """,
    "crm.plan": """
        insert into raw.crm__plan
        select
            kind.prefix || number, '套餐' || number, kind.product_type, 29 + 25 * number, 300,
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


def fill(connection: Connection, customers: int, first: date, last: date) -> None:
    """Make what was delivered from `first` to `last`: every event, the last two days' snapshots."""
    deliver(connection, UNCHANGED, customers, first)
    days = [first + number * DAY for number in range((last - first).days + 1)]
    for day in days:
        is_dense = (last - day).days < DENSE_DAYS or (last - day).days % SPARSE_STEP == 0
        due = DAILY if is_dense else {}
        deliver(connection, due | (MONTHLY if day.day == 1 else {}), customers, day)
    deliver(connection, SNAPSHOTS, customers, last)
    for extract in (*UNCHANGED, *DAILY, *MONTHLY, *SNAPSHOTS):
        settle(connection, _contract(extract).table, [last])


def deliver_night(connection: Connection, customers: int, day: date) -> None:
    """Make what one more night brings."""
    due = DAILY | SNAPSHOTS | (MONTHLY if day.day == 1 else {})
    deliver(connection, due, customers, day)
    for extract in due:
        settle(connection, _contract(extract).table, [day])


def deliver(
    connection: Connection, statements: dict[str, LiteralString], customers: int, day: date
) -> None:
    for extract, statement in statements.items():
        connection.execute(create_partition_statement(_contract(extract), day))
        connection.execute(statement, {"customers": customers, "day": day})


def _contract(extract: str) -> Extract:
    source, _, name = extract.partition(".")
    return find_extract(source, name)
