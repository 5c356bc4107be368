"""Has a source delivered what it owes for a business date? Asked by the night before it loads.

A source owes each extract that comes every night and has come before; what has not come for
`FORGOTTEN_AFTER_DAYS`, or never, is not waited for unless the night cannot do without it. A
delivery is complete when its folder has a file and nothing in it changes from one look to the next,
since a file may still be being written.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from scripts.delivery_terms import DAILY, read_terms
from scripts.landing_folder import delivered_files

FORGOTTEN_AFTER_DAYS = 35

log = logging.getLogger(__name__)

State = frozenset[tuple[str, int, int]]


@dataclass(frozen=True)
class Look:
    """What was found at one moment: extracts without a file, and those that still change."""

    missing: tuple[str, ...]
    unfinished: tuple[str, ...]
    is_complete: bool = False


class DeliveryWatch:
    """Looks at the folders of a source's extracts again and again, and compares."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders
        self._before: dict[str, State] | None = None

    def look(self) -> Look:
        """Look at all folders; complete is what has a file and is as it was at the look before."""
        now = {extract: _state(folder) for extract, folder in self._folders.items()}
        missing = tuple(
            extract for extract, folder in self._folders.items() if not delivered_files(folder)
        )
        before, self._before = self._before, now
        unfinished = tuple(
            extract
            for extract in now
            if extract not in missing and before is not None and before[extract] != now[extract]
        )
        is_complete = before is not None and not missing and not unfinished
        return Look(missing, unfinished, is_complete)


def owed_extracts(source: str, business_date: date) -> list[str]:
    """Return the extracts that a source owes for a business date."""
    from scripts.contracts import read_extracts

    terms = read_terms(source)
    came_before = _delivered_lately(source, business_date)
    return [
        extract.name
        for extract in read_extracts()
        if extract.source == source
        and terms.days_between(extract.name) == DAILY
        and (extract.is_blocking or extract.name in came_before)
    ]


def record(
    source: str, business_date: date, cutoff_at: datetime, look: Look, folders: dict[str, Path]
) -> None:
    """Enter into ops.source_delivery what the night found; asking again replaces the answer."""
    from scripts.database import connect
    from scripts.warehouse import Role

    is_here = not look.missing and not look.unfinished
    with connect(Role.LOADER) as connection:
        connection.execute(
            """
            insert into ops.source_delivery (
                business_date, source, due_at, cutoff_at, arrived_at,
                missing_extracts, unfinished_extracts
            )
            values (%s, %s, %s, %s, %s, %s, %s)
            on conflict (business_date, source) do update set
                due_at = excluded.due_at,
                cutoff_at = excluded.cutoff_at,
                arrived_at = excluded.arrived_at,
                missing_extracts = excluded.missing_extracts,
                unfinished_extracts = excluded.unfinished_extracts,
                checked_at = excluded.checked_at
            """,
            [
                business_date,
                source,
                read_terms(source).due_at(business_date),
                cutoff_at,
                _last_written(folders) if is_here else None,
                list(look.missing),
                list(look.unfinished),
            ],
        )
    if is_here:
        log.info("%s has delivered %s", source, ", ".join(folders) or "nothing, and owes nothing")
    else:
        log.warning(
            "the night goes on without all of %s: missing %s, unfinished %s",
            source, ", ".join(look.missing) or "none", ", ".join(look.unfinished) or "none",
        )  # fmt: skip


def _delivered_lately(source: str, business_date: date) -> set[str]:
    from scripts.database import fetch_all
    from scripts.warehouse import Role

    rows = fetch_all(
        Role.LOADER,
        "select distinct extract from ops.extract_load"
        " where source = %(source)s and status = 'loaded'"
        " and business_date between %(oldest)s and %(business_date)s",
        source=source,
        oldest=business_date - timedelta(days=FORGOTTEN_AFTER_DAYS),
        business_date=business_date,
    )
    return {row["extract"] for row in rows}


def _state(folder: Path) -> State:
    """Return name, size and modification time of everything in a folder, hidden files included."""
    entries = set()
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            status = path.stat()
        except FileNotFoundError:  # renamed meanwhile; under its new name it counts as changed
            continue
        entries.add((path.name, status.st_size, status.st_mtime_ns))
    return frozenset(entries)


def _last_written(folders: dict[str, Path]) -> datetime | None:
    written = [
        path.stat().st_mtime for folder in folders.values() for path in delivered_files(folder)
    ]
    return datetime.fromtimestamp(max(written), UTC) if written else None
