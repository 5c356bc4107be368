"""Gate 1: is what just landed fit to build on?

    python -m expectations.gate_landing --business-date 2026-11-20

Judges what was delivered for the business date. The ledger says whether it came, how old it is and
how many rows there are; the catalogue says which columns; the table says how new its newest event
is. Great Expectations runs the checks that the extract contracts carry. A failed check of severity
`error` stops the night before dbt; a `warning` is recorded in `ops.gate_result` and shown.

It runs in a process of its own: importing Great Expectations alone takes several seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import great_expectations as gx
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from psycopg import sql

from expectations.results import (
    GateFailed,
    GateResult,
    Severity,
    Verdict,
    ephemeral_context,
    record,
)
from scripts import arguments, warehouse
from scripts.assess_staleness import Staleness, staleness
from scripts.contracts import Extract, Freshness, read_extracts
from scripts.database import connect, fetch_all
from scripts.delivery_terms import OPERATOR_ZONE, OWES_NOTHING
from scripts.extract_ledger import deliveries_by_extract
from scripts.raw_tables import ORIGIN_COLUMNS, raw_columns
from scripts.roll_up import ROLL_UPS
from scripts.warehouse import Role

GATE = "landing"
EARLIER_DELIVERIES = 7
MIN_EARLIER_DELIVERIES = 3

log = logging.getLogger(__name__)


def run_gate(business_date: date) -> GateResult:
    """Check every delivery of the business date, record the verdicts and return them.

    A delivery without a row (no invoices today) has no content to check.
    """
    deliveries = deliveries_by_extract(business_date)
    verdicts = [_judge_night(deliveries), *map(_judge_staleness, staleness(business_date))]
    verdicts += [
        verdict
        for extract in read_extracts()
        for verdict in (
            *_judge_delivery(extract, deliveries.get(str(extract))),
            *_judge_volume(extract, deliveries.get(str(extract)), business_date),
        )
    ]
    landed = [
        extract
        for extract in read_extracts()
        if deliveries.get(str(extract), {}).get("status") == "loaded"
        and deliveries[str(extract)]["rows_loaded"]
    ]
    verdicts += _judge_columns(landed)
    verdicts += (
        _judge_freshness(extract, extract.freshness, business_date)
        for extract in landed
        if extract.freshness is not None
    )
    verdicts += _validate([extract for extract in landed if extract.checks], business_date)
    return record(GATE, business_date, verdicts, Role.LOADER)


def _judge_night(deliveries: dict[str, dict[str, Any]]) -> Verdict:
    """Say whether the operator's systems delivered anything: a list from nothing new is wrong."""
    came = [
        name
        for name, delivery in deliveries.items()
        if delivery["status"] is not None and name.partition(".")[0] not in OWES_NOTHING
    ]
    return Verdict(
        "landing", "anything was delivered tonight", Severity.ERROR, bool(came), f"{len(came)}"
    )


def _judge_staleness(found: Staleness) -> Verdict:
    """Say whether tonight's data is as new as the contract wants it; one definition for all."""
    return Verdict(
        str(found.extract), "delivered tonight", Severity.WARNING, not found.is_stale, found.told
    )


def _judge_delivery(extract: Extract, delivery: dict[str, Any] | None) -> Iterator[Verdict]:
    """Say whether the night may do with an earlier delivery, and whether tonight's is fit."""
    severity = Severity.ERROR if extract.is_blocking else Severity.WARNING
    delivery = delivery or dict.fromkeys(("status", "error", "last_loaded", "rejected_percent"))
    if extract.is_blocking:
        has_come = delivery["last_loaded"] is not None
        yield Verdict(str(extract), "was delivered at least once", severity, has_come)
    if delivery["status"] == "failed":
        yield Verdict(str(extract), "delivery can be loaded", severity, False, delivery["error"])
    limit = extract.rejected_share
    if limit is not None and delivery["rejected_percent"] is not None:
        yield Verdict(
            str(extract),
            f"less than {limit.below_percent:g} % of the rows are rejected",
            Severity(limit.severity if delivery["rows_read"] >= limit.minimum_rows else "warning"),
            delivery["rejected_percent"] < limit.below_percent,
            f"{delivery['rejected_percent']:.2f} %",
        )


def _judge_columns(extracts: list[Extract]) -> Iterator[Verdict]:
    """Say whether each raw table has the columns of its contract, no more and no fewer."""
    rows = fetch_all(
        Role.LOADER,
        "select table_name, array_agg(column_name::text) as columns"
        " from information_schema.columns where table_schema = 'raw' group by table_name",
    )
    found = {row["table_name"]: set(row["columns"]) for row in rows}
    for extract in extracts:
        expected = {*raw_columns(extract), *ORIGIN_COLUMNS}
        difference = sorted(expected ^ found.get(extract.table, set()))
        yield Verdict(
            str(extract),
            "columns as in the contract",
            Severity.ERROR,
            not difference,
            f"not on both sides: {', '.join(difference)}" if difference else None,
        )


def _judge_freshness(extract: Extract, freshness: Freshness, business_date: date) -> Verdict:
    """Say whether the newest event is as late as the contract allows at most."""
    end = datetime.combine(business_date + timedelta(days=1), time(), OPERATOR_ZONE)
    oldest = end - timedelta(days=freshness.days)
    roll_up = ROLL_UPS.get(extract.roll_up or "")
    column = roll_up.date_column if roll_up else freshness.column
    with connect(Role.LOADER) as connection:
        row = connection.execute(
            sql.SQL("select max({}) as newest from {} where business_date = %s").format(
                sql.Identifier(column), sql.Identifier("raw", extract.table)
            ),
            [business_date],
        ).fetchone()
    newest = row["newest"] if row else None
    is_recent = newest is not None and (
        newest >= oldest if isinstance(newest, datetime) else newest >= oldest.date()
    )
    return Verdict(
        str(extract), f"newest {column} is recent", Severity.WARNING, is_recent, str(newest)
    )


def _validate(extracts: list[Extract], business_date: date) -> Iterator[Verdict]:
    """Run the checks of the contracts, each extract on the columns that they name."""
    context = ephemeral_context()
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=warehouse.url(Role.LOADER, driver="postgresql+psycopg2"),
        # Else it fetches all rows of each query only to learn the names of its columns.
        create_temp_table=True,
    )
    for extract in extracts:
        columns = sorted({check["kwargs"]["column"] for check in extract.checks})
        # Names come from a contract of this repository, the date is a date.
        asset = source.add_query_asset(
            str(extract),
            f"select {', '.join(columns)} from raw.{extract.table}"  # noqa: S608
            f" where business_date = '{business_date}'",
        )
        suite = gx.ExpectationSuite(str(extract))
        for check in extract.checks:
            suite.add_expectation(
                ExpectationConfiguration(
                    type=check["type"],
                    kwargs=check["kwargs"],
                    meta={"severity": check["severity"]},
                ).to_domain_obj()
            )
        batch = asset.add_batch_definition("delivery").get_batch()
        for result in batch.validate(suite, result_format="BASIC").results:
            yield _to_verdict(extract, result)


def _judge_volume(
    extract: Extract, delivery: dict[str, Any] | None, business_date: date
) -> Iterator[Verdict]:
    """Say whether as many rows came as usual; from the ledger, which also knows rolled-up rows.

    No events today is no matter of volume; no customers today is.
    """
    if extract.row_count_change is None or delivery is None or delivery["status"] != "loaded":
        return
    row_count = int(delivery["rows_loaded"])
    if not row_count and extract.delivery_mode != "snapshot":
        return
    bounds = _row_count_bounds(extract, business_date)
    if bounds is not None:
        yield Verdict(
            str(extract),
            "as many rows as usual",
            Severity(extract.row_count_change.severity),
            bounds[0] <= row_count <= bounds[1],
            f"{row_count} rows, usual are {bounds[0]} to {bounds[1]}",
        )


def _row_count_bounds(extract: Extract, business_date: date) -> tuple[int, int] | None:
    """Return the row counts to expect, from the median of the last deliveries; None if too few.

    Deliveries that cover several days (a back-fill) are compared by rows per day since the one
    before, so that the first ordinary night is not measured against a month. Snapshots are whole
    each time and compared as they are.
    """
    if extract.row_count_change is None:
        return None
    rows = fetch_all(
        Role.LOADER,
        """
        with delivery as (
            select
                business_date,
                sum(rows_loaded) as row_count,
                business_date - lag(business_date) over (order by business_date) as days
            from ops.extract_load
            where source = %(source)s and extract = %(extract)s and status = 'loaded'
                and business_date <= %(business_date)s
            group by business_date
        ),

        earlier as (
            select
                case
                    when %(is_snapshot)s then row_count
                    else row_count / days
                end as row_count
            from delivery
            where business_date < %(business_date)s and (%(is_snapshot)s or days is not null)
            order by business_date desc
            limit %(limit)s
        )

        select
            count(*) as deliveries,
            percentile_cont(0.5) within group (order by row_count) as median
        from earlier
        """,
        source=extract.source,
        extract=extract.name,
        business_date=business_date,
        is_snapshot=extract.delivery_mode == "snapshot",
        limit=EARLIER_DELIVERIES,
    )
    if rows[0]["deliveries"] < MIN_EARLIER_DELIVERIES:
        return None
    median = rows[0]["median"]
    change = extract.row_count_change
    return int(median * change.at_least), int(median * change.at_most) + 1


def _to_verdict(extract: Extract, result: Any) -> Verdict:  # noqa: ANN401 (untyped library)
    config = result.expectation_config
    column = config.kwargs["column"]
    observed = result.result.get("observed_value", result.result.get("unexpected_percent"))
    if result.exception_info.get("raised_exception"):
        observed = f"could not be checked: {result.exception_info.get('exception_message')}"
    return Verdict(
        subject=str(extract),
        expectation=f"{config.type}({column})",
        severity=Severity(config.meta["severity"]),
        is_success=bool(result.success),
        observed=None if observed is None else str(observed),
    )


def main() -> int:
    options = arguments.step_parser(__doc__).parse_args()
    try:
        run_gate(options.business_date).raise_if_failed()
    except GateFailed as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
