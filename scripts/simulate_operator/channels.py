"""Visits to the electronic channels, and every offer made to a customer in any channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scripts.simulate_operator import contacts, mass_messages, matters
from scripts.simulate_operator.event_rows import (
    arrays,
    coded,
    daytimes,
    moments,
    numbered,
    optional,
    staff_ids,
    taken,
)
from scripts.simulate_operator.timeline import Array, Delivery

if TYPE_CHECKING:
    from scripts.simulate_operator.contacts import Contacts, Day
    from scripts.simulate_operator.extracts import World

NAME = "channels"
VISITED = ("web_hall", "sms_hall", "app", "wap_hall")  # order of contacts.DIVERSIONS, then the rest
FUNCTIONS = ("bill_query", "recharge", "inquiry", "order", "complaint")  # order of contacts.KINDS
RECHARGES = np.array([30.0, 50.0, 100.0, 200.0])
ANONYMOUS_SHARE = 0.15  # visits without a login, on top of the others
COMPLETED_SHARE = 0.90  # BI-38
STEERED_SHARE = 0.06  # BI-38: visits to which staff have directed the customer
OFFERED_IN = ("web_hall", "sms_hall", "app", "wap_hall", "sms", "hotline", "outbound")
BY_SMS, BY_HOTLINE, BY_OUTBOUND = 4, 5, 6
SESSION_OFFERS, HOTLINE_OFFERS = 0.20, 0.15  # contacts in which something is offered
# Chance that an offer is taken up; BI-18: a third on the telephone.
ACCEPTANCE = np.array([0.08, 0.05, 0.09, 0.05, 0.0, 0.15, 0.33])
REFUSAL = np.array([0.10, 0.02, 0.10, 0.05, 0.0, 0.45, 0.50])
RESPONSES = ("accepted", "refused", "later", "none")
TRAVEL_OFFER = 0


@dataclass(frozen=True)
class Offer:
    """What is offered, and to whose product."""

    code: str
    name: str
    kind: str
    product: str
    fee: float


OFFERS = (
    Offer("ROAM05", "川渝漫游包", "roaming_package", "mobile", 5.0),
    Offer("GPRS10", "流量包10G", "data_package", "mobile", 20.0),
    Offer("CRBT01", "彩铃", "ring_back_tone", "mobile", 5.0),
    Offer("PLAN59", "移动流量A", "plan", "mobile", 59.0),
    Offer("BBUP02", "宽带提速", "broadband_speed", "broadband", 10.0),
    Offer("RENEW1", "合约续约", "contract_renewal", "broadband", 0.0),
)
MOBILE_OFFERS, BROADBAND_OFFERS = (1, 2, 3), (4, 5)


@dataclass(frozen=True)
class Channels:
    """The first mobile and broadband subscription of each customer, -1 without."""

    mobile: Array
    broadband: Array
    staff_ids: pa.Array
    mobile_line: Array  # row of the subscription, per entry of MobileUsage


def simulate(world: World) -> Channels:
    subscriptions = world.population.subscriptions
    product = subscriptions["product_type"].to_numpy(dtype=object)
    customer = subscriptions["customer"].to_numpy()
    first = {}
    for name in ("mobile", "broadband"):
        rows = np.flatnonzero(product == name)[::-1]
        first[name] = np.full(len(world.population.customers), -1)
        first[name][customer[rows]] = rows
    return Channels(
        mobile=first["mobile"],
        broadband=first["broadband"],
        staff_ids=staff_ids(world, "YY"),
        mobile_line=world.sources["mobile_usage"].lines,
    )


def echannel_session(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the visits of the delivery's days."""
    for number in delivery.days:
        day = contacts.of_day(world, number)
        yield _session_rows(world, day, sessions(world, day))


def sessions(world: World, day: Day) -> pd.DataFrame:
    """Return the day's visits in order of time; `contact` and `diverted` are rows, -1 if none."""
    random = world.parameters.random("sessions", day.day.toordinal())
    met = day.contacts
    electronic = np.flatnonzero(met["channel"].isin(contacts.ELECTRONIC).to_numpy())
    diverted = np.flatnonzero(day.calls["diverted"].to_numpy() >= 0)
    diverted = diverted[day.calls["customer"].to_numpy()[diverted] >= 0]
    own = pd.DataFrame(
        {
            "customer": met["customer"].to_numpy()[electronic],
            "second": met["second"].to_numpy()[electronic],
            "channel": met["channel"].to_numpy()[electronic] - contacts.WEB,
            "function": met["kind"].to_numpy()[electronic],
            "is_completed": met["draw"].to_numpy()[electronic] < COMPLETED_SHARE,
            "contact": electronic,
            "diverted": -1,
        }
    )
    calls = day.calls
    sent = calls["second"].to_numpy() + calls["ivr"].to_numpy() + calls["queue"].to_numpy()
    later = sent[diverted] + random.integers(30, 900, len(diverted))
    directed = pd.DataFrame(
        {
            "customer": calls["customer"].to_numpy()[diverted],
            "second": np.minimum(later, 86_399),
            "channel": calls["diverted"].to_numpy()[diverted],
            "function": calls["kind"].to_numpy()[diverted],
            "is_completed": random.random(len(diverted)) < COMPLETED_SHARE,
            "contact": -1,
            "diverted": diverted,
        }
    )
    count = round(len(own) * ANONYMOUS_SHARE)
    anonymous = pd.DataFrame(
        {
            "customer": np.full(count, -1),
            "second": daytimes(random, count),
            "channel": np.where(random.random(count) < 0.5, 0, 3),
            "function": contacts.BROWSING,
            "is_completed": False,
            "contact": -1,
            "diverted": -1,
        }
    )
    visits = pd.concat([own, directed, anonymous], ignore_index=True)
    return visits.sort_values("second", kind="stable", ignore_index=True)


def _session_rows(world: World, day: Day, visits: pd.DataFrame) -> pa.Table:
    random = world.parameters.random("session_details", day.day.toordinal())
    known: Contacts = world.sources[contacts.NAME]
    column = arrays(visits)
    count, function = len(visits), column["function"]
    clicks = 1 + random.poisson(np.where(column["channel"] == 1, 1.0, 5.0))
    length = clicks * random.integers(5, 40, count)
    is_done = column["is_completed"] & (function >= 0)
    amount = np.where(function == contacts.RECHARGE, RECHARGES[random.integers(0, 4, count)], 20.0)
    has_amount = is_done & np.isin(function, (contacts.RECHARGE, contacts.ACCEPTANCE))
    may_be_steered = (column["diverted"] < 0) & (column["customer"] >= 0)
    is_steered = may_be_steered & (random.random(count) < STEERED_SHARE)
    clerks = world.sources[NAME].staff_ids
    staff = np.where(is_steered, random.integers(0, len(clerks), count), -1)
    return pa.table(
        {
            "session_id": numbered("N", day.day, count),
            "customer_id": taken(known.customer_ids, column["customer"]),
            "channel": coded(VISITED, column["channel"]),
            "started_at": moments(day.day, column["second"]),
            "ended_at": moments(day.day, column["second"] + length),
            "click_count": clicks,
            "function_code": coded(FUNCTIONS, function),
            "is_completed": optional(is_done, function < 0),
            "transaction_amount": optional(amount, ~has_amount),
            "diverted_call_id": contacts.call_ids(day, column["diverted"]),
            "steering_staff_id": taken(clerks, staff),
        }
    )


def offer(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the offers of the delivery's days."""
    for number in delivery.days:
        yield _offer_rows(world, contacts.of_day(world, number))


def _offer_rows(world: World, day: Day) -> pa.Table:
    known: Contacts = world.sources[contacts.NAME]
    sent = mass_messages.blasts(world, day.day)
    made = pd.concat(
        [_in_sessions(world, day), _in_calls(world, day), *_in_messages(world, sent)],
        ignore_index=True,
    )
    made = made.sort_values("second", kind="stable", ignore_index=True)
    column = arrays(made)
    count, response = len(made), column["response"]
    contact = column["contact"]
    met = {
        name: day.contacts[name].to_numpy()[contact] if count else np.zeros(0, dtype="int64")
        for name in ("call", "channel", "staff")
    }
    staff = contacts.staff_of(known, met, day.calls)
    is_staffed = contact >= 0
    nobody = pa.nulls(count, pa.string())
    return pa.table(
        {
            "offer_event_id": numbered("O", day.day, count),
            "offer_code": coded([item.code for item in OFFERS], column["offer"]),
            "offer_name": coded([item.name for item in OFFERS], column["offer"]),
            "offer_class": coded([item.kind for item in OFFERS], column["offer"]),
            "customer_id": taken(known.customer_ids, column["customer"]),
            "subscription_id": taken(known.subscription_ids, column["line"]),
            "channel": coded(OFFERED_IN, column["channel"]),
            "wave_number": column["wave"],
            "shown_at": moments(day.day, column["second"]),
            "response": coded(RESPONSES, response),
            "responded_at": optional(
                moments(day.day, np.minimum(column["responded"], 86_399)), response == 3
            ),
            "monthly_fee_amount": np.array([item.fee for item in OFFERS])[column["offer"]],
            "staff_id": pc.if_else(pa.array(is_staffed), staff, nobody),
            "session_id": taken(
                numbered("N", day.day, int(column["session"].max(initial=-1)) + 1),
                column["session"],
            ),
            "blast_id": coded(
                [mass_messages.blast_id(day.day, blast) for blast in sent], column["blast"]
            ),
        }
    )


def _frame(
    random: np.random.Generator, customer: Array, line: Array, second: Array, channel: Array,
    offer_index: Array, wave: Array, **columns: Array | int,
) -> pd.DataFrame:  # fmt: skip
    count = len(customer)
    drawn = random.random(count)
    accepted, refused = ACCEPTANCE[channel], ACCEPTANCE[channel] + REFUSAL[channel]
    response = np.where(drawn < accepted, 0, np.where(drawn < refused, 1, 3))
    response = np.where((response == 3) & (random.random(count) < 0.05), 2, response)
    base = {
        "customer": customer,
        "line": line,
        "second": second,
        "channel": channel,
        "offer": offer_index,
        "wave": wave,
        "response": response,
        "responded": second + random.integers(20, 400, count),
        "contact": -1,
        "session": -1,
        "blast": -1,
    }
    return pd.DataFrame(base | columns)


def _suited(world: World, random: np.random.Generator, customer: Array) -> tuple[Array, Array]:
    """Return what is offered to each customer, and the subscription it is for."""
    known: Channels = world.sources[NAME]
    mobile, broadband = known.mobile[customer], known.broadband[customer]
    count = len(customer)
    is_mobile = (mobile >= 0) & ((broadband < 0) | (random.random(count) < 0.6))
    number = np.where(
        is_mobile, random.choice(MOBILE_OFFERS, count), random.choice(BROADBAND_OFFERS, count)
    )
    return number, np.where(is_mobile, mobile, broadband)


def _in_sessions(world: World, day: Day) -> pd.DataFrame:
    """Show an offer in some visits; frequent travellers get the roaming package (BI-23)."""
    random = world.parameters.random("session_offers", day.day.toordinal())
    visits = sessions(world, day)
    contact = visits["contact"].to_numpy()
    step = np.where(contact < 0, 0, day.contacts["step"].to_numpy()[contact])
    is_shown = random.random(len(visits)) < SESSION_OFFERS
    rows = np.flatnonzero((visits["customer"].to_numpy() >= 0) & (is_shown | (step > 0)))
    customer, step = visits["customer"].to_numpy()[rows], step[rows]
    number, line = _suited(world, random, customer)
    travel_line = day.contacts["line"].to_numpy()[contact[rows]]
    made = _frame(
        random,
        customer,
        np.where(step > 0, travel_line, line),
        visits["second"].to_numpy()[rows] + 5,
        visits["channel"].to_numpy()[rows],
        np.where(step > 0, TRAVEL_OFFER, number),
        np.ones(len(rows), dtype="int64"),
        session=rows,
    )
    made.loc[step > 0, "response"] = RESPONSES.index("none")
    return made


def _in_calls(world: World, day: Day) -> pd.DataFrame:
    """Make an offer in some conversations, and in every marketing or retention call."""
    random = world.parameters.random("call_offers", day.day.toordinal())
    met = day.contacts
    call_row, kind = met["call"].to_numpy(), met["kind"].to_numpy()
    step, customer = met["step"].to_numpy(), met["customer"].to_numpy()
    answered = day.calls["is_answered"].to_numpy()
    is_answered = np.where(call_row < 0, False, answered[call_row]) if len(answered) else False
    is_outbound = np.isin(kind, (contacts.RETENTION, contacts.MARKETING))
    is_last_step = step > matters.TRAVEL_LOGINS
    is_welcome = (kind != contacts.COMPLAINT) & (kind != contacts.REVISIT)
    is_made = is_welcome & (random.random(len(met)) < HOTLINE_OFFERS)
    is_made = is_answered & (is_made | is_outbound | is_last_step)
    rows = np.flatnonzero(is_made & (customer >= 0))
    number, line = _suited(world, random, customer[rows])
    travels = is_last_step[rows]
    made = _frame(
        random,
        customer[rows],
        np.where(travels, met["line"].to_numpy()[rows], line),
        met["second"].to_numpy()[rows] + 60,
        np.where(is_outbound[rows], BY_OUTBOUND, BY_HOTLINE),
        np.where(travels, TRAVEL_OFFER, number),
        np.where(travels, 2, 1),
        contact=rows,
    )
    takes_up = random.random(len(rows)) < matters.TRAVEL_ACCEPTANCE
    made.loc[travels, "response"] = np.where(takes_up[travels], 0, 1)
    return made


def _in_messages(world: World, sent: list[mass_messages.Blast]) -> Iterator[pd.DataFrame]:
    """Every advertisement that arrived is an offer; a reply answers it."""
    known: Channels = world.sources[NAME]
    codes = [item.code for item in OFFERS]
    for number, blast in enumerate(sent):
        if blast.campaign < 0:
            continue
        arrived = blast.status == 0
        mobile, reply = blast.mobile[arrived], blast.reply[arrived]
        code = mass_messages.CAMPAIGNS[blast.campaign].offer_code
        yield pd.DataFrame(
            {
                "customer": world.sources["mobile_usage"].customer[mobile],
                "line": known.mobile_line[mobile],
                "second": blast.second[arrived],
                "channel": BY_SMS,
                "offer": codes.index(code),
                "wave": blast.wave,
                "response": np.where(reply == 0, 0, np.where(reply == 1, 1, 3)),
                "responded": blast.reply_second[arrived],
                "contact": -1,
                "session": -1,
                "blast": number,
            }
        )


EXTRACTS = {"channel.echannel_session": echannel_session, "channel.offer": offer}
