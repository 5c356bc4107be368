"""Read the layouts of dialers' files: what stands where and what the dialer's reader can take.

A layout is data, `expectations/layouts/<dialer>.yml`; another one needs no code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from scripts.delivery_terms import read_yaml
from scripts.warehouse import PROJECT_DIR

LAYOUT_DIR = PROJECT_DIR / "expectations" / "layouts"
DEFAULT_LAYOUT = "vicidial_web_standard"
# Control characters, line and paragraph separators, halves of characters.
CONTROL_CHARACTERS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"


@dataclass(frozen=True)
class Field:
    """One column of a layout, in characters of the dialer's column.

    It holds the task's `value` (a name of `lines.VALUES`) or the `constant`. A value that is too
    long or holds a forbidden character rejects its task, unless the field is only shown to the
    agent: there what the dialer cannot hold gives way (`is_cleaned`), and a long text may be cut
    (`is_cut`). `pattern` must match as a whole; `minimum` and `maximum` are bounds of a number.
    """

    name: str
    max_length: int
    value: str | None = None
    constant: str = ""
    is_cleaned: bool = False
    is_cut: bool = False
    pattern: str = ""
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True)
class Layout:
    """What one reader of one dialer takes; `loader` names the reader.

    `forbidden_characters`: stripped or misread wherever they stand; the delimiter is one of them
    unless values may be quoted. `is_basic_plane_only`: no character beyond U+FFFF can be stored.
    `max_line_bytes` is without the line break.
    """

    name: str
    dialer: str
    loader: str
    encoding: str
    delimiter: str
    quoting: Literal["never", "as_needed"]
    has_header: bool
    file_suffix: str
    fields: tuple[Field, ...]
    forbidden_characters: str = ""
    is_basic_plane_only: bool = False
    max_line_bytes: int | None = None
    max_file_bytes: int | None = None

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError(f"layout {self.name} names a column twice: {', '.join(names)}")

    @cached_property
    def line_breakers(self) -> re.Pattern[str]:
        """What is stripped, splits or breaks a line, or is a control character."""
        separators = {self.delimiter, "\t"} if self.quoting == "never" else set()
        unfit = sorted(set(self.forbidden_characters) | separators)
        return re.compile(f"[{re.escape(''.join(unfit))}{CONTROL_CHARACTERS}]")


@cache
def read_layouts(folder: Path = LAYOUT_DIR) -> Mapping[str, Layout]:
    """Return every layout by its name, in the order of the files."""
    layouts = [
        _to_layout(dialer, layout)
        for file in sorted(folder.glob("*.yml"))
        for dialer in [read_yaml(file)]
        for layout in dialer["layouts"]
    ]
    return {layout.name: layout for layout in layouts}


def find_layout(name: str, folder: Path = LAYOUT_DIR) -> Layout:
    """Return one layout; KeyError names it and what exists."""
    layouts = read_layouts(folder)
    if name not in layouts:
        raise KeyError(f"no layout {name}; there are: {', '.join(layouts)}")
    return layouts[name]


def chosen_layouts() -> list[Layout]:
    """Return the layouts that a night writes: those of DIALER_LAYOUTS, or the default one."""
    names = (os.environ.get("DIALER_LAYOUTS") or DEFAULT_LAYOUT).split(",")
    return [find_layout(name.strip()) for name in names]


def _to_layout(dialer: Mapping[str, Any], layout: Mapping[str, Any]) -> Layout:
    stated = dict(dialer.get("defaults", {})) | dict(layout) | {"dialer": dialer["dialer"]}
    fields = [*dialer.get("fields", []), *layout["fields"]]
    return Layout(**stated | {"fields": tuple(Field(**field) for field in fields)})
