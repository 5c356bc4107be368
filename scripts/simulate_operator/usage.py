"""Hourly broadband usage, drawn block by block so that memory does not grow with the operator."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import pandas as pd

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
) -> Iterator[pd.DataFrame]:
    """Yield the hours online of one delivery, ordered by line and hour, planted rows last."""
    lines = np.flatnonzero(population.subscriptions["product_type"] == "broadband")
    rate, activity = _habits(parameters, population, lines)
    for block in range(0, len(lines), BLOCK_LINES):
        part = slice(block, block + BLOCK_LINES)
        random = parameters.random("usage", delivery.business_date.toordinal(), block)
        chance = activity[part, None] * _presence(population, lines[part], delivery)
        chance *= engagement.factor(
            population.subscriptions["customer"].to_numpy()[lines[part]],
            _day_numbers(parameters, delivery),
        )
        drawn = _hours(parameters, random, lines[part], rate[part], chance, delivery)
        yield drawn[~_is_replaced(parameters, planted, drawn)]
    yield _planted_hours(planted, delivery)


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
) -> pd.DataFrame:
    """Draw which hours each line is online, for how many minutes and with how many bytes."""
    profile = (HOURS / HOURS.sum() * parameters.mean_online_hours).astype("float32")
    draw = random.random((*chance.shape, 24), dtype="float32")
    line, day, hour = np.nonzero(draw < (chance[:, :, None] * profile).clip(0, 0.97))
    count = len(line)
    minutes = np.minimum(random.integers(12, 95, count), 60)
    sigma = np.float32(parameters.hourly_sigma)
    noise = np.exp(sigma * random.standard_normal(count, dtype="float32") - sigma**2 / 2)
    total = rate[line] * noise * (minutes / 60) * GIBIBYTE
    upload = total * random.uniform(0.03, 0.15, count)
    start = midnight(delivery.first_day) + ((day * 24 + hour) * 3600).astype("timedelta64[s]")
    values = (
        lines[line],
        start,
        (total - upload).astype("int64"),
        upload.astype("int64"),
        minutes.astype("int64"),
    )
    return pd.DataFrame(dict(zip(USAGE_COLUMNS, values, strict=True)))


def _is_replaced(parameters: Parameters, planted: Planted, drawn: pd.DataFrame) -> Array:
    """Tell the hours of planted lines that lie in their exact window or the days just before."""
    first = end_of(parameters.business_date) - np.timedelta64((TRAFFIC_WINDOW_DAYS + 1) * DAY, "s")
    is_planted = np.isin(drawn["line"], planted.lines("high_traffic_bandwidth"))
    return is_planted & (drawn["hour_start_at"].to_numpy() >= first)


def _planted_hours(planted: Planted, delivery: Delivery) -> pd.DataFrame:
    hours = pd.DataFrame(planted.usage)[USAGE_COLUMNS]
    hours["hour_start_at"] = hours["hour_start_at"].astype("datetime64[s]")
    start = hours["hour_start_at"]
    inside = (start >= midnight(delivery.first_day)) & (start < delivery.end)
    return hours[inside].sort_values(["line", "hour_start_at"], ignore_index=True)
