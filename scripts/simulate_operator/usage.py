"""Hourly broadband usage, drawn block by block so that memory does not grow with the operator."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.behaviour import Engagement
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.planted import GIBIBYTE, Planted
from scripts.simulate_operator.population import Population
from scripts.simulate_operator.timeline import DAY, Array, Delivery, end_of, history_start, midnight

BLOCK_LINES = 10_000
USAGE_COLUMNS = ["line", "hour_start_at", "download_bytes", "upload_bytes", "online_minutes"]
TRAFFIC_WINDOW_DAYS = 30
# Share of a day's online hours in each hour of the day: quiet nights, busy evenings.
HOURS = np.array([3, 1, 1, 1, 1, 1, 2, 4, 4, 4, 4, 4, 6, 5, 4, 4, 5, 6, 8, 10, 11, 11, 9, 6])


def draw_usage(
    parameters: Parameters,
    population: Population,
    planted: Planted,
    engagement: Engagement,
    delivery: Delivery,
) -> Iterator[pa.Table]:
    """Yield the hours online of one delivery, ordered by line and hour, planted rows last.

    `line` comes beside the columns of the extract.
    """
    lines = np.flatnonzero(population.subscriptions["product_type"] == "broadband")
    customer = population.subscriptions["customer"].to_numpy()
    ids = pa.array(population.subscriptions["subscription_id"], pa.string())
    rate, activity = _habits(parameters, population, lines)
    for block in range(0, len(lines), BLOCK_LINES):
        part = slice(block, block + BLOCK_LINES)
        random = parameters.random("usage", delivery.business_date.toordinal(), block)
        chance = activity[part, None] * _presence(population, lines[part], delivery)
        chance *= engagement.factor(customer[lines[part]], _day_numbers(parameters, delivery))
        drawn = _hours(parameters, random, lines[part], rate[part], chance, delivery)
        drawn = _without_replaced(parameters, planted, drawn)
        if len(drawn["line"]):
            yield _table(ids, drawn)
    yield _table(ids, _planted_hours(planted, delivery))


def _table(ids: pa.Array, hours: dict[str, Array]) -> pa.Table:
    return pa.table({"subscription_id": ids.take(pa.array(hours["line"]))} | hours)


def _habits(parameters: Parameters, population: Population, lines: Array) -> tuple[Array, Array]:
    """Return each line's usual GiB per online hour and how active it is (1 on average)."""
    random = parameters.random("habits")
    quantile = NormalDist().inv_cdf(1 - parameters.heavy_usage_share)
    sigma = parameters.gibibytes_per_hour_sigma
    speed = population.subscriptions["bandwidth_mbps"].to_numpy()[lines]
    taste = 0.35 * _standardised(np.log(speed)) + np.sqrt(1 - 0.35**2) * random.standard_normal(
        len(lines)
    )
    rate = np.exp(sigma * (_standardised(taste) - quantile))
    activity = random.gamma(6.0, 1 / 6.0, len(lines)).clip(0.1, 2.6)
    return rate.astype("float32"), activity.astype("float32")


def _standardised(values: Array) -> Array:
    return np.asarray((values - values.mean()) / values.std())


def _day_numbers(parameters: Parameters, delivery: Delivery) -> Array:
    first = midnight(delivery.first_day) - history_start(parameters.business_date)
    return np.arange(len(delivery.days)) + int(first.astype("int64")) // DAY


def _presence(population: Population, lines: Array, delivery: Delivery) -> Array:
    """Return lines × days: 1 on days on which the line lives from start to end, else 0."""
    start = np.array([midnight(day) for day in delivery.days])
    activated = population.subscriptions["activated_at"].to_numpy()[lines]
    terminated = population.subscriptions["terminated_at"].to_numpy()[lines]
    lives = (activated[:, None] <= start) & ~(
        terminated[:, None] < start + np.timedelta64(DAY, "s")
    )
    weekend = np.array([1.15 if day.weekday() >= 5 else 0.94 for day in delivery.days])
    return np.asarray(lives * weekend, dtype="float32")


def _hours(
    parameters: Parameters,
    random: np.random.Generator,
    lines: Array,
    rate: Array,
    chance: Array,
    delivery: Delivery,
) -> dict[str, Array]:
    """Draw which hours each line is online, for how many minutes and with how many bytes."""
    profile = (HOURS / HOURS.sum() * parameters.mean_online_hours).astype("float32")
    draw = random.random((*chance.shape, 24), dtype="float32")
    line, day, hour = np.nonzero(draw < (chance[:, :, None] * profile).clip(0, 0.97))
    count = len(line)
    minutes = np.minimum(random.integers(12, 95, count, dtype="int32"), 60)
    sigma = np.float32(parameters.hourly_sigma)
    noise = np.exp(sigma * random.standard_normal(count, dtype="float32") - sigma**2 / 2)
    total = rate[line] * noise * (minutes.astype("float32") / 60) * np.float32(GIBIBYTE)
    share = np.float32(0.03) + np.float32(0.12) * random.random(count, dtype="float32")
    upload = (total * share).astype("int64")
    start = midnight(delivery.first_day) + ((day * 24 + hour) * 3600).astype("timedelta64[s]")
    values = (lines[line], start, total.astype("int64") - upload, upload, minutes)
    return dict(zip(USAGE_COLUMNS, values, strict=True))


def _without_replaced(
    parameters: Parameters, planted: Planted, drawn: dict[str, Array]
) -> dict[str, Array]:
    """Leave out the hours of planted lines in their exact window and on the day before it."""
    first = end_of(parameters.business_date) - np.timedelta64((TRAFFIC_WINDOW_DAYS + 1) * DAY, "s")
    lines = planted.lines("high_traffic_bandwidth")
    is_planted = np.isin(drawn["line"], lines)
    if not is_planted.any():
        return drawn
    kept = ~(is_planted & (drawn["hour_start_at"] >= first))
    return {name: values[kept] for name, values in drawn.items()}


def _planted_hours(planted: Planted, delivery: Delivery) -> dict[str, Array]:
    hours = pd.DataFrame(planted.usage)[USAGE_COLUMNS]
    hours["hour_start_at"] = hours["hour_start_at"].astype("datetime64[s]")
    start = hours["hour_start_at"]
    inside = hours[(start >= delivery.start) & (start < delivery.end)]
    inside = inside.sort_values(["line", "hour_start_at"])
    return {name: inside[name].to_numpy() for name in USAGE_COLUMNS}
