"""When service is suspended, resumed and ended, and what accounts owe meanwhile.

Arrears follow the invoices: an account whose oldest invoice stays unpaid is suspended, and served
again when it has paid. Who leaves passively has been suspended before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.event_rows import (
    FAR,
    chosen,
    coded,
    identifiers,
    optional,
    since_epoch,
    taken,
    texts,
)
from scripts.simulate_operator.timeline import DAY, Array, Delivery, end_of, history_start

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "service_status"
BLOCK_ROWS = 250_000
KINDS = (
    "requested_suspension",
    "arrears_suspension",
    "high_amount_suspension",
    "resumption",
    "port_out",
    "termination",
)
REQUESTED, ARREARS, HIGH_AMOUNT, RESUMPTION, PORT_OUT, TERMINATION = range(len(KINDS))
CAUSES = (
    "travel", "arrears", "high_amount", "paid", "request_ended", "competitor", "price",
    "moved_away", "poor_network", "poor_service", "service_not_understood", "other",
)  # fmt: skip
LEAVING_CAUSES = CAUSES[5:]
LEAVING_SHARES = (0.30, 0.20, 0.16, 0.11, 0.10, 0.06, 0.07)  # KEEP-13 names the reasons
COMPETITORS = ("rival_a", "rival_b", "rival_c")
COMPETITOR_SHARES = (0.5, 0.35, 0.15)
CHANNELS = ("system", "own_hall", "hotline", "app")
ACCOUNT_STATES = ("in_service", "overdue", "suspended")


@dataclass(frozen=True)
class Figures:
    """How service stops; without a source the figure is a plausible choice."""

    arrears_days: int = 30  # service stops this long after the due date
    requested_monthly_share: float = 0.0015  # subscriptions suspended at the customer's wish
    requested_days: tuple[float, float] = (10.0, 80.0)
    high_amount_monthly_share: float = 0.0008
    high_amount_days: tuple[float, float] = (0.1, 4.0)
    leaving_request_share: float = 0.25  # of active leavers, suspend some weeks before
    port_out_share: float = 0.6  # of mobile numbers that leave to a competitor
    strong_pull: float = 0.8  # sensitivity from which competitors draw customers, some for a while
    prepaid_share: float = 0.2  # accounts
    auto_pay_share: float = 0.35


FIGURES = Figures()


@dataclass(frozen=True)
class ServiceStatus:
    """Suspensions and the events they make, ordered by time; times are seconds since 1970.

    `suspended_*` hold one entry per suspension for arrears or a high amount.
    """

    events: pd.DataFrame
    subscription_ids: pa.Array
    customer_ids: pa.Array
    account_ids: pa.Array
    account_customer_ids: pa.Array
    is_prepaid: Array
    is_auto_pay: Array
    rent: Array  # per account and month
    suspended_account: Array
    suspended_from: Array
    suspended_until: Array
    cut_off: Array  # per subscription: the first suspension for arrears, FAR without


def simulate(world: World) -> ServiceStatus:
    """Draw every suspension, then tell what happened to each subscription."""
    random = world.parameters.random("service_status")
    subscriptions, accounts = world.population.subscriptions, world.population.accounts
    is_prepaid = random.random(len(accounts)) < FIGURES.prepaid_share
    is_auto_pay = random.random(len(accounts)) < FIGURES.auto_pay_share
    suspensions = _suspensions(world, random, is_prepaid)
    rent = np.nan_to_num(world.population.rent_at(end_of(world.parameters.business_date)))
    events = _events(world, random, suspensions)
    by_operator = suspensions[suspensions["kind"] != REQUESTED]
    return ServiceStatus(
        events=events,
        subscription_ids=texts(subscriptions["subscription_id"]),
        customer_ids=texts(subscriptions["customer_id"]),
        account_ids=texts(accounts["account_id"]),
        account_customer_ids=texts(accounts["customer_id"]),
        is_prepaid=is_prepaid,
        is_auto_pay=is_auto_pay,
        rent=np.bincount(subscriptions["account"], rent, minlength=len(accounts)),
        suspended_account=subscriptions["account"].to_numpy()[by_operator["line"]],
        suspended_from=by_operator["start"].to_numpy(),
        suspended_until=by_operator["stop"].to_numpy(),
        cut_off=_first_cut_off(suspensions, len(subscriptions)),
    )


def _first_cut_off(suspensions: pd.DataFrame, count: int) -> Array:
    is_arrears = (suspensions["kind"] == ARREARS).to_numpy()
    first = np.full(count, FAR)
    start = suspensions["start"].to_numpy()[is_arrears]
    np.minimum.at(first, suspensions["line"].to_numpy()[is_arrears], start)
    return first


def subscription_events(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    status: ServiceStatus = world.sources[NAME]
    events = status.events
    due = events[delivery.has_events(events["moment"].to_numpy())]
    line = due["line"].to_numpy()
    staff = due["staff"].to_numpy()
    yield pa.table(
        {
            "event_id": identifiers("E", due.index.to_numpy() + 1, 16),
            "subscription_id": taken(status.subscription_ids, line),
            "customer_id": taken(status.customer_ids, line),
            "event_kind": coded(KINDS, due["kind"].to_numpy()),
            "event_cause": coded(CAUSES, due["cause"].to_numpy()),
            "occurred_at": pa.array(due["moment"].to_numpy().astype("datetime64[s]")),
            "competitor_code": coded(COMPETITORS, due["competitor"].to_numpy()),
            "unpaid_amount": pa.array(due["unpaid_amount"].to_numpy()),
            "channel_code": coded(CHANNELS, due["channel"].to_numpy()),
            "staff_id": taken(identifiers("YY", np.arange(1, 101), 4), staff),
        }
    )


def balances(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield what every account with a live subscription owes at the end of the business date."""
    status: ServiceStatus = world.sources[NAME]
    end = delivery.end
    count = len(status.is_prepaid)
    account, issued, due, paid = _invoice_times(world)
    subscriptions = world.population.subscriptions
    lives = (subscriptions["activated_at"].to_numpy() < end) & ~(
        subscriptions["terminated_at"].to_numpy() < end
    )
    is_open = (issued < end) & ~(paid < end)
    owed, amount = account[is_open], world.invoices["invoice_amount"].to_numpy()[is_open]
    is_overdue = due[is_open] + np.timedelta64(DAY, "s") <= end
    unpaid = np.round(np.bincount(owed, amount, minlength=count), 2)
    overdue = np.round(np.bincount(owed, amount * is_overdue, minlength=count), 2)
    oldest = np.full(count, FAR)
    np.minimum.at(oldest, owed, due[is_open].astype("int64"))
    last_paid = np.full(count, -1)
    is_paid = paid < end
    np.maximum.at(last_paid, account[is_paid], paid[is_paid].astype("int64"))
    moment = int(end.astype("int64"))
    is_stopped = np.zeros(count, dtype=bool)
    holds = (status.suspended_from < moment) & (status.suspended_until >= moment)
    is_stopped[status.suspended_account[holds]] = True
    money = _prepaid_money(status, delivery)
    state = np.where(is_stopped, 2, np.where(overdue > 0, 1, 0))
    planned = np.maximum(oldest // DAY + 1 + FIGURES.arrears_days, moment // DAY)
    star = world.population.customers["star_level"].to_numpy()
    limit = np.where(
        status.is_prepaid, 0.0, 100.0 + 100.0 * star[world.population.accounts["customer"]]
    )
    everything = np.flatnonzero(
        np.bincount(subscriptions["account"].to_numpy()[lives], minlength=count)
    )
    for first in range(0, len(everything), BLOCK_ROWS):
        rows = everything[first : first + BLOCK_ROWS]
        nothing_due = (oldest == FAR)[rows]
        yield pa.table(
            {
                "account_id": taken(status.account_ids, rows),
                "customer_id": taken(status.account_customer_ids, rows),
                "billing_kind": coded(("postpaid", "prepaid"), status.is_prepaid[rows] * 1),
                "balance_amount": pa.array(np.round(money - unpaid, 2)[rows]),
                "unpaid_amount": pa.array(unpaid[rows]),
                "overdue_amount": pa.array(overdue[rows]),
                "oldest_unpaid_due_date": _dates(oldest[rows] // DAY, nothing_due),
                "planned_suspension_date": _dates(planned[rows], nothing_due | is_stopped[rows]),
                "account_state": coded(ACCOUNT_STATES, state[rows]),
                "credit_limit_amount": pa.array(limit[rows]),
                "is_auto_pay": pa.array(status.is_auto_pay[rows]),
                "last_paid_at": optional(
                    last_paid[rows].astype("datetime64[s]"), last_paid[rows] < 0
                ),
            }
        )


def _prepaid_money(status: ServiceStatus, delivery: Delivery) -> Array:
    """Money on prepaid accounts: filled up with the month's rent, used up by its end."""
    left = 1.1 - delivery.business_date.day / 31
    return np.asarray(np.where(status.is_prepaid, np.round(status.rent * left, 2), 0.0))


def _dates(day: Array, is_missing: Array) -> pa.Array:
    numbers = np.where(is_missing, 0, day).astype("int32")
    return optional(numbers, is_missing).cast(pa.date32())


def _invoice_times(world: World) -> tuple[Array, Array, Array, Array]:
    """Return account, issue, due date and payment of every invoice."""
    invoices = world.invoices
    due = invoices["due_date"].cat
    return (
        invoices["account"].to_numpy(),
        invoices["issued_at"].to_numpy(),
        due.categories.to_numpy().astype("datetime64[s]")[due.codes.to_numpy()],
        invoices["paid_at"].to_numpy(),
    )


def _suspensions(world: World, random: np.random.Generator, is_prepaid: Array) -> pd.DataFrame:
    """Return one row per suspension of a subscription: line, kind, start, stop (FAR: never)."""
    arrears = _arrears(world)
    passive = _before_passive_end(world, random, arrears, is_prepaid)
    owed = pd.concat([arrears, passive], ignore_index=True)
    wished = _wished(world, random, owed["line"].to_numpy())
    return pd.concat([owed, wished], ignore_index=True)


def _arrears(world: World) -> pd.DataFrame:
    """Suspend the account's live subscriptions from the limit on until all of that is paid."""
    account, _, due, paid = _invoice_times(world)
    limit = due + np.timedelta64((1 + FIGURES.arrears_days) * DAY + 10 * 3600, "s")
    late = np.flatnonzero(~(paid <= limit) & (limit < end_of(world.parameters.business_date)))
    account, start, stop = _merged(
        account[late], limit[late].astype("int64"), since_epoch(paid[late])
    )
    subscriptions = world.population.subscriptions
    order = np.argsort(subscriptions["account"].to_numpy(), kind="stable")
    holder = subscriptions["account"].to_numpy()[order]
    first = np.searchsorted(holder, account, side="left")
    count = np.searchsorted(holder, account, side="right") - first
    row = np.repeat(np.arange(len(account)), count)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    line = order[first[row] + offset]
    activated = since_epoch(subscriptions["activated_at"].to_numpy())[line]
    ended = since_epoch(subscriptions["terminated_at"].to_numpy())[line]
    lives = (activated < start[row]) & (ended > start[row])
    return _frame(line[lives], ARREARS, start[row][lives], stop[row][lives])


def _merged(account: Array, start: Array, stop: Array) -> tuple[Array, Array, Array]:
    """Join overlapping spans of the same account."""
    order = np.lexsort((start, account))
    account, start, stop = account[order], start[order], stop[order]
    span = np.int64(1) << 40
    latest = np.maximum.accumulate(account * span + np.minimum(stop, span - 1))
    is_new = np.r_[True, account[1:] * span + start[1:] > latest[:-1]][: len(account)]
    group = np.flatnonzero(is_new)
    if len(group) == 0:
        return account, start, stop
    return account[group], start[group], np.maximum.reduceat(stop, group)


def _before_passive_end(
    world: World, random: np.random.Generator, arrears: pd.DataFrame, is_prepaid: Array
) -> pd.DataFrame:
    """Suspend whoever leaves passively and is not suspended at that moment."""
    subscriptions = world.population.subscriptions
    ended = since_epoch(subscriptions["terminated_at"].to_numpy())
    kind = subscriptions["termination_kind"].to_numpy(dtype=object)
    line = arrears["line"].to_numpy()
    before = arrears["stop"].to_numpy() < ended[line]
    is_covered = np.zeros(len(subscriptions), dtype=bool)
    is_covered[line[~before]] = True
    resumed = np.zeros(len(subscriptions), dtype="int64")
    np.maximum.at(resumed, line[before], arrears["stop"].to_numpy()[before])
    lines = np.flatnonzero((kind == "passive") & ~is_covered)
    customer = subscriptions["customer"].to_numpy()[lines]
    due = _oldest_unpaid_due(world)[customer]
    draw = random.random((2, len(world.population.customers)))[:, customer]
    is_former = (world.population.customers["kind"] == "former").to_numpy()[customer]
    end = ended[lines]
    from_due = due + DAY + (0.2 + 0.6 * draw[0]) * (end - due - DAY)
    is_due = due + DAY + 3600 < end
    before_end = end - np.where(is_former, 20 + 40 * draw[0], 3 + 22 * draw[0]) * DAY
    start = np.where(is_due, from_due, before_end)
    earliest = np.maximum(
        since_epoch(subscriptions["activated_at"].to_numpy())[lines], resumed[lines]
    )
    start = np.where(start > earliest, start, earliest + 0.5 * (end - earliest)).astype("int64")
    prepaid = is_prepaid[subscriptions["account"].to_numpy()[lines]]
    is_arrears = is_due | is_former | prepaid | (due < FAR)
    return _frame(lines, np.where(is_arrears, ARREARS, HIGH_AMOUNT), start, np.full(len(end), FAR))


def _oldest_unpaid_due(world: World) -> Array:
    """Return per customer the due date of the oldest invoice unpaid at the end (FAR: none)."""
    customers, subscriptions = world.population.customers, world.population.subscriptions
    ended = np.zeros(len(customers), dtype="int64")
    ends = since_epoch(subscriptions["terminated_at"].to_numpy())
    np.maximum.at(ended, subscriptions["customer"].to_numpy(), ends)
    account, issued, due, paid = _invoice_times(world)
    customer = world.population.accounts["customer"].to_numpy()[account]
    leaves = np.flatnonzero((ended < FAR)[customer])
    end = ended[customer[leaves]]
    is_open = (issued[leaves].astype("int64") < end) & (since_epoch(paid[leaves]) >= end)
    oldest = np.full(len(customers), FAR)
    np.minimum.at(oldest, customer[leaves][is_open], due[leaves][is_open].astype("int64"))
    return oldest


def _wished(world: World, random: np.random.Generator, taken_lines: Array) -> pd.DataFrame:
    """Draw suspensions on request and for a high amount where there are no others."""
    subscriptions = world.population.subscriptions
    count = len(subscriptions)
    is_free = np.ones(count, dtype=bool)
    is_free[taken_lines] = False
    is_free[world.planted.lines()] = False
    activated = since_epoch(subscriptions["activated_at"].to_numpy())
    ended = since_epoch(subscriptions["terminated_at"].to_numpy())
    leaves = subscriptions["termination_kind"].to_numpy(dtype=object) == "active"
    draw = random.random((3, count))
    start = ended - ((10 + 30 * draw[1]) * DAY).astype("int64")
    asks = leaves & is_free & (draw[0] < FIGURES.leaving_request_share) & (start > activated)
    leaving = np.flatnonzero(asks)
    first = int(history_start(world.parameters.business_date).astype("int64")) - 200 * DAY
    last = int(end_of(world.parameters.business_date).astype("int64"))
    months = (last - first) / (30 * DAY)
    share = np.cumsum([FIGURES.requested_monthly_share, FIGURES.high_amount_monthly_share])
    is_high = draw[0] >= share[0] * months
    low, high = np.array([FIGURES.requested_days, FIGURES.high_amount_days]).T[:, is_high * 1]
    begin = first + (draw[1] * (last - first)).astype("int64")
    stop = begin + ((low + draw[2] * (high - low)) * DAY).astype("int64")
    stays = ~leaves & is_free & (draw[0] < share[1] * months)
    other = np.flatnonzero(stays & (begin > activated + DAY) & (stop < ended))
    return pd.concat(
        [
            _frame(leaving, REQUESTED, start[leaving], np.full(len(leaving), FAR)),
            _frame(
                other, np.where(is_high[other], HIGH_AMOUNT, REQUESTED), begin[other], stop[other]
            ),
        ],
        ignore_index=True,
    )


def _frame(line: Array, kind: Array | int, start: Array, stop: Array) -> pd.DataFrame:
    return pd.DataFrame({"line": line, "kind": kind, "start": start, "stop": stop})


def _events(world: World, random: np.random.Generator, suspensions: pd.DataFrame) -> pd.DataFrame:
    """Return suspensions, resumptions, port-outs and terminations ordered by time."""
    subscriptions = world.population.subscriptions
    ended = since_epoch(subscriptions["terminated_at"].to_numpy())
    line = suspensions["line"].to_numpy()
    kind = suspensions["kind"].to_numpy()
    leaving_cause = _leaving_causes(world, random)
    customer = subscriptions["customer"].to_numpy()[line]
    pull = world.population.customers["competitor_sensitivity"].to_numpy()[customer]
    is_last = suspensions["stop"].to_numpy() == FAR
    goes = np.where(is_last, leaving_cause[customer] == 0, pull > FIGURES.strong_pull)
    goes &= kind == REQUESTED
    begun = pd.DataFrame(
        {
            "line": line,
            "kind": kind,
            "cause": np.where(goes, CAUSES.index("competitor"), kind),
            "moment": suspensions["start"],
        }
    )
    resumes = (suspensions["stop"].to_numpy() < ended[line]) & (
        suspensions["stop"].to_numpy() < FAR
    )
    stopped = pd.DataFrame(
        {
            "line": line[resumes],
            "kind": RESUMPTION,
            "cause": np.where(kind[resumes] == REQUESTED, 4, 3),
            "moment": suspensions["stop"].to_numpy()[resumes],
        }
    )
    events = pd.concat([begun, stopped, _endings(world, random, leaving_cause)], ignore_index=True)
    horizon = end_of(world.parameters.business_date) - np.timedelta64(
        world.parameters.fault_history_days * DAY, "s"
    )
    events = events[events["moment"] >= int(horizon.astype("int64"))]
    events = events.sort_values(["moment", "line"], kind="stable", ignore_index=True)
    return _completed(world, random, pd.DataFrame(events))


def _leaving_causes(world: World, random: np.random.Generator) -> Array:
    """Return per customer why he would leave of his own will: positions in LEAVING_CAUSES."""
    count = len(world.population.customers)
    cause = chosen(random, LEAVING_SHARES, count)
    pull = world.population.customers["competitor_sensitivity"].to_numpy()
    return np.asarray(
        np.where((pull > FIGURES.strong_pull) & (random.random(count) < 0.35), 0, cause)
    )


def _endings(world: World, random: np.random.Generator, leaving_cause: Array) -> pd.DataFrame:
    """Return terminations with their cause, and port-outs a minute before."""
    subscriptions = world.population.subscriptions
    ended = since_epoch(subscriptions["terminated_at"].to_numpy())
    line = np.flatnonzero(ended < FAR)
    customer = subscriptions["customer"].to_numpy()[line]
    is_active = subscriptions["termination_kind"].to_numpy(dtype=object)[line] == "active"
    cause = leaving_cause[customer]
    terminated = pd.DataFrame(
        {
            "line": line,
            "kind": TERMINATION,
            "cause": np.where(is_active, cause + len(CAUSES) - len(LEAVING_CAUSES), ARREARS),
            "moment": ended[line],
        }
    )
    is_mobile = (subscriptions["product_type"] == "mobile").to_numpy()[line]
    ports = (
        is_mobile & is_active & (cause == 0) & (random.random(len(line)) < FIGURES.port_out_share)
    )
    ported = pd.DataFrame(terminated[ports])
    ported = ported.assign(kind=PORT_OUT, moment=ended[line[ports]] - 60)
    return pd.DataFrame(pd.concat([ported, terminated], ignore_index=True))


def _completed(world: World, random: np.random.Generator, events: pd.DataFrame) -> pd.DataFrame:
    """Add competitor, amount, channel and staff."""
    line, kind = events["line"].to_numpy(), events["kind"].to_numpy()
    rival = chosen(random, COMPETITOR_SHARES, len(world.population.customers))
    goes = events["cause"].to_numpy() == CAUSES.index("competitor")
    customer = world.population.subscriptions["customer"].to_numpy()[line]
    by_system = (kind == ARREARS) | (kind == HIGH_AMOUNT) | (kind == RESUMPTION)
    channel = np.where(by_system, 0, 1 + chosen(random, (0.6, 0.25, 0.15), len(events)))
    staff = np.where(channel == 1, random.integers(0, 100, len(events)), -1)
    unpaid = _unpaid(world, line, events["moment"].to_numpy())
    rent = np.nan_to_num(world.population.rent_at(end_of(world.parameters.business_date)))[line]
    unbilled = rent * random.uniform(2, 6, len(events))
    needs = ((kind == HIGH_AMOUNT) | (kind == ARREARS)) & (unpaid == 0)
    amount = np.round(np.where(needs | (kind == HIGH_AMOUNT), unpaid + unbilled, unpaid), 2)
    events["competitor"] = np.where(goes, rival[customer], -1)
    events["unpaid_amount"] = amount
    events["channel"] = channel
    events["staff"] = staff
    events["moment"] = events["moment"].to_numpy().astype("datetime64[s]")
    return events


def _unpaid(world: World, line: Array, moment: Array) -> Array:
    """Return what each line's account owed then: issued less paid."""
    wanted = world.population.subscriptions["account"].to_numpy()[line]
    account, issued, _, paid = _invoice_times(world)
    is_wanted = np.zeros(len(world.population.accounts), dtype=bool)
    is_wanted[wanted] = True
    rows = np.flatnonzero(is_wanted[account])
    amount = world.invoices["invoice_amount"].to_numpy()[rows]
    owed = _total_until(account[rows], issued[rows].astype("int64"), amount, wanted, moment)
    settled = _total_until(account[rows], since_epoch(paid[rows]), amount, wanted, moment)
    return np.round(owed - settled, 2).clip(0)


def _total_until(
    account: Array, second: Array, amount: Array, wanted: Array, moment: Array
) -> Array:
    """Return the sum of the account's amounts at or before each moment."""
    span = np.int64(1) << 40
    keys = account * span + np.minimum(second, span - 1)
    order = np.argsort(keys, kind="stable")
    totals = np.r_[0.0, np.cumsum(amount[order])]
    until = np.searchsorted(keys[order], wanted * span + moment, side="right")
    return np.asarray(totals[until] - totals[np.searchsorted(keys[order], wanted * span)])


EXTRACTS = {"crm.subscription_event": subscription_events, "billing.balance": balances}
