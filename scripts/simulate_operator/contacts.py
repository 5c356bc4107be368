"""The call centre and every other contact: hotline calls, what they were about, and surveys.

A day is drawn at once (`of_day`): who gets in touch, where and about what, and for the hotline what
becomes of the call. The three extracts, and the channels', are views of that day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scripts.simulate_operator import mass_messages, matters, notes
from scripts.simulate_operator.event_rows import (
    HOUR_SHARES,
    arrays,
    chosen,
    coded,
    day_span,
    daytimes,
    identifiers,
    moments,
    numbered,
    optional,
    since_epoch,
    staff_ids,
    taken,
    texts,
)
from scripts.simulate_operator.timeline import Array, Delivery

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "contacts"
HOTLINE, OUTBOUND, STORE, WEB, SMS, APP = range(6)
CHANNELS = ("hotline", "outbound", "store", "web_hall", "sms_hall", "app")
ELECTRONIC = (WEB, SMS, APP)
BILL_QUERY, RECHARGE, INQUIRY, ACCEPTANCE, COMPLAINT, REVISIT, RETENTION, MARKETING = range(8)
KINDS = (
    "bill_query",
    "recharge",
    "inquiry",
    "acceptance",
    "complaint",
    "revisit",
    "phone_retention",
    "phone_marketing",
)
BROWSING = -1
CATEGORIES = ("fee", "network", "service")
URGES = ("repair", "installation")
RESOLUTIONS = ("resolved", "forwarded", "refused", "abandoned")
# Topics after those of `matters`; the first three of inquiries are the hot topics of BI-30.
NEW_SERVICE_TOPIC, BLAST_TOPIC = len(matters.TOPICS) + 6, len(matters.TOPICS) + 7
TOPICS = (
    *matters.TOPICS,
    "账单查询",
    "充值缴费",
    "套餐咨询",
    "流量咨询",
    "业务办理",
    "外呼回访",
    "新业务咨询",
    "群发短信投诉",
)
FIRST_TOPIC = len(matters.TOPICS)
LINES = ("10086", "1008650", "1008651")
SELF_SERVICES = (
    "bill_query",
    "recharge",
    "package_query",
    "order",
    "new_service_inquiry",
    "ring_back_tone",
)
QUEUES = ("general", "fee", "fault_complaint", "sales")
DIVERSIONS = ("web_hall", "sms_hall", "app")


@dataclass(frozen=True)
class Figures:
    """What the call centre does; without a source the figure is a plausible choice."""

    daily_contacts: float = 0.028  # of customers, in all channels
    daily_outbound: float = 0.003
    unknown_share: float = 0.04  # calls from a number that belongs to no customer
    preferred_share: float = 0.7  # contacts in the channel the customer likes best (BI-20)
    channel_shares: tuple[float, ...] = (0.42, 0.0, 0.12, 0.15, 0.10, 0.21)
    queue_limit_seconds: int = 30  # BI-35: a wait beyond it is a miss
    second_limit_seconds: int = 60
    mean_wait_seconds: float = 16.0
    diverted_share: float = 0.35  # BI-35: of the missed, to web hall, SMS hall or app
    mean_talk_seconds: float = 81.0  # BI-18
    own_line_share: float = 0.12  # BI-34: of inquiries and orders, on a line of their own
    self_service_success: float = 0.86  # BI-28
    rating_share: float = 0.35  # BI-29: press a key after the conversation
    launch_days_before: int = 24  # BI-36: a new service is launched, asked about for ten days
    launch_days: int = 10
    launch_share: float = 0.30  # of inquiries while it is new
    manual_drop: float = 0.43  # BI-36: fewer ask for an agent after the menu has been changed
    blast_complaint_share: float = 0.003  # BI-37: of the recipients of yesterday's advertisement
    escalated_share: float = 0.05  # of complaints
    survey_share: float = 0.03  # of contacts with staff
    ticket_survey_share: float = 0.30  # of repaired faults
    answer_share: float = 0.45


FIGURES = Figures()
RECENT_DAYS = 3  # of drawn days that are kept at least
RECENT_ROWS = 100_000  # more days are kept up to so many contacts, for the same reason
STORE_HOURS = (9, 19)
WANTS_AGENT = np.array([0.18, 0.10, 0.50, 0.45, 0.95])
STAFF_PREFIXES = ("KF", "A", "YY")  # hotline, outbound, store
SUBJECTS = ("hotline", "complaint", "repair", "store")
COMPLAINT_SUBJECT, REPAIR_SUBJECT = 1, 2
SURVEY_CHANNELS = ("sms", "outbound")
COMMENTS = ("等了很久", "师傅态度很好", "希望尽快修好", "还可以")


@dataclass(frozen=True)
class Contacts:
    """What does not change from day to day; arrays have one entry per customer."""

    customer_ids: pa.Array
    subscription_ids: pa.Array
    ticket_ids: pa.Array
    phones: pa.Array
    line: Array  # a subscription of the customer
    joined: Array  # seconds since 1970, as `left`
    left: Array
    rate: Array  # contacts per day
    preferred: Array  # channel
    clues: Array  # positions in notes.CLUES
    matters: pd.DataFrame
    staff: tuple[pa.Array, ...]  # of the hotline, outbound, of the stores
    lock: Lock  # several extracts are drawn at the same time
    recent: dict[date, Day]  # the last days drawn, since several extracts are views of one day


@dataclass(frozen=True)
class Day:
    """One day's contacts in order of time, and the hotline's calls; `call` is a row of `calls`."""

    day: date
    contacts: pd.DataFrame
    calls: pd.DataFrame


def simulate(world: World) -> Contacts:
    """Draw how often and where each customer gets in touch, and all reasons of their own."""
    random = world.parameters.random("contacts")
    customers, subscriptions = world.population.customers, world.population.subscriptions
    count = len(customers)
    rate = np.exp(
        0.35 * customers["price_sensitivity"].to_numpy()
        + 0.30 * customers["service_sensitivity"].to_numpy()
    )
    line = np.full(count, -1)
    line[subscriptions["customer"].to_numpy()[::-1]] = np.arange(len(subscriptions))[::-1]
    return Contacts(
        customer_ids=texts(customers["customer_id"]),
        subscription_ids=texts(subscriptions["subscription_id"]),
        ticket_ids=texts(world.faults.tickets["ticket_id"]),
        phones=texts(customers["contact_phone"]),
        line=line,
        joined=since_epoch(customers["joined_at"].to_numpy()),
        left=matters.left_at(world),
        rate=(FIGURES.daily_contacts * rate / rate.mean()).astype("float32"),
        preferred=chosen(random, FIGURES.channel_shares, count),
        clues=notes.draw_clues(world),
        matters=matters.draw(world),
        staff=tuple(staff_ids(world, prefix) for prefix in STAFF_PREFIXES),
        lock=Lock(),
        recent={},
    )


def of_day(world: World, day: date) -> Day:
    """Return the contacts and calls of one day; seed and day alone decide them."""
    known: Contacts = world.sources[NAME]
    with known.lock:
        if day not in known.recent:
            known.recent[day] = _draw_day(world, day)
            while len(known.recent) > RECENT_DAYS and _row_count(known) > RECENT_ROWS:
                del known.recent[next(iter(known.recent))]
        return known.recent[day]


def _row_count(known: Contacts) -> int:
    return sum(len(day.contacts) for day in known.recent.values())


def _draw_day(world: World, day: date) -> Day:
    known: Contacts = world.sources[NAME]
    random = world.parameters.random("contacts_of_day", day.toordinal())
    start, end = day_span(day)
    is_served = (known.joined <= start) & (known.left >= end)
    parts = [
        _ordinary(world, known, random, day, is_served),
        _outbound(world, known, random, is_served),
        _own_reasons(known, random, day),
        _annoyed(world, random, day, is_served),
        _unknown(random, int(is_served.sum() * FIGURES.daily_contacts * FIGURES.unknown_share)),
    ]
    contacts = pd.concat(parts, ignore_index=True)
    contacts = contacts.sort_values("second", kind="stable", ignore_index=True)
    is_call = contacts["channel"].to_numpy() <= OUTBOUND
    contacts["call"] = np.where(is_call, np.cumsum(is_call) - 1, -1)
    calls = _calls(world, random, day, contacts[is_call])
    contacts["staff"] = random.integers(0, 1 << 30, len(contacts))
    contacts["draw"] = random.random(len(contacts))
    contacts["note_draw"] = random.random(len(contacts))
    return Day(day, contacts, calls)


def _frame(customer: Array, second: Array, channel: Array, kind: Array, topic: Array,
           **columns: Array | int) -> pd.DataFrame:  # fmt: skip
    values: dict[str, Array | int] = {
        "line": -1, "category": -1, "urge": -1, "ticket": -1, "cause": -1, "step": 0,
    }  # fmt: skip
    base = {
        "customer": customer,
        "second": second,
        "channel": channel,
        "kind": kind,
        "topic": topic,
    }
    return pd.DataFrame(base | values | columns)


def _ordinary(
    world: World, known: Contacts, random: np.random.Generator, day: date, is_served: Array
) -> pd.DataFrame:
    """Bill queries (after the bill, and by who is sensitive to prices), recharges and the like."""
    drawn = random.random(len(known.rate), dtype="float32")
    customer = np.flatnonzero(is_served & (drawn < known.rate))
    count = len(customer)
    price = world.population.customers["price_sensitivity"].to_numpy()[customer]
    bills = 0.30 * np.exp(0.5 * price) * (1.6 if day.day <= 5 else 0.9)
    weights = np.column_stack(
        [bills, *(np.full(count, share) for share in (0.22, 0.24, 0.13, 0.11))]
    )
    limits = np.cumsum(weights, axis=1)
    kind = (random.random(count)[:, None] * limits[:, -1:] > limits).sum(axis=1)
    likes = random.random(count) < FIGURES.preferred_share
    other = chosen(random, FIGURES.channel_shares, count)
    channel = np.where(likes, known.preferred[customer], other)
    is_browsing = kind == 4
    channel = np.where(is_browsing & ~np.isin(channel, ELECTRONIC), APP, channel)
    topic = FIRST_TOPIC + kind + np.where(kind == INQUIRY, random.integers(0, 2, count), 0)
    topic = np.where(kind == ACCEPTANCE, FIRST_TOPIC + 4, topic)
    is_new = (kind == INQUIRY) & (random.random(count) < _launch_share(world, day))
    topic = np.where(is_new, NEW_SERVICE_TOPIC, topic)
    second = daytimes(random, count)
    opening = random.integers(STORE_HOURS[0] * 3600, STORE_HOURS[1] * 3600, count)
    return _frame(
        customer,
        np.where(channel == STORE, opening, second),
        channel,
        np.where(is_browsing, BROWSING, kind),
        topic,
        line=np.where(random.random(count) < 0.7, known.line[customer], -1),
    )


def _launch_share(world: World, day: date) -> float:
    """Return the share of inquiries about the new service."""
    since = _days_since_launch(world, day)
    if since < 0:
        return 0.0
    return FIGURES.launch_share if since < FIGURES.launch_days else FIGURES.launch_share / 3


def _days_since_launch(world: World, day: date) -> int:
    return FIGURES.launch_days_before - (world.parameters.business_date - day).days


def _outbound(
    world: World, known: Contacts, random: np.random.Generator, is_served: Array
) -> pd.DataFrame:
    """Calls that the hotline makes: revisits, retention and marketing."""
    may_be_called = ~world.population.customers["is_do_not_call"].to_numpy(dtype=bool)
    drawn = random.random(len(known.rate), dtype="float32") < FIGURES.daily_outbound
    customer = np.flatnonzero(is_served & may_be_called & drawn)
    count = len(customer)
    return _frame(
        customer,
        random.integers(9 * 3600, 20 * 3600, count),
        np.full(count, OUTBOUND),
        REVISIT + chosen(random, (0.4, 0.2, 0.4), count),
        np.full(count, FIRST_TOPIC + 5),
        line=known.line[customer],
    )


def _own_reasons(known: Contacts, random: np.random.Generator, day: date) -> pd.DataFrame:
    """Complaints, urges and the travellers' steps of `matters`."""
    found = matters.of_day(known.matters, day)
    count = len(found)
    step = found["step"].to_numpy()
    second = found["second"].to_numpy() - day_span(day)[0]
    is_open = (second >= STORE_HOURS[0] * 3600) & (second < STORE_HOURS[1] * 3600)
    channel = np.array([HOTLINE, STORE, APP])[chosen(random, (0.78, 0.14, 0.08), count)]
    channel = np.where((channel == STORE) & ~is_open, HOTLINE, channel)
    login = np.where(random.random(count) < 0.5, WEB, APP)
    channel = np.where(step == 0, channel, np.where(step > matters.TRAVEL_LOGINS, HOTLINE, login))
    kind = np.where(found["is_complaint"].to_numpy(dtype=bool), COMPLAINT, INQUIRY)
    kind = np.where((step > 0) & (step <= matters.TRAVEL_LOGINS), BROWSING, kind)
    kind = np.where(step > matters.TRAVEL_LOGINS, ACCEPTANCE, kind)
    names = ("line", "category", "urge", "ticket", "cause")
    return _frame(
        found["customer"].to_numpy(),
        second,
        channel,
        kind,
        found["topic"].to_numpy(),
        step=step,
        **{name: found[name].to_numpy() for name in names},
    )


def _annoyed(
    world: World, random: np.random.Generator, day: date, is_served: Array
) -> pd.DataFrame:
    """Complaints about yesterday's advertisement (BI-37)."""
    sent = mass_messages.blasts(world, day - timedelta(days=1))
    mobile = [np.zeros(0, dtype="int64")]
    mobile += [blast.mobile[blast.status == 0] for blast in sent if blast.campaign >= 0]
    usage = world.sources["mobile_usage"]
    recipient = np.concatenate(mobile)
    recipient = recipient[random.random(len(recipient)) < FIGURES.blast_complaint_share]
    recipient = recipient[is_served[usage.customer[recipient]]]
    count = len(recipient)
    return _frame(
        usage.customer[recipient],
        daytimes(random, count),
        np.full(count, HOTLINE),
        np.full(count, COMPLAINT),
        np.full(count, BLAST_TOPIC),
        line=usage.lines[recipient],
        category=matters.SERVICE,
        cause=1,
    )


def _unknown(random: np.random.Generator, count: int) -> pd.DataFrame:
    return _frame(
        np.full(count, -1),
        daytimes(random, count),
        np.full(count, HOTLINE),
        chosen(random, (0.3, 0.1, 0.6), count),
        np.full(count, FIRST_TOPIC + 2),
    )


def _calls(
    world: World, random: np.random.Generator, day: date, made: pd.DataFrame
) -> pd.DataFrame:
    """Send each hotline contact through the menu, the queue and the conversation."""
    count = len(made)
    kind, topic = made["kind"].to_numpy(), made["topic"].to_numpy()
    is_inbound = made["channel"].to_numpy() == HOTLINE
    is_firm = (kind == COMPLAINT) | (made["urge"].to_numpy() >= 0) | (made["step"].to_numpy() > 0)
    has_own_line = (
        is_inbound
        & ~is_firm
        & np.isin(kind, (INQUIRY, ACCEPTANCE))
        & (random.random(count) < FIGURES.own_line_share)
    )
    dialled = np.where(has_own_line, 1 + random.integers(0, 2, count), 0)
    wants = WANTS_AGENT[np.minimum(kind, COMPLAINT)]
    if _days_since_launch(world, day) >= FIGURES.launch_days:
        wants = np.where(topic == NEW_SERVICE_TOPIC, wants * (1 - FIGURES.manual_drop), wants)
    wants_agent = is_inbound & ~has_own_line & (is_firm | (random.random(count) < wants))
    tries = is_inbound & ~is_firm & (~wants_agent | (random.random(count) < 0.25))
    succeeds = tries & (random.random(count) < FIGURES.self_service_success)
    gives_up = ~succeeds & ~has_own_line & (random.random(count) < 0.7)
    is_requested = wants_agent | (tries & gives_up)
    waits = _waits(random, made["second"].to_numpy(), is_requested, is_firm)
    is_reached = random.random(count) < 0.6
    is_answered = np.where(is_inbound, waits["is_answered"], is_reached)
    spread = 0.7
    talk = FIGURES.mean_talk_seconds * np.exp(
        spread * random.standard_normal(count) - spread**2 / 2
    )
    service = np.where(kind == ACCEPTANCE, 3, np.where(kind == INQUIRY, 2, kind))
    service = np.where((kind == INQUIRY) & (topic == NEW_SERVICE_TOPIC), 4, service)
    service = np.where(dialled == 1, 5, np.where(dialled == 2, 4, service))
    mood = _mood(world, made["customer"].to_numpy()) - 0.02 * waits["queue"]
    return pd.DataFrame(
        {
            "customer": made["customer"].to_numpy(),
            "second": made["second"].to_numpy(),
            "kind": kind,
            "is_inbound": is_inbound,
            "dialled": dialled,
            "key": np.where(has_own_line, random.integers(1, 4, count), np.minimum(kind + 1, 5)),
            "second_key": random.integers(1, 5, count),
            "ivr": np.where(is_inbound, 15 + random.exponential(35, count), 0).astype("int64"),
            "service": np.where(tries, service, -1),
            "is_tried": tries,
            "is_success": succeeds,
            "is_requested": is_requested,
            "attempts": waits["attempts"],
            "queue": waits["queue"],
            "diverted": waits["diverted"],
            "is_answered": is_answered,
            "staff": random.integers(0, 1 << 30, count),
            "talk": np.where(is_answered, talk.clip(5, 5400), 0).astype("int64"),
            "rating": _ratings(random, mood, is_answered & is_inbound, FIGURES.rating_share),
            "phone": random.integers(0, 10**8, count),
        }
    )


def _waits(
    random: np.random.Generator, second: Array, is_requested: Array, is_firm: Array
) -> dict[str, Array]:
    """Queue once, be sent to another channel or queue again, and perhaps give up (BI-35)."""
    count = len(second)
    load = HOUR_SHARES[second // 3600] / HOUR_SHARES.mean()
    first = random.exponential(FIGURES.mean_wait_seconds * (0.4 + 0.6 * load), count)
    again = random.exponential(FIGURES.mean_wait_seconds * (0.4 + 0.6 * load), count)
    is_missed = is_requested & (first > FIGURES.queue_limit_seconds)
    is_diverted = is_missed & ~is_firm & (random.random(count) < FIGURES.diverted_share)
    queues_again = is_missed & ~is_diverted
    gives_up = queues_again & ~is_firm & (again > FIGURES.second_limit_seconds)
    queue = np.minimum(first, FIGURES.queue_limit_seconds) + np.where(
        queues_again, np.where(is_firm, again, np.minimum(again, FIGURES.second_limit_seconds)), 0
    )
    return {
        "attempts": is_requested.astype("int64") + queues_again,
        "queue": np.where(is_requested, queue, 0).astype("int64"),
        "diverted": np.where(is_diverted, random.integers(0, len(DIVERSIONS), count), -1),
        "is_answered": is_requested & ~is_diverted & ~gives_up,
    }


def _mood(world: World, customer: Array) -> Array:
    """Return how kindly customers judge: the more sensitive to service the less."""
    service = world.population.customers["service_sensitivity"].to_numpy()
    return 4.4 - 0.35 * service[customer]


def _ratings(random: np.random.Generator, mood: Array, is_asked: Array, share: float) -> Array:
    """Return ratings of 1 to 5, 0 without an answer."""
    rating = np.rint(mood + random.normal(0, 0.7, len(mood))).clip(1, 5)
    answers = is_asked & (random.random(len(mood)) < share)
    return np.where(answers, rating, 0).astype("int64")


def call(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the hotline's calls, a day at a time."""
    known: Contacts = world.sources[NAME]
    for day in delivery.days:
        calls = of_day(world, day).calls
        yield _call_rows(known, day, calls)


def _call_rows(known: Contacts, day: date, calls: pd.DataFrame) -> pa.Table:
    column = arrays(calls)
    is_inbound, is_tried = column["is_inbound"], column["is_tried"]
    is_requested, is_answered = column["is_requested"], column["is_answered"]
    length = column["ivr"] + column["queue"] + column["talk"] + 10
    kind = column["kind"]
    queue = np.where(kind == COMPLAINT, 2, np.where(kind == BILL_QUERY, 1, 0))
    queue = np.where(kind == ACCEPTANCE, 3, queue)
    customer = column["customer"]
    other = identifiers("161", column["phone"], 8)
    phones = taken(known.phones, customer)
    return pa.table(
        {
            "call_id": numbered("L", day, len(calls)),
            "customer_id": taken(known.customer_ids, customer),
            "caller_number": pc.coalesce(phones, other),
            "dialled_number": coded(LINES, column["dialled"]),
            "call_direction": coded(("outbound", "inbound"), is_inbound.astype("int32")),
            "started_at": moments(day, column["second"]),
            "ended_at": moments(day, column["second"] + length),
            "first_key": coded("0123456789", np.where(is_inbound, column["key"], -1)),
            "key_path": _paths(column),
            "ivr_seconds": column["ivr"],
            "self_service_code": coded(SELF_SERVICES, column["service"]),
            "is_self_service_success": optional(column["is_success"], ~is_tried),
            "is_transfer_requested": is_requested,
            "queue_name": coded(QUEUES, np.where(is_requested, queue, -1)),
            "queue_attempt_count": column["attempts"],
            "queue_seconds": column["queue"],
            "diverted_to": coded(DIVERSIONS, column["diverted"]),
            "is_answered": is_answered,
            "staff_id": taken(pa.concat_arrays(known.staff), _agents(known, calls)),
            "talk_seconds": column["talk"],
            "hangup_rating": optional(column["rating"], column["rating"] == 0),
        }
    )


def _agents(known: Contacts, calls: pd.DataFrame) -> Array:
    """Return who spoke in each call, a position in all of `staff`; -1 for nobody."""
    hotline, outbound, _ = (len(group) for group in known.staff)
    drawn = calls["staff"].to_numpy()
    agent = np.where(calls["is_inbound"], drawn % hotline, hotline + drawn % outbound)
    return np.where(calls["is_answered"], agent, -1)


def _paths(column: dict[str, Array]) -> pa.Array:
    """Return the keys pressed: the menu's layers, then 0 for an agent."""
    names = [
        f"{first}>{second}{'>0' if ends else ''}"
        for first in range(10)
        for second in range(5)
        for ends in (0, 1)
    ]
    index = column["key"] * 10 + column["second_key"] * 2 + column["is_requested"]
    return coded(names, np.where(column["is_inbound"], index, -1))


def is_handled(day: Day) -> Array:
    """Tell which contacts were about something and came to pass, so that they are on record."""
    call_row = day.contacts["call"].to_numpy()
    is_taken = (day.calls["is_answered"] | day.calls["is_success"]).to_numpy()
    came_to_pass = np.where(call_row < 0, True, is_taken[call_row]) if len(is_taken) else True
    is_known = day.contacts["customer"].to_numpy() >= 0
    return np.asarray(came_to_pass & is_known & (day.contacts["kind"].to_numpy() != BROWSING))


def interaction(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the contacts that are on record, a day at a time."""
    known: Contacts = world.sources[NAME]
    for number in delivery.days:
        yield _interaction_rows(known, of_day(world, number))


def _interaction_rows(known: Contacts, day: Day) -> pa.Table:
    """Return the rows and, beside the extract's columns, the customer's row and the clue."""
    contacts = day.contacts[is_handled(day)]
    column = arrays(contacts)
    count, kind, channel, draw = len(contacts), column["kind"], column["channel"], column["draw"]
    call_row = column["call"]
    talk = np.r_[day.calls["talk"].to_numpy(), 0][call_row]  # 0 where no call was made
    menu = np.r_[day.calls["ivr"].to_numpy(), 0][call_row]
    is_complaint = kind == COMPLAINT
    resolution = np.where(draw < 0.9, 0, np.where(draw < 0.96, 3, 2))
    resolution = np.where(is_complaint, np.where(draw < 0.45, 0, 1), resolution)
    duration = np.where(talk > 0, talk, np.where(call_row < 0, 20 + draw * 400, menu))
    complaint_note = (draw * 10_000).astype("int64") % len(notes.COMPLAINT_NOTES)
    is_answered = np.r_[day.calls["is_answered"].to_numpy(), False][call_row]
    note, clue = notes.noted(
        known.clues[column["customer"]],
        (channel == STORE) | is_answered,
        np.where(is_complaint, complaint_note, -1),
        column["note_draw"],
    )
    return pa.table(
        {
            "interaction_id": numbered("J", day.day, count),
            "customer_id": taken(known.customer_ids, column["customer"]),
            "subscription_id": taken(known.subscription_ids, column["line"]),
            "contacted_at": moments(day.day, column["second"]),
            "channel": coded(CHANNELS, channel),
            "interaction_kind": coded(KINDS, kind),
            "complaint_category": coded(CATEGORIES, np.where(is_complaint, column["category"], -1)),
            "topic": coded(TOPICS, column["topic"]),
            "urge_kind": coded(URGES, column["urge"]),
            "is_repeat": (column["urge"] >= 0) | (is_complaint & (draw > 0.85)),
            "is_escalated": is_complaint & (draw > 1 - FIGURES.escalated_share),
            "is_operator_cause": optional(
                column["cause"] == 1, ~is_complaint | (column["cause"] < 0)
            ),
            "resolution": coded(RESOLUTIONS, resolution),
            "duration_seconds": duration.astype("int64"),
            "staff_id": staff_of(known, column, day.calls),
            "call_id": call_ids(day, call_row),
            "ticket_id": taken(known.ticket_ids, column["ticket"]),
            "note": note,
            "customer": column["customer"],
            "clue": clue,
        }
    )


def call_ids(day: Day, call_row: Array) -> pa.Array:
    """Return the identifiers of calls by their row; a negative row gives null."""
    return taken(numbered("L", day.day, len(day.calls)), call_row)


def staff_of(known: Contacts, column: dict[str, Array], calls: pd.DataFrame) -> pa.Array:
    """Return who served: the call's agent, somebody in the store, nobody in self-service."""
    *callers, clerks = (len(group) for group in known.staff)
    row = column["call"]
    agents = _agents(known, calls)
    position = np.where(row < 0, -1, agents[row]) if len(agents) else row
    in_store = sum(callers) + column["staff"] % clerks
    position = np.where(column["channel"] == STORE, in_store, position)
    return taken(pa.concat_arrays(known.staff), position)


def satisfaction(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the surveys of the delivery's days: about repairs, and about contacts with staff."""
    known: Contacts = world.sources[NAME]
    for day in delivery.days:
        yield _surveys(world, known, of_day(world, day))


def _surveys(world: World, known: Contacts, day: Day) -> pa.Table:
    random = world.parameters.random("surveys", day.day.toordinal())
    asked = pd.concat(
        [_repairs(world, known, random, day.day), _staffed(random, day)], ignore_index=True
    )
    asked = asked.sort_values("second", kind="stable", ignore_index=True)
    count = len(asked)
    mood = _mood(world, asked["customer"].to_numpy()) + asked["mood"].to_numpy()
    answers = random.random(count) < FIGURES.answer_share
    wait = (random.exponential(1800, count)).astype("int64") + 20
    is_repair = asked["subject"].to_numpy() == REPAIR_SUBJECT
    second = asked["second"].to_numpy()
    shared = _survey_columns(known, day, asked)
    parts = []
    for question, is_asked in (
        ("overall", np.ones(count, dtype=bool)),
        ("attitude", ~is_repair),
        ("result", asked["subject"].to_numpy() == COMPLAINT_SUBJECT),
        ("speed", is_repair),
    ):
        rating = _ratings(random, mood, answers, 1.0)
        rows = np.flatnonzero(is_asked)
        parts.append(
            _answers(day.day, shared.take(rows), question, rating[rows], second[rows], wait[rows])
        )
    return pa.concat_tables(parts)


def _repairs(world: World, known: Contacts, random: np.random.Generator, day: date) -> pd.DataFrame:
    """Ask after a closed fault; long ones please nobody."""
    tickets = world.faults.tickets
    changed = since_epoch(tickets["changed_at"].to_numpy())
    start, end = day_span(day)
    is_closed = (tickets["final_state"] == "closed").to_numpy()
    holder = world.population.subscriptions["customer"].to_numpy()[tickets["line"]]
    is_served = known.left[holder] >= end
    rows = np.flatnonzero((changed >= start) & (changed < end) & is_closed & is_served)
    rows = rows[random.random(len(rows)) < FIGURES.ticket_survey_share]
    length = changed[rows] - since_epoch(tickets["reported_at"].to_numpy()[rows])
    later = random.integers(600, 7200, len(rows))
    return pd.DataFrame(
        {
            "customer": holder[rows],
            "second": np.minimum(changed[rows] - start + later, end - start - 1),
            "subject": REPAIR_SUBJECT,
            "mood": -np.minimum(length / (5 * 86_400), 2.0),
            "ticket": rows,
            "interaction": -1,
        }
    )


def _staffed(random: np.random.Generator, day: Day) -> pd.DataFrame:
    """Ask some of those whom staff served today."""
    contacts = day.contacts[is_handled(day)].reset_index(drop=True)
    call_row = contacts["call"].to_numpy()
    is_answered = np.r_[day.calls["is_answered"].to_numpy(), False][call_row]  # row -1: no call
    is_staffed = (contacts["channel"] == STORE).to_numpy() | is_answered
    is_asked = is_staffed & (random.random(len(contacts)) < FIGURES.survey_share)
    rows = np.flatnonzero(is_asked)
    kind, channel = contacts["kind"].to_numpy()[rows], contacts["channel"].to_numpy()[rows]
    second = contacts["second"].to_numpy()[rows] + random.integers(600, 7200, len(rows))
    return pd.DataFrame(
        {
            "customer": contacts["customer"].to_numpy()[rows],
            "second": np.minimum(second, 86_399),
            "subject": np.where(
                kind == COMPLAINT, COMPLAINT_SUBJECT, np.where(channel == STORE, 3, 0)
            ),
            "mood": np.where(kind == COMPLAINT, -1.0, 0.0),
            "ticket": -1,
            "interaction": rows,
        }
    )


def _survey_columns(known: Contacts, day: Day, asked: pd.DataFrame) -> pa.Table:
    """Return what all questions of a survey have in common, one row per survey."""
    subject = asked["subject"].to_numpy()
    row = asked["interaction"].to_numpy()
    interactions = numbered("J", day.day, int(row.max(initial=-1)) + 1)
    return pa.table(
        {
            "survey_id": numbered("M", day.day, len(asked)),
            "customer_id": taken(known.customer_ids, asked["customer"].to_numpy()),
            "subject_kind": coded(SUBJECTS, subject),
            "survey_channel": coded(
                SURVEY_CHANNELS, (subject == COMPLAINT_SUBJECT).astype("int32")
            ),
            "asked_at": moments(day.day, asked["second"].to_numpy()),
            "staff_id": _judged_staff(known, day, row),
            "interaction_id": taken(interactions, row),
            "ticket_id": taken(known.ticket_ids, asked["ticket"].to_numpy()),
        }
    )


def _answers(
    day: date, shared: pa.Table, question: str, rating: Array, second: Array, wait: Array
) -> pa.Table:
    """Return one question's row of each survey; `second` is when it was asked."""
    count = len(shared)
    is_silent = rating == 0
    has_comment = ~is_silent & (question == "overall") & (second % 9 == 0)
    answered_at = moments(day, np.minimum(second + wait, 86_399))
    columns = {
        "question_code": pa.repeat(question, count),
        "answered_at": optional(answered_at, is_silent),
        "rating": optional(rating, is_silent),
        "comment": coded(COMMENTS, np.where(has_comment, second % len(COMMENTS), -1)),
    }
    for name, values in columns.items():
        shared = shared.append_column(name, values)
    return shared


def _judged_staff(known: Contacts, day: Day, row: Array) -> pa.Array:
    contacts = day.contacts[is_handled(day)]
    column = {name: contacts[name].to_numpy() for name in ("call", "channel", "staff")}
    return taken(staff_of(known, column, day.calls), row)


EXTRACTS = {
    "contact_center.call": call,
    "contact_center.interaction": interaction,
    "contact_center.satisfaction": satisfaction,
}
