"""docs/call-list-files.md and docs/samples/call_list: the dialers' files, from their layouts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scripts.export_call_list.files import content
from scripts.export_call_list.layouts import Field, Layout
from scripts.export_call_list.lines import Task, render
from scripts.generate_docs.markdown import table
from scripts.generate_docs.samples import FOLDER

TITLE = """# Call list files

What stands where in the files that dialers load, made from `expectations/layouts/` by
`python -m scripts.generate_docs`. How they come to be, and what comes back:
[dialer-layouts.md](dialer-layouts.md). The samples have made-up numbers.
"""
FIRST_TASK: Task = {
    "call_task_id": 4711,
    "call_list_id": 12,
    "revisit_tag": "risk_soothing",
    "list_id": "2026112001",
    "phone_number": "16100000001",
    "customer_name": "王小明",
    "region": "成都市",
    "priority_rank": 7,
    "attempt_count": 0,
    "agent_hint": "风险：一个月内重复障碍。",
    "agent_id": None,
}
SAMPLE_TASKS = (
    FIRST_TASK,
    dict(FIRST_TASK)
    | {
        "call_task_id": 4712,
        "phone_number": "16100000002",
        "customer_name": "李娜",
        "priority_rank": 8,
        "attempt_count": 1,
        "agent_hint": "第二次回访，上次无人接听。",
        "agent_id": "A0231",
    },
)


def page(layouts: Iterable[Layout]) -> str:
    """Return the page: a section per layout with its facts and its columns."""
    return "\n".join([TITLE, *(_section(layout) for layout in layouts)])


def sample_files(layouts: Iterable[Layout]) -> dict[Path, bytes]:
    """Return the content of each layout's sample by its path below docs."""
    return {sample_path(layout): _sample(layout) for layout in layouts}


def sample_path(layout: Layout) -> Path:
    """Return where a layout's sample lies below docs."""
    return FOLDER / "call_list" / f"{layout.name}.{layout.file_suffix}"


def _sample(layout: Layout) -> bytes:
    return content(layout, list(render(layout, SAMPLE_TASKS).lines.values()))


def _section(layout: Layout) -> str:
    facts = [
        f"{layout.encoding.upper()}, `{layout.delimiter}` between values,",
        "header row," if layout.has_header else "no header,",
        "values quoted where needed" if layout.quoting == "as_needed" else "nothing quoted",
    ]
    limits = [
        f"no {' '.join(f'`` {character} ``' for character in layout.forbidden_characters)}"
        if layout.forbidden_characters
        else "",
        "no character beyond U+FFFF" if layout.is_basic_plane_only else "",
        f"lines of at most {layout.max_line_bytes:,} bytes" if layout.max_line_bytes else "",
        f"files of at most {layout.max_file_bytes:,} bytes" if layout.max_file_bytes else "",
    ]
    rows = [
        (str(position), f"`{field.name}`", str(field.max_length), _value(field), _rules(field))
        for position, field in enumerate(layout.fields)
    ]
    columns = "\n".join(table(("pos.", "column", "width", "value", "handling"), rows))
    path = sample_path(layout)
    return (
        f"## `{layout.name}`\n\n"
        f"{layout.dialer}: {layout.loader}. {' '.join(facts)}"
        f"{''.join(f'; {limit}' for limit in limits if limit)}. Sample: [{path}]({path}).\n\n"
        f"{columns}\n"
    )


def _value(field: Field) -> str:
    if field.value:
        return field.value
    return f"`{field.constant}`" if field.constant else ""


def _rules(field: Field) -> str:
    rules = [
        "shown only: cleaned" if field.is_cleaned else "",
        "cut" if field.is_cut else "",
        f"{field.minimum} to {field.maximum}" if field.minimum is not None else "",
        f"matches `{field.pattern}`" if field.pattern else "",
    ]
    return ", ".join(rule for rule in rules if rule)
