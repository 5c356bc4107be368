"""Write one night's files for a dialer: each whole or not at all, the manifest last."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from scripts.export_call_list.due_tasks import due_tasks
from scripts.export_call_list.layouts import Layout, chosen_layouts
from scripts.export_call_list.lines import LINE_BREAK, Rejection, Rendered, Task, joined, render
from scripts.export_folder import private_folder, whole_file

MANIFEST = "manifest.json"
REJECTED = "rejected.csv"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportFile:
    """One written file; `list_id` is the list it fills in the dialer."""

    name: str
    revisit_tag: str
    list_id: int
    row_count: int
    sha256: str


@dataclass(frozen=True)
class ExportResult:
    """Counts of one night's export; always task_count = exported_count + rejected_count.

    `changed_counts`: lines per field shown to the agent that do not show the task's own text.
    """

    business_date: date
    layout: str
    folder: Path
    is_dry_run: bool
    task_count: int
    exported_count: int
    rejected_count: int
    changed_counts: Mapping[str, int]
    files: tuple[ExportFile, ...]
    rejections: tuple[Rejection, ...]


def export_night(business_date: date, out_dir: Path) -> list[ExportResult]:
    """Write the night's files in every layout that DIALER_LAYOUTS names."""
    return [export(business_date, out_dir, layout) for layout in chosen_layouts()]


def export(
    business_date: date,
    out_dir: Path,
    layout: Layout,
    *,
    is_dry_run: bool = False,
    is_open_only: bool = False,
) -> ExportResult:
    """Write the files into `out_dir`/<business_date>/<layout>; the dry run only counts."""
    tasks = due_tasks(business_date, is_open_only=is_open_only)
    rendered = render(layout, tasks)
    contents = {
        file_name(layout, tag_tasks[0]): _content(layout, tag_tasks, rendered)
        for tag_tasks in _by_tag(tasks).values()
    }
    result = ExportResult(
        business_date=business_date,
        layout=layout.name,
        folder=out_dir / business_date.isoformat() / layout.name,
        is_dry_run=is_dry_run,
        task_count=len(tasks),
        exported_count=len(rendered.lines),
        rejected_count=len(rendered.rejections),
        changed_counts=dict(sorted(rendered.changed_counts.items())),
        files=tuple(
            _described(layout, tag_tasks, contents, rendered)
            for tag_tasks in _by_tag(tasks).values()
        ),
        rejections=tuple(rendered.rejections),
    )
    if result.task_count != result.exported_count + result.rejected_count:
        raise RuntimeError(f"the export of {business_date} lost tasks: {_counts(result)}")
    if not is_dry_run:
        contents[REJECTED] = _rejections(rendered)
        contents[MANIFEST] = _manifest(layout, result)
        _write(result.folder, contents)
    _log(result)
    return result


def content(layout: Layout, lines: Sequence[str]) -> bytes:
    """Return a file's bytes; ValueError when the dialer takes no file of that size."""
    header = [joined(layout, (field.name for field in layout.fields))] if layout.has_header else []
    text = "".join(f"{line}{LINE_BREAK}" for line in [*header, *lines])
    encoded = text.encode(layout.encoding)
    if layout.max_file_bytes is not None and len(encoded) > layout.max_file_bytes:
        raise ValueError(
            f"layout {layout.name} takes files of at most {layout.max_file_bytes} bytes, this one"
            f" would have {len(encoded)}"
        )
    return encoded


def file_name(layout: Layout, task: Task) -> str:
    """Return the name of a task's file: <revisit_tag>_<list id>, which a loader may read off it."""
    tag = task["revisit_tag"]
    if not re.fullmatch(r"[A-Za-z0-9_]+", tag):
        raise ValueError(f"revisit tag {tag!r} cannot be part of a file name")
    return f"{tag}_{task['list_id']}.{layout.file_suffix}"


def _by_tag(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    tags = sorted({task["revisit_tag"] for task in tasks})
    return {tag: [task for task in tasks if task["revisit_tag"] == tag] for tag in tags}


def _content(layout: Layout, tasks: Sequence[Task], rendered: Rendered) -> bytes:
    return content(
        layout,
        [
            rendered.lines[task["call_task_id"]]
            for task in tasks
            if task["call_task_id"] in rendered.lines
        ],
    )


def _described(
    layout: Layout, tasks: Sequence[Task], contents: Mapping[str, bytes], rendered: Rendered
) -> ExportFile:
    name = file_name(layout, tasks[0])
    return ExportFile(
        name=name,
        revisit_tag=tasks[0]["revisit_tag"],
        list_id=int(tasks[0]["list_id"]),
        row_count=sum(task["call_task_id"] in rendered.lines for task in tasks),
        sha256=hashlib.sha256(contents[name]).hexdigest(),
    )


def _rejections(rendered: Rendered) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=LINE_BREAK)
    writer.writerow(Rejection.__dataclass_fields__)
    writer.writerows(asdict(rejection).values() for rejection in rendered.rejections)
    return text.getvalue().encode()


def _manifest(layout: Layout, result: ExportResult) -> bytes:
    manifest = {
        "business_date": result.business_date.isoformat(),
        "dialer": layout.dialer,
        "loader": layout.loader,
        "layout": result.layout,
        "encoding": layout.encoding,
        "task_count": result.task_count,
        "exported_count": result.exported_count,
        "rejected_count": result.rejected_count,
        "changed_counts": result.changed_counts,
        "files": [asdict(file) for file in result.files],
    }
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + LINE_BREAK).encode()


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put the files in place, in the order given; the manifest is taken away first.

    The files hold phone numbers: only the account that runs the pipeline may read them.
    """
    private_folder(folder.parent)
    private_folder(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    for stale in folder.iterdir():
        if stale.name not in contents:
            stale.unlink()
    for name, content in contents.items():
        with whole_file(folder / name) as file:
            file.write(content)


def _counts(result: ExportResult) -> str:
    return (
        f"{result.task_count} tasks, {result.exported_count} exported, "
        f"{result.rejected_count} rejected"
    )


def _log(result: ExportResult) -> None:
    log.info(
        "%s: %s%s, layout %s, %s",
        result.business_date,
        "dry run, " if result.is_dry_run else "",
        _counts(result),
        result.layout,
        "nothing written" if result.is_dry_run else f"in {result.folder}",
    )
    for name, count in result.changed_counts.items():
        log.info("%s is shown cleaned or cut in %d lines", name, count)
    for rejection in result.rejections:
        log.warning(
            "call task %d is in no file: %s %s",
            rejection.call_task_id,
            rejection.field,
            rejection.reason,
        )
