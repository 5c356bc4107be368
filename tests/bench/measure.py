"""What a benchmark consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """An action of ours, the reference that does the same work, and the ratio we aim at."""

    name: str
    ours: Callable[[], None]
    reference: Callable[[], None]
    target_ratio: float
