"""How far the values of a column have moved between two sets of rows.

Population stability index: the sum over bins of (q - p) * ln(q / p), where p and q are the shares
of the earlier and the later rows in the bin. Source of the formula and of the usual reading (below
0.1 stable, 0.1 to 0.25 moving, above 0.25 another population): N. Siddiqi, Credit Risk Scorecards,
Wiley 2006, chapter 9; it is the symmetric Kullback-Leibler divergence of H. Jeffreys, 1946.
"""

from __future__ import annotations

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


def stability_index(earlier: pd.Series[Any], later: pd.Series[Any]) -> float:
    """Return the index of one column.

    Numbers fall into tenths of the earlier rows, a missing value into a bin of its own; every
    category is a bin.

    Raises:
        ValueError: one of the sets has no rows.
    """
    earlier_bins, later_bins = _binned(earlier, later)
    filled = np.unique(np.concatenate([earlier_bins, later_bins]))
    before, after = (_shares(bins, filled) for bins in (earlier_bins, later_bins))
    return float(((after - before) * np.log(after / before)).sum())


def chance_index(earlier: pd.Series[Any], later: pd.Series[Any]) -> float:
    """Return the index to expect where nothing has moved: (filled bins - 1) * (1/n + 1/m).

    Source: B. Yurdakul, Statistical Properties of Population Stability Index, Western Michigan
    University 2018: under no shift the index is that factor times a chi-square.
    """
    filled = len(np.unique(np.concatenate(_binned(earlier, later))))
    return (filled - 1) * (1 / len(earlier) + 1 / len(later))


def has_moved(earlier: pd.Series[Any], later: pd.Series[Any]) -> bool:
    """Return whether the index exceeds MOVED_ABOVE by more than chance brings about."""
    return stability_index(earlier, later) > MOVED_ABOVE + chance_index(earlier, later)


def stability_indices(earlier: pd.DataFrame, later: pd.DataFrame) -> dict[str, float]:
    """Return the index of every column of `earlier`, in its order."""
    return {str(name): stability_index(earlier[name], later[name]) for name in earlier.columns}


def _binned(
    earlier: pd.Series[Any], later: pd.Series[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if earlier.empty or later.empty:
        raise ValueError("the stability index needs rows on both sides")
    if pd.api.types.is_numeric_dtype(earlier):
        return _number_bins(earlier, later)
    return _category_bins(earlier, later)


def _shares(bins: NDArray[np.int64], filled: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.bincount(np.searchsorted(filled, bins), minlength=len(filled))
    return np.maximum(counts / len(bins), max(SMALLEST_SHARE, 0.5 / len(bins)))


def _number_bins(
    earlier: pd.Series[Any], later: pd.Series[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    before, after = (
        values.to_numpy(dtype=np.float64, na_value=np.nan) for values in (earlier, later)
    )
    present = before[~np.isnan(before)]
    steps = np.linspace(0, 1, BIN_COUNT + 1)[1:-1]
    edges = np.quantile(present, steps) if len(present) else np.array([])
    # A value that fills a tenth and more is a bin of its own.
    heavy = edges[1:][edges[1:] == edges[:-1]]
    edges = np.unique(np.concatenate([edges, np.nextafter(heavy, np.inf)]))
    return _bins(before, edges), _bins(after, edges)


def _bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 0 for missing, else 1 and the number of edges at or below the value."""
    bins = np.searchsorted(edges, values, side="right") + 1
    return np.where(np.isnan(values), 0, bins).astype(np.int64)


def _category_bins(
    earlier: pd.Series[Any], later: pd.Series[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    both = pd.concat([earlier, later]).astype(object)
    codes = pd.factorize(both, use_na_sentinel=True)[0].astype(np.int64) + 1
    return codes[: len(earlier)], codes[len(earlier) :]
