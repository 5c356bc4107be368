"""From which day on tonight's deliveries change what the warehouse keeps of the past.

Facts that keep events by day or month (dbt's incremental strategy `replace_from`) are built again
from that day on and not before: the night pays for the night. What counts is the day of the oldest
event in the deliveries by which the new build differs from the one before: those between the two
business dates, whichever is later, and those loaded since. So a late row finds its month, and a
build as of a past date takes away what came after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from psycopg import sql

from scripts.contracts import find_extract
from scripts.database import Connection, connect
from scripts.delivery_terms import OPERATOR_ZONE
from scripts.raw_tables import raw_columns
from scripts.warehouse import Role

# The column that dates an event, by extract.
EVENT_COLUMNS = {
    "billing.invoice": "billing_month",
    "billing.payment": "paid_at",
    "channel.offer": "shown_at",
    "channel.sms_blast": "sent_at",
    "contact_center.interaction": "contacted_at",
    "crm.loyalty_points": "changed_at",
    "fault.trouble_ticket": "reported_at",
    "line.optical_reading": "measured_at",
    "usage.broadband_hourly": "usage_date",
    "usage.mobile_daily": "usage_date",
    "usage.roaming": "started_at",
    "usage.value_added_monthly": "usage_month",
}
EVERYTHING = date(1900, 1, 1)
# A delivery that replaces another may lack events that the other had; a file holds a month at most.
REPLACED_DAYS = timedelta(days=31)


@dataclass(frozen=True)
class HistoryState:
    """The business dates that the facts made from an extract may stand at, and its newest load."""

    earliest_date: date
    latest_date: date
    extract_load_id: int


def begin_build(business_date: date) -> dict[str, date]:
    """Return by extract from which day on a build as of `business_date` changes its facts.

    Until `finish_build` the facts count as standing anywhere between the old and the new date, so a
    build that fails, or builds some models only, is made good by the next.
    """
    with connect(Role.TRANSFORMER) as connection:
        changed = {}
        for extract in EVENT_COLUMNS:
            state = _state(connection, extract)
            changed[extract] = _changed_from(connection, extract, state, business_date)
            if state is not None:
                earliest = min(state.earliest_date, business_date)
                latest = max(state.latest_date, business_date)
                _keep(connection, extract, HistoryState(earliest, latest, state.extract_load_id))
        return changed


def newest_loads() -> dict[str, int]:
    """Return by extract the number of its newest load, to be told to `finish_build`."""
    with connect(Role.TRANSFORMER) as connection:
        rows = connection.execute(
            "select source || '.' || extract as extract, max(extract_load_id) as newest"
            " from ops.extract_load group by source, extract"
        ).fetchall()
    return {row["extract"]: row["newest"] for row in rows}


def finish_build(business_date: date, loads: dict[str, int]) -> None:
    """Note that every fact stands at `business_date` and has what `newest_loads` said before."""
    with connect(Role.TRANSFORMER) as connection:
        for extract in EVENT_COLUMNS:
            state = HistoryState(business_date, business_date, loads.get(extract, 0))
            _keep(connection, extract, state)


def _changed_from(
    connection: Connection, extract: str, state: HistoryState | None, business_date: date
) -> date:
    """Return the day of the oldest event that came or went between the two builds."""
    if state is None:
        return EVERYTHING
    first = min(state.earliest_date + timedelta(days=1), business_date)
    last = max(state.latest_date, business_date)
    late = _late_deliveries(connection, extract, state)
    oldest = _oldest_event(connection, extract, first, last, list(late))
    replaced = [day - REPLACED_DAYS for day, is_replacement in late.items() if is_replacement]
    return min([*replaced, last + timedelta(days=1) if oldest is None else oldest])


def _late_deliveries(connection: Connection, extract: str, state: HistoryState) -> dict[date, bool]:
    """Return the business dates loaded since, of those that may be built in; whether once more."""
    source, _, name = extract.partition(".")
    rows = connection.execute(
        """
        select
            business_date,
            bool_or(status = 'superseded' and rows_loaded > 0) as is_replacement
        from ops.extract_load
        where
            source = %(source)s
            and extract = %(extract)s
            and business_date <= %(latest_date)s
        group by business_date
        having max(extract_load_id) filter (where status = 'loaded') > %(newest_built)s
        """,
        {
            "source": source,
            "extract": name,
            "newest_built": state.extract_load_id,
            "latest_date": state.latest_date,
        },
    ).fetchall()
    return {row["business_date"]: row["is_replacement"] for row in rows}


def _oldest_event(
    connection: Connection, extract: str, first: date, last: date, late: list[date]
) -> date | None:
    source, _, name = extract.partition(".")
    contract = find_extract(source, name)
    column = EVENT_COLUMNS[extract]
    day = sql.SQL("min({})").format(sql.Identifier(column))
    if raw_columns(contract)[column] == "timestamptz":
        day = sql.SQL("({} at time zone {})::date").format(day, OPERATOR_ZONE.key)
    row = connection.execute(
        sql.SQL(
            "select {} as day from {}"
            " where business_date between %s and %s or business_date = any(%s)"
        ).format(day, sql.Identifier("raw", contract.table)),
        [first, last, late],
    ).fetchone()
    oldest: date | None = row["day"] if row else None
    return oldest


def _state(connection: Connection, extract: str) -> HistoryState | None:
    row = connection.execute(
        "select earliest_date, latest_date, extract_load_id from ops.history_state"
        " where extract = %s",
        [extract],
    ).fetchone()
    return HistoryState(**row) if row else None


def _keep(connection: Connection, extract: str, state: HistoryState) -> None:
    connection.execute(
        "insert into ops.history_state values (%s, %s, %s, %s) on conflict (extract) do update set"
        " earliest_date = excluded.earliest_date, latest_date = excluded.latest_date,"
        " extract_load_id = excluded.extract_load_id",
        [extract, state.earliest_date, state.latest_date, state.extract_load_id],
    )
