"""Windows of usage and of invoices, whichever night they go on from: held against plain sums.

Nights in and out of order, one left out, one repeated, a month that turns, late and corrected days.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from scripts.contracts import find_extract
from scripts.raw_tables import create_partition_statement
from tests.dbt_project.nights import build_as_the_night_does, insert

Summaries = dict[str, tuple[Decimal | None, Decimal | None, int]]

DAY = timedelta(days=1)
FIRST_NIGHT = date(2026, 11, 27)
FIRST_DAY = date(2026, 9, 15)
LINES = [f"L{number}" for number in range(25)]
CUSTOMERS = [f"C{number}" for number in range(40)]
MOBILE = [
    "incoming_minutes",
    "sms_count",
    "mms_count",
    "cmnet_kb",
    "cmwap_kb",
    "competitor_call_count",
]
BROADBAND = ["download_bytes", "upload_bytes", "online_minutes"]
UNSAID = "outgoing_minutes outgoing_call_count incoming_call_count contact_count video_kb social_kb"
UNSAID += " web_kb game_kb"
MODELS = [
    "+int_mobile_usage_windowed",
    "+int_broadband_usage_windowed",
    "+int_customer_invoices_summarised",
]
SUMMED = {
    "mobile": ("cmnet_kb_month", "data_kb_30d", "voice_minutes_30d", "data_day_count_30d"),
    "broadband": ("upload_bytes_month", "download_bytes_30d", "download_bytes_before"),
}
# Business date of the build, and the usage days of the deliveries that came before it, by their
# business date. 28 November is built once more after the month has turned.
NIGHTS: list[tuple[date, dict[date, list[date]]]] = [
    (FIRST_NIGHT, {}),
    (date(2026, 11, 28), {date(2026, 11, 28): [date(2026, 11, 28)]}),
    (
        date(2026, 11, 29),
        {date(2026, 11, 29): [date(2026, 11, 29), date(2026, 11, 22), date(2026, 10, 30)]},
    ),
    (
        date(2026, 12, 1),
        {
            date(2026, 11, 30): [date(2026, 11, 30)],
            date(2026, 12, 1): [date(2026, 12, 1), date(2026, 11, 30)],
        },
    ),
    (date(2026, 12, 1), {}),
    (date(2026, 11, 28), {}),
    (date(2026, 12, 2), {date(2026, 12, 2): [date(2026, 12, 2)]}),
    (date(2026, 12, 3), {date(2026, 12, 3): [date(2026, 12, 3)]}),
]


@dataclass
class Operator:
    """What was used: by business date, line and day the measures of the day."""

    chance: random.Random
    delivered: dict[tuple[date, str, date], dict[str, int]] = field(default_factory=dict)

    def use(self, delivered: date, days: Iterable[date]) -> None:
        for day in days:
            for line in LINES:
                if self.chance.random() < 0.8:
                    self.delivered[delivered, line, day] = {
                        name: self.chance.choice((0, self.chance.randrange(9000)))
                        for name in (*MOBILE, *BROADBAND)
                    }

    def days_as_of(self, night: date, kind: str) -> dict[tuple[str, date], dict[str, int]]:
        """Return what holds of each line and day until a night, of what was delivered until then.

        Of mobile use the newest delivery, of broadband the fullest.
        """
        known = [key for key in self.delivered if key[0] <= night and key[2] <= night]
        if kind == "mobile":
            known.sort()
        else:
            known.sort(key=lambda key: (*_fullness(self.delivered[key]), key[0]))
        return {(line, day): self.delivered[delivered, line, day] for delivered, line, day in known}

    def windows(self, night: date) -> dict[str, dict[str, tuple[int, ...]]]:
        """Return the sums of `SUMMED` by kind of line and line."""
        found: dict[str, dict[str, tuple[int, ...]]] = {"mobile": {}, "broadband": {}}
        for kind, line in itertools.product(found, LINES):
            days = self.days_as_of(night, kind)
            used = {day: values for (of, day), values in days.items() if of == line}
            month = [used[day] for day in used if day >= night.replace(day=1)]
            last = [used[day] for day in used if day > night - 30 * DAY]
            before = [used[day] for day in used if night - 60 * DAY < day <= night - 30 * DAY]
            if kind == "mobile" and any(day > night - 31 * DAY for day in used):
                found["mobile"][line] = (
                    sum(day["cmnet_kb"] for day in month),
                    sum(day["cmnet_kb"] + day["cmwap_kb"] for day in last),
                    sum(day["incoming_minutes"] for day in last),
                    sum(day["cmnet_kb"] + day["cmwap_kb"] > 0 for day in last),
                )
            if kind == "broadband" and (last or before):
                found["broadband"][line] = (
                    sum(day["upload_bytes"] for day in month),
                    sum(day["download_bytes"] for day in last),
                    sum(day["download_bytes"] for day in before),
                )
        return found


@dataclass
class Biller:
    """What was invoiced: customer, day of issue, month and yuan, by business date."""

    chance: random.Random
    delivered: list[tuple[date, str, date, date, int]] = field(default_factory=list)

    def bill(self, delivered: date, days: Iterable[date]) -> None:
        for day in days:
            for customer in CUSTOMERS:
                if self.chance.random() < 0.03:
                    month = (day.replace(day=1) - DAY).replace(day=1)
                    amount = self.chance.randrange(200)
                    self.delivered.append((delivered, customer, day, month, amount))

    def summaries(self, night: date) -> Summaries:
        """Return a third of 90 days, and the mean of the last months (three) of 100 days."""
        found: Summaries = {}
        for customer in CUSTOMERS:
            bills = [
                (issued, month, amount)
                for delivered, of, issued, month, amount in self.delivered
                if of == customer and delivered <= night and night - 100 * DAY < issued <= night
            ]
            recent = [amount for issued, _, amount in bills if issued > night - 90 * DAY]
            months = sorted({month for _, month, _ in bills})[-3:]
            billed = sum(amount for _, month, amount in bills if month in months)
            if bills:
                found[customer] = (
                    round(Decimal(sum(recent)) / 3, 9) if recent else None,
                    round(Decimal(billed) / len(months), 9),
                    len(months),
                )
        return found


def _fullness(day: dict[str, int]) -> tuple[int, int]:
    return day["online_minutes"], day["download_bytes"] + day["upload_bytes"]


def load(url: str, operator: Operator, biller: Biller, delivered: date) -> None:
    used = [
        (line, day, values) for (of, line, day), values in operator.delivered.items()
        if of == delivered
    ]  # fmt: skip
    rows: dict[str, list[dict[str, Any]]] = {
        "usage.mobile_daily": [
            {"subscription_id": line, "usage_date": day, **dict.fromkeys(UNSAID.split(), 0)}
            | {name: values[name] for name in MOBILE}
            for line, day, values in used
        ],
        "usage.broadband_hourly": [
            {"subscription_id": line, "usage_date": day}
            | {name: values[name] for name in BROADBAND}
            for line, day, values in used
        ],
        "billing.invoice": [
            {"invoice_id": f"I{number}", "account_id": "A", "customer_id": customer,
             "billing_month": month, "invoice_amount": amount, "due_date": issued + 20 * DAY,
             "issued_at": f"{issued} 23:59:59+08"}
            for number, (of, customer, issued, month, amount) in enumerate(biller.delivered)
            if of == delivered
        ],
    }  # fmt: skip
    with psycopg.connect(url) as connection:
        for extract, events in rows.items():
            source, _, name = extract.partition(".")
            contract = find_extract(source, name)
            connection.execute(create_partition_statement(contract, delivered))
            (number,) = connection.execute(
                "insert into ops.extract_load (source, extract, business_date, file, status,"
                " rows_read, rows_loaded, started_at)"
                " values (%s, %s, %s, 'f', 'loaded', 1, 1, now()) returning extract_load_id",
                [source, name, delivered],
            ).fetchone() or (0,)
            told = {"business_date": delivered, "extract_load_id": number}
            if events:
                insert(connection, contract.table, [event | told for event in events])


def windows(url: str, night: date) -> dict[str, dict[str, tuple[int, ...]]]:
    found = {}
    with psycopg.connect(url) as connection:
        for kind, names in SUMMED.items():
            query = sql.SQL("select subscription_id, {} from {} where as_of_date = %s").format(
                sql.SQL(", ").join(map(sql.Identifier, names)),
                sql.Identifier("intermediate", f"int_{kind}_usage_windowed"),
            )
            found[kind] = {line: tuple(sums) for line, *sums in connection.execute(query, [night])}
    return found


def summaries(url: str, night: date) -> Summaries:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select customer_id, round(invoice_amount_90d, 9), round(arpu_amount, 9),"
            " billed_month_count from intermediate.int_customer_invoices_summarised"
            " where as_of_date = %s",
            [night],
        ).fetchall()
    return {customer: (recent, arpu, months) for customer, recent, arpu, months in rows}


def test_windows_are_what_a_plain_sum_gives(warehouse_db: str, target_dir: Path) -> None:
    operator, biller = Operator(random.Random(7)), Biller(random.Random(11))
    reach = (FIRST_NIGHT - FIRST_DAY).days
    operator.use(FIRST_NIGHT, [FIRST_DAY + days * DAY for days in range(reach + 1)])
    biller.bill(FIRST_NIGHT, [FIRST_NIGHT - days * DAY for days in range(120)])
    load(warehouse_db, operator, biller, FIRST_NIGHT)
    for night, deliveries in NIGHTS:
        for delivered, days in deliveries.items():
            operator.use(delivered, days)
            biller.bill(delivered, days)
            load(warehouse_db, operator, biller, delivered)
        build_as_the_night_does(night, MODELS, target_dir)
        assert windows(warehouse_db, night) == operator.windows(night), night
        assert summaries(warehouse_db, night) == biller.summaries(night), night
    with psycopg.connect(warehouse_db) as connection:
        held = connection.execute(
            "select distinct as_of_date from intermediate.int_mobile_usage_windowed order by 1"
        ).fetchall()
    assert held == [(date(2026, 12, 1),), (date(2026, 12, 2),), (date(2026, 12, 3),)][-len(held) :]
    assert len(held) >= 2
