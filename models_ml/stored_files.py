"""The files of a stored model: that they are there, and that they are those that were saved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


class UnreadableModelError(RuntimeError):
    """A stored model is not there, or is not what its metadata says."""


def sha256(file: Path) -> str:
    """Return the sha256 of the file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def require_files(folder: Path, names: Sequence[str]) -> None:
    """Do nothing where `folder` has all the files.

    Raises:
        UnreadableModelError: naming the first that it lacks.
    """
    for name in names:
        if not (folder / name).is_file():
            raise UnreadableModelError(f"{folder / name} does not exist")


def require_same(file: Path, saved_sha256: str) -> None:
    """Do nothing where the file is the one that was saved.

    Raises:
        UnreadableModelError: it is another.
    """
    if sha256(file) != saved_sha256:
        raise UnreadableModelError(f"{file} is not the file that was saved")
