"""When the sources owe their deliveries, from the `slaProperties` of their contracts.

`timeOfAvailability` says at what time of the night a source has delivered, `frequency` how often an
extract comes. It reads the one contract it is asked for, so that a waiting task starts quickly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

CONTRACT_DIR = Path(__file__).resolve().parents[1] / "expectations" / "extracts"
OPERATOR_ZONE = ZoneInfo("Asia/Shanghai")
DEFAULT_DUE_TIME = time(2, 30)
DAILY = 1
# Calls are made by day, and a day without calls has no file: their import never holds up a night.
OWES_NOTHING = frozenset({"dialer"})
DAYS_BY_UNIT = {"d": 1, "w": 7, "m": 31, "y": 366}


@dataclass(frozen=True)
class DeliveryTerms:
    """When one source has delivered, and every how many days each extract comes (default: 1)."""

    due_time: time
    frequency_days: dict[str, int]

    def days_between(self, extract: str) -> int:
        """Return every how many days the extract is delivered."""
        return self.frequency_days.get(extract, self.frequency_days.get("", DAILY))

    def due_at(self, business_date: date) -> datetime:
        """Return when the delivery of a business date is due: in the night after it."""
        return datetime.combine(business_date + timedelta(days=1), self.due_time, OPERATOR_ZONE)


def awaited_sources(folder: Path = CONTRACT_DIR) -> list[str]:
    """Return the sources that a night waits for, by the names of their contract files."""
    return sorted({file.stem for file in folder.glob("*.yml")} - OWES_NOTHING)


@cache
def read_terms(source: str, folder: Path = CONTRACT_DIR) -> DeliveryTerms:
    """Return the delivery terms of one source; an `element` names the extract they hold for."""
    agreed = list(_agreements(read_yaml(folder / f"{source}.yml")))
    due_times = [value for name, _, value, _ in agreed if name == "timeOfAvailability"]
    return DeliveryTerms(
        due_time=time.fromisoformat(due_times[0]) if due_times else DEFAULT_DUE_TIME,
        frequency_days={
            element: round(float(value) * DAYS_BY_UNIT[unit[:1]])
            for name, element, value, unit in agreed
            if name == "frequency"
        },
    )


def read_yaml(file: Path) -> dict[str, Any]:
    """Return what a YAML file says; libyaml reads it ten times as fast as the Python parser."""
    text = file.read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 (both are safe)
    return found


def _agreements(contract: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield name, element, value and unit of each service level that a contract states."""
    for item in contract.get("slaProperties") or []:
        values = (item.get(key) for key in ("property", "element", "value", "unit"))
        name, element, value, unit = ("" if found is None else str(found) for found in values)
        yield name, element, value, unit or "d"
