"""How customers behave: use their line less, pay late, leave. Leaving depends on all the rest.

Faults, optical drift, payments and use are drawn first, as if nobody left; then the hazard of each
30-day period is computed from what has happened up to its start, and who leaves is drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scripts.simulate_operator.network import Faults, Optics
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.planted import Planted
from scripts.simulate_operator.population import Population, contract_end_at
from scripts.simulate_operator.timeline import (
    DAY,
    PERIOD_COUNT,
    PERIOD_DAYS,
    Array,
    days,
    elapsed_days,
    end_of,
    history_start,
    period_starts,
    seconds,
)

DUE_DAYS = 15  # invoices are issued on the 1st and due on the 15th
METHODS = pd.CategoricalDtype(["online", "bank", "card", "cash"])
METHOD_SHARES = [0.62, 0.22, 0.10, 0.06]
ADVANCE_SHARE = 0.005  # payments made without an invoice
ADVANCE_AMOUNT = 50.0

# Log odds of leaving within 30 days. Latents are standard normal; what can be observed has most of
# the weight, so that a model trained on the extracts can find most of what there is to find.
EFFECTS = {
    "price_sensitivity": 0.20,
    "price_sensitivity_by_rent": 0.25,
    "service_sensitivity": 0.10,
    "competitor_sensitivity": 0.30,
    "disengaged": 3.0,
    "late_payments": 0.50,
    "unpaid_invoices": 1.5,
    "tickets": 0.55,
    "tickets_by_service_sensitivity": 0.20,
    "long_fault": 1.2,
    "high_loss": 1.2,
    "contract_ending": 1.3,
    "under_contract": -0.6,
    "new": 0.4,
    "long_standing": -0.4,
}


@dataclass
class Engagement:
    """When customers are disengaged: per customer, at each period's start, and how deep.

    A customer who is engaged at the start of a period and disengaged at the start of the next
    declines from `onset_days` after the former.
    """

    is_disengaged: Array  # customers × (periods + 2)
    onset_days: Array  # customers × (periods + 1)
    depth: Array  # remaining share of usual use

    def factor(self, customer: Array, day: Array) -> Array:
        """Return the share of usual use, rows × days; `day` counts from the history's start."""
        period = np.minimum(day // PERIOD_DAYS, PERIOD_COUNT)
        now = self.is_disengaged[customer][:, period]
        then = self.is_disengaged[customer][:, period + 1]
        is_begun = day % PERIOD_DAYS >= self.onset_days[customer][:, period]
        is_low = now | (then & is_begun)
        return np.where(is_low, self.depth[customer][:, None], np.float32(1))


@dataclass
class Bills:
    """Invoices of every account and month, as if nobody left.

    Arrays are months × accounts; `due_date` is the same for all accounts: months × 1.
    """

    months: list[np.datetime64]  # first day of the billed month
    issued_at: Array
    due_date: Array
    paid_at: Array


@dataclass
class Churn:
    """The true hazard per customer and period (nan: no customer then) and who left when."""

    hazard: Array  # customers × (periods + 1); the last is the 30 days after the business date
    is_churned: Array  # customers × periods
    terminated_at: Array
    termination_kind: Array


def draw_engagement(parameters: Parameters, population: Population) -> Engagement:
    random = parameters.random("engagement")
    customers = population.customers
    count = len(customers)
    weight = np.exp(
        0.5 * customers["competitor_sensitivity"].to_numpy()
        + 0.3 * customers["price_sensitivity"].to_numpy()
    )
    enter = (parameters.disengaging_share * weight / weight.mean()).clip(0, 0.3)
    leave = parameters.reengaging_share
    state = np.zeros((count, PERIOD_COUNT + 2), dtype=bool)
    state[:, 0] = random.random(count) < enter / (enter + leave)
    for period in range(PERIOD_COUNT + 1):
        draw = random.random(count)
        state[:, period + 1] = np.where(state[:, period], draw >= leave, draw < enter)
    onset = random.integers(0, PERIOD_DAYS // 2, (count, PERIOD_COUNT + 1))
    return Engagement(state, onset, random.uniform(0.1, 0.45, count).astype("float32"))


def draw_bills(parameters: Parameters, population: Population, engagement: Engagement) -> Bills:
    """Decide for every account and month when the invoice would be paid (never: not-a-time)."""
    random = parameters.random("bills")
    customer = population.accounts["customer"].to_numpy()
    risk = population.customers["payment_risk"].to_numpy()[customer]
    last = np.datetime64(parameters.business_date, "M")
    count = PERIOD_COUNT + 1 + parameters.billing_history_months
    issue_months = [last - np.timedelta64(number, "M") for number in range(count)][::-1]
    start = history_start(parameters.business_date)
    issued_at, due_date, paid_at = [], [], []
    for month in issue_months:
        first = month.astype("datetime64[s]")
        issued = first + seconds(random.uniform(3600, 5 * 3600, len(customer)))
        due = (first + days(DUE_DAYS - 1)).astype("datetime64[s]")
        period = int(((first - start).astype("int64") // DAY // PERIOD_DAYS).clip(0, PERIOD_COUNT))
        low = engagement.is_disengaged[customer, period]
        paid_at.append(_payment_times(parameters, random, issued, due, risk, low))
        issued_at.append(issued)
        due_date.append([due])
    months = [(month - np.timedelta64(1, "M")).astype("datetime64[s]") for month in issue_months]
    return Bills(months, np.array(issued_at), np.array(due_date), np.array(paid_at))


def _payment_times(
    parameters: Parameters,
    random: np.random.Generator,
    issued: Array,
    due: np.datetime64,
    risk: Array,
    is_disengaged: Array,
) -> Array:
    count = len(issued)
    late = random.random(count) < _chance(
        parameters.late_payment_logit + 0.8 * risk + 0.8 * is_disengaged
    )
    unpaid = random.random(count) < _chance(
        parameters.unpaid_logit + 0.9 * risk + 1.6 * is_disengaged
    )
    day_end = due + np.timedelta64(DAY, "s")
    in_time = issued + days(random.beta(1.3, 1.6, count) * 13.5)
    after_due = day_end + days(random.exponential(9, count).clip(0.05, 38))
    much_later = day_end + days(random.uniform(40, 110, count))
    is_paid_later = random.random(count) < parameters.later_paid_share
    rest = np.where(is_paid_later, much_later, np.datetime64("NaT", "s"))
    return np.where(unpaid, rest, np.where(late, after_due, in_time))


def draw_churn(
    parameters: Parameters,
    population: Population,
    planted: Planted,
    faults: Faults,
    optics: Optics,
    engagement: Engagement,
    bills: Bills,
) -> Churn:
    """Compute the hazard period by period, calibrate it to the monthly rate, draw who leaves."""
    random = parameters.random("churn")
    subscriptions = population.subscriptions
    count = len(population.customers)
    starts = period_starts(parameters.business_date)
    stays = np.zeros(count, dtype=bool)
    stays[subscriptions["customer"].to_numpy()[planted.lines()]] = True
    hazard = np.full((count, PERIOD_COUNT + 1), np.nan)
    is_churned = np.zeros((count, PERIOD_COUNT), dtype=bool)
    terminated_at = np.full(count, np.datetime64("NaT", "s"))
    for period, start in enumerate(starts):
        present = _is_served(population, start) & np.isnat(terminated_at)
        drivers = _drivers(population, faults, optics, engagement, bills, period, start)
        score = sum(EFFECTS[name] * values for name, values in drivers.items())
        may_leave = present & ~stays
        hazard[present, period] = 0.0
        hazard[may_leave, period] = _calibrated(
            np.asarray(score)[may_leave], parameters.monthly_churn
        )
        if period < PERIOD_COUNT:
            leaves = random.random(count) < np.nan_to_num(hazard[:, period])
            moment = start + seconds(random.random(count) * PERIOD_DAYS * DAY)
            terminated_at[leaves] = moment[leaves]
            is_churned[:, period] = leaves
    kinds = _termination_kinds(parameters, population, bills, terminated_at)
    return Churn(hazard, is_churned, terminated_at, kinds)


def _is_served(population: Population, moment: np.datetime64) -> Array:
    """Tell which customers hold a live subscription at `moment`."""
    subscriptions = population.subscriptions
    lives = (subscriptions["activated_at"].to_numpy() < moment) & ~(
        subscriptions["terminated_at"].to_numpy() < moment
    )
    holder = subscriptions["customer"].to_numpy()
    return np.asarray(_count(holder, lives, len(population.customers)) > 0)


def end_subscriptions(population: Population, churn: Churn) -> None:
    """End all subscriptions of the customers who leave, at the same time."""
    subscriptions = population.subscriptions
    customer = subscriptions["customer"].to_numpy()
    end = churn.terminated_at[customer]
    leaves = ~np.isnat(end)
    subscriptions["terminated_at"] = np.where(
        leaves, end, subscriptions["terminated_at"].to_numpy()
    )
    subscriptions["termination_kind"] = np.where(
        leaves,
        churn.termination_kind[customer],
        subscriptions["termination_kind"].to_numpy(dtype=object),
    )


def _drivers(
    population: Population,
    faults: Faults,
    optics: Optics,
    engagement: Engagement,
    bills: Bills,
    period: int,
    start: np.datetime64,
) -> dict[str, Array]:
    """Return what moves each customer's hazard, as of the start of the period."""
    customers, subscriptions = population.customers, population.subscriptions
    count = len(customers)
    holder = subscriptions["customer"].to_numpy()
    account_holder = population.accounts["customer"].to_numpy()
    rent = np.bincount(holder, np.nan_to_num(population.rent_at(start)), minlength=count)
    price = customers["price_sensitivity"].to_numpy()
    service = customers["service_sensitivity"].to_numpy()
    tenure = elapsed_days(start, customers["joined_at"].to_numpy())
    recent, is_long = _recent_faults(faults, start)
    tickets = _count(holder[faults.tickets["line"].to_numpy()], recent, count).clip(0, 4)
    long_fault = _count(holder[faults.tickets["line"].to_numpy()], is_long, count) > 0
    high_loss = _count(holder[optics.lines], optics.loss_at(start) >= 27.0, count) > 0
    window = start - days(90)
    is_late = (bills.paid_at >= bills.due_date + days(1)) & (bills.paid_at < start)
    late = (is_late & (bills.paid_at >= window)).sum(axis=0)
    is_unpaid = (bills.due_date + days(1) <= start) & ~(bills.paid_at < start)
    unpaid = (is_unpaid & (bills.due_date >= start - days(150))).sum(axis=0)
    remaining = elapsed_days(contract_end_at(subscriptions, start), start)
    ending = _count(holder, (remaining > -30) & (remaining < 45), count) > 0
    bound = _count(holder, remaining >= 90, count) > 0
    return {
        "price_sensitivity": price,
        "price_sensitivity_by_rent": price * ((rent - 110) / 70).clip(-1, 3),
        "service_sensitivity": service,
        "competitor_sensitivity": customers["competitor_sensitivity"].to_numpy(),
        "disengaged": engagement.is_disengaged[:, period],
        "late_payments": _count(account_holder, late, count).clip(0, 3),
        "unpaid_invoices": _count(account_holder, unpaid, count).clip(0, 2),
        "tickets": tickets,
        "tickets_by_service_sensitivity": tickets * service.clip(0),
        "long_fault": long_fault,
        "high_loss": high_loss,
        "contract_ending": ending,
        "under_contract": bound & ~ending,
        "new": tenure < 180,
        "long_standing": tenure > 1500,
    }


def _recent_faults(faults: Faults, start: np.datetime64) -> tuple[Array, Array]:
    """Return which tickets fall in the 90 days before `start`, and which of them are over-long."""
    reported = faults.tickets["reported_at"].to_numpy()
    changed = faults.tickets["changed_at"].to_numpy()
    recent = (reported < start) & (reported >= start - days(90))
    until = np.where(changed < start, changed, start)
    return recent, recent & (elapsed_days(until, reported) > 10)


def _count(position: Array, weight: Array, count: int) -> Array:
    return np.bincount(position, weight, minlength=count)


def _chance(log_odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _calibrated(score: Array, mean: float) -> Array:
    """Shift the log odds so that the chances have this mean."""
    shift = _solve(lambda value: float(_chance(score + value).mean()) - mean)
    return _chance(score + shift)


def _solve(increasing: Callable[[float], float]) -> float:
    """Find the zero of an increasing function between -20 and 20 by bisection."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if increasing(middle) < 0 else (low, middle)
    return low


def _termination_kinds(
    parameters: Parameters, population: Population, bills: Bills, terminated_at: Array
) -> Array:
    """Tell arrears (passive) from the customer's own wish (active): unpaid bills decide mostly."""
    random = parameters.random("termination_kinds")
    count = len(terminated_at)
    is_open = (bills.due_date < terminated_at[population.accounts["customer"]]) & ~(
        bills.paid_at < terminated_at[population.accounts["customer"]]
    )
    unpaid = _count(population.accounts["customer"].to_numpy(), is_open.sum(axis=0), count)
    score = 1.5 * unpaid.clip(0, 2) - 0.4 * population.customers["competitor_sensitivity"]
    leaves = ~np.isnat(terminated_at)
    kinds = np.full(count, None, dtype=object)
    if leaves.any():
        chance = _calibrated(score.to_numpy()[leaves], parameters.passive_share)
        kinds[leaves] = np.where(random.random(int(leaves.sum())) < chance, "passive", "active")
    return kinds


def draw_invoices(
    parameters: Parameters, population: Population, bills: Bills
) -> list[dict[str, Array]]:
    """Bill every account for each month in which it had a live subscription.

    `account` is a row of the accounts, `month` a position in the months of the bills.
    """
    random = parameters.random("amounts")
    return [
        _invoices_of_month(parameters, population, bills, number, random)
        for number in range(len(bills.months))
    ]


def invoices_and_payments(
    parameters: Parameters,
    population: Population,
    months: list[np.datetime64],
    parts: list[dict[str, Array]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put the invoices together and take their payments; `months` are those that were billed.

    Invoices are numbered by their row, payments too and in the order of time. Both are kept small:
    `account` is a row of the accounts, `invoice` a row of the invoices.
    """
    invoices = pd.DataFrame(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    )
    month = invoices.pop("month").to_numpy()
    issue_months = np.array(months).astype("datetime64[M]") + 1
    for name, values in (
        ("billing_month", np.array(months)),
        ("due_date", issue_months.astype("datetime64[s]") + days(DUE_DAYS - 1)),
    ):
        dates = pd.CategoricalDtype(pd.DatetimeIndex(values))
        invoices[name] = pd.Categorical.from_codes(month, dtype=dates)
    return invoices, _payments(parameters, population, invoices)


def invoice_ids(numbers: Array) -> pa.Array:
    """Return the ids of the invoices in these rows; a negative row gives none."""
    return serial_numbers("F", numbers)


def payment_ids(numbers: Array) -> pa.Array:
    return serial_numbers("P", numbers)


def serial_numbers(prefix: str, rows: Array) -> pa.Array:
    """Return the prefix and ten digits, counted from 1; a negative row gives nothing."""
    digits = pa.array(rows.astype("int64") + 10**10 + 1, mask=rows < 0).cast(pa.string())
    return pc.binary_join_element_wise(prefix, pc.utf8_slice_codeunits(digits, 1), "")


def _invoices_of_month(
    parameters: Parameters,
    population: Population,
    bills: Bills,
    number: int,
    random: np.random.Generator,
) -> dict[str, Array]:
    subscriptions, month = population.subscriptions, bills.months[number]
    next_month = (month.astype("datetime64[M]") + 1).astype("datetime64[s]")
    rent = np.nan_to_num(population.rent_at(month))
    lives = (subscriptions["activated_at"].to_numpy() < next_month) & ~(
        subscriptions["terminated_at"].to_numpy() < month
    )
    count = len(population.accounts)
    total = _count(subscriptions["account"].to_numpy(), rent * lives, count)
    extra = random.exponential(6, count) * (random.random(count) < 0.5)
    is_issued = bills.issued_at[number] < end_of(parameters.business_date)
    is_billed = np.flatnonzero((total > 0) & is_issued)
    return {
        "account": is_billed.astype("int32"),
        "month": np.full(len(is_billed), number, dtype="int8"),
        "invoice_amount": np.round(total + extra, 2)[is_billed],
        "issued_at": bills.issued_at[number][is_billed],
        "paid_at": bills.paid_at[number][is_billed],
    }


def _payments(
    parameters: Parameters, population: Population, invoices: pd.DataFrame
) -> pd.DataFrame:
    """Take payments up to the business date; who is cut off for arrears pays no more."""
    random = parameters.random("payments")
    account = invoices["account"].to_numpy()
    paid_at = invoices["paid_at"].to_numpy()
    cut_off = _cut_off_times(population)[account]
    is_paid = (paid_at < end_of(parameters.business_date)) & ~(paid_at >= cut_off)
    paid = np.flatnonzero(is_paid).astype("int32")
    advance = paid[random.random(len(paid)) < ADVANCE_SHARE]
    invoice = np.r_[paid, advance]
    moment = paid_at[invoice]
    moment[len(paid) :] -= np.timedelta64(3600, "s")
    amount = invoices["invoice_amount"].to_numpy()[invoice]
    amount[len(paid) :] = ADVANCE_AMOUNT
    order = np.argsort(moment, kind="stable")
    method = random.choice(4, len(order), p=METHOD_SHARES).astype("int8")
    return pd.DataFrame(
        {
            "account": account[invoice[order]],
            "invoice": np.where(order < len(paid), invoice[order], np.int32(-1)),
            "paid_at": moment[order],
            "payment_amount": amount[order],
            "payment_method": pd.Categorical.from_codes(method, dtype=METHODS),
        }
    )


def _cut_off_times(population: Population) -> Array:
    """Return per account when arrears ended the service (not-a-time: never)."""
    passive = population.subscriptions[
        population.subscriptions["termination_kind"].to_numpy(dtype=object) == "passive"
    ]
    times = np.full(len(population.accounts), np.datetime64("NaT", "s"))
    times[passive["account"].to_numpy()] = passive["terminated_at"].to_numpy()
    return times
