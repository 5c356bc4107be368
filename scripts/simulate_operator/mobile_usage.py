"""Daily use of mobile subscriptions: calls, messages and data by service class.

Who pays but uses nothing at all (三无用户, OUT-28), who calls little (OUT-29) and who uses little
data (OUT-30) is part of each subscription's habits. A disengaged customer uses less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.event_rows import day_span, since_epoch, taken, texts
from scripts.simulate_operator.timeline import DAY, Array, Delivery, end_of, history_start

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "mobile_usage"
BLOCK_LINES = 200_000
WINDOW_DAYS = 30  # over which "uses nothing" is judged; the documents give none (OUT-28)
USE_COLUMNS = (
    "outgoing_call_count",
    "outgoing_minutes",
    "incoming_call_count",
    "incoming_minutes",
    "contact_count",
    "competitor_call_count",
    "sms_count",
    "mms_count",
    "cmnet_kb",
    "cmwap_kb",
    "video_kb",
    "social_kb",
    "web_kb",
    "game_kb",
)


@dataclass(frozen=True)
class Figures:
    """What mobile customers do; without a source the figure is a plausible choice."""

    present_share: float = 0.96  # days on which an engaged customer uses the telephone at all
    daily_calls: float = 3.2  # calls made per day
    minutes_per_call: float = 1.6
    daily_messages: float = 0.35
    multimedia_share: float = 0.02  # days with a multimedia message
    daily_megabytes: float = 380.0  # median of the cheapest plan's users is a third of it
    silent_share: float = 0.006  # OUT-28: pay, yet neither call nor write nor use data
    discarded_share: float = 0.04  # KEEP-05: of cards activated in the last year, never used
    low_call_share: float = 0.06  # OUT-29
    low_data_share: float = 0.10  # OUT-30
    own_network_share: float = 0.62  # of calls


FIGURES = Figures()


@dataclass(frozen=True)
class MobileUsage:
    """The habits of each mobile subscription; `lines` are rows of the subscriptions."""

    lines: Array
    ids: pa.Array
    customer: Array
    account: Array
    activated: Array  # seconds since 1970
    silent_from: Array  # end of service, or the last use of who uses nothing any more
    calls: Array  # per day
    minutes_per_call: Array
    incoming_ratio: Array
    competitor_share: Array
    messages: Array  # per day
    data_kb: Array  # per day
    wap_share: Array
    video_share: Array
    social_share: Array
    web_share: Array  # of what remains
    planted: pd.DataFrame  # line, rule_code, case_name, is_raised, message_date


def simulate(world: World) -> MobileUsage:
    """Draw every mobile subscription's habits and plant the cases of OUT-28."""
    subscriptions = world.population.subscriptions
    lines = np.flatnonzero((subscriptions["product_type"] == "mobile").to_numpy())
    random = world.parameters.random("mobile_habits")
    count = len(lines)

    def spread(sigma: float) -> Array:
        return np.exp(sigma * random.standard_normal(count) - sigma**2 / 2).astype("float32")

    rent = np.nan_to_num(world.population.rent_at(end_of(world.parameters.business_date)))[lines]
    is_low_call = random.random(count) < FIGURES.low_call_share
    is_low_data = random.random(count) < FIGURES.low_data_share
    calls = FIGURES.daily_calls * spread(0.7) * np.where(is_low_call, 0.03, 1.0)
    data = FIGURES.daily_megabytes * 1024 * spread(0.9) * (0.25 + rent / 80)
    competitor = world.population.customers["competitor_sensitivity"].to_numpy()
    customer = subscriptions["customer"].to_numpy()[lines]
    foreign = 1 - FIGURES.own_network_share + 0.08 * competitor[customer].clip(-2, 3)
    video = random.beta(4, 4, count)
    silent_from = _silent_from(world, lines, random)
    planted = _plant(world, lines, silent_from)
    return MobileUsage(
        lines=lines,
        ids=texts(subscriptions["subscription_id"].iloc[lines]),
        customer=customer,
        account=subscriptions["account"].to_numpy()[lines],
        activated=since_epoch(subscriptions["activated_at"].to_numpy()[lines]),
        silent_from=silent_from,
        calls=calls.astype("float32"),
        minutes_per_call=(FIGURES.minutes_per_call * spread(0.5)).astype("float32"),
        incoming_ratio=spread(0.4),
        competitor_share=foreign.clip(0.05, 0.95).astype("float32"),
        messages=(FIGURES.daily_messages * spread(1.0)).astype("float32"),
        data_kb=np.where(is_low_data, data * 0.001, data).astype("float32"),
        wap_share=(random.random(count) ** 8 * 0.3).astype("float32"),
        video_share=(0.75 * video).astype("float32"),
        social_share=(0.2 * random.random(count) + 0.05).astype("float32"),
        web_share=random.beta(5, 2, count).astype("float32"),
        planted=planted,
    )


def planted_cases(world: World) -> pd.DataFrame:
    """Return who pays but uses nothing, on both sides of every condition."""
    planted: pd.DataFrame = world.sources[NAME].planted
    ids = world.population.subscriptions["subscription_id"].to_numpy()
    cases = planted.assign(subscription_id=ids[planted["line"]])
    return cases[["rule_code", "subscription_id", "case_name", "is_raised"]]


def is_settled(world: World) -> Array:
    """Tell which customers have bills, and none that is overdue at the end of the history."""
    end = end_of(world.parameters.business_date)
    count = len(world.population.customers)
    holder = world.population.accounts["customer"].to_numpy()[world.invoices["account"]]
    due = world.invoices["due_date"].to_numpy() + np.timedelta64(DAY, "s")
    is_open = (due <= end) & ~(world.invoices["paid_at"].to_numpy() < end)
    billed = np.bincount(holder, minlength=count) > 0
    return np.asarray(billed & (np.bincount(holder, is_open, minlength=count) == 0))


def _silent_from(world: World, lines: Array, random: np.random.Generator) -> Array:
    """Return when each line's use ends: with its service, or long before it."""
    subscriptions = world.population.subscriptions
    start = int(history_start(world.parameters.business_date).astype("int64"))
    ends = since_epoch(subscriptions["terminated_at"].to_numpy()[lines])
    activated = since_epoch(subscriptions["activated_at"].to_numpy()[lines])
    pays = is_settled(world)[subscriptions["customer"].to_numpy()[lines]]
    is_silent = pays & (random.random(len(lines)) < FIGURES.silent_share)
    stops = start + (random.uniform(-90, 140, len(lines)) * DAY).astype("int64")
    is_recent = activated > start - 365 * DAY
    is_discarded = is_recent & (random.random(len(lines)) < FIGURES.discarded_share)
    ends = np.where(is_silent, np.minimum(ends, stops), ends)
    return np.where(is_discarded, np.minimum(ends, activated), ends)


def _plant(world: World, lines: Array, silent_from: Array) -> pd.DataFrame:
    """Give some lines an exact end of use; `silent_from` is changed in place."""
    subscriptions = world.population.subscriptions
    end = int(end_of(world.parameters.business_date).astype("int64"))
    first = world.parameters.business_date - timedelta(days=WINDOW_DAYS - 1)
    lives = np.isnat(subscriptions["terminated_at"].to_numpy()[lines])
    is_old = since_epoch(subscriptions["activated_at"].to_numpy()[lines]) < end - 400 * DAY
    pays = is_settled(world)[subscriptions["customer"].to_numpy()[lines]]
    suitable = iter(np.flatnonzero(lives & is_old & pays))
    owing = iter(np.flatnonzero(lives & is_old & ~pays))
    cases: list[dict[str, Any]] = []
    for name, source, days, message, is_raised in (
        ("last use a day before the window", suitable, WINDOW_DAYS, None, True),
        ("last use long ago", suitable, WINDOW_DAYS + 60, None, True),
        ("one message on the first day of the window", suitable, WINDOW_DAYS, first, False),
        ("one message on the last day of the window", suitable, WINDOW_DAYS + 60,
         world.parameters.business_date, False),
        ("no use, but a bill overdue", owing, WINDOW_DAYS, None, False),
    ):  # fmt: skip
        position = next(source, None)
        if position is None:
            continue
        silent_from[position] = end - days * DAY
        cases.append(
            {
                "line": lines[position],
                "rule_code": "three_none",
                "case_name": name,
                "is_raised": is_raised,
                "message_date": message,
            }
        )
    columns = ["line", "rule_code", "case_name", "is_raised", "message_date"]
    return pd.DataFrame(cases, columns=columns)


def mobile_daily(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the use of the delivery's days, a day and block of lines at a time.

    `mobile`, the position among the habits, comes beside the columns of the extract.
    """
    habits: MobileUsage = world.sources[NAME]
    for day in delivery.days:
        serves = is_in_use(world, day)
        for block in range(0, max(len(habits.lines), 1), BLOCK_LINES):
            yield _use(world, habits, day, slice(block, block + BLOCK_LINES), serves)
        yield _planted_use(habits, day)


def is_in_use(world: World, day: date) -> Array:
    """Tell which mobile subscriptions can be used on the day: live, not suspended, not given up."""
    habits: MobileUsage = world.sources[NAME]
    status = world.sources["service_status"]
    start, end = day_span(day)
    off = status.suspended_account[(status.suspended_from < end) & (status.suspended_until > start)]
    is_off = np.zeros(len(world.population.accounts), dtype=bool)
    is_off[off] = True
    lives = (habits.activated <= start) & (habits.silent_from >= end)
    return np.asarray(lives & ~is_off[habits.account])


def _use(world: World, habits: MobileUsage, day: date, block: slice, serves: Array) -> pa.Table:
    random = world.parameters.random("mobile_daily", day.toordinal(), block.start)
    factor = _engagement(world, habits.customer[block], day)
    chance = np.float32(FIGURES.present_share) * (np.float32(0.5) + np.float32(0.5) * factor)
    is_used = serves[block] & (random.random(len(factor), dtype="float32") < chance)
    local = np.flatnonzero(is_used)
    weekend = 1.1 if day.weekday() >= 5 else 0.96
    level = factor[local] * np.float32(weekend)
    columns = _drawn(random, habits, local + block.start, level)
    table = pa.table(
        {
            "subscription_id": taken(habits.ids, local + block.start),
            "usage_date": pa.repeat(pa.scalar(day, pa.date32()), len(local)),
            **columns,
            "mobile": local + block.start,
        }
    )
    volume = columns["outgoing_call_count"] + columns["incoming_call_count"]
    volume += columns["sms_count"] + columns["mms_count"] + columns["video_kb"]
    volume += columns["social_kb"] + columns["web_kb"] + columns["game_kb"]
    return table if volume.all() else table.filter(pa.array(volume > 0))


def _engagement(world: World, customer: Array, day: date) -> Array:
    """Return the share of usual use on that day."""
    start = int(history_start(world.parameters.business_date).astype("int64"))
    number = (day_span(day)[0] - start) // DAY
    factor = world.engagement.factor(customer, np.array([number]))
    return np.asarray(factor[:, 0], dtype="float32")


def _drawn(
    random: np.random.Generator, habits: MobileUsage, line: Array, level: Array
) -> dict[str, Array]:
    """Draw the day's counts, minutes and kilobytes of each line."""
    count = len(line)

    def uniform() -> Array:
        return random.random(count, dtype="float32")

    def varied() -> Array:
        return random.standard_exponential(count, dtype="float32")

    def whole(values: Array) -> Array:
        return (values + uniform()).astype("int32")  # rounds up or down by chance: mean is kept

    calls = habits.calls[line] * level
    outgoing = whole(calls * varied())
    incoming = whole(calls * habits.incoming_ratio[line] * varied())
    both = outgoing + incoming
    length = habits.minutes_per_call[line] * (np.float32(0.4) + np.float32(1.2) * uniform())
    total = habits.data_kb[line] * level
    total *= np.exp(np.float32(0.6) * random.standard_normal(count, dtype="float32"))
    total = np.minimum(total, np.float32(5e8)).astype("int32")
    wap = (total * habits.wap_share[line]).astype("int32")
    video = (total * habits.video_share[line]).astype("int32")
    social = (total * habits.social_share[line]).astype("int32")
    rest = np.maximum(total - video - social, 0)
    web = (rest * habits.web_share[line]).astype("int32")
    values = (
        outgoing,
        _minutes(outgoing, length),
        incoming,
        _minutes(incoming, length),
        np.minimum(
            both, 1 + (both * (np.float32(0.4) + np.float32(0.5) * uniform())).astype("int32")
        ),
        np.minimum(both, whole(both * habits.competitor_share[line])),
        whole(habits.messages[line] * level * varied() - np.float32(0.3)).clip(0),
        (uniform() < FIGURES.multimedia_share * level).astype("int32"),
        total - wap,
        wap,
        video,
        social,
        web,
        rest - web,
    )
    return dict(zip(USE_COLUMNS, values, strict=True))


def _minutes(calls: Array, length: Array) -> Array:
    """Every begun minute of a call counts, and no day has more than its minutes."""
    return np.asarray(np.minimum(np.ceil(calls * length), 1440).astype("int32"))


def _planted_use(habits: MobileUsage, day: date) -> pa.Table:
    """Return the single messages of the planted cases."""
    rows = habits.planted[habits.planted["message_date"] == day]["line"].to_numpy(dtype="int64")
    position = np.searchsorted(habits.lines, rows)
    zeros = np.zeros(len(rows), dtype="int32")
    return pa.table(
        {
            "subscription_id": taken(habits.ids, position),
            "usage_date": pa.repeat(pa.scalar(day, pa.date32()), len(rows)),
            **{name: zeros + (name == "sms_count") for name in USE_COLUMNS},
            "mobile": position,
        }
    )


EXTRACTS = {"usage.mobile_daily": mobile_daily}
