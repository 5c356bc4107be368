"""Lines planted exactly on, just above and just below every threshold and window edge.

A planted line has no faults, readings or usage of its own where its case needs exact figures, and
its customer never leaves. `planted_case.csv` in the truth folder lists the cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.population import Population
from scripts.simulate_operator.timeline import DAY, days, end_of, months_before

HOUR = np.timedelta64(3600, "s")
SECOND = np.timedelta64(1, "s")
NEVER = np.datetime64("NaT", "s")
GIBIBYTE = 2**30
REPEAT_LIMITS = {12: 9, 6: 7, 3: 5, 1: 4}  # RISK-06 to RISK-09: window in months, dispatches
LONG_TENURE_DAYS = 420

Moment = np.datetime64


@dataclass
class Planted:
    """The planted lines and the rows that make their cases; `line` is a subscription's row."""

    cases: list[dict[str, Any]] = field(default_factory=list)
    tickets: list[dict[str, Any]] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    usage: list[dict[str, Any]] = field(default_factory=list)

    def lines(self, *rule_codes: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the lines planted for these rules (all lines without argument)."""
        return np.array(
            [
                case["line"]
                for case in self.cases
                if not rule_codes or case["rule_code"].startswith(rule_codes)
            ],
            dtype="int64",
        )


class _Planter:
    """Hands out suitable lines one after the other and notes what is planted on each."""

    def __init__(self, parameters: Parameters, population: Population) -> None:
        self.end = end_of(parameters.business_date)
        self.planted = Planted()
        self._free = iter(_suitable_lines(parameters, population))

    def case(self, rule_code: str, name: str, is_raised: bool) -> int:
        line = next(self._free, None)
        if line is None:
            raise ValueError("too few customers to plant every threshold case; take 300 or more")
        self.planted.cases.append(
            {"line": line, "rule_code": rule_code, "case_name": name, "is_raised": is_raised}
        )
        return line

    def ticket(
        self,
        line: int,
        reported: Moment,
        changed: Moment,
        dispatched: Moment,
        state: str = "closed",
    ) -> None:
        self.planted.tickets.append(
            {
                "line": line,
                "reported_at": reported,
                "changed_at": changed,
                "final_state": state,
                "dispatched_at": dispatched,
            }
        )

    def reading(
        self,
        line: int,
        measured: Moment,
        value: float,
        direction: str = "downstream",
        unit: str = "dB",
    ) -> None:
        self.planted.readings.append(
            {
                "line": line,
                "measured_at": measured,
                "direction": direction,
                "reading_value": value,
                "reading_unit": unit,
            }
        )

    def hour(self, line: int, start: Moment, total_bytes: int, minutes: int = 60) -> None:
        upload = total_bytes // 16
        self.planted.usage.append(
            {
                "line": line,
                "hour_start_at": start,
                "download_bytes": total_bytes - upload,
                "upload_bytes": upload,
                "online_minutes": minutes,
            }
        )


def plant(parameters: Parameters, population: Population) -> Planted:
    """Choose lines and plan their rows; changes plan, activation or end of two of them."""
    planter = _Planter(parameters, population)
    _plant_repeat_faults(planter)
    _plant_long_faults(planter)
    _plant_optical(planter)
    _plant_traffic(planter)
    _plant_activity(planter, population)
    return planter.planted


def _suitable_lines(parameters: Parameters, population: Population) -> list[int]:
    """Return the fibre lines of long-standing customers on cheap plans."""
    subscriptions = population.subscriptions
    kind = population.customers["kind"].to_numpy(dtype=object)[subscriptions["customer"]]
    end = end_of(parameters.business_date)
    suitable = (
        (kind == "base")
        & (subscriptions["product_type"] == "broadband").to_numpy()
        & (subscriptions["rank"] == 1).to_numpy()
        & (subscriptions["access_type"] == "ftth").to_numpy()
        & (subscriptions["activated_at"].to_numpy() < end - days(LONG_TENURE_DAYS))
        & (population.rent_at(end) < 180)
    )
    return [int(line) for line in np.flatnonzero(suitable)]


def _plant_repeat_faults(planter: _Planter) -> None:
    end = planter.end
    until = {12: 6, 6: 3, 3: 1, 1: 0}
    for months, limit in REPEAT_LIMITS.items():
        start = months_before(end, months)
        span = months_before(end, until[months]) - start - np.timedelta64(DAY, "s")
        steps = [span * number // (limit + 1) for number in range(limit + 1)]
        rule = f"repeat_fault_{months}m"
        for name, first, count, is_raised in (
            ("as many as the limit, first at the window's start", start, limit, False),
            ("one over the limit, first at the window's start", start, limit + 1, True),
            ("one over the limit, first a second too early", start - SECOND, limit + 1, False),
        ):
            line = planter.case(rule, name, is_raised)
            moments = [first, *(start + step for step in steps[1:count])]
            for moment in moments:
                planter.ticket(line, moment - HOUR, moment + 5 * HOUR, moment)
    line = planter.case("repeat_fault_1m", "one over the limit, last at the end of the day", False)
    for number in range(REPEAT_LIMITS[1] + 1):
        moment = end - np.timedelta64(number * 3 * DAY, "s")
        planter.ticket(line, moment - HOUR, moment + 5 * HOUR, moment)


def _plant_long_faults(planter: _Planter) -> None:
    end = planter.end
    ten_days = np.timedelta64(10 * DAY, "s")
    eleven_days = np.timedelta64(11 * DAY, "s")
    reported = end - np.timedelta64(60 * DAY, "s")
    year_ago = months_before(end, 12)
    for name, start, closed, is_raised in (
        ("exactly ten days", reported, reported + ten_days, False),
        ("ten days and a second", reported, reported + ten_days + SECOND, True),
        ("closed at the window's start", year_ago - eleven_days, year_ago, True),
        ("closed a second too early", year_ago - eleven_days, year_ago - SECOND, False),
    ):
        line = planter.case("long_fault_closed", name, is_raised)
        planter.ticket(line, start, closed, start + 2 * HOUR)
    for name, start, changed, state, is_raised in (
        ("open for exactly ten days", end - ten_days, NEVER, "closed", False),
        ("open for ten days and a second", end - ten_days - SECOND, NEVER, "closed", True),
        ("old, but cancelled", end - 2 * ten_days, end - ten_days, "cancelled", False),
        ("old, but rejected", end - 2 * ten_days, end - ten_days, "rejected", False),
        ("closed at the end of the day", end - eleven_days, end, "closed", True),
    ):
        line = planter.case("long_fault_open", name, is_raised)
        planter.ticket(line, start, changed, start + 2 * HOUR, state)


def _plant_optical(planter: _Planter) -> None:
    end = planter.end
    today, yesterday = end - 21 * HOUR, end - 45 * HOUR
    readings: tuple[tuple[str, bool, list[tuple[Any, ...]]], ...] = (
        ("exactly 28 dB", True, [(today, 28.0)]),
        ("27.99 dB", False, [(today, 27.99)]),
        ("28 dB once, repaired since", False, [(yesterday, 28.5), (today, 20.1)]),
        ("received power only", False, [(today, -28.5, "downstream", "dBm")]),
        (
            "latest loss before a reading of received power",
            True,
            [(yesterday, 29.3), (today, -26.3, "downstream", "dBm")],
        ),
        ("upstream only", False, [(today, 20.4), (today, 30.2, "upstream")]),
        ("worse at the end of the day", False, [(today, 21.0), (end, 29.0)]),
        ("worse a second before the end of the day", True, [(today, 21.0), (end - SECOND, 28.01)]),
    )
    for name, is_raised, rows in readings:
        line = planter.case("optical_loss", name, is_raised)
        for row in rows:
            planter.reading(line, *row)


def _plant_traffic(planter: _Planter) -> None:
    evening = planter.end - 4 * HOUR
    a_day = np.timedelta64(DAY, "s")
    rule = "high_traffic_bandwidth"
    line = planter.case(rule, "exactly 1 GiB per online hour", False)
    for number in range(30):
        planter.hour(line, evening - number * a_day, GIBIBYTE)
    line = planter.case(rule, "1 GiB per online hour and a byte", True)
    for number in range(30):
        planter.hour(line, evening - number * a_day, GIBIBYTE + (number == 0))
    line = planter.case(rule, "exactly ten online hours", True)
    for number in range(10):
        planter.hour(line, evening - number * a_day, 2 * GIBIBYTE)
    line = planter.case(rule, "a minute less than ten online hours", False)
    for number in range(10):
        planter.hour(line, evening - number * a_day, 2 * GIBIBYTE, 60 - (number == 0))
    line = planter.case(rule, "heavy on the day before the window", False)
    for number in range(31):
        total = 400 * GIBIBYTE if number == 30 else GIBIBYTE // 2
        planter.hour(line, evening - number * a_day, total)


def _plant_activity(planter: _Planter, population: Population) -> None:
    """Plant a line that ends, and one that starts, in the last second of the business date."""
    end, rule = planter.end, "high_value_bandwidth"
    subscriptions = population.subscriptions
    line = planter.case(rule, "terminated in the last second", False)
    for number in range(12):
        moment = end - np.timedelta64((number + 1) * DAY, "s")
        planter.ticket(line, moment - HOUR, moment + 5 * HOUR, moment)
    subscriptions.loc[line, "plan_id"] = "BB189"
    same_customer = subscriptions["customer"] == subscriptions.loc[line, "customer"]
    subscriptions.loc[same_customer, "terminated_at"] = end - SECOND
    subscriptions.loc[same_customer, "termination_kind"] = "active"
    line = planter.case(rule, "activated in the last second", True)
    subscriptions.loc[line, "plan_id"] = "BB189"
    subscriptions.loc[line, "activated_at"] = end - SECOND
    subscriptions.loc[line, ["contract_end", "contract_renewed_at"]] = NEVER
