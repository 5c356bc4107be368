"""Faults and optical loss: what happens on the access lines, whether or not anybody leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.planted import Planted
from scripts.simulate_operator.population import Population
from scripts.simulate_operator.timeline import (
    DAY,
    PERIOD_DAYS,
    Array,
    Delivery,
    days,
    end_of,
    history_start,
    midnight,
    seconds,
)

TICKET_COLUMNS = [
    "line",
    "reported_at",
    "changed_at",
    "final_state",
    "urge_count",
    "category",
    "dispatch_count",
]
# The last two are valid although they hold a delimiter or a line break: such is free text.
CATEGORIES = np.array(
    [
        "无法上网",
        "网速慢",
        "频繁掉线",
        "光猫红灯",
        "線路中斷（東侧）",
        "ONU|分光器故障",
        '用户反映"时断时续",\n夜间更甚',
    ],
    dtype=object,
)
CATEGORY_SHARES = [0.36, 0.25, 0.20, 0.15, 0.02, 0.01, 0.01]
OPERATOR_CAUSE_SHARE = 0.7
STAFF_COUNT = 180
LONGEST_FIRST_DISPATCH_HOURS = 8
HOUR_WEIGHTS = np.array(
    [1] * 7 + [3, 6, 9, 10, 9, 7, 7, 8, 9, 9, 8, 9, 10, 8, 6, 3, 2], dtype=float
)
DIRECTIONS = {"downstream": 0.0, "upstream": 1.5}  # upstream light loses about 1.5 dB more
ALL = slice(None)
TIME_COLUMNS = ["reported_at", "changed_at", "dispatched_at", "completed_at"]


@dataclass
class Faults:
    """Tickets, and dispatches that name their ticket by row number."""

    tickets: pd.DataFrame
    dispatches: pd.DataFrame


@dataclass
class Optics:
    """How the loss (dB) of each fibre line develops; one entry per row of `lines`."""

    lines: Array
    base: Array
    drift_start: Array
    drift_per_day: Array
    repaired_at: Array
    is_power: Array

    def loss_at(self, moment: np.datetime64, rows: Array | slice = ALL) -> Array:
        """Return the true loss in dB, which a reading measures with some noise."""
        span = moment - self.drift_start[rows]
        drifted = span.astype("timedelta64[s]").astype("float64") / DAY
        is_drifting = (drifted > 0) & (moment < self.repaired_at[rows])
        drift = (drifted * self.drift_per_day[rows]).clip(0, 9.5)
        return np.asarray(self.base[rows] + np.where(is_drifting, drift, 0.0))


def draw_faults(parameters: Parameters, population: Population, planted: Planted) -> Faults:
    """Draw tickets and dispatches over 13 months, as if no line ended."""
    tickets = pd.concat(
        [_scattered_tickets(parameters, population), _burst_tickets(parameters, population)],
        ignore_index=True,
    )
    tickets = tickets[~tickets["line"].isin(planted.lines())]
    activated = population.subscriptions["activated_at"].to_numpy()[tickets["line"]]
    is_seen = (tickets["reported_at"] > activated) & (
        tickets["reported_at"] < end_of(parameters.business_date)
    )
    tickets = tickets[is_seen].sort_values("reported_at", ignore_index=True)
    return Faults(tickets, _dispatches(parameters, tickets))


def settle_faults(
    parameters: Parameters, population: Population, planted: Planted, faults: Faults
) -> Faults:
    """Cut what lies after a line's end, add the planted rows, and number everything by time."""
    tickets, dispatches = _cut_at_termination(population, faults)
    extra = pd.DataFrame(planted.tickets)
    extra["category"] = CATEGORIES[np.arange(len(extra)) % len(CATEGORIES)]
    extra["urge_count"] = 0
    extra_tickets = extra.drop(columns="dispatched_at")
    extra_dispatches = extra[["dispatched_at"]].assign(
        ticket=np.arange(len(extra)) + len(tickets),
        completed_at=extra["dispatched_at"] + pd.Timedelta(hours=2),
    )
    tickets = pd.concat([tickets, extra_tickets], ignore_index=True)
    dispatches = pd.concat([dispatches, extra_dispatches], ignore_index=True)
    for frame in (tickets, dispatches):
        for column in frame.columns.intersection(TIME_COLUMNS):
            frame[column] = frame[column].astype("datetime64[s]")
    _number(parameters, population, tickets, dispatches)
    return Faults(tickets, dispatches)


def _scattered_tickets(parameters: Parameters, population: Population) -> pd.DataFrame:
    """Draw the ordinary faults: some lines are worse than others, copper more than fibre."""
    random = parameters.random("tickets")
    lines = np.flatnonzero(population.subscriptions["access_type"].notna())
    access = population.subscriptions["access_type"].to_numpy(dtype=object)[lines]
    quality = random.gamma(0.8, 1 / 0.8, len(lines)) * np.where(access == "copper", 1.6, 0.9)
    rate = parameters.monthly_fault_share * parameters.fault_history_days / PERIOD_DAYS
    line = np.repeat(lines, random.poisson(rate * quality))
    start = end_of(parameters.business_date) - days(parameters.fault_history_days)
    day = random.integers(0, parameters.fault_history_days, len(line))
    return _tickets(parameters, random, line, start + days(day), parameters.overlong_ticket_share)


def _burst_tickets(parameters: Parameters, population: Population) -> pd.DataFrame:
    """Draw the repeat-fault lines: a bad stretch of weeks or months with fault upon fault."""
    random = parameters.random("bursts")
    broadband = np.flatnonzero(population.subscriptions["product_type"] == "broadband")
    chosen = broadband[random.random(len(broadband)) < parameters.repeat_fault_line_share]
    count = random.integers(3, 10, len(chosen))
    length = random.choice([25.0, 60.0, 150.0, 330.0], len(chosen))
    start = random.uniform(0, parameters.fault_history_days - 15, len(chosen))
    line = np.repeat(chosen, count)
    day = np.repeat(start, count) + random.random(len(line)) * np.repeat(length, count)
    origin = end_of(parameters.business_date) - days(parameters.fault_history_days)
    tickets = _tickets(
        parameters,
        random,
        line,
        origin + days(np.floor(day)),
        parameters.overlong_burst_ticket_share,
    )
    tickets["dispatch_count"] += random.poisson(0.8, len(tickets))
    return tickets


def _tickets(
    parameters: Parameters,
    random: np.random.Generator,
    line: Array,
    day: Array,
    overlong_share: float,
) -> pd.DataFrame:
    count = len(line)
    hour = random.choice(24, count, p=HOUR_WEIGHTS / HOUR_WEIGHTS.sum())
    reported = day + seconds((hour + random.random(count)) * 3600)
    ordinary = random.lognormal(np.log(0.8), 0.9, count).clip(0.05, 9.5)
    overlong = random.random(count) < overlong_share
    length = np.where(overlong, random.uniform(10.2, 45, count), ordinary)
    draw = random.random(count)
    cancelled = draw < parameters.cancelled_ticket_share
    rejected = ~cancelled & (
        draw < parameters.cancelled_ticket_share + parameters.rejected_ticket_share
    )
    state = np.where(cancelled, "cancelled", np.where(rejected, "rejected", "closed"))
    never = random.random(count) < parameters.never_closed_ticket_share
    values = (
        line,
        reported,
        np.where(never, np.datetime64("NaT", "s"), reported + days(length)),
        state.astype(object),
        random.poisson(np.minimum(length / 4, 5)),
        CATEGORIES[random.choice(len(CATEGORIES), count, p=CATEGORY_SHARES)],
        1 + random.poisson(0.25, count),
    )
    return pd.DataFrame(dict(zip(TICKET_COLUMNS, values, strict=True)))


def _dispatches(parameters: Parameters, tickets: pd.DataFrame) -> pd.DataFrame:
    """Spread each ticket's dispatches over its length, in order; the first comes within hours."""
    random = parameters.random("dispatches")
    count = tickets["dispatch_count"].to_numpy()
    ticket = np.repeat(np.arange(len(tickets)), count)
    number = np.arange(len(ticket)) - np.repeat(np.cumsum(count) - count, count)
    reported = tickets["reported_at"].to_numpy()
    length = (tickets["changed_at"].to_numpy() - reported).astype("timedelta64[s]")
    length = np.where(np.isnat(length), np.timedelta64(3 * DAY, "s"), length).astype("float64")
    slot = (length / np.maximum(count, 1))[ticket]
    offset = (number + random.uniform(0.02, 0.5, len(ticket))) * slot
    first_within = random.uniform(0.2, LONGEST_FIRST_DISPATCH_HOURS, len(ticket)) * 3600
    offset = np.where(number == 0, np.minimum(offset, first_within), offset)
    dispatched = reported[ticket] + seconds(offset)
    return pd.DataFrame(
        {
            "dispatched_at": dispatched,
            "ticket": ticket,
            "completed_at": dispatched + seconds(random.uniform(0.1, 0.45, len(ticket)) * slot),
        }
    )


def _cut_at_termination(
    population: Population, faults: Faults
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop tickets reported after the line's end; close with the line what is open then."""
    end = population.subscriptions["terminated_at"].to_numpy()[faults.tickets["line"]]
    kept = ~(faults.tickets["reported_at"].to_numpy() >= end)
    number = np.cumsum(kept) - 1
    tickets = faults.tickets.copy()
    changed = tickets["changed_at"].to_numpy()
    is_cut = ~np.isnat(end) & (np.isnat(changed) | (changed > end))
    tickets["changed_at"] = np.where(is_cut, end, changed)
    dispatches = faults.dispatches[kept[faults.dispatches["ticket"]]].copy()
    line_end = end[dispatches["ticket"]]
    for column in ("dispatched_at", "completed_at"):
        dispatches[column] = np.fmin(dispatches[column].to_numpy(), line_end)
    dispatches["ticket"] = number[dispatches["ticket"]]
    return tickets[kept].reset_index(drop=True), dispatches.reset_index(drop=True)


def _number(
    parameters: Parameters,
    population: Population,
    tickets: pd.DataFrame,
    dispatches: pd.DataFrame,
) -> None:
    random = parameters.random("fault_details")
    count = len(tickets)
    for frame, prefix, column in (
        (tickets, "T", "reported_at"),
        (dispatches, "W", "dispatched_at"),
    ):
        order = np.argsort(frame[column].to_numpy(), kind="stable")
        rank = np.empty(len(frame), dtype="int64")
        rank[order] = np.arange(1, len(frame) + 1)
        name = "ticket_id" if prefix == "T" else "dispatch_id"
        frame[name] = prefix + pd.Series(rank).astype(str).str.zfill(10)
    line = tickets["line"].to_numpy()
    tickets["subscription_id"] = population.subscriptions["subscription_id"].to_numpy()[line]
    tickets["customer_id"] = population.subscriptions["customer_id"].to_numpy()[line]
    tickets["is_operator_cause"] = random.random(count) < OPERATOR_CAUSE_SHARE
    open_states = np.array(
        ["acknowledged", "inProgress", "pending", "held", "resolved"], dtype=object
    )
    tickets["open_state"] = open_states[random.choice(5, count, p=[0.15, 0.5, 0.15, 0.15, 0.05])]
    dispatches["ticket_id"] = tickets["ticket_id"].to_numpy()[dispatches["ticket"]]
    staff = pd.Series(random.integers(1, STAFF_COUNT + 1, len(dispatches))).astype(str)
    dispatches["staff_id"] = "ZW" + staff.str.zfill(4)


def draw_optics(parameters: Parameters, population: Population) -> Optics:
    """Draw each fibre line's normal loss and, for some, a drift and perhaps its repair."""
    random = parameters.random("optics")
    lines = np.flatnonzero(population.subscriptions["access_type"] == "ftth")
    count = len(lines)
    start = history_start(parameters.business_date)
    drifts = random.random(count) < parameters.drifting_line_share
    drift_start = start + days(random.uniform(-90, 170, count))
    repaired = drift_start + days(random.uniform(40, 110, count))
    is_repaired = random.random(count) < parameters.repaired_line_share
    return Optics(
        lines=lines,
        base=random.normal(parameters.mean_optical_loss_db, 1.8, count).clip(15, 25.4),
        drift_start=np.where(drifts, drift_start, np.datetime64("2999-01-01", "s")),
        drift_per_day=random.uniform(0.05, 0.25, count),
        repaired_at=np.where(is_repaired, repaired, np.datetime64("2999-01-01", "s")),
        is_power=random.random(count) < parameters.power_line_share,
    )


def read_optics(
    parameters: Parameters,
    population: Population,
    planted: Planted,
    optics: Optics,
    delivery: Delivery,
) -> Iterator[pa.Table]:
    """Take the readings of one delivery: weekly in the back-fill, daily in the last week.

    Beside the columns of the extract: `line`, and whether the row is a downstream loss.
    """
    is_daily = len(delivery.days) == 1
    keep = ~np.isin(optics.lines, planted.lines("optical_loss"))
    activated = population.subscriptions["activated_at"].to_numpy()[optics.lines]
    terminated = population.subscriptions["terminated_at"].to_numpy()[optics.lines]
    ids = pa.array(population.subscriptions["subscription_id"], pa.string())
    for day in delivery.days:
        random = parameters.random("readings", day.toordinal())
        start = midnight(day)
        measured = start + seconds(random.uniform(2 * 3600, 5 * 3600, len(optics.lines)))
        is_due = is_daily | ((optics.lines + day.toordinal()) % 7 == 0)
        is_read = random.random(len(optics.lines)) >= parameters.missed_reading_share
        lives = (activated < start) & ~(terminated < measured)
        chosen = np.flatnonzero(keep & is_due & is_read & lives)
        loss = optics.loss_at(start, chosen)
        for direction in DIRECTIONS:
            value, is_power = _measured(parameters, random, optics, chosen, loss, direction)
            yield _readings(ids, optics.lines[chosen], measured[chosen], direction, value, is_power)
    extra = pd.DataFrame(planted.readings)
    extra["measured_at"] = extra["measured_at"].astype("datetime64[s]")
    inside = extra[delivery.has_events(extra["measured_at"].to_numpy())]
    for direction in DIRECTIONS:
        rows = inside[inside["direction"] == direction]
        lines, moments, values = (
            rows[name].to_numpy() for name in ("line", "measured_at", "reading_value")
        )
        is_power = (rows["reading_unit"] == "dBm").to_numpy()
        yield _readings(ids, lines, moments, direction, values, is_power)


def _measured(
    parameters: Parameters,
    random: np.random.Generator,
    optics: Optics,
    chosen: Array,
    loss: Array,
    direction: str,
) -> tuple[Array, Array]:
    """Return what is measured, and where it is received power instead of loss."""
    value = np.round(loss + DIRECTIONS[direction] + random.normal(0, 0.2, len(chosen)), 2)
    is_power = optics.is_power[chosen] | (
        random.random(len(chosen)) < parameters.power_reading_share
    )
    power = np.round(parameters.launch_power_dbm - value, 2)
    return np.where(is_power, power, value), is_power


def _readings(
    ids: pa.Array,
    lines: Array,
    measured_at: Array,
    direction: str,
    value: Array,
    is_power: Array,
) -> pa.Table:
    unit = pa.DictionaryArray.from_arrays(
        pa.array(is_power.astype("int8")), pa.array(["dB", "dBm"])
    )
    return pa.table(
        {
            "subscription_id": ids.take(pa.array(lines)),
            "measured_at": measured_at,
            "direction": pa.repeat(direction, len(lines)),
            "reading_value": value,
            "reading_unit": unit,
            "line": lines,
            "is_downstream_loss": ~is_power & (direction == "downstream"),
        }
    )
