"""Flea customers (跳蚤用户) and who only looks like one (TIER-04).

A flea opens one mobile number after the other, pays for none of them until it is cut off, and pays
late for the one of today. Some do it under one customer record, some come back as a new customer
whom the CRM links to the former one. Beside them live customers who miss the pattern by one thing.

All of them are added once it is drawn what becomes of everybody else, which they do not change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scripts.simulate_operator.behaviour import DUE_DAYS, Bills, Churn, Engagement
from scripts.simulate_operator.event_rows import chosen, texts
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.population import (
    Population,
    add_person,
    add_place,
    numbered_ids,
    phone_numbers,
    reach_probabilities,
    rents,
    response_types,
)
from scripts.simulate_operator.timeline import (
    DAY,
    PERIOD_COUNT,
    PERIOD_DAYS,
    Array,
    days,
    end_of,
    history_start,
    period_starts,
    seconds,
)

NEVER = np.datetime64("NaT", "s")
NUMBERS = 3  # numbers opened by each, the last of them in use
# Fleas under one record and over linked ones; then those who miss the pattern: a number that lasted
# too long, numbers given up and paid for, a number opened too long ago, records of a family.
ONE_RECORD, LINKED, LASTING, HONEST, EARLY, FAMILY = range(6)
MISSING_KINDS = (LASTING, HONEST, EARLY, FAMILY)
RECORD_KINDS = (ONE_RECORD, LASTING)
FIRST_DAYS = (430, 430, 590, 430, 755, 430)  # before the end, the first number at the earliest
LEAST_DAYS, LEAST_DAYS_OF_RECORD = 66, 190  # the last one; of a record, older than the history
LASTING_BILLS = 6
SAME_PERSON_LINK, FAMILY_LINK = 0, 1  # positions in customer_records.LINK_KINDS
CUT_OFF_DAYS = 31  # after the due date, in the morning: as service_status has it
PLANS = ("MB019", "MB039", "MB059")
PLAN_SHARES = (0.2, 0.4, 0.4)  # of fleas; the others have the cheapest


@dataclass(frozen=True)
class Figures:
    """How many there are and how they behave; without a source a plausible choice."""

    share: float = 0.005  # fleas, of customers
    least: int = 6
    missing_share: float = 0.0004  # of each kind that misses the pattern
    monthly_end: float = 0.2  # the chance that a number of theirs ends within 30 days
    first_paid_share: float = 0.4  # numbers of which the first bill is still paid
    overdue_share: float = 0.7  # numbers in use of which the latest bill due is open
    in_time_share: float = 0.15  # of the other bills of the number in use
    cut_off_share: float = 0.15  # paid only after service has stopped
    mean_extra_amount: float = 25.0  # above the rent, in each month


FIGURES = Figures()


@dataclass(frozen=True)
class Hoppers:
    """What the records of the same people have in common, and their invoices.

    `numbers` has the kind and the person of each of their subscriptions. `links` has rows of the
    customers (later and earlier record, kind of link, and whether the one came next after the
    other); `months` are the months of the invoices that nobody else has.
    """

    first_customer: int
    numbers: pd.DataFrame
    links: pd.DataFrame
    invoices: dict[str, Array]
    months: list[np.datetime64]


def add(
    parameters: Parameters,
    population: Population,
    engagement: Engagement,
    bills: Bills,
    churn: Churn,
) -> Hoppers:
    """Add them to everything that has been drawn for the other customers."""
    first = len(population.customers)
    numbers = _numbers(parameters, first)
    customers = _customers(parameters, numbers, first)
    subscriptions, accounts = _holdings(parameters, population, customers, numbers, first)
    months = _months(bills, numbers)
    invoices = _invoices(parameters, population.plans, subscriptions, numbers, bills, months)
    population.customers = _appended(population.customers, customers)
    population.subscriptions = _appended(population.subscriptions, subscriptions)
    population.accounts = _appended(population.accounts, accounts)
    _extend_engagement(engagement, len(customers))
    _extend_churn(parameters, churn, subscriptions, first, len(customers))
    return Hoppers(first, numbers, _links(numbers), invoices, months)


def _numbers(parameters: Parameters, first_customer: int) -> pd.DataFrame:
    """Return every mobile number ever opened: person, when, until when, how the bills are paid.

    `customer` is a row of the customers; `paid_count` bills are paid before the first unpaid one.
    """
    random = parameters.random("hoppers")
    fleas = max(FIGURES.least, round(FIGURES.share * parameters.customer_count))
    missing = max(1, round(FIGURES.missing_share * parameters.customer_count))
    kind = np.r_[np.arange(fleas) % 2, np.repeat(MISSING_KINDS, missing)]
    has_one_record = np.isin(kind, RECORD_KINDS)
    draw = random.random((4, NUMBERS, len(kind)))
    end = end_of(parameters.business_date)
    first_opened = end - days(np.array(FIRST_DAYS)[kind] + 15 * random.random(len(kind)))
    opened, _ = _lives(kind, first_opened, draw)
    # All is as many months later as leaves the last number as old as it must be.
    oldest = end - days(np.where(has_one_record, LEAST_DAYS_OF_RECORD, LEAST_DAYS))
    slack = (oldest - opened[-1]).astype("int64") // (31 * DAY)
    later = np.floor(random.random(len(kind)) * (slack + 1).clip(0)).astype("int64")
    later = np.where(kind == EARLY, 0, later)
    opened, ended = _lives(kind, _months_later(first_opened, later), draw)
    frames = [
        pd.DataFrame(
            {
                "person": np.arange(len(kind)),
                "number": number,
                "kind": kind,
                "opened": opened[number],
                "ended": ended[number] if number < NUMBERS - 1 else NEVER,
                "paid_count": _paid_count(kind, draw[0, number], number),
            }
        ).astype({"ended": "datetime64[s]"})
        for number in range(NUMBERS)
    ]
    numbers = pd.concat(frames, ignore_index=True).sort_values(["person", "number"])
    is_new = ~has_one_record[numbers["person"]] | (numbers["number"].to_numpy() == 0)
    numbers["customer"] = first_customer + np.cumsum(is_new) - 1
    # The number in use comes first among those of a record, as other sources look at the first.
    order = np.lexsort((-numbers["number"].to_numpy(), numbers["customer"].to_numpy()))
    return pd.DataFrame(numbers.iloc[order]).reset_index(drop=True)


def _lives(kind: Array, first_opened: Array, draw: Array) -> tuple[list[Array], list[Array]]:
    """Return when each number was opened and when it ended, the numbers one after the other."""
    has_one_record = np.isin(kind, RECORD_KINDS)
    opened, ended = [first_opened], []
    for number in range(NUMBERS):
        midnights = opened[-1].astype("datetime64[D]").astype("datetime64[s]")
        opened[-1] = midnights + seconds((9 + 8 * draw[1, number]) * 3600)
        cut_off = _cut_off(opened[-1], _paid_count(kind, draw[0, number], number))
        given_up = opened[-1] + days(60 + 90 * draw[2, number])
        ended.append(np.where(kind == HONEST, given_up, cut_off + days(12 + 33 * draw[2, number])))
        again = cut_off + days(1 + 9 * draw[3, number])
        returned = ended[-1] + days(3 + 27 * draw[3, number])
        opened.append(np.where(has_one_record, again, returned))
    return opened[:NUMBERS], ended


def _paid_count(kind: Array, draw: Array, number: int) -> Array:
    is_lasting = (kind == LASTING) & (number == 0)
    return np.where(is_lasting, LASTING_BILLS, draw < FIGURES.first_paid_share).astype("int64")


def _months_later(moments: Array, months: Array) -> Array:
    """Return the moments that many months later, on the 28th at the latest."""
    month = moments.astype("datetime64[M]")
    day = np.minimum((moments - month.astype("datetime64[s]")) // np.timedelta64(DAY, "s"), 27)
    return np.asarray((month + months).astype("datetime64[s]") + days(day))


def _cut_off(opened: Array, paid_count: Array) -> Array:
    """Return when the first unpaid bill stops the service."""
    issued = opened.astype("datetime64[M]") + 1 + paid_count
    due = issued.astype("datetime64[s]") + days(DUE_DAYS - 1)
    return np.asarray(due + days(CUT_OFF_DAYS) + seconds(10 * 3600))


def _customers(parameters: Parameters, numbers: pd.DataFrame, first: int) -> pd.DataFrame:
    random = parameters.random("hopping_customers")
    opened = numbers.groupby("customer")["opened"].min()
    count = len(opened)
    joined = opened.to_numpy() - days(0.1)
    customers = pd.DataFrame({"customer_id": numbered_ids("C", 8, count, first), "kind": "hopper"})
    customers["joined_at"] = joined
    customers["registered_date"] = joined.astype("datetime64[D]").astype("datetime64[s]")
    persons = replace(parameters, organisation_share=0.0, no_identity_share=0.0)
    add_person(persons, customers, "hopping_persons", first)
    add_place(parameters, customers, "hopping_places")
    customers["is_do_not_call"] = False
    for latent in ("price", "service", "competitor"):
        customers[f"{latent}_sensitivity"] = random.standard_normal(count)
    customers["wealth"] = random.standard_normal(count) - 0.8
    customers["payment_risk"] = random.standard_normal(count) + 1.5
    ids = customers["customer_id"].to_numpy()
    customers["response_type"] = response_types(parameters, ids)
    customers["reach_probability"] = reach_probabilities(parameters, ids)
    customers["star_level"] = 0
    return customers


def _holdings(
    parameters: Parameters,
    population: Population,
    customers: pd.DataFrame,
    numbers: pd.DataFrame,
    first_customer: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the subscriptions, each on an account of its own; adds the contact phones."""
    random = parameters.random("hopping_plans")
    first, first_account = len(population.subscriptions), len(population.accounts)
    count = len(numbers)
    rank = numbers.groupby("customer").cumcount().to_numpy() + 1
    position = numbers["customer"].to_numpy() - first_customer
    customer_ids = customers["customer_id"].to_numpy(dtype=object)[position]
    is_flea = numbers["kind"].isin((ONE_RECORD, LINKED)).to_numpy()
    plan = np.where(is_flea, chosen(random, PLAN_SHARES, count), 0)
    is_over = numbers["ended"].notna().to_numpy()
    ends = np.where(numbers["kind"] == HONEST, "active", "passive").astype(object)
    ends[~is_over] = None
    account_ids = "A" + pd.Series(customer_ids).str[1:] + pd.Series(rank).astype(str)
    subscriptions = pd.DataFrame(
        {
            "subscription_id": numbered_ids("S", 9, count, first),
            "customer": numbers["customer"],
            "product_type": "mobile",
            "rank": rank,
            "customer_id": customer_ids,
            "plan_id": np.array(PLANS, dtype=object)[plan],
            "bandwidth_mbps": np.nan,
            "access_type": None,
            "cross_connect_area_id": None,
            "service_number": phone_numbers(first + np.arange(count)),
            "activated_at": numbers["opened"],
            "terminated_at": numbers["ended"],
            "termination_kind": ends,
            "contract_end": NEVER,
            "contract_renewed_at": NEVER,
            "account": first_account + np.arange(count),
            "account_id": account_ids,
        }
    )
    accounts = subscriptions[["account_id", "customer_id", "customer"]]
    in_use = subscriptions.drop_duplicates("customer")
    customers["contact_phone"] = in_use["service_number"].to_numpy(dtype=object)
    return subscriptions, accounts


def _months(bills: Bills, numbers: pd.DataFrame) -> list[np.datetime64]:
    """Return the months before those of all bills in which a number was opened, backwards."""
    earliest = numbers["opened"].min().to_datetime64().astype("datetime64[M]")
    known = bills.months[0].astype("datetime64[M]")
    return [month.astype("datetime64[s]") for month in np.arange(earliest, known)[::-1]]


def _invoices(
    parameters: Parameters,
    plans: pd.DataFrame,
    subscriptions: pd.DataFrame,
    numbers: pd.DataFrame,
    bills: Bills,
    older: list[np.datetime64],
) -> dict[str, Array]:
    """Bill every number from its first month to its last; columns as behaviour has them."""
    random = parameters.random("hopping_bills")
    end = end_of(parameters.business_date)
    opened = subscriptions["activated_at"].to_numpy().astype("datetime64[M]")
    ended = subscriptions["terminated_at"].to_numpy()
    last = np.where(np.isnat(ended), end, ended).astype("datetime64[M]")
    last = np.minimum(last, (end - seconds(1)).astype("datetime64[M]") - 1)
    count = (last - opened).astype("int64").clip(-1) + 1
    row = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    month = opened[row] + number
    issued = (month + 1).astype("datetime64[s]") + seconds(random.uniform(3600, 5 * 3600, len(row)))
    due = (month + 1).astype("datetime64[s]") + days(DUE_DAYS)  # the end of the due date
    rent = rents(plans, subscriptions["plan_id"], end)[row]
    paid = _payment_times(random, numbers.iloc[row], number, issued, due, end)
    known = bills.months[0].astype("datetime64[M]")
    since = (month - known).astype("int64")
    return {
        "account": subscriptions["account"].to_numpy()[row].astype("int32"),
        "month": np.where(since >= 0, since, len(bills.months) - 1 - since).astype("int8"),
        "invoice_amount": np.round(
            rent + random.exponential(FIGURES.mean_extra_amount, len(row)) * _is_dear(numbers, row),
            2,
        ),
        "issued_at": issued,
        "paid_at": paid,
    }


def _is_dear(numbers: pd.DataFrame, row: Array) -> Array:
    """Tell the bills of fleas, who use more than they pay for."""
    return np.asarray(numbers["kind"].isin((ONE_RECORD, LINKED)).to_numpy()[row])


def _payment_times(
    random: np.random.Generator,
    numbers: pd.DataFrame,
    number: Array,
    issued: Array,
    due_end: Array,
    end: np.datetime64,
) -> Array:
    """Pay for the numbers of before as planned, for the one in use late, for the latest not yet."""
    count = len(number)
    in_time = issued + days(random.beta(1.3, 1.6, count) * 13.5)
    late = due_end + days(random.uniform(1.5, 28, count))
    after_cut_off = due_end + days(random.uniform(31, 50, count))
    draw = random.random(count)
    in_use = np.where(draw < FIGURES.in_time_share, in_time, late)
    in_use = np.where(draw > 1 - FIGURES.cut_off_share, after_cut_off, in_use)
    in_use = np.where(number == 0, late, in_use)
    is_latest_due = (due_end <= end) & (due_end > end - days(PERIOD_DAYS + 1))
    is_open = is_latest_due & (random.random(count) < FIGURES.overdue_share)
    in_use = np.where(is_open, NEVER, in_use)
    is_paid = (number < numbers["paid_count"].to_numpy()) | (numbers["kind"] == HONEST).to_numpy()
    before = np.where(is_paid, in_time, NEVER)
    is_over = numbers["ended"].notna().to_numpy()
    is_late = ~is_over & (numbers["kind"] != HONEST).to_numpy()
    return np.where(is_late, in_use, np.where(is_over, before, in_time))


def _links(numbers: pd.DataFrame) -> pd.DataFrame:
    """Pair every later record of a person with every earlier one."""
    records = numbers.drop_duplicates("customer").sort_values(["person", "customer"])
    records = records.assign(place=records.groupby("person").cumcount())
    pairs = records.merge(records, on="person", suffixes=("", "_earlier"))
    pairs = pairs[pairs["place"] > pairs["place_earlier"]]
    is_family = (pairs["kind"] == FAMILY).to_numpy()
    return pd.DataFrame(
        {
            "customer": pairs["customer"].to_numpy(),
            "other": pairs["customer_earlier"].to_numpy(),
            "kind": np.where(is_family, FAMILY_LINK, SAME_PERSON_LINK),
            "is_next": (pairs["place"] - pairs["place_earlier"] == 1).to_numpy(),
        }
    )


def _appended(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return both; texts in one piece, as each source would make itself a copy of several."""
    both = pd.concat([frame, rows[list(frame.columns)].astype(frame.dtypes)], ignore_index=True)
    for name in both.columns[both.dtypes == "str"]:
        both[name] = pd.array(texts(both[name]), dtype="str")
    return both


def _extend_engagement(engagement: Engagement, count: int) -> None:
    """Nobody of them begins to use less."""

    def extended(values: Array, filler: bool | int) -> Array:
        rows = np.full((count, *values.shape[1:]), filler, dtype=values.dtype)
        return np.concatenate([values, rows])

    engagement.is_disengaged = extended(engagement.is_disengaged, False)
    engagement.onset_days = extended(engagement.onset_days, 0)
    engagement.depth = extended(engagement.depth, 1)


def _extend_churn(
    parameters: Parameters, churn: Churn, subscriptions: pd.DataFrame, first: int, count: int
) -> None:
    """Enter who of them leaves; they end as planned, the hazard says how often they do so."""
    row = subscriptions["customer"].to_numpy() - first
    joined = np.full(count, np.datetime64("9999-01-01", "s"))
    np.minimum.at(joined, row, subscriptions["activated_at"].to_numpy())
    ends = subscriptions["terminated_at"].to_numpy()
    far = np.datetime64("9999-01-01", "s")
    ended = np.zeros(count, dtype="datetime64[s]")
    np.maximum.at(ended, row, np.where(np.isnat(ends), far, ends))
    starts = np.array(period_starts(parameters.business_date))
    present = (joined[:, None] < starts) & (ended[:, None] >= starts)
    period = (ended - history_start(parameters.business_date)).astype("int64") // DAY // PERIOD_DAYS
    leaves = present[:, :PERIOD_COUNT] & (period[:, None] == np.arange(PERIOD_COUNT))
    kinds = np.full(count, None, dtype=object)
    is_over = ended < far
    last_kind = subscriptions.drop_duplicates("customer")["termination_kind"].to_numpy(dtype=object)
    left_now = is_over & (ended >= history_start(parameters.business_date))
    kinds[left_now] = last_kind[left_now]
    churn.hazard = np.concatenate([churn.hazard, np.where(present, FIGURES.monthly_end, np.nan)])
    churn.is_churned = np.concatenate([churn.is_churned, leaves])
    churn.terminated_at = np.concatenate([churn.terminated_at, np.where(left_now, ended, NEVER)])
    churn.termination_kind = np.concatenate([churn.termination_kind, kinds])
