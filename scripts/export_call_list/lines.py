"""Turn tasks into lines of a layout, or say why a layout cannot carry a task."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.export_call_list.layouts import Field, Layout

MOBILE_NUMBER = re.compile(r"1[3-9][0-9]{9}")
COUNTRY_CODE = "+86"
LINE_BREAK = "\n"
# Printers set it for a character they have no type for.
MISSING_CHARACTER = "〓"
BEYOND_BASIC_PLANE = re.compile("[\U00010000-\U0010ffff]")

Task = Mapping[str, Any]


def _text(column: str) -> Callable[[Task], str]:
    return lambda task: "" if task[column] is None else str(task[column])


# What a field of a layout may hold of a task.
VALUES: Mapping[str, Callable[[Task], str]] = {
    "source": lambda task: f"{task['revisit_tag']}:{task['call_list_id']}",
    "phone_number_e164": lambda task: f"{COUNTRY_CODE}{task['phone_number']}",
} | {
    column: _text(column)
    for column in (
        "call_task_id",
        "list_id",
        "revisit_tag",
        "phone_number",
        "customer_name",
        "region",
        "priority_rank",
        "attempt_count",
        "agent_id",
        "agent_hint",
    )
}


@dataclass(frozen=True)
class Rejection:
    """Why a task is in no file; never with the value itself."""

    call_task_id: int
    revisit_tag: str
    field: str
    reason: str


@dataclass(frozen=True)
class Rendered:
    """The line of every task that fits a layout, by task id, and the other tasks.

    `changed_counts`: per field shown to the agent, in how many lines it is not the task's own text,
    because a character gave way or the end was cut off.
    """

    lines: dict[int, str] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    changed_counts: Counter[str] = field(default_factory=Counter)


class UnfitError(ValueError):
    """A layout cannot carry a task; `args` are the field and the reason."""


def render(layout: Layout, tasks: Sequence[Task]) -> Rendered:
    """Render tasks; a number gets one line, for the first of its tasks in the order given."""
    rendered = Rendered()
    taken_numbers: set[str] = set()
    for task in tasks:
        try:
            _check_number(task["phone_number"], taken_numbers)
            line, changed = _line(layout, task)
        except UnfitError as unfit:
            rendered.rejections.append(
                Rejection(int(task["call_task_id"]), task["revisit_tag"], *unfit.args)
            )
            continue
        taken_numbers.add(task["phone_number"])
        rendered.lines[int(task["call_task_id"])] = line
        rendered.changed_counts.update(changed)
    return rendered


def joined(layout: Layout, values: Iterable[str]) -> str:
    """Return one line, without its line break; only values that need it are quoted."""
    if layout.quoting == "never":
        return layout.delimiter.join(values)
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=layout.delimiter, lineterminator="").writerow(values)
    return text.getvalue()


def _check_number(number: str, taken_numbers: set[str]) -> None:
    if not MOBILE_NUMBER.fullmatch(number):
        raise UnfitError("phone_number", f"does not match {MOBILE_NUMBER.pattern}")
    if number in taken_numbers:
        raise UnfitError("phone_number", "number is already in this night's files")


def _line(layout: Layout, task: Task) -> tuple[str, list[str]]:
    """Return a task's line and the names of the fields that do not show the task's own text."""
    values: dict[str, str] = {}
    changed = []
    for item in layout.fields:
        value = VALUES[item.value](task) if item.value else item.constant
        values[item.name] = _fitted(layout, item, value)
        if values[item.name] != value:
            changed.append(item.name)
    line = joined(layout, values.values())
    excess = _excess_bytes(layout, line)
    if excess > 0:
        shortened = _shortened(layout, values, excess)
        changed.extend({shortened} - set(changed))
        line = joined(layout, values.values())
    return line, changed


def _fitted(layout: Layout, item: Field, value: str) -> str:
    """Return the value as the field can hold it; UnfitError if it may not be changed."""
    if item.is_cleaned:
        value = _shown(layout, value)
    if item.is_cut:
        value = value[: item.max_length].rstrip()
    reason = _problem(layout, item, value)
    if reason is not None:
        raise UnfitError(item.name, reason)
    return value


def _problem(layout: Layout, item: Field, value: str) -> str | None:
    if len(value) > item.max_length:
        return f"{len(value)} characters, at most {item.max_length} fit"
    if layout.line_breakers.search(value):
        return "holds a character that the loader strips or splits at"
    if not _is_storable(layout, value):
        return "holds a character that the dialer cannot store"
    if item.pattern and not re.fullmatch(item.pattern, value):
        return f"does not match {item.pattern}"
    if item.minimum is not None and int(value) < item.minimum:
        return f"below {item.minimum}"
    if item.maximum is not None and int(value) > item.maximum:
        return f"above {item.maximum}"
    return None


def _shown(layout: Layout, value: str) -> str:
    """Return what an agent is to see of a value: all of it that the dialer can hold."""
    text = " ".join(layout.line_breakers.sub(" ", value).split())
    if _is_storable(layout, text):
        return text
    return "".join(
        character if _is_storable(layout, character) else MISSING_CHARACTER for character in text
    )


def _is_storable(layout: Layout, text: str) -> bool:
    if layout.is_basic_plane_only and BEYOND_BASIC_PLANE.search(text):
        return False
    try:
        text.encode(layout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _excess_bytes(layout: Layout, line: str) -> int:
    if layout.max_line_bytes is None:
        return 0
    return len(line.encode(layout.encoding)) - layout.max_line_bytes


def _shortened(layout: Layout, values: dict[str, str], excess: int) -> str:
    """Take bytes off the end of the field that may be cut; return its name."""
    for item in layout.fields:
        content = values[item.name].encode(layout.encoding)
        if item.is_cut and len(content) >= excess:
            kept = content[: len(content) - excess].decode(layout.encoding, errors="ignore")
            values[item.name] = kept.rstrip()
            return item.name
    limit = layout.max_line_bytes
    raise UnfitError("line", f"{excess} bytes too long, at most {limit} are read")
