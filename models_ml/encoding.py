"""Typed columns as a matrix: learnt from the training rows, stored as plain JSON with the model.

A numeric column stays one column, missing values as NaN; a category becomes one column of 0 and 1
for each level that is frequent enough. Trees take the matrix as it is. For a linear model
`Standardisation` fills missing values with the median, marks where it did, and scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models_ml.features import Matrix, MissingFeatureError

MAXIMUM_LEVELS = 50
MINIMUM_LEVEL_ROWS = 10
LEVEL_PRIOR_ROWS = 20
# Values further from the mean than this many standard deviations count as that far.
OUTLIER_LIMIT = 5.0
MISSING_LEVEL = "(missing)"


@dataclass(frozen=True)
class Column:
    """A column of the frame; `levels` are the categories with a matrix column, () if numeric."""

    name: str
    is_numeric: bool
    levels: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many columns of the matrix it takes."""
        return 1 if self.is_numeric else len(self.levels)


@dataclass(frozen=True)
class Encoding:
    """How the columns of a frame become the columns of a matrix."""

    columns: tuple[Column, ...]

    @classmethod
    def fitted(cls, frame: pd.DataFrame) -> Encoding:
        """Learn the levels of the categories; a column without any is left out."""
        columns = (_column(str(name), frame[name]) for name in frame.columns)
        return cls(tuple(column for column in columns if column.width))

    @classmethod
    def from_stored(cls, stored: Sequence[dict[str, Any]]) -> Encoding:
        """Read what `dataclasses.asdict` wrote."""
        return cls(
            tuple(
                Column(column["name"], column["is_numeric"], tuple(column["levels"]))
                for column in stored
            )
        )

    @property
    def owners(self) -> NDArray[np.int64]:
        """The position in `columns` of the column behind each matrix column."""
        return np.repeat(np.arange(len(self.columns)), [column.width for column in self.columns])

    def matrix(self, frame: pd.DataFrame) -> Matrix:
        """Return `frame` as rows by matrix columns; an unknown category is 0 in all its columns.

        Raises:
            MissingFeatureError: naming every column that the frame lacks.
        """
        missing = [column.name for column in self.columns if column.name not in frame.columns]
        if missing:
            raise MissingFeatureError(missing, "the frame")
        return np.column_stack([_values(column, frame[column.name]) for column in self.columns])


@dataclass(frozen=True)
class Standardisation:
    """Median, mean and standard deviation of each matrix column, and which ones had gaps."""

    medians: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    has_gaps: NDArray[np.bool_]

    @classmethod
    def fitted(cls, matrix: Matrix) -> Standardisation:
        """Learn from the training rows; a column that is always missing is 0."""
        is_missing = np.isnan(matrix)
        is_empty = is_missing.all(axis=0)
        medians = np.nanmedian(np.where(is_empty, 0, matrix), axis=0).astype(np.float64)
        filled = np.where(is_missing, medians, matrix).astype(np.float64)
        scales = filled.std(axis=0)
        return cls(
            medians=medians,
            means=filled.mean(axis=0),
            scales=np.where(scales > 0, scales, 1.0),
            has_gaps=np.asarray(is_missing.any(axis=0) & ~is_empty),
        )

    def apply(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the scaled columns followed by one 0-or-1 column for each column with gaps."""
        is_missing = np.isnan(matrix)
        filled = np.where(is_missing, self.medians, matrix)
        scaled = np.clip((filled - self.means) / self.scales, -OUTLIER_LIMIT, OUTLIER_LIMIT)
        return np.hstack([scaled, is_missing[:, self.has_gaps].astype(np.float64)])

    def owners(self, matrix_owners: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the owners of the columns of `apply`, given those of the matrix columns."""
        return np.concatenate([matrix_owners, matrix_owners[self.has_gaps]])


def label_shares(
    levels: NDArray[np.object_], is_churned: NDArray[np.int8], learnt: NDArray[np.int64] | slice
) -> NDArray[np.float64]:
    """Return for each row the label's share in its level, as the learnt rows show it.

    A level with few rows is drawn towards the share of all (as if LEVEL_PRIOR_ROWS more had that
    share), and one that was not learnt has it.
    """
    rate = float(is_churned[learnt].mean())
    counts = pd.Series(is_churned[learnt]).groupby(levels[learnt]).agg(["sum", "size"])
    shares = (counts["sum"] + rate * LEVEL_PRIOR_ROWS) / (counts["size"] + LEVEL_PRIOR_ROWS)
    return pd.Series(levels).map(shares).fillna(rate).to_numpy(dtype=np.float64)


def _column(name: str, values: pd.Series[Any]) -> Column:
    if pd.api.types.is_numeric_dtype(values):
        return Column(name, is_numeric=True)
    counts = _texts(values).value_counts()
    frequent = counts[counts >= min(MINIMUM_LEVEL_ROWS, max(len(values) // 20, 1))]
    # Equal counts in the order of the text, so that the order of the rows decides nothing.
    ordered = sorted(frequent.items(), key=lambda item: (-int(item[1]), str(item[0])))
    levels = [str(level) for level, _ in ordered[:MAXIMUM_LEVELS]]
    # The second of two levels is what the first is not.
    return Column(name, is_numeric=False, levels=tuple(levels[: 1 if len(counts) == 2 else None]))


def _values(column: Column, values: pd.Series[Any]) -> Matrix:
    if column.is_numeric:
        numbers = pd.to_numeric(values, errors="coerce")
        return np.asarray(numbers, dtype=np.float32).reshape(-1, 1)
    positions = _texts(values).map({level: place for place, level in enumerate(column.levels)})
    places = positions.fillna(-1).to_numpy(dtype=np.int64)
    return np.asarray(places[:, np.newaxis] == np.arange(column.width), dtype=np.float32)


def _texts(values: pd.Series[Any]) -> pd.Series[str]:
    texts: pd.Series[str] = values.astype(object).where(values.notna(), MISSING_LEVEL).map(str)
    return texts
