"""Simulate the operator and deliver its extracts, date by date, with the truth kept apart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.contracts import find_extract
from scripts.simulate_operator import behaviour, network, usage
from scripts.simulate_operator.behaviour import Churn, Engagement
from scripts.simulate_operator.landing import Landing
from scripts.simulate_operator.network import Faults, Optics
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.planted import Planted, plant
from scripts.simulate_operator.population import Population, contract_end_at, create
from scripts.simulate_operator.timeline import Array, Delivery, deliveries
from scripts.simulate_operator.truth import Truth

log = logging.getLogger(__name__)


@dataclass
class World:
    """Everything that happened at the simulated operator, but for the usage and the readings."""

    parameters: Parameters
    population: Population
    planted: Planted
    faults: Faults
    optics: Optics
    engagement: Engagement
    churn: Churn
    invoices: pd.DataFrame
    payments: pd.DataFrame


def simulate(parameters: Parameters) -> World:
    """Run the operator's history; the extracts are views of it."""
    population = create(parameters)
    planted = plant(parameters, population)
    faults = network.draw_faults(parameters, population, planted)
    optics = network.draw_optics(parameters, population)
    engagement = behaviour.draw_engagement(parameters, population)
    bills = behaviour.draw_bills(parameters, population, engagement)
    churn = behaviour.draw_churn(parameters, population, planted, faults, optics, engagement, bills)
    behaviour.end_subscriptions(population, churn)
    invoices, payments = behaviour.invoices_and_payments(parameters, population, bills)
    return World(
        parameters,
        population,
        planted,
        network.settle_faults(parameters, population, planted, faults),
        optics,
        engagement,
        churn,
        invoices,
        payments,
    )


def deliver(parameters: Parameters, landing_dir: Path, truth_dir: Path) -> dict[str, int]:
    """Write all extracts of all delivery dates and the truth; return the true rows per extract."""
    world = simulate(parameters)
    landing = Landing(landing_dir, parameters)
    truth = Truth(world.parameters, world.population)
    dates = deliveries(parameters.business_date)
    for number, delivery in enumerate(dates):
        _deliver_snapshots(world, landing, delivery)
        _deliver_events(world, landing, dates, number)
        readings = network.read_optics(
            parameters, world.population, world.planted, world.optics, delivery
        )
        truth.see_readings(readings)
        landing.write_csv(
            find_extract("line", "optical_reading"), delivery.business_date, readings, True
        )
        _deliver_usage(world, landing, truth, delivery)
        log.info("delivered %s (%d days)", delivery.business_date, len(delivery.days))
    truth.write(truth_dir, world.planted, world.faults, world.churn, landing.dirt)
    return landing.row_counts


def _deliver_snapshots(world: World, landing: Landing, delivery: Delivery) -> None:
    customers, end = world.population.customers, delivery.end
    known = customers[customers["joined_at"].to_numpy() < end]
    landing.write_csv(find_extract("crm", "customer"), delivery.business_date, known)
    landing.write_csv(
        find_extract("crm", "subscription"),
        delivery.business_date,
        subscriptions_at(world.population, end),
    )
    landing.write_csv(find_extract("crm", "plan"), delivery.business_date, world.population.plans)


def subscriptions_at(population: Population, end: np.datetime64) -> pd.DataFrame:
    """Return the subscriptions as the CRM knew them at `end`: no later event shows."""
    subscriptions = population.subscriptions
    terminated = subscriptions["terminated_at"].to_numpy()
    ended = terminated < end
    known = subscriptions.assign(
        terminated_at=np.where(ended, terminated, np.datetime64("NaT", "s")),
        termination_kind=subscriptions["termination_kind"].where(ended, None),
        contract_end_date=contract_end_at(subscriptions, end),
    )
    return known[subscriptions["activated_at"].to_numpy() < end]


def _deliver_events(
    world: World, landing: Landing, dates: tuple[Delivery, ...], number: int
) -> None:
    business_date = dates[number].business_date
    billing = (("invoice", "issued_at", world.invoices), ("payment", "paid_at", world.payments))
    for name, column, frame in billing:
        is_new = _delivery_numbers(dates, frame[column].to_numpy()) == number
        landing.write_csv(
            find_extract("billing", name), business_date, frame[is_new], name == "payment"
        )
    landing.write_csv(
        find_extract("fault", "trouble_ticket"), business_date, _tickets(world, dates, number)
    )
    landing.write_csv(
        find_extract("fault", "dispatch"), business_date, _dispatches(world, dates, number)
    )


def _tickets(world: World, dates: tuple[Delivery, ...], number: int) -> pd.DataFrame:
    """Return the tickets that are new or have changed, in the state at the end of that date."""
    tickets, end = world.faults.tickets, dates[number].end
    changed = tickets["changed_at"].to_numpy()
    is_changed = changed < end
    is_closed = is_changed & (tickets["final_state"] == "closed").to_numpy()
    current = tickets.assign(
        closed_at=np.where(is_closed, changed, np.datetime64("NaT", "s")),
        ticket_state=np.where(is_changed, tickets["final_state"], tickets["open_state"]),
        urge_count=np.where(is_changed, tickets["urge_count"], tickets["urge_count"] // 2),
        fault_category=tickets["category"],
    )
    return current[_is_due(dates, number, tickets["reported_at"].to_numpy(), changed)]


def _dispatches(world: World, dates: tuple[Delivery, ...], number: int) -> pd.DataFrame:
    dispatches, end = world.faults.dispatches, dates[number].end
    completed = dispatches["completed_at"].to_numpy()
    current = dispatches.assign(
        completed_at=np.where(completed < end, completed, np.datetime64("NaT", "s"))
    )
    return current[_is_due(dates, number, dispatches["dispatched_at"].to_numpy(), completed)]


def _is_due(dates: tuple[Delivery, ...], number: int, created: Array, changed: Array) -> Array:
    return np.asarray(
        (_delivery_numbers(dates, created) == number)
        | (_delivery_numbers(dates, changed) == number)
    ) & (_delivery_numbers(dates, created) <= number)


def _delivery_numbers(dates: tuple[Delivery, ...], moments: Array) -> Array:
    """Return which delivery carries each moment; what lies before the history comes with the first.

    An event in the very moment in which the business date ends comes with the last delivery (a
    clock that is slightly fast): whoever reads the extracts must leave it to the next day.
    """
    ends = np.array([delivery.end for delivery in dates])
    numbers = np.searchsorted(ends, moments, side="right")
    return np.asarray(np.where(moments == ends[-1], len(dates) - 1, numbers))


def _deliver_usage(world: World, landing: Landing, truth: Truth, delivery: Delivery) -> None:
    ids = world.population.subscriptions["subscription_id"].to_numpy()
    drawn = usage.draw_usage(
        world.parameters, world.population, world.planted, world.engagement, delivery
    )

    def seen() -> Iterator[pd.DataFrame]:
        for frame in drawn:
            truth.see_usage(frame)
            yield frame.assign(subscription_id=ids[frame["line"]])

    extract = find_extract("usage", "broadband_hourly")
    landing.write_parquet(extract, delivery.business_date, seen())
