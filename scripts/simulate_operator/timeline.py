"""When things are delivered: back-fill chunks first, then every day up to the business date.

Times inside the simulator are naive local times (Asia/Shanghai, which knows no daylight saving) as
numpy datetime64[s].
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DAY = 86_400  # seconds
PERIOD_DAYS = 30
PERIOD_COUNT = 6
HISTORY_DAYS = PERIOD_DAYS * PERIOD_COUNT
DAILY_DELIVERIES = 7

Array = NDArray[Any]


@dataclass(frozen=True)
class Delivery:
    """One business date on which extracts are delivered, and the days whose events they carry."""

    business_date: date
    first_day: date

    @property
    def days(self) -> list[date]:
        count = (self.business_date - self.first_day).days + 1
        return [self.first_day + timedelta(days=number) for number in range(count)]

    @property
    def end(self) -> np.datetime64:
        """End of the business date, exclusive."""
        return end_of(self.business_date)


def deliveries(business_date: date) -> tuple[Delivery, ...]:
    """Return chunks of 30 days, one shorter chunk, then the last seven days one by one."""

    def back(days: int) -> date:
        return business_date - timedelta(days=days)

    chunks = [
        Delivery(back(last), back(last + PERIOD_DAYS - 1))
        for last in range(HISTORY_DAYS - PERIOD_DAYS, 0, -PERIOD_DAYS)
    ]
    remainder = Delivery(back(DAILY_DELIVERIES), back(PERIOD_DAYS - 1))
    daily = [Delivery(back(days), back(days)) for days in range(DAILY_DELIVERIES - 1, -1, -1)]
    return (*chunks, remainder, *daily)


def midnight(day: date) -> np.datetime64:
    return np.datetime64(day, "s")


def end_of(day: date) -> np.datetime64:
    return midnight(day + timedelta(days=1))


def history_start(business_date: date) -> np.datetime64:
    return midnight(business_date - timedelta(days=HISTORY_DAYS - 1))


def period_starts(business_date: date) -> list[np.datetime64]:
    """Return the starts of the six 30-day periods and the end of the last."""
    start = history_start(business_date)
    return [start + np.timedelta64(n * PERIOD_DAYS * DAY, "s") for n in range(PERIOD_COUNT + 1)]


def months_before(moment: np.datetime64, months: int) -> np.datetime64:
    """Go back whole calendar months, to the last day of the month where the day does not exist."""
    return np.datetime64(pd.Timestamp(moment) - pd.DateOffset(months=months), "s")


def seconds(values: Array | float) -> Array:
    """Return a time span of whole seconds as timedelta64."""
    return np.asarray(np.floor(values)).astype("int64").astype("timedelta64[s]")


def days(values: Array | float) -> Array:
    """Return a time span given in (fractions of) days as timedelta64."""
    return seconds(np.asarray(values) * DAY)


def elapsed_days(later: Array | np.datetime64, earlier: Array | np.datetime64) -> Array:
    """Return the days between two times; not-a-time gives nan."""
    span = np.asarray(later - earlier)
    return np.where(np.isnat(span), np.nan, span.astype("timedelta64[s]").astype("float64") / DAY)
