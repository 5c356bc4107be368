"""Value-added services of mobile subscriptions and what they cost in each month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scripts.simulate_operator.event_rows import (
    FAR,
    chosen,
    coded,
    day_span,
    moments,
    optional,
    since_epoch,
    staff_ids,
    taken,
)
from scripts.simulate_operator.timeline import DAY, Array, Delivery, end_of

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "value_added"
BLOCK_ROWS = 400_000
CANCELLED_SHARE = 0.15  # services cancelled at some time before the business date
GROUP_SHARE = 0.12  # ring-back tones held by a group
USED_SPREAD = 0.35  # of a month's data around what is usual
CHARGED_HOUR = 3
CHANNELS = ("store", "hotline", "outbound", "web_hall", "sms_hall", "app", "service_provider")
CHANNEL_SHARES = (0.30, 0.12, 0.10, 0.16, 0.12, 0.16, 0.04)
STAFFED_CHANNELS = 3  # the first of CHANNELS
CLERK_PREFIX = "YY"


@dataclass(frozen=True)
class Service:
    """A service as it is sold; `share` of the mobile subscriptions hold it."""

    code: str
    name: str
    kind: str
    share: float
    fee: float
    provider: str = ""
    allowance_kb: int = 0


GIGABYTE_KB = 1024**2
# BI-11 and BI-12: data package, ring-back tone, messages and services of content providers. A
# subscription holds one data package at most.
SERVICES = (
    Service("GPRS01", "流量包1G", "data_package", 0.14, 10.0, allowance_kb=GIGABYTE_KB),
    Service("GPRS10", "流量包10G", "data_package", 0.24, 20.0, allowance_kb=10 * GIGABYTE_KB),
    Service("GPRS30", "流量包30G", "data_package", 0.12, 30.0, allowance_kb=30 * GIGABYTE_KB),
    Service("CRBT01", "彩铃", "ring_back_tone", 0.34, 5.0),
    Service("SMS100", "短信包100条", "sms_package", 0.07, 5.0),
    Service("MMS001", "彩信相册", "multimedia_message", 0.06, 0.0),
    Service("MMS002", "彩信贺卡", "multimedia_message", 0.03, 0.0),
    Service("SP0101", "手机报", "service_provider", 0.06, 3.0, "SP01"),
    Service("SP0201", "天气预报", "service_provider", 0.04, 2.0, "SP02"),
)
PROVIDERS = ("SP01", "SP02")
PACKAGES = [number for number, item in enumerate(SERVICES) if item.allowance_kb]


@dataclass(frozen=True)
class ValueAdded:
    """Services held; one entry per subscription and service. Times are seconds since 1970."""

    mobile: Array  # position in MobileUsage
    service: Array  # position in SERVICES
    subscribed: Array
    unsubscribed: Array
    terminated: Array
    channel: Array
    staff: Array
    is_group: Array
    staff_ids: pa.Array


def simulate(world: World) -> ValueAdded:
    """Draw which services each mobile subscription holds, since when and until when."""
    random = world.parameters.random("value_added")
    clerks = staff_ids(world, CLERK_PREFIX)
    usage = world.sources["mobile_usage"]
    count = len(usage.lines)
    package_shares = [SERVICES[number].share for number in PACKAGES]
    package = chosen(random, [*package_shares, 1 - sum(package_shares)], count)
    held = [(number, np.flatnonzero(package == at)) for at, number in enumerate(PACKAGES)]
    for number, service in enumerate(SERVICES):
        if number not in PACKAGES:
            held.append((number, np.flatnonzero(random.random(count) < service.share)))
    mobile = np.concatenate([rows for _, rows in held])
    kind = np.concatenate([np.full(len(rows), number) for number, rows in held])
    order = np.lexsort((kind, mobile))
    mobile, kind = mobile[order], kind[order]

    end = int(end_of(world.parameters.business_date).astype("int64"))
    terminations = world.population.subscriptions["terminated_at"].to_numpy()[usage.lines]
    terminated = since_epoch(terminations)[mobile]
    activated = usage.activated[mobile]
    span = (np.minimum(terminated, end) - activated).clip(1)
    subscribed = activated + (random.random(len(mobile)) * span).astype("int64")
    remaining = (np.minimum(terminated, end) - subscribed).clip(1)
    stops = subscribed + 1 + (random.random(len(mobile)) * remaining).astype("int64")
    is_cancelled = random.random(len(mobile)) < CANCELLED_SHARE
    is_tone = np.array([item.kind == "ring_back_tone" for item in SERVICES])[kind]
    return ValueAdded(
        mobile=mobile,
        service=kind,
        subscribed=subscribed,
        unsubscribed=np.where(is_cancelled, np.minimum(stops, terminated), FAR),
        terminated=terminated,
        channel=chosen(random, CHANNEL_SHARES, len(mobile)),
        staff=random.integers(0, len(clerks), len(mobile)),
        is_group=is_tone & (random.random(len(mobile)) < GROUP_SHARE),
        staff_ids=clerks,
    )


def value_added_monthly(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the month before for each first of a month that the delivery covers."""
    held: ValueAdded = world.sources[NAME]
    charging_days = [day for day in delivery.days if day.day == 1]
    if not charging_days:
        yield _month(world, held, delivery.business_date, np.zeros(0, dtype="int64"), 0)
    for day in charging_days:
        month = (day - timedelta(days=1)).replace(day=1)
        start, end = day_span(month)[0], day_span(day)[0]
        is_held = (
            (held.subscribed < end) & ~(held.unsubscribed < start) & ~(held.terminated < start)
        )
        rows = np.flatnonzero(is_held)
        for block in range(0, max(len(rows), 1), BLOCK_ROWS):
            yield _month(world, held, day, rows[block : block + BLOCK_ROWS], block)


def _month(world: World, held: ValueAdded, charged: date, rows: Array, block: int) -> pa.Table:
    """Charge the services at `rows` for the month before the day `charged`.

    `mobile`, the position in MobileUsage, comes beside the columns of the extract.
    """
    random = world.parameters.random("value_added_monthly", charged.toordinal(), block)
    usage = world.sources["mobile_usage"]
    month = (charged - timedelta(days=1)).replace(day=1)
    start, end = day_span(month)[0], day_span(charged)[0]
    service, mobile, count = held.service[rows], held.mobile[rows], len(rows)
    until = np.minimum.reduce(
        [held.unsubscribed[rows], usage.silent_from[mobile], np.full(count, end)]
    )
    used_days = ((until - np.maximum(held.subscribed[rows], start)) // DAY).clip(0)
    kinds = np.array([item.kind for item in SERVICES], dtype=object)[service]
    is_package = kinds == "data_package"
    is_provider = kinds == "service_provider"
    is_tone = kinds == "ring_back_tone"
    allowance = np.array([item.allowance_kb for item in SERVICES])[service]
    noise = np.exp(USED_SPREAD * random.standard_normal(count))
    used = np.minimum(usage.data_kb[mobile] * used_days * noise, allowance).astype("int64")
    uses = random.poisson(used_days * np.where(is_tone, 3.0, 0.4))
    downlink = random.poisson(used_days * np.where(is_provider, 1.0, 0.0))
    changes = random.poisson(np.where(is_tone & (used_days > 0), 0.3, 0.0))
    fee = np.array([item.fee for item in SERVICES])[service]
    information = np.where(is_tone, 2.0 * changes, np.where(is_provider, 1.0 * (uses > 5), 0.0))
    is_over = held.unsubscribed[rows] >= day_span(charged)[0]
    stops = np.where(is_over, 0, held.unsubscribed[rows]).astype("datetime64[s]")
    is_staffed = held.channel[rows] < STAFFED_CHANNELS
    providers = np.array([PROVIDERS.index(item.provider) if item.provider else -1
                          for item in SERVICES])  # fmt: skip
    return pa.table(
        {
            "subscription_id": taken(usage.ids, mobile),
            "usage_month": pa.repeat(pa.scalar(month, pa.date32()), count),
            "service_code": coded([item.code for item in SERVICES], service),
            "service_name": coded([item.name for item in SERVICES], service),
            "service_kind": coded([item.kind for item in SERVICES], service),
            "provider_code": coded(PROVIDERS, providers[service]),
            "subscribed_at": held.subscribed[rows].astype("datetime64[s]"),
            "subscribed_channel": coded(CHANNELS, held.channel[rows]),
            "subscribed_staff_id": taken(
                held.staff_ids, np.where(is_staffed, held.staff[rows], -1)
            ),
            "holder_kind": coded(("personal", "group"), held.is_group[rows].astype("int32")),
            "unsubscribed_at": optional(stops, is_over),
            "use_count": np.where(is_package, used_days * (used > 0), uses),
            "change_count": changes,
            "uplink_count": np.where(is_provider, downlink // 8, 0),
            "downlink_sms_count": downlink,
            "downlink_wap_count": downlink // 6,
            "downlink_mms_count": downlink // 2,
            "allowance_kb": optional(allowance, ~is_package),
            "used_kb": optional(used, ~is_package),
            "function_fee_amount": fee,
            "information_fee_amount": information,
            "mobile": mobile,
            "charged_at": moments(charged, CHARGED_HOUR * 3600 + random.integers(0, 3600, count)),
        }
    )


EXTRACTS = {"usage.value_added_monthly": value_added_monthly}
