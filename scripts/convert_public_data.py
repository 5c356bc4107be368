"""Turn two public data sets into extracts: the worked example of "bring your own exports".

    python -m scripts.convert_public_data --telco Telco-Customer-Churn.csv
        --incidents incident_event_log.zip --business-date 2016-05-31 --out DIR

The IBM Telco customers (one customer and one subscription each) report the trouble tickets of the
UCI incident log; the nightly run then works on DIR (`LANDING_DIR=DIR`). docs/bring-your-own-data.md
explains the mapping. The sets hold no telephone numbers: made-up ones stand in, not to be dialled.
"""

from __future__ import annotations

import logging
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from scripts.arguments import step_parser
from scripts.contracts import find_extract

FIRST_MADE_UP_PHONE = 16100000000
SERVICES = (
    "PhoneService",
    "MultipleLines",
    "InternetService",
    "OnlineSecurity",
    "OnlineBackup",
    "DeviceProtection",
    "TechSupport",
    "StreamingTV",
    "StreamingMovies",
)
CONTRACT_MONTHS = {"Month-to-month": 0, "One year": 12, "Two year": 24}
UNKNOWN = "?"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conversion:
    """Counts of what was converted and of the tickets that were left out."""

    customers: int
    churned_customers: int
    callers: int
    tickets: int
    tickets_without_caller: int
    tickets_after_business_date: int


def convert(telco_file: Path, incident_file: Path, business_date: date, out: Path) -> Conversion:
    """Write crm, billing and fault extracts for one business date and count what was left out."""
    customers = read_customers(telco_file, business_date)
    tickets, callers = read_tickets(incident_file)
    end = pd.Timestamp(business_date) + pd.Timedelta(days=1)
    is_known = tickets["caller"] != UNKNOWN
    is_opened = tickets["reported_at"] < end
    kept = assign_to_customers(tickets[is_known & is_opened], callers, customers)

    _write("crm", "customer", customers, business_date, out)
    _write("crm", "subscription", customers, business_date, out)
    _write("crm", "plan", plans_of(customers), business_date, out)
    _write("billing", "invoice", invoices_of(customers, business_date), business_date, out)
    _write("fault", "trouble_ticket", trouble_tickets_of(kept, end), business_date, out)
    _write("fault", "dispatch", dispatches_of(kept, end), business_date, out)
    return Conversion(
        customers=len(customers),
        churned_customers=int(customers["terminated_at"].notna().sum()),
        callers=len(callers),
        tickets=len(kept),
        tickets_without_caller=int((~is_known).sum()),
        tickets_after_business_date=int((is_known & ~is_opened).sum()),
    )


def read_customers(telco_file: Path, business_date: date) -> pd.DataFrame:
    """Return one row per IBM customer with the columns of crm.customer and crm.subscription.

    Activation is the business date minus the tenure; customers that churned are terminated on a
    day of the month before the business date, spread over it in file order.
    """
    telco = pd.read_csv(telco_file, dtype=str, keep_default_na=False)
    today = pd.Timestamp(business_date)
    tenure_months = telco["tenure"].astype(int)
    position = pd.Series(range(len(telco)))
    activated_at = pd.Series([today - pd.DateOffset(months=months) for months in tenure_months])
    month_before = today - pd.DateOffset(months=1)
    terminated_at = month_before + pd.to_timedelta(1 + position % 30, unit="D")
    is_broadband = telco["InternetService"] != "No"
    contract_months = telco["Contract"].map(CONTRACT_MONTHS)
    plan_key = telco[list(SERVICES)].agg("/".join, axis=1) + "/" + telco["MonthlyCharges"]
    return pd.DataFrame(
        {
            "customer_id": telco["customerID"],
            "contact_phone": (FIRST_MADE_UP_PHONE + position).astype(str),
            "gender": telco["gender"].str.lower(),
            "region": "IBM sample",
            "is_do_not_call": "false",
            "registered_date": activated_at.dt.strftime("%Y-%m-%d"),
            "subscription_id": "S-" + telco["customerID"],
            "account_id": "A-" + telco["customerID"],
            "product_type": is_broadband.map({True: "broadband", False: "fixed_voice"}),
            "plan_id": "P" + (pd.factorize(plan_key)[0] + 1).astype(str),
            "plan_name": telco["InternetService"].map(_internet_name)
            + telco["PhoneService"].map({"Yes": " with phone", "No": ""})
            + " at "
            + telco["MonthlyCharges"],
            "monthly_rent_amount": telco["MonthlyCharges"],
            "activated_at": activated_at.dt.strftime("%Y-%m-%d %H:%M:%S"),
            "terminated_at": terminated_at.dt.strftime("%Y-%m-%d %H:%M:%S").where(
                telco["Churn"] == "Yes"
            ),
            "contract_end_date": [
                _contract_end(start, today, months)
                for start, months in zip(activated_at, contract_months, strict=True)
            ],
            "access_type": telco["InternetService"].map({"Fiber optic": "ftth", "DSL": "copper"}),
        }
    )


def read_tickets(incident_file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per ticket (ticket_id, caller, category, times) and all callers in order.

    A ticket's caller is the one on its last event; its opening and closing times are the same on
    all of its events. The order of callers is ascending by number.
    """
    with zipfile.ZipFile(incident_file) as archive, archive.open(archive.namelist()[0]) as file:
        events = pd.read_csv(file, dtype=str, keep_default_na=False)
    last = events.groupby("number", sort=False).tail(1)
    tickets = pd.DataFrame(
        {
            "ticket_id": last["number"],
            "caller": last["caller_id"],
            "fault_category": last["category"],
            "reported_at": _local_times(last["opened_at"]),
            "closed_at": _local_times(last["closed_at"]),
        }
    )
    callers = sorted(set(events["caller_id"]) - {UNKNOWN}, key=int)
    return tickets.reset_index(drop=True), callers


def assign_to_customers(
    tickets: pd.DataFrame, callers: list[str], customers: pd.DataFrame
) -> pd.DataFrame:
    """Add customer and subscription: the callers in order are the customers in file order."""
    if len(callers) > len(customers):
        raise ValueError(f"{len(callers)} callers but only {len(customers)} customers")
    owners = customers[["customer_id", "subscription_id"]].head(len(callers))
    return tickets.merge(owners.assign(caller=callers), on="caller", validate="many_to_one")


def plans_of(customers: pd.DataFrame) -> pd.DataFrame:
    """Return one plan per distinct set of services and monthly charge, so that rents are exact."""
    plans = customers.drop_duplicates("plan_id")
    return plans.assign(valid_from="2000-01-01")


def invoices_of(customers: pd.DataFrame, business_date: date) -> pd.DataFrame:
    """Return one invoice per customer for the month of the business date, not due yet."""
    return pd.DataFrame(
        {
            "invoice_id": "I-" + customers["customer_id"],
            "account_id": customers["account_id"],
            "customer_id": customers["customer_id"],
            "billing_month": business_date.replace(day=1).isoformat(),
            "invoice_amount": customers["monthly_rent_amount"],
            "issued_at": f"{business_date} 00:00:00",
            "due_date": (pd.Timestamp(business_date) + pd.Timedelta(days=20)).strftime("%Y-%m-%d"),
        }
    )


def trouble_tickets_of(tickets: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """Return the tickets as they stood at `end`: what was closed later is still open."""
    is_closed = tickets["closed_at"] < end
    return tickets.assign(
        ticket_state=is_closed.map({True: "closed", False: "inProgress"}),
        closed_at=_as_text(tickets["closed_at"].where(is_closed)),
        reported_at=_as_text(tickets["reported_at"]),
    )


def dispatches_of(tickets: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """Return one dispatch per ticket, sent when it was reported and done when it was closed."""
    return pd.DataFrame(
        {
            "dispatch_id": "D-" + tickets["ticket_id"],
            "ticket_id": tickets["ticket_id"],
            "dispatched_at": _as_text(tickets["reported_at"]),
            "completed_at": _as_text(tickets["closed_at"].where(tickets["closed_at"] < end)),
        }
    )


def _write(source: str, name: str, rows: pd.DataFrame, business_date: date, out: Path) -> None:
    extract = find_extract(source, name)
    folder = out / source / name / business_date.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    rows.reindex(columns=list(extract.column_names)).to_csv(
        folder / f"{name}.csv",
        sep=extract.delimiter,
        encoding=extract.encoding,
        index=False,
        lineterminator="\n",
    )
    log.info("%s %s: %d rows", extract, business_date, len(rows))


def _contract_end(start: pd.Timestamp, today: pd.Timestamp, months: int) -> str | None:
    """Return the last day of the running contract; contracts renew themselves when they end."""
    if not months:
        return None
    end = start
    while end <= today:
        end += pd.DateOffset(months=months)
    return str((end - pd.Timedelta(days=1)).date())


def _internet_name(service: str) -> str:
    return "No internet" if service == "No" else service


def _local_times(times: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(times, format="%d/%m/%Y %H:%M")


def _as_text(times: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    return times.dt.strftime("%Y-%m-%d %H:%M:%S")


def main() -> int:
    parser = step_parser(__doc__)
    parser.add_argument("--telco", type=Path, required=True, help="Telco-Customer-Churn.csv")
    parser.add_argument("--incidents", type=Path, required=True, help="incident_event_log.zip")
    parser.add_argument("--out", type=Path, required=True, help="landing folder to write to")
    options = parser.parse_args()
    result = convert(options.telco, options.incidents, options.business_date, options.out)
    log.info("%d customers, %d of them churned", result.customers, result.churned_customers)
    log.info("%d callers of the incident log are customers", result.callers)
    log.info(
        "%d tickets; left out: %d without a caller, %d opened after the business date",
        result.tickets,
        result.tickets_without_caller,
        result.tickets_after_business_date,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
