"""When things are delivered: back-fill chunks first, then every day up to the business date.

Times inside the simulator are naive local times (Asia/Shanghai, which knows no daylight saving) as
numpy datetime64[s].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """One business date on which extracts are delivered, and the days whose events they carry.

    `carries_past`: its events also include what lies before its first day.
    """

    business_date: date
    first_day: date
    is_first: bool = False
    is_last: bool = False
    carries_past: bool = False

    @property
    def days(self) -> list[date]:
        count = (self.business_date - self.first_day).days + 1
        return [self.first_day + timedelta(days=number) for number in range(count)]

    @property
    def start(self) -> np.datetime64:
        return midnight(self.first_day)

    @property
    def end(self) -> np.datetime64:
        """End of the business date, exclusive."""
        return end_of(self.business_date)

    def has_events(self, moments: Array) -> Array:
        """Tell which moments' events come with this delivery.

        An event in the very moment in which the last business date ends comes with the last
        delivery (a clock that is slightly fast): whoever reads the extracts must leave it to the
        next day.
        """
        is_known = (moments <= self.end) if self.is_last else (moments < self.end)
        return np.asarray(is_known if self.carries_past else is_known & (moments >= self.start))

    def has_changes(self, moments: Array) -> Array:
        """Tell which moments' changes of state come with it; the first delivery has all so far."""
        return replace(self, carries_past=self.is_first).has_events(moments)


def deliveries(business_date: date, history_days: int | None = None) -> tuple[Delivery, ...]:
    """Return the deliveries up to the business date.

    By default chunks of 30 days whose first also carries what lies before, one shorter chunk, then
    the last seven days one by one. With `history_days` that many single days, and of the time
    before them no events, only the state that they left.
    """

    def back(days: int) -> date:
        return business_date - timedelta(days=days)

    if history_days is not None:
        daily = [Delivery(back(days), back(days)) for days in range(history_days - 1, -1, -1)]
        return _marked(daily)
    chunks = [
        Delivery(back(last), back(last + PERIOD_DAYS - 1))
        for last in range(HISTORY_DAYS - PERIOD_DAYS, 0, -PERIOD_DAYS)
    ]
    remainder = Delivery(back(DAILY_DELIVERIES), back(PERIOD_DAYS - 1))
    daily = [Delivery(back(days), back(days)) for days in range(DAILY_DELIVERIES - 1, -1, -1)]
    chunks[0] = replace(chunks[0], carries_past=True)
    return _marked([*chunks, remainder, *daily])


def _marked(items: list[Delivery]) -> tuple[Delivery, ...]:
    items[0] = replace(items[0], is_first=True)
    items[-1] = replace(items[-1], is_last=True)
    return tuple(items)


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
