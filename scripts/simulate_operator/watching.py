"""A look at the rows of an extract while they are delivered, to know what they amount to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scripts.simulate_operator.timeline import Delivery

ALWAYS = np.datetime64("0001-01-01", "s")


@dataclass(frozen=True)
class Look:
    """Who looks at the rows, and since when what happened matters to them."""

    see: Callable[[pa.Table], None]
    since: np.datetime64

    def is_due(self, delivery: Delivery) -> bool:
        return bool(delivery.end > self.since)
