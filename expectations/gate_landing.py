"""Gate 1: is what just landed fit to build on?

    python -m expectations.gate_landing --business-date 2026-11-20

Runs Great Expectations on what was delivered for the business date: the columns of each raw table,
the number of rows against earlier deliveries, the age of the newest event, and the checks that the
extract contracts carry. Delivery itself is judged from the ledger. A failed check of severity
`error` stops the night before dbt; a `warning` is recorded in `ops.gate_result` and shown.

It runs in a process of its own: importing Great Expectations alone takes several seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import great_expectations as gx
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from expectations.results import (
    GateFailed,
    GateResult,
    Severity,
    Verdict,
    ephemeral_context,
    record,
)
from scripts import arguments, warehouse
from scripts.contracts import Extract, read_extracts
from scripts.database import fetch_all
from scripts.migrations import raw_columns
from scripts.roll_up import ROLL_UPS
from scripts.warehouse import Role

GATE = "landing"
ORIGIN_COLUMNS = ("business_date", "source_file", "loaded_at")
EARLIER_DELIVERIES = 7
MIN_EARLIER_DELIVERIES = 3
OPERATOR_ZONE = ZoneInfo("Asia/Shanghai")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """One expectation on the rows of one delivery, and how bad it is when it is not met."""

    type: str
    kwargs: dict[str, Any]
    severity: Severity


def run_gate(business_date: date) -> GateResult:
    """Check every delivery of the business date, record the verdicts and return them.

    A delivery without a row (no invoices today) has no content to check.
    """
    deliveries = _deliveries(business_date)
    verdicts = [_judge_night(deliveries)]
    verdicts += [
        verdict
        for extract in read_extracts()
        for verdict in _judge_delivery(extract, deliveries.get(str(extract)))
    ]
    landed = [
        extract
        for extract in read_extracts()
        if deliveries.get(str(extract), {}).get("status") == "loaded"
        and deliveries[str(extract)]["rows_loaded"]
    ]
    verdicts.extend(_validate(landed, business_date))
    return record(GATE, business_date, verdicts, Role.LOADER)


def _deliveries(business_date: date) -> dict[str, dict[str, Any]]:
    """Return by extract: tonight's status, its error, and the last date that was loaded."""
    rows = fetch_all(
        Role.LOADER,
        """
        select
            source || '.' || extract as extract,
            min(status) filter (where business_date = %(business_date)s) as status,
            min(error) filter (where business_date = %(business_date)s) as error,
            max(business_date) filter (where status = 'loaded') as last_loaded,
            sum(rows_read) filter (where business_date = %(business_date)s) as rows_read,
            sum(rows_loaded) filter (where business_date = %(business_date)s) as rows_loaded,
            100 * sum(rows_rejected) filter (where business_date = %(business_date)s)
            / nullif(sum(rows_read) filter (where business_date = %(business_date)s), 0)
                as rejected_percent
        from ops.extract_load
        where status in ('loaded', 'failed') and business_date <= %(business_date)s
        group by source, extract
        """,
        business_date=business_date,
    )
    return {row["extract"]: row for row in rows}


def _judge_night(deliveries: dict[str, dict[str, Any]]) -> Verdict:
    """Say whether the operator's systems delivered anything: a list from nothing new is wrong."""
    came = [
        name
        for name, delivery in deliveries.items()
        if delivery["status"] is not None and not name.startswith("dialer.")
    ]
    return Verdict(
        "landing", "anything was delivered tonight", Severity.ERROR, bool(came), f"{len(came)}"
    )


def _judge_delivery(extract: Extract, delivery: dict[str, Any] | None) -> Iterator[Verdict]:
    """Say whether the extract came whole, and whether the night may do with an earlier delivery."""
    severity = Severity.ERROR if extract.is_blocking else Severity.WARNING
    delivery = delivery or dict.fromkeys(("status", "error", "last_loaded", "rejected_percent"))
    last_loaded = delivery["last_loaded"]
    if extract.is_blocking:
        yield Verdict(
            str(extract), "was delivered at least once", severity, last_loaded is not None
        )
    if delivery["status"] is None:
        since = f"last delivery {last_loaded}" if last_loaded else "never delivered"
        yield Verdict(str(extract), "delivered tonight", Severity.WARNING, False, since)
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


def _validate(extracts: list[Extract], business_date: date) -> Iterator[Verdict]:
    context = ephemeral_context()
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=warehouse.url(Role.LOADER, driver="postgresql+psycopg2"),
    )
    for extract in extracts:
        # The table name comes from a contract of this repository, the date is a date.
        asset = source.add_query_asset(
            str(extract),
            f"select * from raw.{extract.table} where business_date = '{business_date}'",  # noqa: S608
        )
        suite = gx.ExpectationSuite(str(extract))
        for check in suite_of(extract, business_date):
            suite.add_expectation(
                ExpectationConfiguration(
                    type=check.type, kwargs=check.kwargs, meta={"severity": check.severity.value}
                ).to_domain_obj()
            )
        batch = asset.add_batch_definition("delivery").get_batch()
        for result in batch.validate(suite, result_format="BASIC").results:
            yield _to_verdict(extract, result)


def suite_of(extract: Extract, business_date: date) -> Iterator[Check]:
    """Yield what gate 1 expects of one delivery: columns, volume, freshness, the contract's own."""
    yield Check(
        "expect_table_columns_to_match_set",
        {"column_set": [*raw_columns(extract), *ORIGIN_COLUMNS], "exact_match": True},
        Severity.ERROR,
    )
    bounds = _row_count_bounds(extract, business_date)
    if bounds is not None and extract.row_count_change is not None:
        yield Check(
            "expect_table_row_count_to_be_between",
            {"min_value": bounds[0], "max_value": bounds[1]},
            Severity(extract.row_count_change.severity),
        )
    if extract.freshness is not None:
        end = datetime.combine(business_date + timedelta(days=1), time(), OPERATOR_ZONE)
        oldest = end - timedelta(days=extract.freshness.days)
        roll_up = ROLL_UPS.get(extract.roll_up or "")
        yield Check(
            "expect_column_max_to_be_between",
            {"column": roll_up.date_column, "min_value": oldest.date()}
            if roll_up
            else {"column": extract.freshness.column, "min_value": oldest},
            Severity.WARNING,
        )
    for check in extract.checks:
        yield Check(check["type"], check["kwargs"], Severity(check["severity"]))


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
    column = config.kwargs.get("column")
    observed = result.result.get("observed_value", result.result.get("unexpected_percent"))
    if isinstance(observed, list):
        observed = f"{len(observed)} columns"
    if result.exception_info.get("raised_exception"):
        observed = f"could not be checked: {result.exception_info.get('exception_message')}"
    return Verdict(
        subject=str(extract),
        expectation=f"{config.type}({column})" if column else config.type,
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
