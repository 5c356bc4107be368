"""Gate 2: may the planned call list of a night go to the dialer?

    python -m expectations.gate_call_list --business-date 2026-11-20

Great Expectations checks intermediate.planned_call_task; the verdicts go to ops.gate_result, and a
failed expectation of severity `error` ends the process with status 1. Meant for a process of its
own: the import alone takes seconds. Only counts are recorded, logged or raised, never a customer's
number.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from expectations import results
from expectations.results import GateFailed, GateResult, Severity, Verdict
from scripts import database, warehouse
from scripts.arguments import step_parser
from scripts.publish_call_list import GATE, retention_parameter
from scripts.warehouse import Role

SUBJECT = "planned_call_task"
MOBILE_NUMBER = r"^1[3-9][0-9]{9}$"
REQUIRED_COLUMNS = ("customer_id", "revisit_tag", "phone_number", "priority_rank")
HELPFUL_COLUMNS = ("customer_name", "region", "agent_hint")
# Each query has a join: without one the library puts an alias of its own behind {batch}.
CUSTOMER_IS_UNKNOWN = """
    select planned.customer_id
    from {batch} as planned
    left join staging.stg_crm__customer as customer
        on
            planned.customer_id = customer.customer_id
            and planned.business_date = customer.as_of_date
    where customer.customer_id is null
"""
CUSTOMER_IS_DO_NOT_CALL = """
    select planned.customer_id
    from {batch} as planned
    inner join staging.stg_crm__customer as customer
        on
            planned.customer_id = customer.customer_id
            and planned.business_date = customer.as_of_date
    where customer.is_do_not_call
"""
# Whoever asked not to be called does not care under which customer the number is on a list.
NUMBER_IS_DO_NOT_CALL = """
    select distinct planned.customer_id
    from {batch} as planned
    inner join staging.stg_crm__customer as customer
        on
            planned.phone_number = customer.contact_phone
            and planned.business_date = customer.as_of_date
    where customer.is_do_not_call
"""
NUMBER_IS_BLOCKED = """
    select distinct planned.customer_id
    from {batch} as planned
    inner join staging.stg_crm__do_not_call as blocked
        on
            planned.phone_number = blocked.phone_number
            and planned.business_date = blocked.as_of_date
    where
        blocked.block_scope = 'all'
        and (blocked.expiry_date is null or blocked.expiry_date > planned.business_date)
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """What the plan is held against, as it stands in the warehouse."""

    minimum_size: int
    capacity: int
    revisit_tags: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """One expectation of the suite, under the name it is recorded by."""

    name: str
    severity: Severity
    expectation: Any


def run_gate(business_date: date) -> GateResult:
    """Check and record the plan of `business_date`; GateFailed if it must not go out."""
    context = results.ephemeral_context()
    verdicts = _validate(context, suite(business_date, _bounds(business_date)))
    result = results.record(GATE, business_date, verdicts, Role.TRANSFORMER)
    result.raise_if_failed()
    return result


def suite(business_date: date, bounds: Bounds) -> list[Check]:
    """Return what is expected of a planned list."""
    from great_expectations import expectations as gxe

    error, warning = Severity.ERROR, Severity.WARNING
    return [
        Check(
            "size_within_bounds",
            error,
            gxe.ExpectTableRowCountToBeBetween(
                min_value=bounds.minimum_size, max_value=bounds.capacity
            ),
        ),
        Check(
            "one_business_date",
            error,
            gxe.ExpectColumnValuesToBeInSet(column="business_date", value_set=[business_date]),
        ),
        *(
            Check(f"{column}_present", error, gxe.ExpectColumnValuesToNotBeNull(column=column))
            for column in ("business_date", *REQUIRED_COLUMNS)
        ),
        *(
            Check(f"{column}_present", warning, gxe.ExpectColumnValuesToNotBeNull(column=column))
            for column in HELPFUL_COLUMNS
        ),
        Check("customer_only_once", error, gxe.ExpectColumnValuesToBeUnique(column="customer_id")),
        Check(
            "customer_known",
            error,
            gxe.UnexpectedRowsExpectation(unexpected_rows_query=CUSTOMER_IS_UNKNOWN),
        ),
        Check(
            "customer_may_be_called",
            error,
            gxe.UnexpectedRowsExpectation(unexpected_rows_query=CUSTOMER_IS_DO_NOT_CALL),
        ),
        Check(
            "number_may_be_called",
            error,
            gxe.UnexpectedRowsExpectation(unexpected_rows_query=NUMBER_IS_DO_NOT_CALL),
        ),
        Check(
            "number_is_not_blocked",
            error,
            gxe.UnexpectedRowsExpectation(unexpected_rows_query=NUMBER_IS_BLOCKED),
        ),
        Check(
            "number_is_mobile",
            error,
            gxe.ExpectColumnValuesToMatchRegex(column="phone_number", regex=MOBILE_NUMBER),
        ),
        Check("number_only_once", warning, gxe.ExpectColumnValuesToBeUnique(column="phone_number")),
        Check(
            "revisit_tag_known",
            error,
            gxe.ExpectColumnValuesToBeInSet(
                column="revisit_tag", value_set=list(bounds.revisit_tags)
            ),
        ),
        Check(
            "rank_positive",
            error,
            gxe.ExpectColumnValuesToBeBetween(column="priority_rank", min_value=1),
        ),
    ]


def _bounds(business_date: date) -> Bounds:
    with database.connect(Role.TRANSFORMER) as connection:
        tags = connection.execute(
            "select revisit_tag from marts.revisit_tag order by revisit_tag"
        ).fetchall()
        return Bounds(
            minimum_size=retention_parameter(connection, "call_list_minimum_size", business_date),
            capacity=retention_parameter(connection, "call_list_capacity", business_date),
            revisit_tags=tuple(row["revisit_tag"] for row in tags),
        )


def _validate(context: Any, checks: Sequence[Check]) -> list[Verdict]:  # noqa: ANN401 (untyped)
    """Run the suite and translate what it says."""
    import great_expectations as gx

    source = context.data_sources.add_sql(name="warehouse", connection_string=_connection_string())
    table = source.add_table_asset(name=SUBJECT, table_name=SUBJECT, schema_name="intermediate")
    batch = table.add_batch_definition_whole_table("plan").get_batch()
    gx_suite = gx.ExpectationSuite(name=GATE)
    for check in checks:
        check.expectation.meta = {"name": check.name}
        gx_suite.add_expectation(check.expectation)
    # No sample of unexpected values: it would hold customers' numbers.
    outcome = batch.validate(
        gx_suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 0}
    )
    by_name = {item.expectation_config.meta["name"]: item for item in outcome.results}
    return [_to_verdict(check, by_name[check.name]) for check in checks]


def _connection_string() -> str:
    """Return the warehouse's URI; a `$` would be read as the start of a variable's name."""
    return warehouse.url(Role.TRANSFORMER, driver="postgresql+psycopg").replace("$", r"\$")


def _to_verdict(check: Check, outcome: Any) -> Verdict:  # noqa: ANN401 (the library is untyped)
    result = outcome.result
    if "unexpected_count" in result:
        observed = f"{result['unexpected_count']} of {result['element_count']} rows"
    elif "observed_value" in result:
        observed = f"{result['observed_value']} rows"
    else:
        log.error("%s could not be checked: %s", check.name, _causes(outcome.exception_info))
        observed = "could not be checked"
    return Verdict(SUBJECT, check.name, check.severity, bool(outcome.success), observed)


def _causes(exception_info: dict[str, Any]) -> str:
    """Return the classes of the database's errors; their texts may quote a customer's data."""
    return ", ".join(sorted(set(re.findall(r"\(([\w.]+)\)", str(exception_info))))) or "unknown"


def main() -> int:
    arguments = step_parser(__doc__).parse_args()
    try:
        run_gate(arguments.business_date)
    except GateFailed as failure:
        log.error("%s", failure)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
