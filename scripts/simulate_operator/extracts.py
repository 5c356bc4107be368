"""The simulated operator's history, and the extracts as views of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scripts.simulate_operator import (
    behaviour,
    channels,
    contacts,
    customer_attributes,
    customer_records,
    hoppers,
    line_tests,
    loyal_customers,
    mass_messages,
    mobile_usage,
    movements,
    network,
    orders,
    organisation,
    retention_feedback,
    service_status,
    usage,
    value_added,
)
from scripts.simulate_operator.behaviour import Churn, Engagement
from scripts.simulate_operator.hoppers import Hoppers
from scripts.simulate_operator.network import Faults, Optics
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.planted import Planted, plant
from scripts.simulate_operator.population import Population, contract_end_at, create
from scripts.simulate_operator.rendering import Rows
from scripts.simulate_operator.timeline import Array, Delivery

BLOCK_ROWS = 100_000


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
    hoppers: Hoppers
    invoices: pd.DataFrame
    payments: pd.DataFrame
    sources: dict[str, Any] = field(default_factory=dict)  # what happened at each of SOURCES


ExtractFunction = Callable[[World, Delivery], Iterator[Rows]]


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
    loyal_customers.move_to_cheap_plan(parameters, population, bills)
    drawn_invoices = behaviour.draw_invoices(parameters, population, bills)
    hopping = hoppers.add(parameters, population, engagement, bills, churn)
    invoices, payments = behaviour.invoices_and_payments(
        parameters,
        population,
        [*bills.months, *hopping.months],
        [*drawn_invoices, hopping.invoices],
    )
    world = World(
        parameters,
        population,
        planted,
        network.settle_faults(parameters, population, planted, faults),
        optics,
        engagement,
        churn,
        hopping,
        invoices,
        payments,
    )
    for module in SOURCES:
        world.sources[module.NAME] = module.simulate(world)
    return world


def extract_functions() -> dict[str, ExtractFunction]:
    """Return the function of every extract that the source systems deliver."""
    return EXTRACTS | {name: rows for module in SOURCES for name, rows in module.EXTRACTS.items()}


def customers(world: World, delivery: Delivery) -> Iterator[Rows]:
    known = world.population.customers
    for part in _blocks(np.flatnonzero(known["joined_at"].to_numpy() < delivery.end)):
        yield known.iloc[part]


def subscriptions(world: World, delivery: Delivery) -> Iterator[Rows]:
    """Yield the subscriptions as the CRM knows them that night: no later event shows."""
    everything, end = world.population.subscriptions, delivery.end
    for part in _blocks(np.flatnonzero(everything["activated_at"].to_numpy() < end)):
        known = everything.iloc[part]
        terminated = known["terminated_at"].to_numpy()
        ended = terminated < end
        yield known.assign(
            terminated_at=np.where(ended, terminated, np.datetime64("NaT", "s")),
            termination_kind=known["termination_kind"].where(ended, None),
            contract_end_date=contract_end_at(known, end),
        )


def plans(world: World, delivery: Delivery) -> Iterator[Rows]:
    yield world.population.plans


def invoices(world: World, delivery: Delivery) -> Iterator[Rows]:
    due = np.flatnonzero(delivery.has_events(world.invoices["issued_at"].to_numpy()))
    for part in _blocks(due):
        rows = world.invoices.iloc[part]
        accounts = world.population.accounts.iloc[rows["account"]]
        yield rows.assign(
            invoice_id=pd.array(behaviour.invoice_ids(part), dtype="str"),
            account_id=accounts["account_id"].array,
            customer_id=accounts["customer_id"].array,
        )


def payments(world: World, delivery: Delivery) -> Iterator[Rows]:
    due = np.flatnonzero(delivery.has_events(world.payments["paid_at"].to_numpy()))
    for part in _blocks(due):
        rows = world.payments.iloc[part]
        accounts = world.population.accounts.iloc[rows["account"]]
        yield rows.assign(
            payment_id=pd.array(behaviour.payment_ids(part), dtype="str"),
            invoice_id=pd.array(behaviour.invoice_ids(rows["invoice"].to_numpy()), dtype="str"),
            account_id=accounts["account_id"].array,
            customer_id=accounts["customer_id"].array,
        )


def tickets(world: World, delivery: Delivery) -> Iterator[Rows]:
    """Yield the tickets that are new or have changed, in the state at the end of that date."""
    known, end = world.faults.tickets, delivery.end
    changed = known["changed_at"].to_numpy()
    is_changed = changed < end
    is_closed = is_changed & (known["final_state"] == "closed").to_numpy()
    current = known.assign(
        closed_at=np.where(is_closed, changed, np.datetime64("NaT", "s")),
        ticket_state=np.where(is_changed, known["final_state"], known["open_state"]),
        urge_count=np.where(is_changed, known["urge_count"], known["urge_count"] // 2),
        fault_category=known["category"],
    )
    yield current[_is_due(delivery, known["reported_at"].to_numpy(), changed)]


def dispatches(world: World, delivery: Delivery) -> Iterator[Rows]:
    known, end = world.faults.dispatches, delivery.end
    completed = known["completed_at"].to_numpy()
    current = known.assign(
        completed_at=np.where(completed < end, completed, np.datetime64("NaT", "s"))
    )
    yield current[_is_due(delivery, known["dispatched_at"].to_numpy(), completed)]


def _blocks(rows: Array) -> Iterator[Array]:
    """Yield the row numbers in parts, so that memory does not grow with the operator."""
    for first in range(0, len(rows), BLOCK_ROWS):
        yield rows[first : first + BLOCK_ROWS]


def _is_due(delivery: Delivery, created: Array, changed: Array) -> Array:
    is_known = created <= delivery.end if delivery.is_last else created < delivery.end
    is_changed = delivery.has_changes(created) | delivery.has_changes(changed)
    return np.asarray(is_known & is_changed)


def optical_readings(world: World, delivery: Delivery) -> Iterator[Rows]:
    return network.read_optics(
        world.parameters, world.population, world.planted, world.optics, delivery
    )


def broadband_hours(world: World, delivery: Delivery) -> Iterator[Rows]:
    return usage.draw_usage(
        world.parameters, world.population, world.planted, world.engagement, delivery
    )


EXTRACTS: dict[str, ExtractFunction] = {
    "crm.customer": customers,
    "crm.subscription": subscriptions,
    "crm.plan": plans,
    "billing.invoice": invoices,
    "billing.payment": payments,
    "fault.trouble_ticket": tickets,
    "fault.dispatch": dispatches,
    "line.optical_reading": optical_readings,
    "usage.broadband_hourly": broadband_hours,
}

# Further source systems, each a module with NAME, simulate(world) and EXTRACTS; a module may look
# at what the ones before it have simulated.
SOURCES: tuple[Any, ...] = (
    organisation,
    service_status,
    customer_records,
    customer_attributes,
    mobile_usage,
    movements,
    value_added,
    orders,
    line_tests,
    mass_messages,
    contacts,
    channels,
    retention_feedback,
)
