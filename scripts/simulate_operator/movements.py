"""Where mobile customers travel (roaming) and where they send their calls (call forwarding)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.event_rows import (
    chosen,
    coded,
    day_span,
    daytimes,
    identifiers,
    moments,
    numbered,
    taken,
)
from scripts.simulate_operator.mobile_usage import is_in_use
from scripts.simulate_operator.population import PHONE_PREFIX
from scripts.simulate_operator.timeline import DAY, Array, Delivery, end_of, history_start

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "movements"
BORDER_COUNTIES = ("石门县", "草甸县", "雪峰县", "渔东县")
KINDS = ("border", "domestic", "international")
# Place, city and kind of a visit. The first are the pair of provinces of BI-23.
PLACES = (
    ("重庆市", "渝北区", "domestic"),
    ("重庆市", "合川区", "border"),
    ("四川省", "广安市", "border"),
    ("广东省", "广州市", "domestic"),
    ("北京市", "朝阳区", "domestic"),
    ("上海市", "浦东新区", "domestic"),
    ("泰国", None, "international"),
)
TRAVEL_SHARES = (0.28, 0.0, 0.0, 0.28, 0.20, 0.20, 0.04)
FREQUENT_PLACE = 0
BORDER_PLACES = (1, 2)
FREQUENT_SHARE = 0.012  # BI-23: travel to and fro between two provinces
FREQUENT_RATE = 0.22  # days on the way
TRAVEL_RATE = 0.004
BORDER_RATE = 0.05  # of customers who live at the border
MINUTE_FEE, MEGABYTE_FEE = 0.4, 0.01  # yuan
OPERATORS = ("own", "mobile", "telecom", "unicom", "broadnet", "unknown")
OPERATOR_SHARES = (0.55, 0.12, 0.12, 0.12, 0.04, 0.05)
FORWARDING_KINDS = ("unconditional", "busy", "no_answer", "unreachable")
CHANNELS = ("handset", "hotline", "store", "web_hall", "app")
MONTHLY_FORWARDING = 0.003  # subscriptions that set a forwarding for an ordinary reason
LEAVER_FORWARDING = 0.35  # KEEP-09: of those who leave of their own will, to a competitor before
LEAVER_DAYS = 45
KEPT_SHARE = 0.4  # forwardings that are never cancelled


@dataclass(frozen=True)
class Movements:
    """Chance of roaming per day and place for each mobile subscription, and the forwardings."""

    is_frequent: Array
    rate: Array
    at_border: Array
    forwardings: pd.DataFrame  # mobile, second, action, kind, operator, number; in order of time


def simulate(world: World) -> Movements:
    """Draw who travels how often, and every call forwarding of the history."""
    random = world.parameters.random("movements")
    usage = world.sources["mobile_usage"]
    county = world.population.customers["county"].to_numpy(dtype=object)[usage.customer]
    is_frequent = random.random(len(usage.lines)) < FREQUENT_SHARE
    at_border = np.isin(county, BORDER_COUNTIES)
    own_rate = TRAVEL_RATE * random.gamma(0.7, 1 / 0.7, len(usage.lines))
    rate = np.where(is_frequent, FREQUENT_RATE, np.where(at_border, BORDER_RATE, own_rate))
    return Movements(is_frequent, rate.astype("float32"), at_border, _forwardings(world))


def _forwardings(world: World) -> pd.DataFrame:
    random = world.parameters.random("forwardings")
    usage = world.sources["mobile_usage"]
    start = int(history_start(world.parameters.business_date).astype("int64"))
    end = int(end_of(world.parameters.business_date).astype("int64"))
    kinds = world.population.subscriptions["termination_kind"].to_numpy(dtype=object)[usage.lines]
    count = random.poisson(MONTHLY_FORWARDING * (end - start) / DAY / 30, len(usage.lines))
    ordinary = np.repeat(np.arange(len(usage.lines)), count)
    leavers = np.flatnonzero((kinds == "active") & (usage.silent_from > start))
    leavers = leavers[random.random(len(leavers)) < LEAVER_FORWARDING]
    before = (random.uniform(0.5, LEAVER_DAYS, len(leavers)) * DAY).astype("int64")
    mobile = np.concatenate([ordinary, leavers])
    second = np.concatenate(
        [random.integers(start, end, len(ordinary)), usage.silent_from[leavers] - before]
    )
    is_leaver = np.arange(len(mobile)) >= len(ordinary)
    operator = chosen(random, OPERATOR_SHARES, len(mobile))
    operator = np.where(is_leaver, random.integers(1, 4, len(mobile)), operator)
    kind = np.where(is_leaver, 0, random.integers(0, len(FORWARDING_KINDS), len(mobile)))
    lasting = (random.exponential(12, len(mobile)) * DAY).astype("int64") + 600
    is_kept = is_leaver | (random.random(len(mobile)) < KEPT_SHARE)
    columns = {
        "mobile": mobile,
        "second": second,
        "action": np.zeros(len(mobile), dtype="int64"),
        "kind": kind,
        "operator": operator,
        "number": random.integers(0, 10**8, len(mobile)),
        "channel": chosen(random, (0.7, 0.08, 0.07, 0.07, 0.08), len(mobile)),
    }
    made = pd.DataFrame(columns)
    cancelled = made.assign(second=second + lasting, action=1, number=-1, operator=-1)
    events = pd.concat([made, cancelled[~is_kept]], ignore_index=True)
    position = events["mobile"].to_numpy()
    moment = events["second"].to_numpy()
    is_seen = (moment >= usage.activated[position]) & (moment < usage.silent_from[position])
    kept = pd.DataFrame(events[is_seen & (moment < end)])
    return kept.sort_values("second", kind="stable", ignore_index=True)


def roaming(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the stays of the delivery's days; `mobile` comes beside the extract's columns."""
    for day in delivery.days:
        yield _stays(world, day)


def _stays(world: World, day: date) -> pa.Table:
    random = world.parameters.random("roaming", day.toordinal())
    usage, moved = world.sources["mobile_usage"], world.sources[NAME]
    travels = random.random(len(moved.rate), dtype="float32") < moved.rate
    mobile = np.flatnonzero(travels & is_in_use(world, day))
    begun = daytimes(random, len(mobile))
    mobile, begun = mobile[np.argsort(begun, kind="stable")], np.sort(begun)
    count = len(mobile)
    place = chosen(random, TRAVEL_SHARES, count)
    place = np.where(moved.at_border[mobile], random.choice(BORDER_PLACES, count), place)
    place = np.where(moved.is_frequent[mobile], FREQUENT_PLACE, place)
    kind = np.array([KINDS.index(item[2]) for item in PLACES])[place]
    stay = np.where(kind == 0, random.integers(300, 5400, count), random.integers(3600, DAY, count))
    ended = np.minimum(begun + stay, DAY - 1)
    share = (ended - begun) / DAY
    minutes = random.poisson(usage.calls[mobile] * 3 * share)
    data = (usage.data_kb[mobile] * share * random.random(count)).astype("int64")
    fee = np.where(kind == 2, 5.0, 1.0) * (MINUTE_FEE * minutes + MEGABYTE_FEE * data / 1024)
    cities = [item[1] for item in PLACES if item[1] is not None]
    cell = np.where(kind == 2, -1, place * 1000 + random.integers(0, 40, count))
    return pa.table(
        {
            "roaming_id": numbered("R", day, count),
            "subscription_id": taken(usage.ids, mobile),
            "started_at": moments(day, begun),
            "ended_at": moments(day, ended),
            "roaming_kind": coded(KINDS, kind),
            "visited_province": coded([item[0] for item in PLACES], place),
            "visited_city": coded(cities, np.where(kind == 2, -1, place)),
            "base_station_id": _cells(cell),
            "voice_minutes": minutes.clip(0, 1440),
            "sms_count": random.poisson(usage.messages[mobile] * share),
            "data_kb": data,
            "roaming_fee_amount": fee.round(2),
            "mobile": mobile,
        }
    )


def _cells(cell: Array) -> pa.Array:
    names = identifiers("JZ", np.maximum(cell, 0), 8)
    return taken(names, np.where(cell < 0, -1, np.arange(len(cell))))


def call_forwarding(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the forwardings set or cancelled on the delivery's days."""
    usage = world.sources["mobile_usage"]
    events: pd.DataFrame = world.sources[NAME].forwardings
    for day in delivery.days:
        low, high = np.searchsorted(events["second"].to_numpy(), day_span(day))
        part = events.iloc[low:high]
        number = part["number"].to_numpy()
        phones = identifiers(PHONE_PREFIX, np.maximum(number, 0), 8)
        is_set = part["action"].to_numpy() == 0
        yield pa.table(
            {
                "forwarding_id": numbered("H", day, len(part)),
                "subscription_id": taken(usage.ids, part["mobile"].to_numpy()),
                "changed_at": part["second"].to_numpy().astype("datetime64[s]"),
                "forwarding_action": coded(("set", "cancelled"), part["action"].to_numpy()),
                "forwarding_kind": coded(FORWARDING_KINDS, part["kind"].to_numpy()),
                "target_number": taken(phones, np.where(is_set, np.arange(len(part)), -1)),
                "target_operator": coded(OPERATORS, part["operator"].to_numpy()),
                "changed_channel": coded(CHANNELS, part["channel"].to_numpy()),
            }
        )


EXTRACTS = {"usage.roaming": roaming, "usage.call_forwarding": call_forwarding}
