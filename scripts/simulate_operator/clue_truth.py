"""Which clues to the customer the delivered notes hold (TIER-10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.notes import CLUES
from scripts.simulate_operator.timeline import end_of
from scripts.simulate_operator.watching import ALWAYS, Look

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World


class ClueTruth:
    """Remembers which clues the delivered notes hold."""

    def __init__(self, world: World) -> None:
        self._customer_ids = world.population.customers["customer_id"].to_numpy()
        self._end = end_of(world.parameters.business_date)
        self._is_told = np.zeros((len(self._customer_ids), len(CLUES)), dtype=bool)
        self.looks = {"contact_center.interaction": Look(self.see_interactions, ALWAYS)}

    def see_interactions(self, interactions: pa.Table) -> None:
        clue = interactions["clue"].to_numpy()
        moment = interactions["contacted_at"].to_numpy()
        is_told = (clue >= 0) & (moment < self._end)
        self._is_told[interactions["customer"].to_numpy()[is_told], clue[is_told]] = True

    def note_clues(self) -> pd.DataFrame:
        """Return one row per customer and clue."""
        customer, clue = np.nonzero(self._is_told)
        codes, values = zip(*((item.code, item.value) for item in CLUES), strict=True)
        return pd.DataFrame(
            {
                "customer_id": self._customer_ids[customer],
                "attribute_code": np.array(codes, dtype=object)[clue],
                "attribute_value": np.array(values, dtype=object)[clue],
            }
        )
