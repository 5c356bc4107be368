"""What is true at the simulated operator, in files that the warehouse never reads.

`expected_warning.csv` is computed here from the simulated history with pandas, apart from every SQL
rule, seed and contract of the warehouse, so that the two can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from threading import Lock

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.behaviour import Churn
from scripts.simulate_operator.clue_truth import ClueTruth
from scripts.simulate_operator.customer_truth import CustomerTruth
from scripts.simulate_operator.extracts import SOURCES, World
from scripts.simulate_operator.flea_truth import flea_customers
from scripts.simulate_operator.network import Faults
from scripts.simulate_operator.planted import GIBIBYTE, REPEAT_LIMITS, Planted
from scripts.simulate_operator.population import Population
from scripts.simulate_operator.rendering import Rows
from scripts.simulate_operator.timeline import (
    DAY,
    Array,
    Delivery,
    end_of,
    months_before,
    period_starts,
)
from scripts.simulate_operator.usage import TRAFFIC_WINDOW_DAYS, USAGE_COLUMNS
from scripts.simulate_operator.watching import ALWAYS, Look

HIGH_RENT = 189.0  # yuan a month, RISK-12
HIGH_LOSS_DB = 28.0  # RISK-16
LONG_FAULT = np.timedelta64(10 * DAY, "s")  # RISK-10, RISK-11
MINIMUM_ONLINE_MINUTES = 600
CASE_COLUMNS = ["rule_code", "subscription_id", "case_name", "is_raised"]
LATENT_COLUMNS = [
    "customer_id",
    "kind",
    "price_sensitivity",
    "service_sensitivity",
    "competitor_sensitivity",
    "payment_risk",
    "response_type",
    "reach_probability",
]


class Truth:
    """Sees every valid row that is delivered, then says what is true and must be warned of."""

    def __init__(self, world: World) -> None:
        self.parameters = world.parameters
        self.population = world.population
        count = len(self.population.subscriptions)
        self.end = end_of(self.parameters.business_date)
        self.total_bytes = np.zeros(count, dtype="int64")
        self.online_minutes = np.zeros(count, dtype="int64")
        self.loss = np.full(count, np.nan)
        self.measured_at = np.full(count, np.datetime64("1900-01-01", "s"))
        self._lock = Lock()
        self._clues = ClueTruth(world)
        self._customers = CustomerTruth(world)
        self._looks: dict[str, list[Look]] = {
            "line.optical_reading": [Look(self.see_readings, ALWAYS)],
            "usage.broadband_hourly": [Look(self.see_usage, self._traffic_start())],
        }
        for watcher in (self._clues, self._customers):
            for extract, look in watcher.looks.items():
                self._looks.setdefault(extract, []).append(look)

    def watches(self, extract: str, delivery: Delivery) -> bool:
        """Tell whether the rows of this delivery decide on anything."""
        return any(look.is_due(delivery) for look in self._looks.get(extract, []))

    def seen(self, extract: str, blocks: Iterator[Rows]) -> Iterator[Rows]:
        """Hand the blocks of a watched extract on after a look at them."""
        for block in blocks:
            with self._lock:
                for look in self._looks[extract]:
                    look.see(block)
            yield block

    def see_readings(self, readings: pa.Table) -> None:
        """Remember the latest downstream loss per line; received power (dBm) is no loss."""
        measured_at = readings["measured_at"].to_numpy().astype("datetime64[s]")
        counted = readings["is_downstream_loss"].to_numpy() & (measured_at < self.end)
        line, value = (readings[name].to_numpy()[counted] for name in ("line", "reading_value"))
        measured_at = measured_at[counted]
        order = np.argsort(measured_at, kind="stable")
        order = order[measured_at[order] > self.measured_at[line[order]]]
        self.loss[line[order]] = value[order]  # of several the last stays
        self.measured_at[line[order]] = measured_at[order]

    def see_usage(self, hours: pa.Table) -> None:
        """Add up bytes and minutes of the 30 local days that end with the business date."""
        start = self._traffic_start()
        begun = hours["hour_start_at"].to_numpy().astype("datetime64[s]")
        counted = (begun >= start) & (begun < self.end)
        line, download, upload, minutes = (
            hours[name].to_numpy()[counted] for name in USAGE_COLUMNS if name != "hour_start_at"
        )
        np.add.at(self.total_bytes, line, download + upload)
        np.add.at(self.online_minutes, line, minutes)

    def _traffic_start(self) -> np.datetime64:
        return self.end - np.timedelta64(TRAFFIC_WINDOW_DAYS * DAY, "s")

    def expected_warnings(self, faults: Faults) -> pd.DataFrame:
        """Return one row per rule and live subscription that must be warned of."""
        rules = {
            **self._repeat_faults(faults),
            **self._long_faults(faults),
            "high_value_bandwidth": self._is_broadband() & (self._rent() >= HIGH_RENT),
            "high_traffic_bandwidth": self._is_broadband() & self._has_high_traffic(),
            "optical_loss": self.loss >= HIGH_LOSS_DB,
        }
        return self._warnings(rules)

    def further_warnings(self, world: World) -> pd.DataFrame:
        """Return the same for the rules that further source systems decide on."""
        rules: dict[str, Array] = {}
        for module in SOURCES:
            if hasattr(module, "expected_warnings"):
                rules |= module.expected_warnings(world)
        return self._warnings(rules)

    def _warnings(self, rules: dict[str, Array]) -> pd.DataFrame:
        ids = self.population.subscriptions["subscription_id"].to_numpy()
        frames = [
            pd.DataFrame(
                {
                    "business_date": self.parameters.business_date.isoformat(),
                    "rule_code": rule_code,
                    "subscription_id": ids[is_raised & self.is_active()],
                }
            )
            for rule_code, is_raised in rules.items()
        ]
        return pd.concat(frames, ignore_index=True)

    def is_active(self) -> Array:
        """Tell which subscriptions live at the end of the business date."""
        subscriptions = self.population.subscriptions
        return np.asarray(
            (subscriptions["activated_at"].to_numpy() < self.end)
            & ~(subscriptions["terminated_at"].to_numpy() < self.end)
        )

    def _repeat_faults(self, faults: Faults) -> dict[str, Array]:
        line = faults.tickets["line"].to_numpy()[faults.dispatches["ticket"]]
        dispatched = faults.dispatches["dispatched_at"].to_numpy()
        count = len(self.population.subscriptions)
        rules = {}
        for months, limit in REPEAT_LIMITS.items():
            inside = (dispatched >= months_before(self.end, months)) & (dispatched < self.end)
            rules[f"repeat_fault_{months}m"] = np.bincount(line[inside], minlength=count) > limit
        return rules

    def _long_faults(self, faults: Faults) -> dict[str, Array]:
        tickets = faults.tickets
        reported = tickets["reported_at"].to_numpy()
        state = tickets["final_state"].to_numpy(dtype=object)
        changed = tickets["changed_at"].to_numpy()
        is_changed = changed < self.end
        is_closed = is_changed & (state == "closed")
        closed_long = (
            is_closed & (changed >= months_before(self.end, 12)) & (changed - reported > LONG_FAULT)
        )
        open_long = ~is_changed & (self.end - reported > LONG_FAULT)
        lines = np.arange(len(self.population.subscriptions))
        return {
            "long_fault_closed": np.isin(lines, tickets["line"].to_numpy()[closed_long]),
            "long_fault_open": np.isin(lines, tickets["line"].to_numpy()[open_long]),
        }

    def _is_broadband(self) -> Array:
        return (self.population.subscriptions["product_type"] == "broadband").to_numpy()

    def _rent(self) -> Array:
        return self.population.rent_at(self.end - np.timedelta64(1, "s"))

    def _has_high_traffic(self) -> Array:
        """Compare whole numbers: bytes per hour above 2**30 without dividing."""
        return np.asarray(
            (self.online_minutes >= MINIMUM_ONLINE_MINUTES)
            & (self.total_bytes * 60 > self.online_minutes * GIBIBYTE)
        )

    def write(self, folder: Path, world: World) -> None:
        """Write all truth files but for the list of the dirt into `folder`.

        `planted_case.csv` has the cases of the rules in `expected_warning.csv`, `source_case.csv`
        and `source_warning.csv` have the same of further source systems. `flea_customer.csv` tells
        fleas from others who bring in little, `note_clue.csv` what notes say of customers,
        `customer_truth.csv` what is known of each.
        """
        folder.mkdir(parents=True, exist_ok=True)
        _write_csv(self.expected_warnings(world.faults), folder / "expected_warning.csv")
        _write_csv(self.planted_cases(world.planted), folder / "planted_case.csv")
        cases = [
            module.planted_cases(world) for module in SOURCES if hasattr(module, "planted_cases")
        ]
        _write_csv(pd.concat(cases)[CASE_COLUMNS], folder / "source_case.csv")
        _write_csv(self.further_warnings(world), folder / "source_warning.csv")
        _write_csv(flea_customers(world), folder / "flea_customer.csv")
        _write_csv(self._clues.note_clues(), folder / "note_clue.csv")
        self._customers.write(folder / "customer_truth.csv")
        latents = self.population.customers[LATENT_COLUMNS]
        latents.to_parquet(folder / "customer_latent.parquet", index=False)
        hazards = monthly_hazards(self.parameters.business_date, self.population, world.churn)
        hazards.to_parquet(folder / "monthly_hazard.parquet", index=False)

    def planted_cases(self, planted: Planted) -> pd.DataFrame:
        cases = pd.DataFrame(planted.cases)
        ids = self.population.subscriptions["subscription_id"].to_numpy()
        cases["subscription_id"] = ids[cases["line"]]
        return cases[CASE_COLUMNS]


def monthly_hazards(business_date: date, population: Population, churn: Churn) -> pd.DataFrame:
    """Return the true chance of leaving within 30 days per customer and observation date.

    The last observation date is the business date itself, whose outcome lies in the future.
    """
    ids = population.customers["customer_id"].to_numpy()
    frames = []
    for period, start in enumerate(period_starts(business_date)):
        hazard = churn.hazard[:, period]
        present = ~np.isnan(hazard)
        known = period < churn.is_churned.shape[1]
        churned = churn.is_churned[present, period] if known else None
        frames.append(
            pd.DataFrame(
                {
                    "observation_date": str(start.astype("datetime64[D]") - 1),
                    "customer_id": ids[present],
                    "churn_probability": hazard[present],
                    "is_churned": pd.array(
                        [None] * int(present.sum()) if churned is None else churned,
                        dtype="boolean",
                    ),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, lineterminator="\n")
