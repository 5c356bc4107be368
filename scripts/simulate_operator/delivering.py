"""Deliver the extracts date by date, with the dirt that was asked for, and the truth kept apart.

A world is anchored at its last business date: each date's files depend on the parameters alone, so
delivering day by day gives the same bytes as delivering all at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from scripts.contracts import Extract, read_extracts
from scripts.simulate_operator.delivery_faults import (
    FAULTS,
    HARD_TEXTS,
    LATE_EVERY,
    Content,
    DeliveryFault,
    Recovery,
)
from scripts.simulate_operator.extracts import World, extract_functions, simulate
from scripts.simulate_operator.landing import (
    DIRT_COUNTS,
    DIRT_EXPECTED,
    DIRT_KEY,
    Landing,
    Written,
    usual_shape,
)
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.rendering import Rows
from scripts.simulate_operator.timeline import Delivery, deliveries
from scripts.simulate_operator.truth import Truth

THREADS = 2
DIRT_ORDER = ["business_date", "source", "extract", "file", "kind"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One extract on one date, with the delivery before it and the faults planted in both."""

    extract: Extract
    delivery: Delivery
    before: Delivery | None
    fault: DeliveryFault | None
    fault_before: DeliveryFault | None


def deliver(
    parameters: Parameters,
    landing_dir: Path,
    truth_dir: Path,
    first: date | None = None,
    last: date | None = None,
) -> dict[str, int]:
    """Write the extracts of all delivery dates or of some; return the true rows per extract.

    The truth is written with the last delivery date, the list of the dirt with every date.
    """
    world = simulate(parameters)
    truth = Truth(world)
    work = _Work(world, Landing(landing_dir, parameters), truth)
    chosen: list[Task] = []
    rest: list[Task] = []
    for task in tasks(parameters):
        day = task.delivery.business_date
        is_chosen = (first is None or day >= first) and (last is None or day <= last)
        (chosen if is_chosen else rest).append(task)
    dirt: list[dict[Hashable, Any]] = []
    row_counts = dict.fromkeys(extract_functions(), 0)
    with ThreadPoolExecutor(THREADS) as pool:
        for task, written in zip(chosen, pool.map(work.deliver, chosen), strict=True):
            log.debug("delivered %s %s", written.extract, written.business_date)
            dirt.extend(written.dirt)
            row_counts[str(task.extract)] += written.row_count
        if any(task.delivery.is_last for task in chosen):
            list(pool.map(work.look_at, rest))
            truth.write(truth_dir, world)
    dates = {task.delivery.business_date.isoformat() for task in chosen}
    is_complete = not rest
    write_dirt(truth_dir, dirt, lambda row: not is_complete and row["business_date"] not in dates)
    return row_counts


def correct(parameters: Parameters, landing_dir: Path, truth_dir: Path) -> list[Written]:
    """Write the right files over the earlier days' faulty ones that wait for a correction."""
    world = simulate(parameters)
    landing = Landing(landing_dir, parameters)
    corrected = []
    for task in tasks(parameters):
        if task.fault is not None and task.fault.recovery == Recovery.CORRECTED_FILE:
            rows = extract_functions()[str(task.extract)](world, task.delivery)
            written = landing.write(task.extract, task.delivery.business_date, rows)
            written.note("corrected file", written.row_count)
            corrected.append(written)
    files = {_file_key(row) for written in corrected for row in written.dirt}
    dirt = [row for written in corrected for row in written.dirt]
    write_dirt(truth_dir, dirt, lambda row: _file_key(row) not in files)
    return corrected


def tasks(parameters: Parameters) -> list[Task]:
    """Return what is to be delivered, date by date."""
    dates = deliveries(parameters.business_date, parameters.history_days)
    planned: list[Task] = []
    for extract in read_extracts():
        if str(extract) in extract_functions():
            planned.extend(_tasks_of(parameters, extract, dates))
    return sorted(planned, key=lambda task: task.delivery.business_date)


def _tasks_of(
    parameters: Parameters, extract: Extract, dates: tuple[Delivery, ...]
) -> Iterator[Task]:
    due = [item for item in dates if _is_due(parameters, extract, item)]
    faults: dict[int, DeliveryFault] = {}
    if parameters.dirt == "full":
        faults = {
            len(due) - 1 - fault.before_last: fault
            for fault in FAULTS
            if fault.extract == str(extract) and fault.before_last < len(due) - 1
        }
    for number, delivery in enumerate(due):
        before = due[number - 1] if number else None
        yield Task(extract, delivery, before, faults.get(number), faults.get(number - 1))


def _is_due(parameters: Parameters, extract: Extract, delivery: Delivery) -> bool:
    """Tell what is delivered: events and changes always, snapshots every so many days."""
    days_left = (parameters.business_date - delivery.business_date).days
    is_snapshot = extract.delivery_mode == "snapshot"
    return not is_snapshot or delivery.is_first or days_left % parameters.snapshot_every_days == 0


class _Work:
    """Does the tasks, several at a time; none depends on another."""

    def __init__(self, world: World, landing: Landing, truth: Truth) -> None:
        self._world = world
        self._landing = landing
        self._truth = truth
        self._functions = extract_functions()

    def deliver(self, task: Task) -> Written:
        """Write one extract of one date and enter its faults into the list of the dirt."""
        counted = _LateRows()
        parameters = self._world.parameters
        if task.fault is not None and task.fault.content == Content.NO_FILE:
            written = self._landing.leave_out(task.extract, task.delivery.business_date)
        else:
            usual = usual_shape(task.extract)
            written = self._landing.write(
                task.extract,
                task.delivery.business_date,
                self._rows(task, counted),
                shape=task.fault.change(task.extract, usual) if task.fault else usual,
                earlier=lambda: self._earlier(task),
                is_soiled=parameters.dirt != "none" and task.fault is None,
                sought=_sought(parameters, task),
            )
        if task.fault is not None:
            _note_fault(task.fault, written)
            if task.fault.content in (Content.NONE, Content.NO_FILE):
                self.look_at(task)
        if counted.kind:
            written.note(counted.kind, counted.row_count)
        return written

    def look_at(self, task: Task) -> None:
        """Let the truth see what is not delivered this time."""
        if self._truth.watches(str(task.extract), task.delivery):
            for _ in self._true_rows(task):
                pass

    def _true_rows(self, task: Task) -> Iterator[Rows]:
        name = str(task.extract)
        blocks = self._functions[name](self._world, task.delivery)
        is_watched = self._truth.watches(name, task.delivery)
        return self._truth.seen(name, blocks) if is_watched else blocks

    def _earlier(self, task: Task) -> Iterable[Rows]:
        if task.before is None or task.extract.delivery_mode != "events":
            return ()
        return self._functions[str(task.extract)](self._world, task.before)

    def _rows(self, task: Task, late: _LateRows) -> Iterator[Rows]:
        """Yield what the file holds: rows of the delivery before that were withheld, its own."""
        before = task.fault_before
        if task.before and before and before.recovery == Recovery.NEXT_DELIVERY:
            is_partly_late = before.content == Content.PUNCTUAL
            late.kind = "late rows" if is_partly_late else f"rows after: {before.kind}"
            for block in self._functions[str(task.extract)](self._world, task.before):
                rows = _late_part(block) if is_partly_late else block
                late.row_count += len(rows)
                yield rows
        if task.fault is None or task.fault.content == Content.ALL:
            yield from self._true_rows(task)
        elif task.fault.content == Content.PUNCTUAL:
            for block in self._true_rows(task):
                yield _punctual_part(block)


@dataclass
class _LateRows:
    """Rows of the delivery before that come with this one."""

    kind: str = ""
    row_count: int = 0


def _late_part(rows: Rows) -> Rows:
    positions = range(0, len(rows), LATE_EVERY)
    return rows.take(pa.array(positions)) if isinstance(rows, pa.Table) else rows.iloc[::LATE_EVERY]


def _punctual_part(rows: Rows) -> Rows:
    positions = [number for number in range(len(rows)) if number % LATE_EVERY]
    return (
        rows.take(pa.array(positions, pa.int64()))
        if isinstance(rows, pa.Table)
        else (rows.iloc[positions])
    )


def _sought(parameters: Parameters, task: Task) -> dict[str, str]:
    """Return what texts to count: what is hard to read without being wrong."""
    is_counted = parameters.dirt == "full" and task.delivery.is_first
    return HARD_TEXTS.get(str(task.extract), {}) if is_counted else {}


def _note_fault(fault: DeliveryFault, written: Written) -> None:
    """Enter a faulty delivery: one entry per file."""
    is_twin = len(written.files) > len(written.row_counts)
    for file, rows in zip(written.files, written.row_counts, strict=False):
        written.note(
            fault.kind,
            rows,
            rows if fault.is_rejected else 0,
            file=file,
            status=fault.status,
            warning=fault.warning,
            error=fault.error,
        )
    if is_twin:
        written.note(
            fault.kind, written.row_count, file=written.files[-1], warning="same content as"
        )


def write_dirt(
    truth_dir: Path,
    dirt: list[dict[Hashable, Any]],
    is_kept: Callable[[dict[Hashable, Any]], bool],
) -> None:
    """Write the list of what is planted, one row per file and kind, with what is kept of it."""
    path = truth_dir / "planted_dirt.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [*DIRT_KEY, *DIRT_COUNTS, *DIRT_EXPECTED]
    if path.exists():
        known = pd.read_csv(path, keep_default_na=False).to_dict("records")
        dirt = [row for row in known if is_kept(row)] + dirt
    frame = pd.DataFrame(dirt, columns=names)
    key = [*DIRT_KEY, *DIRT_EXPECTED]
    summed = frame.groupby(key, as_index=False, sort=False)[DIRT_COUNTS].sum()
    summed = summed.sort_values(DIRT_ORDER, ignore_index=True)
    summed[names].to_csv(path, index=False, lineterminator="\n")


def _file_key(row: dict[Hashable, Any]) -> tuple[object, ...]:
    return tuple(row[name] for name in DIRT_KEY[:3])
