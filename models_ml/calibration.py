"""Platt scaling: a line from log odds to calibrated log odds.

J. Platt, "Probabilistic outputs for support vector machines", 1999. Two numbers, which the few
leavers of one month can carry; isotonic regression would need many more of them, and its steps
would tie customers whom the model ranks apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

# A model without signal may come out with a falling line; the ranking is never turned round.
MINIMUM_SLOPE = 0.01


@dataclass(frozen=True)
class Calibration:
    """The probability is sigmoid(slope * log odds + intercept)."""

    slope: float
    intercept: float

    @classmethod
    def fitted(cls, margins: NDArray[np.float64], is_churned: NDArray[np.int8]) -> Calibration:
        """Fit to log odds of rows that the model has not seen, and their labels."""
        line = LogisticRegression(C=np.inf).fit(margins.reshape(-1, 1), is_churned)
        return cls(
            slope=max(float(line.coef_[0, 0]), MINIMUM_SLOPE), intercept=float(line.intercept_[0])
        )

    def apply(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn log odds into probabilities."""
        return np.asarray(expit(self.slope * margins + self.intercept), dtype=np.float64)
