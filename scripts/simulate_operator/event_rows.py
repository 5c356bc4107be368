"""Build the columns of many events quickly: identifiers, codes and texts as Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scripts.simulate_operator.timeline import DAY, Array, midnight, seconds

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

MORNING_HOURS = 7
# Share of a day's contacts in each hour: quiet nights, busy mornings and evenings.
HOUR_WEIGHTS = np.array([1] * MORNING_HOURS + [3, 6, 9, 10, 9, 7, 7, 8, 9, 9, 8, 9, 10, 8, 6, 3, 2])
HOUR_SHARES = HOUR_WEIGHTS / HOUR_WEIGHTS.sum()
FAR = np.iinfo("int64").max // 2  # a moment, in seconds, that never comes


def texts(values: pd.Series) -> pa.Array:
    """Return a column of texts as Arrow strings (missing values are null)."""
    array = pa.array(values, pa.string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def taken(values: pa.Array, rows: Array) -> pa.Array:
    """Return `values` at `rows`; a negative row gives null."""
    return values.take(pa.array(rows, mask=rows < 0))


def identifiers(prefix: str, numbers: Array, width: int) -> pa.Array:
    """Return the prefix followed by each number with leading zeros."""
    digits = pc.utf8_slice_codeunits(pa.array(numbers + 10**width).cast(pa.string()), 1)
    return pc.binary_join_element_wise(prefix, digits, "")


def numbered(prefix: str, day: date, count: int) -> pa.Array:
    """Return identifiers of the day's events: prefix, date and number."""
    return identifiers(f"{prefix}{day:%Y%m%d}", np.arange(1, count + 1), 7)


def coded(codes: Sequence[str], index: Array) -> pa.DictionaryArray:
    """Return the code at each index; a negative index gives null."""
    unique = list(dict.fromkeys(codes))
    position = np.array([unique.index(code) for code in codes] or [-1], dtype="int32")
    indices = pa.array(position[index], mask=index < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(unique, pa.string()))


def optional(values: Array, is_missing: Array) -> pa.Array:
    """Return the values, null where missing."""
    return pa.array(values, mask=np.asarray(is_missing, dtype=bool))


def chosen(random: np.random.Generator, shares: Sequence[float], count: int) -> Array:
    """Draw a position in `shares` for each of `count`."""
    limits = np.cumsum(shares) / np.sum(shares)
    return np.searchsorted(limits[:-1], random.random(count), side="right")


def daytimes(random: np.random.Generator, count: int) -> Array:
    """Draw seconds since midnight, more of them in the busy hours."""
    hour = chosen(random, list(HOUR_SHARES), count)
    return hour * 3600 + random.integers(0, 3600, count)


def moments(day: date, second: Array) -> Array:
    """Return the local times that lie `second` seconds after the day's midnight."""
    return np.asarray(midnight(day) + seconds(second))


def since_epoch(values: Array) -> Array:
    """Return whole seconds since 1970; not-a-time is far in the future."""
    numbers = values.astype("datetime64[s]").astype("int64")
    return np.where(np.isnat(values), FAR, numbers)


def staff_ids(world: World, prefix: str) -> pa.Array:
    """Return the members of staff whose identifier is this prefix and a number."""
    people = world.sources["organisation"].staff["staff_id"]
    return texts(people[people.str.fullmatch(rf"{prefix}\d+")])


def arrays(frame: pd.DataFrame) -> dict[str, Array]:
    """Return the columns by name."""
    return {str(name): frame[name].to_numpy() for name in frame}


def day_span(day: date) -> tuple[int, int]:
    """Return start and end of the day in seconds since 1970."""
    start = int(midnight(day).astype("int64"))
    return start, start + DAY
