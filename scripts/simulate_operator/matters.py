"""What makes customers get in touch for a reason of their own: faults, grievances, travelling.

Complaints follow faults and the sensitivity to service, disputes over fees follow the sensitivity
to prices, and both gather before a customer leaves; who ports a number out asks about it before.
All of it is drawn once for the whole history.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scripts.simulate_operator import service_status
from scripts.simulate_operator.event_rows import FAR, since_epoch
from scripts.simulate_operator.timeline import (
    DAY,
    PERIOD_DAYS,
    Array,
    end_of,
    history_start,
    midnight,
)

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

FEE, NETWORK, SERVICE = 0, 1, 2  # categories of complaints
FAULT_TOPIC, FEE_TOPIC, SERVICE_TOPIC, REPAIR_TOPIC, INSTALLATION_TOPIC, ROAMING_TOPIC = range(6)
PORTING_TOPIC = 6
TOPICS = ("宽带障碍", "资费争议", "服务态度", "催修", "催装", "川渝漫游包", "携转资格查询")
REPAIR, INSTALLATION = 0, 1  # what is urged
FAULT_COMPLAINT_LOGIT = -1.5  # a fifth of the faults are complained about
MONTHLY_COMPLAINTS = 0.003  # customers who complain for another reason
LEAVER_COMPLAINTS = 0.30  # of those who leave, complain in the weeks before
LEAVER_DAYS = 60
PORTING_INQUIRIES = 0.7  # of those who port a number out, ask whether they may in the days before
PORTING_DAYS = 14
MONTHLY_PORTING_INQUIRIES = 0.003  # customers with a mobile line who ask, and stay for now
INSTALLATION_URGES = 0.05  # new broadband lines
TRAVEL_LOGINS = 2  # BI-23: shown at two logins, then taken up on the hotline
TRAVEL_SHARE = 0.5  # of frequent travellers, per month
TRAVEL_ACCEPTANCE = 0.6  # of those who are offered it a third time
COLUMNS = [
    "customer",
    "line",
    "second",
    "is_complaint",
    "category",
    "topic",
    "urge",
    "ticket",
    "cause",
    "step",
]


def draw(world: World) -> pd.DataFrame:
    """Return all such contacts in order of time.

    `second` is since 1970; `line`, `category`, `urge`, `ticket`, `cause` (1: the operator's) are -1
    where there is none; `step` counts a traveller's contacts about the roaming package, else 0.
    """
    matters = pd.concat(
        [
            _about_faults(world),
            _urged_repairs(world),
            _urged_installations(world),
            _about_fees_and_service(world),
            _before_leaving(world),
            _about_porting(world),
            _travellers(world),
        ],
        ignore_index=True,
    )
    left = left_at(world)[matters["customer"].to_numpy()]
    end = int(end_of(world.parameters.business_date).astype("int64"))
    second = matters["second"].to_numpy()
    kept = pd.DataFrame(matters[(second < left) & (second < end)])
    return kept.sort_values("second", kind="stable", ignore_index=True)


def left_at(world: World) -> Array:
    """Return when each customer's last service ended, in seconds since 1970."""
    subscriptions = world.population.subscriptions
    ends = since_epoch(subscriptions["terminated_at"].to_numpy())
    left = np.zeros(len(world.population.customers), dtype="int64")
    np.maximum.at(left, subscriptions["customer"].to_numpy(), ends)
    return np.where(left == 0, FAR, left)


def of_day(matters: pd.DataFrame, day: date) -> pd.DataFrame:
    """Return the contacts of one day."""
    start = int(midnight(day).astype("int64"))
    low, high = np.searchsorted(matters["second"].to_numpy(), (start, start + DAY))
    return matters.iloc[low:high]


def _frame(customer: Array, second: Array, **columns: Array | int) -> pd.DataFrame:
    values = {"line": -1, "is_complaint": False, "category": -1, "topic": FAULT_TOPIC, "urge": -1,
              "ticket": -1, "cause": -1, "step": 0} | columns  # fmt: skip
    frame = pd.DataFrame({"customer": customer, "second": second.astype("int64"), **values})
    return frame[COLUMNS]


def _sensitivity(world: World, kind: str) -> Array:
    return world.population.customers[f"{kind}_sensitivity"].to_numpy()


def _about_faults(world: World) -> pd.DataFrame:
    """Complain soon after the report, the more so the longer the fault lasts."""
    random = world.parameters.random("fault_complaints")
    tickets = world.faults.tickets
    line = tickets["line"].to_numpy()
    customer = world.population.subscriptions["customer"].to_numpy()[line]
    reported = since_epoch(tickets["reported_at"].to_numpy())
    changed = since_epoch(tickets["changed_at"].to_numpy())
    is_long = changed - reported > 10 * DAY
    score = FAULT_COMPLAINT_LOGIT + 0.9 * _sensitivity(world, "service")[customer] + 1.5 * is_long
    complains = np.flatnonzero(random.random(len(line)) < 1 / (1 + np.exp(-score)))
    wait = (random.exponential(0.6, len(complains)) * DAY).astype("int64") + 600
    return _frame(
        customer[complains],
        reported[complains] + wait,
        line=line[complains],
        is_complaint=True,
        category=NETWORK,
        ticket=complains,
        cause=tickets["is_operator_cause"].to_numpy()[complains].astype("int64"),
    )


def _urged_repairs(world: World) -> pd.DataFrame:
    """Spread the urges that a ticket counts evenly over its length."""
    tickets = world.faults.tickets
    count = tickets["urge_count"].to_numpy().astype("int64")
    ticket = np.repeat(np.arange(len(tickets)), count)
    number = np.arange(len(ticket)) - np.repeat(np.cumsum(count) - count, count) + 1
    reported = since_epoch(tickets["reported_at"].to_numpy())
    changed = since_epoch(tickets["changed_at"].to_numpy())
    length = np.minimum(changed - reported, 30 * DAY)[ticket]
    line = tickets["line"].to_numpy()[ticket]
    return _frame(
        world.population.subscriptions["customer"].to_numpy()[line],
        reported[ticket] + length * number // (count[ticket] + 1),
        line=line,
        topic=REPAIR_TOPIC,
        urge=REPAIR,
        ticket=ticket,
    )


def _urged_installations(world: World) -> pd.DataFrame:
    """Some customers press for their line in the days before it goes live."""
    random = world.parameters.random("installation_urges")
    subscriptions = world.population.subscriptions
    start = int(history_start(world.parameters.business_date).astype("int64"))
    activated = since_epoch(subscriptions["activated_at"].to_numpy())
    is_new = (subscriptions["product_type"] == "broadband").to_numpy() & (activated > start)
    lines = np.flatnonzero(is_new)
    lines = lines[random.random(len(lines)) < INSTALLATION_URGES]
    before = (random.uniform(0.1, 4, len(lines)) * DAY).astype("int64")
    return _frame(
        subscriptions["customer"].to_numpy()[lines],
        activated[lines] - before,
        line=lines,
        topic=INSTALLATION_TOPIC,
        urge=INSTALLATION,
    )


def _about_fees_and_service(world: World) -> pd.DataFrame:
    """Complain about fees or service at any time, the more so the more sensitive to them."""
    random = world.parameters.random("other_complaints")
    frames = []
    for category, topic, kind in ((FEE, FEE_TOPIC, "price"), (SERVICE, SERVICE_TOPIC, "service")):
        weight = np.exp(0.8 * _sensitivity(world, kind))
        frames.append(_complaints(world, random, weight / weight.mean(), category, topic))
    contacts: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return contacts


def _complaints(
    world: World, random: np.random.Generator, weight: Array, category: int, topic: int
) -> pd.DataFrame:
    start = int(history_start(world.parameters.business_date).astype("int64"))
    end = int(end_of(world.parameters.business_date).astype("int64"))
    mean = MONTHLY_COMPLAINTS / 2 * (end - start) / DAY / PERIOD_DAYS
    customer = np.repeat(np.arange(len(weight)), random.poisson(mean * weight))
    second = random.integers(start, end, len(customer))
    joined = since_epoch(world.population.customers["joined_at"].to_numpy())[customer]
    is_served = second > joined
    frame = _frame(
        customer,
        second,
        is_complaint=True,
        category=category,
        topic=topic,
        cause=random.integers(0, 2, len(customer)),
    )
    return frame[is_served]


def _before_leaving(world: World) -> pd.DataFrame:
    """Those who leave complain in the weeks before, about what matters most to them."""
    random = world.parameters.random("leavers_complaints")
    left = since_epoch(world.churn.terminated_at)
    leavers = np.flatnonzero(left < FAR)
    leavers = leavers[random.random(len(leavers)) < LEAVER_COMPLAINTS]
    before = (random.uniform(0.5, LEAVER_DAYS, len(leavers)) * DAY).astype("int64")
    is_fee = _sensitivity(world, "price")[leavers] > _sensitivity(world, "service")[leavers]
    frame = _frame(
        leavers,
        left[leavers] - before,
        is_complaint=True,
        category=np.where(is_fee, FEE, SERVICE),
        topic=np.where(is_fee, FEE_TOPIC, SERVICE_TOPIC),
        cause=random.integers(0, 2, len(leavers)),
    )
    joined = since_epoch(world.population.customers["joined_at"].to_numpy())[leavers]
    return pd.DataFrame(frame[frame["second"].to_numpy() > joined])


def _about_porting(world: World) -> pd.DataFrame:
    """Ask whether the number may be ported out: before it is, and some who look around and stay."""
    random = world.parameters.random("porting_inquiries")
    subscriptions = world.population.subscriptions
    events = world.sources[service_status.NAME].events
    ported = events[events["kind"] == service_status.PORT_OUT]
    ported = ported[random.random(len(ported)) < PORTING_INQUIRIES]
    holder = subscriptions["customer"].to_numpy()
    before = (random.uniform(0.5, PORTING_DAYS, len(ported)) * DAY).astype("int64")
    leaving = _frame(
        holder[ported["line"].to_numpy()],
        since_epoch(ported["moment"].to_numpy()) - before,
        line=ported["line"].to_numpy(),
        topic=PORTING_TOPIC,
    )
    is_mobile = (subscriptions["product_type"] == "mobile").to_numpy()
    weight = np.exp(0.8 * _sensitivity(world, "competitor"))
    weight *= np.bincount(holder[is_mobile], minlength=len(weight)) > 0
    start = int(history_start(world.parameters.business_date).astype("int64"))
    end = int(end_of(world.parameters.business_date).astype("int64"))
    mean = MONTHLY_PORTING_INQUIRIES * (end - start) / DAY / PERIOD_DAYS
    customer = np.repeat(np.arange(len(weight)), random.poisson(mean * weight / weight.mean()))
    staying = _frame(customer, random.integers(start, end, len(customer)), topic=PORTING_TOPIC)
    asked = pd.concat([leaving, staying], ignore_index=True)
    joined = since_epoch(world.population.customers["joined_at"].to_numpy())
    return pd.DataFrame(asked[asked["second"] > joined[asked["customer"]]])


def _travellers(world: World) -> pd.DataFrame:
    """Offer frequent travellers a roaming package: twice when they log in, then on the hotline."""
    random = world.parameters.random("travellers")
    usage, moved = world.sources["mobile_usage"], world.sources["movements"]
    frequent = np.flatnonzero(moved.is_frequent)
    first = history_start(world.parameters.business_date).astype("datetime64[M]")
    last = np.datetime64(world.parameters.business_date, "M")
    frames = []
    for month in np.arange(first, last + 1):
        start = int(month.astype("datetime64[s]").astype("int64"))
        mobile = frequent[random.random(len(frequent)) < TRAVEL_SHARE]
        for step in range(1, TRAVEL_LOGINS + 2):
            day = 9 * (step - 1) + random.integers(0, 8, len(mobile))
            second = start + day * DAY + random.integers(8 * 3600, 21 * 3600, len(mobile))
            frame = _frame(
                usage.customer[mobile],
                second,
                line=usage.lines[mobile],
                topic=ROAMING_TOPIC,
                step=step,
            )
            frames.append(frame[second > usage.activated[mobile]])
    contacts: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return contacts
