"""What a benchmark consists of: comparisons with a reference, and limits that must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """An action of ours, the reference that does the same work, and the ratio we aim at.

    Where the two handle different numbers of rows, their seconds per million rows are compared.
    Each may say itself how many seconds count.
    """

    name: str
    ours: Callable[[], float | None]
    reference: Callable[[], float | None]
    target_ratio: float
    our_rows: int = 1_000_000
    reference_rows: int = 1_000_000


@dataclass(frozen=True)
class Limit:
    """A figure of ours, measured once, and what it may be at most, in the unit of the name."""

    name: str
    measured: Callable[[], float]
    limit: float


Measure = Comparison | Limit
