"""Tonight's features and scores against those that the champion was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.drift import Bins, Drift
from models_ml.features import Matrix

SCORE = "score"
STABLE, MOVING, MOVED = "stable", "moving", "moved"


@dataclass(frozen=True)
class FeatureDrift:
    """How far a feature, or the score (SCORE), has moved.

    Attributes:
        feature: its name.
        stability_index: against the rows that the champion was made from.
        chance_index: the index to expect where nothing has moved.
        drift_level: STABLE, MOVING or MOVED.
    """

    feature: str
    stability_index: float
    chance_index: float
    drift_level: str


class DriftWatch:
    """Counts what a scoring sees, block by block: no row is looked at a second time."""

    def __init__(
        self, features: Sequence[str], feature_bins: Sequence[Bins], score_bins: Bins
    ) -> None:
        self._names = (*features, SCORE)
        self._bins = (*feature_bins, score_bins)
        self._counts: list[NDArray[np.int64]] = [
            np.zeros(len(bins.counts), dtype=np.int64) for bins in self._bins
        ]

    def see(self, matrix: Matrix, probability: NDArray[np.float64]) -> None:
        """Count the rows of a block; its columns are the features in order."""
        columns = np.ascontiguousarray(matrix.T)
        for counts, bins, values in zip(
            self._counts, self._bins, (*columns, probability), strict=True
        ):
            counts += bins.counts_of(values)

    def measured(self, moving_above: float, moved_above: float) -> list[FeatureDrift]:
        """Return the drift of everything, most first; a limit must be exceeded beyond chance."""
        drifts = [
            (name, bins.drift(counts))
            for name, bins, counts in zip(self._names, self._bins, self._counts, strict=True)
        ]
        drifts.sort(key=lambda found: (-found[1].stability_index, found[0]))
        return [
            FeatureDrift(
                name,
                drift.stability_index,
                drift.chance_index,
                _level(drift, moving_above, moved_above),
            )
            for name, drift in drifts
        ]


def _level(drift: Drift, moving_above: float, moved_above: float) -> str:
    if drift.exceeds(moved_above):
        return MOVED
    return MOVING if drift.exceeds(moving_above) else STABLE
