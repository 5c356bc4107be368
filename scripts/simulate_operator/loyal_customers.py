"""Loyal customers of low value (TIER-04): there for years, on a cheap plan, every bill in time.

They are the counterpart of the fleas: whoever judges by revenue alone takes both for the same.
"""

from __future__ import annotations

import numpy as np

from scripts.simulate_operator.behaviour import Bills
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.population import Population
from scripts.simulate_operator.timeline import Array, days, end_of, months_before

CHEAP_PLAN = "MB019"
TENURE_MONTHS = 36
SHARE = 0.038  # of customers; the draw of plans alone gives a third of it


def move_to_cheap_plan(parameters: Parameters, population: Population, bills: Bills) -> None:
    """Give long-standing customers who pay in time the cheapest plan until there are enough.

    It comes after the draw of who leaves, so that it does not change that: only customers with one
    mobile number, whose rent weighs little in it, are taken, and only those who stay.
    """
    random = parameters.random("loyal_customers")
    subscriptions = population.subscriptions
    is_suited = _is_loyal(parameters, population, bills)[subscriptions["customer"]]
    is_cheap = (subscriptions["plan_id"] == CHEAP_PLAN).to_numpy()
    lines = np.flatnonzero(is_suited & ~is_cheap)
    wanted = round(SHARE * parameters.customer_count) - int((is_suited & is_cheap).sum())
    chosen = random.permutation(lines)[: max(wanted, 0)]
    plan_id = subscriptions["plan_id"].to_numpy(dtype=object).copy()
    plan_id[chosen] = CHEAP_PLAN
    subscriptions["plan_id"] = plan_id


def _is_loyal(parameters: Parameters, population: Population, bills: Bills) -> Array:
    """Tell which customers hold one number, came years ago, stay, and pay every bill in time."""
    customers, subscriptions = population.customers, population.subscriptions
    end = end_of(parameters.business_date)
    count = len(customers)
    holder = subscriptions["customer"].to_numpy()
    is_living = np.isnat(subscriptions["terminated_at"].to_numpy())
    is_mobile = (subscriptions["product_type"] == "mobile").to_numpy()
    has_one = np.bincount(holder, minlength=count) == 1
    has_number = np.bincount(holder, is_living & is_mobile, minlength=count) == 1
    due_end = bills.due_date + days(1)
    is_late = ((due_end <= end) & ~(bills.paid_at < due_end)).any(axis=0)
    pays = np.bincount(population.accounts["customer"], is_late, minlength=count) == 0
    came = customers["joined_at"].to_numpy() < months_before(end, TENURE_MONTHS)
    is_person = (customers["gender"] != "unknown").to_numpy()
    return np.asarray(has_one & has_number & pays & came & is_person)
