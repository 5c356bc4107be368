"""What staff know of customers and keep in the CRM's knowledge base (TIER-09)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator import matters
from scripts.simulate_operator.customer_records import changed_rows
from scripts.simulate_operator.event_rows import coded, since_epoch, taken, texts
from scripts.simulate_operator.timeline import Delivery, days, end_of

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "customer_attributes"
NEVER = np.datetime64("NaT", "s")
WITHDRAWN = -1
# Each attribute's share of the customers who have any, and its values: words of the knowledge base,
# in habits and beliefs also what staff wrote.
ATTRIBUTES: dict[str, tuple[float, tuple[str, ...]]] = {
    "hobby": (0.55, ("games", "video", "sport", "travel", "music", "钓鱼")),
    "income_band": (0.35, ("low", "middle", "high", "retired")),
    "household": (0.45, ("child", "elderly", "single", "couple")),
    "habit": (0.30, ("night_owl", "weekend_user", "pays_in_cash", "喜欢到厅办理")),
    "belief": (0.04, ("buddhist", "muslim", "christian", "none", "佛教")),
    "character": (0.25, ("patient", "hasty", "careful", "talkative")),
}
CODES = tuple(ATTRIBUTES)
VALUES = tuple(dict.fromkeys(value for _, values in ATTRIBUTES.values() for value in values))


@dataclass(frozen=True)
class Figures:
    """How much staff enter; without a source the figure is a plausible choice."""

    described_share: float = 1 / 6  # customers with an attribute
    entry_days: int = 900  # the knowledge base was filled in the years before the business date
    changed_share: float = 0.15  # attributes entered anew
    withdrawn_share: float = 0.1  # of these, taken out at the customer's wish


FIGURES = Figures()


@dataclass(frozen=True)
class CustomerAttributes:
    """One row per attribute: customer, code, first and later value, and their times."""

    entries: pd.DataFrame
    customer_ids: pa.Array


def simulate(world: World) -> CustomerAttributes:
    """Draw what staff entered about persons, of each while there was a service."""
    random = world.parameters.random("customer_attributes")
    customers = world.population.customers
    is_person = (customers["gender"] != "unknown").to_numpy()
    described = np.flatnonzero(
        is_person & (random.random(len(customers)) < FIGURES.described_share)
    )
    has_one = random.integers(0, len(CODES), len(described))
    frames = []
    for code, (share, values) in enumerate(ATTRIBUTES.values()):
        has = random.random(len(described)) < share
        customer = described[has | ((has_one == code) & (CODES[code] != "belief"))]
        words = np.array([VALUES.index(value) for value in values])
        first, later = words[random.integers(0, len(values), (2, len(customer)))]
        frames.append(
            pd.DataFrame({"customer": customer, "code": code, "first": first, "later": later})
        )
    entries = pd.concat(frames, ignore_index=True).sort_values(
        ["customer", "code"], ignore_index=True
    )
    return CustomerAttributes(_dated(world, random, entries), texts(customers["customer_id"]))


def _dated(world: World, random: np.random.Generator, entries: pd.DataFrame) -> pd.DataFrame:
    """Add when each was entered and, for some, changed or withdrawn."""
    count = len(entries)
    end = end_of(world.parameters.business_date)
    joined = world.population.customers["joined_at"].to_numpy()[entries["customer"]]
    entered = end - days(random.uniform(0, FIGURES.entry_days, count))
    entered = np.maximum(entered, joined + days(random.uniform(0.1, 3, count)))
    changed = entered + days(random.uniform(1, 400, count))
    left = matters.left_at(world)[entries["customer"]]
    is_changed = random.random(count) < FIGURES.changed_share
    is_changed &= since_epoch(changed) < left
    is_withdrawn = random.random(count) < FIGURES.withdrawn_share
    dated = entries.assign(
        later=np.where(is_withdrawn, WITHDRAWN, entries["later"]),
        entered_at=entered,
        changed_at=np.where(is_changed, changed, NEVER),
    )
    return pd.DataFrame(dated[since_epoch(entered) < left]).reset_index(drop=True)


def customer_attributes(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the attributes that are new or have changed, as they stand at the delivery's end."""
    known: CustomerAttributes = world.sources[NAME]
    for due, is_changed in changed_rows(known.entries, "entered_at", "changed_at", delivery):
        value = np.where(is_changed, due["later"].to_numpy(), due["first"].to_numpy())
        moment = np.where(is_changed, due["changed_at"].to_numpy(), due["entered_at"].to_numpy())
        yield pa.table(
            {
                "customer_id": taken(known.customer_ids, due["customer"].to_numpy()),
                "attribute_code": coded(CODES, due["code"].to_numpy()),
                "attribute_value": coded(VALUES, value),
                "changed_at": pa.array(moment),
            }
        )


EXTRACTS = {"crm.customer_attribute": customer_attributes}
