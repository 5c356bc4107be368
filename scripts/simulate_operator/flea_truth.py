"""Who is a flea customer (跳蚤用户), and who only brings in as little (TIER-04).

Computed from the whole simulated history: bills, cut-offs and links as they happened, also where
with `history_days` only their outcome is delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scripts.simulate_operator.hoppers import SAME_PERSON_LINK
from scripts.simulate_operator.timeline import Array, days, end_of, months_before

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

WINDOW_MONTHS = 24
LEAST_NUMBERS = 3  # mobile numbers opened in the window
LEAST_RUINED = 2  # of which so many ended soon, cut off, with bills unpaid
SOON_MONTHS = 6
LOW_ARPU = 40.0  # yuan a month
ARPU_MONTHS = 3
LOYAL_MONTHS = 36
POPULATIONS = ("flea", "loyal_low_arpu", "ordinary_low_arpu")


def flea_customers(world: World) -> pd.DataFrame:
    """Return the population of each served customer who is a flea or brings in little."""
    end = end_of(world.parameters.business_date)
    customers, subscriptions = world.population.customers, world.population.subscriptions
    is_served = np.zeros(len(customers), dtype=bool)
    is_served[subscriptions["customer"].to_numpy()[_lives(world, end)]] = True
    is_late, is_unpaid = _paid_late(world, end)
    is_flea = is_served & _are_fleas(world, end, is_late, is_unpaid)
    is_low = is_served & ~is_flea & (_mean_bill(world, end) < LOW_ARPU)
    registered = customers["registered_date"].to_numpy()
    is_old = registered < months_before(end, LOYAL_MONTHS)
    holder = world.population.accounts["customer"].to_numpy()
    pays_late = np.bincount(holder, is_late, minlength=len(customers)) > 0
    is_loyal = is_low & is_old & ~pays_late
    population = np.where(is_flea, 0, np.where(is_loyal, 1, 2))
    rows = np.flatnonzero(is_flea | is_low)
    return pd.DataFrame(
        {
            "customer_id": customers["customer_id"].to_numpy()[rows],
            "population": np.array(POPULATIONS, dtype=object)[population[rows]],
        }
    )


def _lives(world: World, end: np.datetime64) -> Array:
    subscriptions = world.population.subscriptions
    return np.asarray(
        (subscriptions["activated_at"].to_numpy() < end)
        & ~(subscriptions["terminated_at"].to_numpy() < end)
    )


def _are_fleas(world: World, end: np.datetime64, is_late: Array, is_unpaid: Array) -> Array:
    """Tell which customers belong to a person who hops and pays late for a number in use."""
    subscriptions = world.population.subscriptions
    person = same_persons(world, end)
    count = len(person)
    owner = person[subscriptions["customer"].to_numpy()]
    account = subscriptions["account"].to_numpy()
    activated = subscriptions["activated_at"].to_numpy()
    terminated = subscriptions["terminated_at"].to_numpy()
    is_mobile = (subscriptions["product_type"] == "mobile").to_numpy()
    is_opened = is_mobile & (activated >= months_before(end, WINDOW_MONTHS)) & (activated < end)
    is_ruined = is_opened & (terminated < end) & is_unpaid[account]
    is_ruined &= (subscriptions["termination_kind"] == "passive").to_numpy()
    is_ruined &= world.sources["service_status"].cut_off < terminated.astype("int64")
    rows = np.flatnonzero(is_ruined)
    soon = pd.Series(activated[rows]) + pd.DateOffset(months=SOON_MONTHS)
    ruined = rows[terminated[rows] < soon.to_numpy()]
    in_use = is_mobile & _lives(world, end) & is_late[account]
    hops = np.bincount(owner, is_opened, minlength=count) >= LEAST_NUMBERS
    hops &= np.bincount(owner[ruined], minlength=count) >= LEAST_RUINED
    hops &= np.bincount(owner, in_use, minlength=count) > 0
    return np.asarray(hops[person])


def same_persons(world: World, end: np.datetime64) -> Array:
    """Return per customer the first row of whom the CRM has linked, over any number of links."""
    links = world.sources["customer_records"].links
    known = links[(links["kind"] == SAME_PERSON_LINK) & (links["linked_at"] < pd.Timestamp(end))]
    pairs = np.sort(known[["customer", "other"]].to_numpy(), axis=1)
    first = np.arange(len(world.population.customers))
    while len(pairs):
        lowest = np.minimum(first[pairs[:, 0]], first[pairs[:, 1]])
        before = first[pairs].copy()
        for side in (0, 1):
            np.minimum.at(first, pairs[:, side], lowest)
        if (first[pairs] == before).all():
            break
    return first


def _paid_late(world: World, end: np.datetime64) -> tuple[Array, Array]:
    """Tell which accounts have ever paid late or are overdue, and which owe anything at the end."""
    invoices, count = world.invoices, len(world.population.accounts)
    paid_at = np.full(len(invoices), np.datetime64("NaT", "s"))
    payments = world.payments
    invoice = payments["invoice"].to_numpy()
    paid_at[invoice[invoice >= 0]] = payments["paid_at"].to_numpy()[invoice >= 0]
    due = invoices["due_date"].cat
    due_end = (due.categories.to_numpy().astype("datetime64[s]") + days(1))[due.codes.to_numpy()]
    account = invoices["account"].to_numpy()
    is_known = invoices["issued_at"].to_numpy() < end
    is_unpaid = is_known & ~(paid_at < end)
    is_late = (is_unpaid & (due_end <= end)) | (is_known & (paid_at >= due_end) & (paid_at < end))
    return (
        np.bincount(account, is_late, minlength=count) > 0,
        np.bincount(account, is_unpaid, minlength=count) > 0,
    )


def _mean_bill(world: World, end: np.datetime64) -> Array:
    """Return each customer's mean bill of the last three billed months, nan without any."""
    invoices = world.invoices
    billed = invoices["billing_month"].cat
    month = billed.categories.to_numpy().astype("datetime64[M]").astype("int64")
    known = np.flatnonzero(invoices["issued_at"].to_numpy() < end)
    codes = billed.codes.to_numpy()[known]
    age = month.max() - month[codes]
    recent = known[age < ARPU_MONTHS]
    holder = world.population.accounts["customer"].to_numpy()[invoices["account"].iloc[recent]]
    count = len(world.population.customers)
    total = np.bincount(holder, invoices["invoice_amount"].to_numpy()[recent], minlength=count)
    has_bill = np.zeros((count, ARPU_MONTHS), dtype=bool)
    has_bill[holder, age[age < ARPU_MONTHS]] = True
    months = has_bill.sum(axis=1)
    return np.where(months > 0, total / np.maximum(months, 1), np.nan)
