"""Platt scaling on log odds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from models_ml.calibration import MINIMUM_SLOPE, Calibration


def test_finds_the_line_that_made_the_labels() -> None:
    chance = np.random.default_rng(8)
    margins = chance.normal(size=40_000)
    labels = (chance.random(40_000) < 1 / (1 + np.exp(1.5 - 2 * margins))).astype(np.int8)
    calibration = Calibration.fitted(margins, labels)
    assert calibration.slope == pytest.approx(2, abs=0.1)
    assert calibration.intercept == pytest.approx(-1.5, abs=0.1)
    assert calibration.apply(margins).mean() == pytest.approx(labels.mean(), abs=1e-3)


def test_never_turns_the_ranking_round() -> None:
    margins = np.linspace(-3, 3, 100)
    assert Calibration.fitted(margins, (margins < 0).astype(np.int8)).slope == MINIMUM_SLOPE
