"""Files that others take: each there whole or not at all, for the pipeline's own account alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from scripts.warehouse import PROJECT_DIR


def export_dir() -> Path:
    """Return the folder in which the files of each night lie: EXPORT_DIR, or var/export."""
    return Path(os.environ.get("EXPORT_DIR") or PROJECT_DIR / "var" / "export")


def private_folder(folder: Path) -> Path:
    """Make a folder that nobody else may read, if there is none yet, and return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a draft beside `path` that takes its place once everything is written."""
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    with draft.open("wb") as file:
        yield file
    draft.replace(path)
