"""Mass short messages: campaigns in three weekly waves, dunning, and care for travellers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scripts.simulate_operator.event_rows import (
    chosen,
    coded,
    day_span,
    moments,
    optional,
    taken,
    texts,
)
from scripts.simulate_operator.timeline import Array, Delivery, end_of

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "mass_messages"
CYCLE_DAYS = 28
WAVES = 3
RECIPIENT_SHARE = 0.05  # mobile subscriptions per campaign
ORDER_CHANCES = (0.035, 0.025, 0.012)  # in the first, second and third wave
UNSUBSCRIBE_CHANCE = 0.004
DUNNING_DAY = 20
DELIVERY_SHARES = (0.955, 0.035, 0.010)
STATUSES = ("delivered", "failed", "unknown")
REPLIES = ("order", "unsubscribe")
CLASSES = ("marketing", "billing", "care")
FIRST_SECOND, LAST_SECOND = 10 * 3600, 17 * 3600


@dataclass(frozen=True)
class Campaign:
    """What is advertised, and the weekday on which its waves go out."""

    weekday: int
    offer_code: str
    offer_name: str
    offer_class: str
    fee: float
    title: str


CAMPAIGNS = (
    Campaign(1, "GPRS10", "流量包10G", "data_package", 20.0, "流量包推荐"),
    Campaign(3, "CRBT01", "彩铃", "ring_back_tone", 5.0, "彩铃推荐"),
)
DUNNING_TITLE, CARE_TITLE = "缴费提醒", "漫游费节省提醒"


@dataclass(frozen=True)
class MassMessages:
    """Identifiers and numbers of the mobile subscriptions, as in MobileUsage."""

    customer_ids: pa.Array
    phones: pa.Array


@dataclass(frozen=True)
class Blast:
    """One mass message; `replied` and the rest have one entry per recipient.

    `reply` is a position in REPLIES, -1 without one; `campaign` is -1 for dunning and care.
    """

    number: int
    title: str
    message_class: int
    campaign: int
    wave: int
    mobile: Array
    second: Array
    status: Array
    reply: Array
    reply_second: Array


def simulate(world: World) -> MassMessages:
    subscriptions = world.population.subscriptions
    lines = world.sources["mobile_usage"].lines
    return MassMessages(
        texts(subscriptions["customer_id"].iloc[lines]),
        texts(subscriptions["service_number"].iloc[lines]),
    )


def blasts(world: World, day: date) -> list[Blast]:
    """Return the mass messages of the day."""
    found = [
        _campaign_blast(world, day, number)
        for number, campaign in enumerate(CAMPAIGNS)
        if day.weekday() == campaign.weekday and _wave(day) < WAVES
    ]
    if day.day == DUNNING_DAY:
        found.append(_blast(world, day, len(CAMPAIGNS), DUNNING_TITLE, 1, _owing(world, day)))
    if (day + timedelta(days=1)).day == 1:
        frequent = world.sources["movements"].is_frequent
        number = len(CAMPAIGNS) + 1
        found.append(_blast(world, day, number, CARE_TITLE, 2, _served(world, day, frequent)))
    return found


def _wave(day: date) -> int:
    return day.toordinal() % CYCLE_DAYS // 7


def _campaign_blast(world: World, day: date, number: int) -> Blast:
    """Address the campaign's recipients but for those who have answered an earlier wave."""
    cycle, wave = day.toordinal() // CYCLE_DAYS, _wave(day)
    count = len(world.sources["mobile_usage"].lines)
    group = world.parameters.random("campaign", number, cycle).random(count) < RECIPIENT_SHARE
    recipients = np.flatnonzero(group)
    replies = [_replies(world, number, cycle, step, len(recipients)) for step in range(wave + 1)]
    has_answered = np.zeros(len(recipients), dtype=bool)
    for earlier in replies[:-1]:
        has_answered |= earlier >= 0
    lives = _served(world, day, group)
    is_addressed = ~has_answered & np.isin(recipients, lives)
    blast = _blast(world, day, number, CAMPAIGNS[number].title, 0, recipients[is_addressed])
    reply = np.where(blast.status == 0, replies[-1][is_addressed], -1)
    return Blast(
        number, blast.title, 0, number, wave + 1, blast.mobile, blast.second, blast.status, reply,
        blast.reply_second,
    )  # fmt: skip


def _replies(world: World, number: int, cycle: int, wave: int, count: int) -> Array:
    drawn = world.parameters.random("campaign_replies", number, cycle, wave).random(count)
    order = ORDER_CHANCES[wave]
    return np.where(drawn < order, 0, np.where(drawn < order + UNSUBSCRIBE_CHANCE, 1, -1))


def _blast(
    world: World, day: date, number: int, title: str, message_class: int, mobile: Array
) -> Blast:
    random = world.parameters.random("blast", number, day.toordinal())
    count = len(mobile)
    second = np.sort(random.integers(FIRST_SECOND, LAST_SECOND, count))
    later = second + 30 + (random.exponential(3600, count)).astype("int64")
    return Blast(
        number=number,
        title=title,
        message_class=message_class,
        campaign=-1,
        wave=1,
        mobile=mobile,
        second=second,
        status=chosen(random, DELIVERY_SHARES, count),
        reply=np.full(count, -1),
        reply_second=np.minimum(later, 86_399),
    )


def _served(world: World, day: date, is_chosen: Array) -> Array:
    """Return the chosen subscriptions that live throughout the day."""
    usage = world.sources["mobile_usage"]
    terminated = world.population.subscriptions["terminated_at"].to_numpy()[usage.lines]
    lives = (usage.activated <= day_span(day)[0]) & ~(terminated < end_of(day))
    return np.flatnonzero(is_chosen & lives)


def _owing(world: World, day: date) -> Array:
    """Return the subscriptions of customers with a bill of this month still to pay."""
    start = np.datetime64(day, "s")
    invoices = world.invoices
    is_open = (
        (invoices["issued_at"].to_numpy() >= start - np.timedelta64(DUNNING_DAY, "D"))
        & (invoices["issued_at"].to_numpy() < start)
        & ~(invoices["paid_at"].to_numpy() < start)
    )
    holder = world.population.accounts["customer"].to_numpy()[invoices["account"]]
    owes = np.zeros(len(world.population.customers), dtype=bool)
    owes[holder[is_open]] = True
    return _served(world, day, owes[world.sources["mobile_usage"].customer])


def sms_blast(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the recipients of each mass message of the delivery's days."""
    is_empty = True
    for day in delivery.days:
        for blast in blasts(world, day):
            is_empty = False
            yield _recipients(world, day, blast)
    if is_empty:
        nobody = np.zeros(0, dtype="int64")
        yield _recipients(
            world, delivery.business_date, _blast(world, delivery.business_date, 0, "", 0, nobody)
        )


def blast_id(day: date, blast: Blast) -> str:
    return f"Q{day:%Y%m%d}-{blast.number + 1:02d}"


def _recipients(world: World, day: date, blast: Blast) -> pa.Table:
    known: MassMessages = world.sources[NAME]
    count = len(blast.mobile)
    code = CAMPAIGNS[blast.campaign].offer_code if blast.campaign >= 0 else None
    has_reply = blast.reply >= 0
    return pa.table(
        {
            "blast_id": pa.repeat(blast_id(day, blast), count),
            "subscription_id": taken(world.sources["mobile_usage"].ids, blast.mobile),
            "customer_id": taken(known.customer_ids, blast.mobile),
            "recipient_number": taken(known.phones, blast.mobile),
            "blast_name": pa.repeat(blast.title, count),
            "message_class": pa.repeat(CLASSES[blast.message_class], count),
            "offer_code": pa.repeat(pa.scalar(code, pa.string()), count),
            "wave_number": pa.repeat(blast.wave, count),
            "sent_at": moments(day, blast.second),
            "delivery_status": coded(STATUSES, blast.status),
            "replied_at": optional(moments(day, blast.reply_second), ~has_reply),
            "reply_kind": coded(REPLIES, blast.reply),
        }
    )


EXTRACTS = {"channel.sms_blast": sms_blast}
