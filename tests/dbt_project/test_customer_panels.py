"""The panels of the customer view on random rows: held against a plain count of the same rows.

Two nights are built one after the other, with deliveries that are late or corrected and events that
lie in the future.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from scripts.contracts import read_extracts
from scripts.raw_tables import create_partition_statement
from tests.dbt_project.nights import build_as_the_night_does, insert

NIGHTS = (date(2026, 11, 1), date(2026, 11, 20))
HISTORY = date(2026, 9, 1)  # what is older was delivered then
DAY = timedelta(days=1)
MONTHS = (date(2026, 7, 1), date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1))
HOME = "四川省"
PLACES = (("border", "重庆市"), ("border", HOME), ("domestic", "北京市"), ("international", "泰国"))
# Code, kind, monthly fee, KB included.
SERVICES = (
    ("GPRS01", "data_package", 10, 1048576),
    ("GPRS10", "data_package", 20, 10485760),
    ("CRBT01", "ring_back_tone", 5, None),
    ("SP0101", "service_provider", 3, None),
    ("MMS001", "multimedia_message", 0, None),
)
KINDS = ("complaint", "complaint", "bill_query", "inquiry", "recharge")
CHANNELS = ("hotline", "store", "web_hall", "sms_hall", "app", "outbound")
JUDGED = ("int_customer_interpreted", "int_customer_service_suited")

Row = dict[str, Any]


class Operator:
    """Lines of a few customers and what is delivered about them; `ended` lines end between."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.customers = [f"C{number:02}" for number in range(40)]
        self.lines = {f"{name}-{n}": name for name in self.customers for n in (1, 2)}
        self.ended = {line for line in self.lines if self.chance.random() < 0.15}
        self.value_added = [row for line in self.lines for row in self._services(line)]
        self.roaming = [self._stay(number) for number in range(400)]
        self.contacts = [self._contact(number) for number in range(500)]
        self.value_added += [self._corrected(row) for row in self.value_added[::17]]
        self.contacts += [self._corrected(row) for row in self.contacts[::29]]

    def _delivered(self, event: date) -> date:
        late = self.chance.choice((0, 0, 0, 1, 15)) * DAY
        return max(event + late, HISTORY)

    def _corrected(self, row: Row) -> Row:
        changed = row | {"business_date": row["business_date"] + 2 * DAY, "extract_load_id": 2}
        name = "use_count" if "use_count" in row else "duration_seconds"
        return changed | {name: row[name] + 5}

    def _services(self, line: str) -> Iterable[Row]:
        chance = self.chance
        for code, kind, fee, allowance in SERVICES:
            if chance.random() < 0.5:
                continue
            end = chance.choice((None, None, date(2026, 10, 5), date(2026, 11, 1), NIGHTS[1]))
            for month in MONTHS:
                charged = (month + 31 * DAY).replace(day=1)
                if chance.random() < 0.1 or (end is not None and end < month):
                    continue
                yield {
                    "subscription_id": line,
                    "usage_month": month,
                    "service_code": code,
                    "service_name": code,
                    "service_kind": kind,
                    "subscribed_at": "2026-09-15 10:00+08" if fee == 5 else "2026-01-01 10:00+08",
                    "holder_kind": "personal",
                    "unsubscribed_at": end and f"{end} 12:00+08",
                    "use_count": chance.choice((0, 0, 7)),
                    "change_count": 1,
                    "uplink_count": 2,
                    "downlink_sms_count": 3,
                    "downlink_wap_count": 4,
                    "downlink_mms_count": 5,
                    "allowance_kb": allowance,
                    "used_kb": allowance and int(allowance * chance.choice((0.05, 0.5, 0.95))),
                    "function_fee_amount": fee,
                    "information_fee_amount": 1,
                    "charged_at": f"{charged} 03:00+08",
                    "business_date": self._delivered(charged),
                    "extract_load_id": 1,
                }

    def _stay(self, number: int) -> Row:
        day = NIGHTS[1] + DAY - self.chance.randrange(85) * DAY
        kind, province = self.chance.choice(PLACES)
        return {
            "roaming_id": f"R{number:03}",
            "subscription_id": self.chance.choice(sorted(self.lines)[:40]),
            "started_at": f"{day} {self.chance.choice(('00:00:00', '12:30:00', '23:59:59'))}+08",
            "ended_at": f"{day} 23:59:59+08",
            "roaming_kind": kind,
            "visited_province": province,
            "voice_minutes": 1,
            "sms_count": 1,
            "data_kb": 512,
            "roaming_fee_amount": self.chance.randrange(10),
            "business_date": self._delivered(day),
            "extract_load_id": 1,
        }

    def _contact(self, number: int) -> Row:
        day = NIGHTS[1] + DAY - self.chance.choice((0, 1, 20, 91, 92, 93, 364, 365, 366)) * DAY
        kind = self.chance.choice(KINDS)
        is_complaint = kind == "complaint"
        return {
            "interaction_id": f"J{number:03}",
            "customer_id": self.chance.choice(self.customers),
            "contacted_at": f"{day} {self.chance.choice(('00:00:00', '23:59:59'))}+08",
            "channel": self.chance.choice(CHANNELS),
            "interaction_kind": kind,
            "complaint_category": self.chance.choice(("fee", "network")) if is_complaint else None,
            "is_repeat": False,
            "is_escalated": False,
            "resolution": self.chance.choice(("resolved", "forwarded")),
            "duration_seconds": 60,
            "business_date": self._delivered(day),
            "extract_load_id": 1,
        }


def day_of(moment: str) -> date:
    return date.fromisoformat(moment[:10])


def months_before(day: date, count: int) -> date:
    """Return the day so many calendar months back; the nights here lie within all months."""
    month = day.year * 12 + day.month - 1 - count
    return date(month // 12, month % 12 + 1, day.day)


def known(rows: list[Row], night: date, key: tuple[str, ...], moment: str) -> list[Row]:
    """Return what a night knows: the newest delivery of each key, of what has happened."""
    found: dict[Any, Row] = {}
    for row in sorted(rows, key=lambda row: row["business_date"]):
        if row["business_date"] <= night and day_of(row[moment]) <= night:
            found[tuple(row[name] for name in key)] = row
    return list(found.values())


def expected_services(operator: Operator, night: date) -> dict[str, list[Row]]:
    """Return by customer each service as it was last charged, with `is_held`."""
    key = ("subscription_id", "service_code", "usage_month")
    rows = known(operator.value_added, night, key, "charged_at")
    newest = max(row["usage_month"] for row in rows)
    services: dict[str, dict[Any, Row]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: row["usage_month"]):
        end = row["unsubscribed_at"]
        is_held = end is None or day_of(end) > night
        is_recent = row["usage_month"] == newest or (
            is_held and row["usage_month"] == months_before(newest, 1)
        )
        line = row["subscription_id"]
        if is_recent and line in active(operator, night):
            services[operator.lines[line]][line, row["service_code"]] = row | {"is_held": is_held}
    return {name: list(found.values()) for name, found in services.items()}


def active(operator: Operator, night: date) -> set[str]:
    return set(operator.lines) - (operator.ended if night == NIGHTS[1] else set())


def data_service(operator: Operator, night: date) -> dict[str, Row]:
    panel = {}
    for name, services in expected_services(operator, night).items():
        packages = [row for row in services if row["allowance_kb"] and row["is_held"]]
        if packages:
            used, allowance = (sum(r[n] for r in packages) for n in ("used_kb", "allowance_kb"))
            panel[name] = {
                "data_package_code": max(row["service_code"] for row in packages),
                "data_package_count": len(packages),
                "data_package_monthly_fee_amount": sum(r["function_fee_amount"] for r in packages),
                "data_usage_month": max(row["usage_month"] for row in packages),
                "data_allowance_mb": allowance / 1024,
                "data_used_ratio": round(used / allowance, 4),
            }
    return panel


def value_added(operator: Operator, night: date) -> dict[str, Row]:
    panel = {}
    for name, services in expected_services(operator, night).items():
        others = [row for row in services if not row["allowance_kb"]]
        kinds = Counter(row["service_kind"] for row in others if row["is_held"])
        tones = [row for row in others if row["service_kind"] == "ring_back_tone"]
        if others:
            panel[name] = {
                "value_added_service_count": kinds.total(),
                "value_added_fee_amount": sum(row["function_fee_amount"] + 1 for row in others),
                "service_provider_subscription_count": kinds["service_provider"],
                "uplink_count": 2 * len(others),
                "has_ring_back_tone": kinds["ring_back_tone"] > 0,
                "ring_back_tone_use_count": sum(row["use_count"] for row in tones),
                "ring_back_tone_fee_amount": 6 * len(tones),
            }
    return panel


def roaming(operator: Operator, night: date) -> dict[str, Row]:
    stays: dict[str, list[Row]] = defaultdict(list)
    for row in known(operator.roaming, night, ("roaming_id",), "started_at"):
        is_seen = row["subscription_id"] in active(operator, night)
        if is_seen and day_of(row["started_at"]) >= months_before(night + DAY, 2):
            stays[operator.lines[row["subscription_id"]]].append(row)
    return {name: _roamed(rows, night) for name, rows in stays.items()}


def _roamed(rows: list[Row], night: date) -> Row:
    last = max(rows, key=lambda row: (row["started_at"], row["roaming_id"]))
    border = [day_of(row["started_at"]) for row in rows if row["roaming_kind"] == "border"]
    outside = Counter(r["visited_province"] for r in rows if r["visited_province"] != HOME)
    this_month = night.replace(day=1)
    return {
        "roaming_count_2m": len(rows),
        "border_roaming_count_this_month": sum(day >= this_month for day in border),
        "border_roaming_count_last_month": sum(
            months_before(this_month, 1) <= day < this_month for day in border
        ),
        "out_of_province_count_2m": outside.total(),
        "most_visited_province_count_2m": max(outside.values(), default=0),
        "roaming_fee_amount_2m": sum(row["roaming_fee_amount"] for row in rows),
        "last_roaming_date": day_of(last["started_at"]),
        "last_roaming_province": last["visited_province"],
    }


def contacts(operator: Operator, night: date) -> dict[str, Row]:
    panel: dict[str, Counter[str]] = defaultdict(Counter)
    for row in known(operator.contacts, night, ("interaction_id",), "contacted_at"):
        day, kind = day_of(row["contacted_at"]), row["interaction_kind"]
        count = {"complaint_count_12m": kind == "complaint"}
        if day >= months_before(night + DAY, 3):
            count |= {
                "contact_count_3m": True,
                "electronic_contact_count_3m": row["channel"] in ("web_hall", "sms_hall", "app"),
                "bill_query_count_3m": kind == "bill_query",
                "complaint_count_3m": kind == "complaint",
                "fee_complaint_count_3m": row["complaint_category"] == "fee",
                "unresolved_complaint_count_3m": kind == "complaint"
                and row["resolution"] == "forwarded",
            }
        if day >= months_before(night + DAY, 12) and any(count.values()):
            panel[row["customer_id"]].update({name: int(one) for name, one in count.items()})
    return {name: dict(counted) for name, counted in panel.items()}


PANELS = {
    "data_service": data_service,
    "value_added": value_added,
    "roaming": roaming,
    "contacts": contacts,
}


def fill_raw(url: str, operator: Operator) -> None:
    with psycopg.connect(url) as connection:
        for extract in read_extracts():
            for month in (9, 10, 11, 12):
                connection.execute(create_partition_statement(extract, date(2026, month, 1)))
        for night in NIGHTS:
            insert(connection, "crm__customer", [_customer(n, night) for n in operator.customers])
            lines = [_line(operator, line, night) for line in operator.lines]
            insert(connection, "crm__subscription", lines)
        insert(connection, "usage__value_added_monthly", operator.value_added)
        insert(connection, "usage__roaming", operator.roaming)
        insert(connection, "contact_center__interaction", operator.contacts)


def _customer(name: str, night: date) -> Row:
    return {"customer_id": name, "customer_name": "张三", "region": "成都", "is_do_not_call": False,
            "registered_date": HISTORY, "business_date": night, "extract_load_id": 1}  # fmt: skip


def _line(operator: Operator, line: str, night: date) -> Row:
    is_ended = line not in active(operator, night)
    return {"subscription_id": line, "customer_id": operator.lines[line], "account_id": "A",
            "product_type": "mobile", "plan_id": "P", "activated_at": "2020-01-01 00:00+08",
            "terminated_at": "2026-11-10 09:00+08" if is_ended else None,
            "business_date": night, "extract_load_id": 1}  # fmt: skip


def panel_rows(url: str, panel: str, night: date) -> dict[str, Row]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        table = sql.Identifier("intermediate", f"int_customer_{panel}_summarised")
        rows = connection.execute(
            sql.SQL("select * from {} where as_of_date = %s").format(table), [night]
        ).fetchall()
    return {row["customer_id"]: row for row in rows}


def assert_same(found: dict[str, Row], expected: dict[str, Row]) -> None:
    assert expected
    assert set(found) == set(expected)
    for name, values in expected.items():
        row = {
            column: float(value) if isinstance(value, Decimal) else value
            for column, value in found[name].items()
            if column in values
        }
        assert row == pytest.approx(values, abs=1e-4), name


def judged(url: str) -> dict[str, set[str]]:
    with psycopg.connect(url) as connection:
        return {
            name: set(codes)
            for name, codes in connection.execute(
                "select customer_id, interpretation_codes"
                " from intermediate.int_customer_interpreted"
            )
        }


def expected_holders(operator: Operator, night: date) -> dict[str, set[str]]:
    """Return whom seeds/customer_interpretation.csv means by two of its codes."""
    data, talks = data_service(operator, night), contacts(operator, night)
    return {
        "data_package_saturated": {n for n, row in data.items() if row["data_used_ratio"] >= 0.9},
        "complaint_alert": {n for n, row in talks.items() if row.get("complaint_count_3m", 0) > 2},
    }


def facts(url: str) -> list[set[tuple[Any, ...]]]:
    """Return of each fact its keys and a value that a later delivery corrects."""
    with psycopg.connect(url) as connection:
        return [
            set(connection.execute(sql.SQL(query)).fetchall())
            for query in (
                "select subscription_id, usage_month, service_code, use_count"
                " from marts.fct_value_added_month",
                "select roaming_id, started_date from marts.fct_roaming",
                "select interaction_id, duration_seconds from marts.fct_service_contact",
            )
        ]


def expected_facts(operator: Operator, night: date) -> list[set[tuple[Any, ...]]]:
    key = ("subscription_id", "usage_month", "service_code")
    months = known(operator.value_added, night, key, "charged_at")
    stays = known(operator.roaming, night, ("roaming_id",), "started_at")
    talks = known(operator.contacts, night, ("interaction_id",), "contacted_at")
    return [
        {(*(row[name] for name in key), row["use_count"]) for row in months},
        {(row["roaming_id"], day_of(row["started_at"])) for row in stays},
        {(row["interaction_id"], row["duration_seconds"]) for row in talks},
    ]


def test_panels_hold_what_is_known_whichever_night_brought_it(
    warehouse_db: str, target_dir: Path
) -> None:
    operator = Operator(seed=11)
    fill_raw(warehouse_db, operator)
    for night in NIGHTS:
        # Without the data tests: of some panels only a part is delivered here.
        models = [f"+{name}" for name in JUDGED]
        build_as_the_night_does(night, models, target_dir, left_out=("unit_test", "test"))
        assert facts(warehouse_db) == expected_facts(operator, night)
        for panel, expected in PANELS.items():
            assert_same(panel_rows(warehouse_db, panel, night), expected(operator, night))
        found = judged(warehouse_db)
        for code, names in expected_holders(operator, night).items():
            assert names
            assert {name for name, codes in found.items() if code in codes} == names
