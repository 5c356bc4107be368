"""The landing folder: landing/<source>/<extract>/<business_date>/*.csv|csv.gz|parquet."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from pathlib import Path

SUFFIXES = (".csv", ".csv.gz", ".parquet")

log = logging.getLogger(__name__)


def delivery_folder(landing_dir: Path, source: str, extract: str, business_date: date) -> Path:
    """Return the folder in which one extract's files of a business date arrive."""
    return landing_dir / source / extract / business_date.isoformat()


def delivered_files(folder: Path) -> list[Path]:
    """Return the files of a delivery; names that begin with `.` or `_` are not part of it."""
    return sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.name.endswith(SUFFIXES) and not path.name.startswith((".", "_")) and path.is_file()
    )


def delivery_dates(landing_dir: Path, source: str, extract: str) -> list[date]:
    """Return the dates for which an extract has a folder, in order."""
    folder = landing_dir / source / extract
    dates = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            dates.append(date.fromisoformat(entry.name))
        except ValueError:
            log.warning("%s is not a date; left alone", entry)
    return sorted(dates)


def modified_at(path: Path) -> datetime:
    """Return when a file was last written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
