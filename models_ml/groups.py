"""Whom a model is judged on apart: star levels, products, regions, and kinds of leavers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models_ml.evaluate import MINIMUM_GROUP_CLASS, Estimate, by_group, intervals
from models_ml.features import KIND_COLUMN, LABEL_COLUMN, REGION_COLUMN

PRODUCTS = np.array(["neither", "mobile only", "broadband only", "both"], dtype=object)
UNKNOWN_KIND = "unknown"
# A few hundred resamples fix an interval that is only looked at to two digits.
GROUP_RESAMPLES = 200

Floats = NDArray[np.float64]
Estimates = dict[str, Estimate]


def groups_of(frame: pd.DataFrame) -> dict[str, NDArray[np.object_]]:
    """Return the group of each row, by kind of group; region only where the frame has it."""
    groups = {"star_level": _star_levels(frame["star_level"]), "product": _products(frame)}
    if REGION_COLUMN in frame.columns:
        groups["region"] = frame[REGION_COLUMN].to_numpy(dtype=object)
    return groups


def group_intervals(
    frame: pd.DataFrame, probability: Floats, seed: int
) -> dict[str, dict[str, Estimates]]:
    """Return the measures within each group of labelled rows, by kind of group and group."""
    is_churned = frame[LABEL_COLUMN].to_numpy(dtype=np.int8)
    return {
        kind: by_group(is_churned, probability, group, seed=seed, resamples=GROUP_RESAMPLES)
        for kind, group in groups_of(frame).items()
    }


def kind_intervals(frame: pd.DataFrame, probability: Floats, seed: int) -> dict[str, Estimates]:
    """Return the measures of each kind of leaver: among its leavers and all who stayed.

    Every kind has `churner_count`; one with fewer than MINIMUM_GROUP_CLASS leavers has nothing
    else. Calibration and Brier score are left out: the probability is that of leaving in any way.
    """
    is_churned = frame[LABEL_COLUMN].to_numpy(dtype=np.int8)
    kind = frame[KIND_COLUMN].fillna(UNKNOWN_KIND).to_numpy(dtype=object)
    measured: dict[str, Estimates] = {}
    for name in sorted(set(kind[is_churned == 1])):
        rows = (is_churned == 0) | (kind == name)
        count = float(is_churned[rows].sum())
        measured[name] = {"churner_count": Estimate(count, count, count)}
        if count >= MINIMUM_GROUP_CLASS:
            figures = intervals(
                is_churned[rows], probability[rows], seed=seed, resamples=GROUP_RESAMPLES
            )
            measured[name] |= {
                figure: figures[figure] for figure in ("roc_auc", "pr_auc", "top_decile_lift")
            }
    return measured


def _star_levels(levels: pd.Series[float]) -> NDArray[np.object_]:
    return np.array([None if pd.isna(level) else f"{level:g}" for level in levels], dtype=object)


def _products(frame: pd.DataFrame) -> NDArray[np.object_]:
    has_mobile, has_broadband = (
        (frame[name].fillna(0) > 0).to_numpy(dtype=np.int64)
        for name in ("mobile_subscription_count", "broadband_subscription_count")
    )
    return PRODUCTS[has_mobile + 2 * has_broadband]
