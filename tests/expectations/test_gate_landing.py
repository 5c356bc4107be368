"""Gate 1 passes what is fit to build on, warns of what is odd, and stops what is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations.gate_landing import GATE, run_gate
from expectations.results import GateResult, Severity
from scripts.assess_staleness import staleness
from scripts.contracts import find_extract
from scripts.database import connect, fetch_all
from scripts.load_extracts import load_all
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)
PLAN = "plan_id|plan_name|product_type|monthly_rent_amount|valid_from\n"
CUSTOMER = "customer_id|region|contact_phone|is_do_not_call|registered_date\n"
SUBSCRIPTION = "subscription_id|customer_id|account_id|product_type|plan_id|activated_at\n"
READING = "subscription_id,measured_at,direction,reading_value,reading_unit\n"

Deliver = Callable[..., None]

pytestmark = pytest.mark.usefixtures("warehouse_db")


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    """Return a function that delivers an extract for one date and loads what has landed."""

    def put(source: str, name: str, text: str, day: date = NIGHT) -> None:
        folder = tmp_path / source / name / day.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.csv").write_bytes(text.encode(find_extract(source, name).encoding))
        load_all(day, tmp_path)

    return put


def customers(count: int, phones: int | None = None) -> str:
    with_phone = count if phones is None else phones
    rows = (
        f"C{i}|南京|{'16100000000' if i < with_phone else ''}|false|2020-01-01\n"
        for i in range(count)
    )
    return CUSTOMER + "".join(rows)


def subscriptions(count: int) -> str:
    rows = (f"S{i}|C{i}|A{i}|broadband|P1|2020-01-01 00:00:00\n" for i in range(count))
    return SUBSCRIPTION + "".join(rows)


def failed(result: GateResult, severity: Severity) -> set[tuple[str, str]]:
    return {
        (verdict.subject, verdict.expectation)
        for verdict in result.verdicts
        if not verdict.is_success and verdict.severity is severity
    }


def test_a_good_delivery_passes_and_what_is_missing_is_a_warning(deliver: Deliver) -> None:
    deliver("crm", "customer", customers(10))
    deliver("crm", "subscription", subscriptions(10))
    result = run_gate(NIGHT)
    assert result.is_passed
    assert ("billing.payment", "delivered tonight") in failed(result, Severity.WARNING)
    recorded = fetch_all(
        Role.LOADER, "select count(*) as n from ops.gate_result where gate = %(gate)s", gate=GATE
    )
    assert recorded[0]["n"] == len(result.verdicts)


def test_a_night_without_any_delivery_is_stopped(deliver: Deliver) -> None:
    """Else a run that is due before the sources deliver would call by yesterday's data."""
    day_before = NIGHT - timedelta(days=1)
    deliver("crm", "customer", customers(10), day_before)
    deliver("crm", "subscription", subscriptions(10), day_before)
    assert run_gate(day_before).is_passed
    assert failed(run_gate(NIGHT), Severity.ERROR) == {
        ("landing", "anything was delivered tonight")
    }


def test_not_delivered_is_what_is_stale_and_nothing_else(deliver: Deliver) -> None:
    """No events are a delivery, no customers are none; the dialer owes nothing."""
    day_before = NIGHT - timedelta(days=1)
    deliver("crm", "plan", PLAN + "P1|Fibre|broadband|99|2020-01-01\n", day_before)
    deliver("crm", "plan", PLAN)
    header = ",".join(find_extract("billing", "payment").column_names)
    deliver("billing", "payment", f"{header}\n")
    result = run_gate(NIGHT)
    late = {
        verdict.subject: verdict.observed
        for verdict in result.verdicts
        if verdict.expectation == "delivered tonight" and not verdict.is_success
    }
    assert late == {str(item.extract): item.told for item in staleness(NIGHT) if item.is_stale}
    assert late["crm.plan"] == "a snapshot without rows, last delivered 2026-11-19"
    assert late["billing.invoice"] == "never delivered"
    assert not {"billing.payment", "dialer.call_outcome"} & set(late)


def test_customers_that_were_never_delivered_stop_the_night(deliver: Deliver) -> None:
    deliver("crm", "subscription", subscriptions(10))
    assert failed(run_gate(NIGHT), Severity.ERROR) == {
        ("crm.customer", "was delivered at least once")
    }


def test_a_failed_load_stops_the_night_only_where_the_contract_says_so(deliver: Deliver) -> None:
    day_before = NIGHT - timedelta(days=1)
    deliver("crm", "customer", customers(10), day_before)
    deliver("crm", "subscription", subscriptions(10))
    deliver("crm", "customer", "customer_id|region\n")
    deliver("crm", "plan", "plan_id\n")
    result = run_gate(NIGHT)
    assert failed(result, Severity.ERROR) == {("crm.customer", "delivery can be loaded")}
    assert ("crm.plan", "delivery can be loaded") in failed(result, Severity.WARNING)


@pytest.mark.parametrize(
    ("count", "is_passed"), [(79, False), (80, True), (125, True), (127, False)]
)
def test_the_number_of_customers_may_not_jump(
    deliver: Deliver, count: int, is_passed: bool
) -> None:
    for days in (3, 2, 1):
        deliver("crm", "customer", customers(100), NIGHT - timedelta(days=days))
    deliver("crm", "customer", customers(count))
    deliver("crm", "subscription", subscriptions(10))
    assert run_gate(NIGHT).is_passed is is_passed


@pytest.mark.parametrize(
    ("rejected", "severity"), [(9, None), (10, Severity.ERROR), (11, Severity.ERROR)]
)
def test_a_delivery_with_many_rejected_rows_is_not_trusted(
    deliver: Deliver, rejected: int, severity: Severity | None
) -> None:
    """The limit is 5 % from 200 rows on."""
    good = customers(200 - rejected)
    deliver("crm", "customer", good + "|no id||false|2020-01-01\n" * rejected)
    deliver("crm", "subscription", subscriptions(10))
    expected = {("crm.customer", "less than 5 % of the rows are rejected")} if severity else set()
    assert failed(run_gate(NIGHT), Severity.ERROR) == expected


def test_a_small_delivery_with_a_rejected_row_is_only_a_warning(deliver: Deliver) -> None:
    deliver("crm", "customer", customers(10) + "|no id||false|2020-01-01\n")
    deliver("crm", "subscription", subscriptions(10))
    result = run_gate(NIGHT)
    assert result.is_passed
    assert ("crm.customer", "less than 5 % of the rows are rejected") in failed(
        result, Severity.WARNING
    )


@pytest.mark.parametrize(("measured_on", "is_fresh"), [("2026-11-18", True), ("2026-11-17", False)])
def test_the_newest_event_may_not_be_old(
    deliver: Deliver, measured_on: str, is_fresh: bool
) -> None:
    """Readings may be three days old, counted from the end of the business date."""
    deliver("line", "optical_reading", READING + f"S1,{measured_on} 00:00:00,downstream,20,dB\n")
    stale = ("line.optical_reading", "newest measured_at is recent")
    assert (stale in failed(run_gate(NIGHT), Severity.WARNING)) is not is_fresh


@pytest.mark.parametrize(("phones", "is_enough"), [(8, True), (7, False)])
def test_the_contracts_own_checks_are_run(deliver: Deliver, phones: int, is_enough: bool) -> None:
    deliver("crm", "customer", customers(10, phones))
    few = ("crm.customer", "expect_column_values_to_not_be_null(contact_phone)")
    assert (few in failed(run_gate(NIGHT), Severity.WARNING)) is not is_enough


def test_a_changed_table_stops_the_night(deliver: Deliver) -> None:
    deliver("crm", "customer", customers(10))
    deliver("crm", "subscription", subscriptions(10))
    with connect(None) as connection:
        connection.execute("alter table raw.crm__customer add column note text")
    assert failed(run_gate(NIGHT), Severity.ERROR) == {
        ("crm.customer", "columns as in the contract")
    }
