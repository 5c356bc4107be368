"""How long deliveries stay in raw: whole months of events and deltas, thinned-out snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from scripts.contracts import Extract

MONTHLY_SNAPSHOT_DAYS = 400


def expired_dates(extract: Extract, delivered: Iterable[date], business_date: date) -> list[date]:
    """Return which deliveries of an extract are over on the business date, in order.

    Events and deltas leave by whole months, once the last day of a month is older than the
    contract's retention. Of a snapshot older than that the last delivery of each month stays for
    `MONTHLY_SNAPSHOT_DAYS`, and the newest stays in any case.
    """
    oldest = business_date - timedelta(days=extract.retention_days)
    dates = sorted(delivered)
    if extract.delivery_mode != "snapshot":
        return [day for day in dates if _next_month(day) <= oldest]
    last_of_month = {(day.year, day.month): day for day in dates}
    oldest_monthly = business_date - timedelta(days=MONTHLY_SNAPSHOT_DAYS)
    return [
        day
        for day in dates[:-1]
        if day < oldest
        and (day != last_of_month[day.year, day.month] or _next_month(day) <= oldest_monthly)
    ]


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
