"""How far the values of a column have moved between two sets of rows.

Population stability index: the sum over bins of (q - p) * ln(q / p), where p and q are the shares
of the earlier and the later rows in the bin. Source of the formula and of the usual reading (below
0.1 stable, 0.1 to 0.25 moving, above 0.25 another population): N. Siddiqi, Credit Risk Scorecards,
Wiley 2006, chapter 9; it is the symmetric Kullback-Leibler divergence of H. Jeffreys, 1946.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BIN_COUNT = 10
STABLE_BELOW = 0.1
MOVED_ABOVE = 0.25
# An empty bin would make the index infinite; it counts as holding half a row, or this share if
# that is more.
SMALLEST_SHARE = 1e-4
NO_ROWS = "the stability index needs rows on both sides"


@dataclass(frozen=True)
class Bins:
    """How the values of a number are spread: what later values are compared with.

    Attributes:
        edges: where bins begin, but for the lowest; ascending.
        counts: rows in each bin; the first is of missing values, the second of the lowest bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]]) -> Bins:
        """Return the tenths of `values`, missing ones apart.

        Raises:
            ValueError: there are no values, missing or not.
        """
        if not len(values):
            raise ValueError(NO_ROWS)
        edges = _edges(values)
        return cls(tuple(map(float, edges)), tuple(map(int, _counts(values, edges))))

    def counts_of(self, values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Return how many of other values fall into each bin."""
        # Compared as what they are: 32-bit values against 64-bit edges would be copied first.
        return _counts(values, np.array(self.edges, dtype=values.dtype))

    def drift(self, counts: NDArray[np.int64]) -> Drift:
        """Return how far later rows, counted by `counts_of`, have moved.

        Raises:
            ValueError: they are none.
        """
        return _drift(np.array(self.counts, dtype=np.int64), counts)


@dataclass(frozen=True)
class Drift:
    """A stability index, and what to expect of it where nothing has moved.

    Attributes:
        stability_index: of later against earlier rows.
        chance_index: (filled bins - 1) * (1/n + 1/m). Source: B. Yurdakul, Statistical Properties
            of Population Stability Index, Western Michigan University 2018: under no shift the
            index is that factor times a chi-square.
    """

    stability_index: float
    chance_index: float

    def exceeds(self, limit: float) -> bool:
        """Return whether the index lies above the limit by more than chance brings about."""
        return self.stability_index > limit + self.chance_index


def drift_of(earlier: pd.Series[Any], later: pd.Series[Any]) -> Drift:
    """Return how far a column has moved between two sets of rows.

    Numbers fall into tenths of the earlier rows, a missing value into a bin of its own; every
    category is a bin.

    Raises:
        ValueError: one of the sets has no rows.
    """
    if pd.api.types.is_numeric_dtype(earlier):
        before, after = (
            values.to_numpy(dtype=np.float64, na_value=np.nan) for values in (earlier, later)
        )
        bins = Bins.of(before)
        return bins.drift(bins.counts_of(after))
    return _drift(*_category_counts(earlier, later))


def _drift(before: NDArray[np.int64], after: NDArray[np.int64]) -> Drift:
    n, m = int(before.sum()), int(after.sum())
    if not n or not m:
        raise ValueError(NO_ROWS)
    is_filled = before + after > 0
    p, q = (_shares(counts[is_filled]) for counts in (before, after))
    return Drift(
        stability_index=float(((q - p) * np.log(q / p)).sum()),
        chance_index=(int(is_filled.sum()) - 1) * (1 / n + 1 / m),
    )


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = counts.sum()
    return np.asarray(np.maximum(counts / total, max(SMALLEST_SHARE, 0.5 / total)))


def _edges(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    present = values[~np.isnan(values)]
    steps = np.linspace(0, 1, BIN_COUNT + 1)[1:-1]
    edges = np.quantile(present, steps).astype(values.dtype) if len(present) else present
    # A value that fills a tenth and more is a bin of its own.
    heavy = edges[1:][edges[1:] == edges[:-1]]
    return np.unique(np.concatenate([edges, np.nextafter(heavy, np.inf, dtype=values.dtype)]))


def _counts(
    values: NDArray[np.floating[Any]], edges: NDArray[np.floating[Any]]
) -> NDArray[np.int64]:
    """Return the number of missing values, then that of the values in each bin."""
    places = np.searchsorted(edges, values, side="right")  # a missing value sorts behind all
    counts = np.bincount(places, minlength=len(edges) + 1)
    missing = np.count_nonzero(np.isnan(values))
    counts[-1] -= missing
    return np.concatenate([[missing], counts])


def _category_counts(
    earlier: pd.Series[Any], later: pd.Series[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    both = pd.concat([earlier, later]).astype(object)
    codes = pd.factorize(both, use_na_sentinel=True)[0].astype(np.int64) + 1
    size = int(codes.max(initial=0)) + 1
    before, after = codes[: len(earlier)], codes[len(earlier) :]
    return np.bincount(before, minlength=size), np.bincount(after, minlength=size)
