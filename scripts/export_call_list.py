"""Write the files that a dialer imports: what it may call on the day after the business date.

    python -m scripts.export_call_list --business-date 2026-11-20 [--out-dir var/export] [--dry-run]

The tasks are those of the state at the end of the business date: published, not closed, and due
before the end of the next day, so a night written again gives the same bytes. `--open-only` leaves
out what has been called, claimed or closed since: for a file that is needed again during the day.
Withdrawn tasks are never written. One file per revisit tag, one with the tasks that the layout
cannot carry and why, and a manifest. Layouts: docs/dialer-layouts.md.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from scripts import database
from scripts.arguments import step_parser
from scripts.export_folder import export_dir, private_folder, whole_file
from scripts.warehouse import Role

LAYOUT_NAME = "vicidial_standard"
MANIFEST = "manifest.json"
DELIMITER = "|"
# The loader strips these five anywhere, and splits at the delimiter whatever surrounds it.
FORBIDDEN_CHARACTERS = frozenset("'\"\\`;" + DELIMITER)
SMALLEST_RANK, LARGEST_RANK = -32768, 32767

log = logging.getLogger(__name__)

Task = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One position of the layout: what stands there and what the dialer's column holds.

    A value that is too long or holds a forbidden character rejects its task, unless the field is
    only shown to the agent: there forbidden characters become spaces, and a long text may be cut.
    """

    name: str
    max_length: int
    value: Callable[[Task], str] = lambda task: ""
    is_cleaned: bool = False
    is_cut: bool = False
    pattern: str = ""


@dataclass(frozen=True)
class Rejection:
    """Why a task is in no file; never with the value itself."""

    call_task_id: int
    revisit_tag: str
    field: str
    reason: str


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
    """Counts of one night's export; always task_count = exported_count + rejected_count."""

    business_date: date
    layout: str
    folder: Path
    is_dry_run: bool
    task_count: int
    exported_count: int
    rejected_count: int
    files: tuple[ExportFile, ...]
    rejections: tuple[Rejection, ...]


def _text(column: str) -> Callable[[Task], str]:
    return lambda task: "" if task[column] is None else str(task[column])


def _constant(value: str) -> Callable[[Task], str]:
    return lambda task: value


# VICIdial's web loader, "Standard Format": 25 positions, limits of the columns of vicidial_list.
VICIDIAL_STANDARD: tuple[Field, ...] = (
    Field("vendor_lead_code", 20, _text("call_task_id")),
    Field("source_id", 50, lambda task: f"{task['revisit_tag']}:{task['call_list_id']}"),
    Field("list_id", 12, _text("list_id"), pattern=r"[0-9]{3,12}"),
    Field("phone_code", 10, _constant("86")),
    Field("phone_number", 18, _text("phone_number"), pattern=r"1[3-9][0-9]{9}"),
    Field("title", 4),
    Field("first_name", 30, _text("customer_name"), is_cleaned=True),
    Field("middle_initial", 1),
    Field("last_name", 30),
    Field("address1", 100),
    Field("address2", 100),
    Field("address3", 100),
    Field("city", 50),
    Field("state", 2),
    Field("province", 50, _text("region"), is_cleaned=True),
    Field("postal_code", 10),
    Field("country_code", 3, _constant("CHN")),
    Field("gender", 1, _constant("U")),
    Field("date_of_birth", 10),
    Field("alt_phone", 12),
    Field("email", 70),
    Field("security_phrase", 100, _text("revisit_tag")),
    Field("comments", 255, _text("agent_hint"), is_cleaned=True, is_cut=True),
    Field("rank", 6, _text("priority_rank"), pattern=r"-?[0-9]+"),
    Field("owner", 20, _text("agent_id")),
)


def export(
    business_date: date,
    out_dir: Path,
    *,
    is_dry_run: bool = False,
    is_open_only: bool = False,
) -> ExportResult:
    """Write the night's files into `out_dir`/<business_date>; the dry run only counts."""
    tasks = _read_tasks(business_date, is_open_only)
    lines, rejections = render(tasks)
    contents = _file_contents(tasks, lines, rejections)
    files = tuple(
        _describe(tag, tag_tasks, contents[_file_name(tag)], lines)
        for tag, tag_tasks in _by_tag(tasks).items()
    )
    result = ExportResult(
        business_date=business_date,
        layout=LAYOUT_NAME,
        folder=out_dir / business_date.isoformat(),
        is_dry_run=is_dry_run,
        task_count=len(tasks),
        exported_count=sum(file.row_count for file in files),
        rejected_count=len(rejections),
        files=files,
        rejections=tuple(rejections),
    )
    if result.task_count != result.exported_count + result.rejected_count:
        raise RuntimeError(f"the export of {business_date} lost tasks: {_counts(result)}")
    if not is_dry_run:
        _write(result.folder, contents, _manifest(result))
    _log(result)
    return result


def render(tasks: Sequence[Task]) -> tuple[dict[int, str], list[Rejection]]:
    """Return the line of every task that fits the layout, by task id, and the other tasks.

    A number stands in the night's files once: for the first task in the order given.
    """
    lines: dict[int, str] = {}
    rejections: list[Rejection] = []
    taken_numbers: set[str] = set()
    for task in tasks:
        task_id = int(task["call_task_id"])
        values, problem = _fill(task)
        if problem is None and task["phone_number"] in taken_numbers:
            problem = ("phone_number", "number is already in this night's files")
        if problem is not None:
            rejections.append(Rejection(task_id, task["revisit_tag"], *problem))
            continue
        taken_numbers.add(task["phone_number"])
        lines[task_id] = DELIMITER.join(values)
    return lines, rejections


def _fill(task: Task) -> tuple[list[str], tuple[str, str] | None]:
    """Return the values of a task's line, or the first field that does not fit and why."""
    values = []
    for field in VICIDIAL_STANDARD:
        value = field.value(task)
        if field.is_cleaned:
            value = " ".join("".join(" " if _is_forbidden(x) else x for x in value).split())
        if field.is_cut:
            value = value[: field.max_length].rstrip()
        reason = _problem(field, value)
        if reason is not None:
            return [], (field.name, reason)
        values.append(value)
    return values, None


def _problem(field: Field, value: str) -> str | None:
    if len(value) > field.max_length:
        return f"{len(value)} characters, at most {field.max_length} fit"
    if any(_is_forbidden(character) for character in value):
        return "holds a character that the loader strips or splits at"
    if field.pattern and not re.fullmatch(field.pattern, value):
        return f"does not match {field.pattern}"
    if field.name == "rank" and not SMALLEST_RANK <= int(value) <= LARGEST_RANK:
        return f"outside {SMALLEST_RANK} to {LARGEST_RANK}"
    return None


def _is_forbidden(character: str) -> bool:
    """Whether a character is stripped, splits, breaks the line or is invisible."""
    return character in FORBIDDEN_CHARACTERS or unicodedata.category(character) in {
        "Cc",
        "Cs",
        "Zl",
        "Zp",
    }


def _read_tasks(business_date: date, is_open_only: bool) -> Sequence[Task]:
    """Return the tasks to call on the day after `business_date`, in calling order.

    A list id is the date and a number of the tag (its place among all tags ever published), so it
    is the same whenever the night is written and never that of another night.
    """
    return database.fetch_all(
        Role.DIALER,
        """
        with night as (
            select
                (%(business_date)s::date + 1)::timestamp at time zone 'Asia/Shanghai' as end_at,
                (%(business_date)s::date + 2)::timestamp at time zone 'Asia/Shanghai'
                    as call_day_end_at
        ),

        numbered_tag as (
            select
                revisit_tag,
                row_number() over (order by min(call_list_id)) as tag_number
            from dialer.call_list
            group by revisit_tag
        ),

        attempt_until_night as (
            select
                call_attempt.call_task_id,
                count(*) as attempt_count,
                max(call_attempt.next_call_at) as next_call_at
            from dialer.call_attempt
            cross join night
            where call_attempt.called_at < night.end_at
            group by call_attempt.call_task_id
        )

        select
            call_task.call_task_id,
            call_task.call_list_id,
            call_task.revisit_tag,
            to_char(%(business_date)s::date, 'YYYYMMDD')
                || lpad(numbered_tag.tag_number::text, 2, '0') as list_id,
            call_task.phone_number,
            call_task.customer_name,
            call_task.region,
            call_task.priority_rank,
            call_task.agent_hint,
            case when attempt_until_night.attempt_count > 0 then call_task.agent_id end as agent_id
        from dialer.call_task
        cross join night
        inner join numbered_tag on call_task.revisit_tag = numbered_tag.revisit_tag
        left join attempt_until_night
            on call_task.call_task_id = attempt_until_night.call_task_id
        where
            call_task.business_date <= %(business_date)s
            and call_task.status <> 'withdrawn'
            and (call_task.closed_at is null or call_task.closed_at >= night.end_at)
            and (
                attempt_until_night.next_call_at is null
                or attempt_until_night.next_call_at < night.call_day_end_at
            )
            and (
                not %(is_open_only)s
                or (
                    call_task.attempt_count = coalesce(attempt_until_night.attempt_count, 0)
                    and (
                        call_task.status = 'open'
                        or (call_task.status = 'claimed' and call_task.lease_expires_at <= now())
                    )
                )
            )
        order by
            coalesce(attempt_until_night.attempt_count, 0) > 0 desc,
            call_task.business_date desc,
            call_task.priority_rank,
            call_task.call_task_id
        """,
        business_date=business_date,
        is_open_only=is_open_only,
    )


def _by_tag(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    tags = sorted({task["revisit_tag"] for task in tasks})
    return {tag: [task for task in tasks if task["revisit_tag"] == tag] for tag in tags}


def _file_name(tag: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]+", tag):
        raise ValueError(f"revisit tag {tag!r} cannot be part of a file name")
    return f"{LAYOUT_NAME}_{tag}.txt"


def _file_contents(
    tasks: Sequence[Task], lines: Mapping[int, str], rejections: Sequence[Rejection]
) -> dict[str, bytes]:
    contents = {
        _file_name(tag): "".join(
            f"{lines[task['call_task_id']]}\n"
            for task in tag_tasks
            if task["call_task_id"] in lines
        ).encode()
        for tag, tag_tasks in _by_tag(tasks).items()
    }
    rejected = io.StringIO(newline="")
    writer = csv.writer(rejected, lineterminator="\n")
    writer.writerow(Rejection.__dataclass_fields__)
    writer.writerows(asdict(rejection).values() for rejection in rejections)
    return contents | {f"{LAYOUT_NAME}.rejected.csv": rejected.getvalue().encode()}


def _describe(
    tag: str, tasks: Sequence[Task], content: bytes, lines: Mapping[int, str]
) -> ExportFile:
    return ExportFile(
        name=_file_name(tag),
        revisit_tag=tag,
        list_id=int(tasks[0]["list_id"]),
        row_count=sum(task["call_task_id"] in lines for task in tasks),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _manifest(result: ExportResult) -> bytes:
    manifest = {
        "business_date": result.business_date.isoformat(),
        "layout": result.layout,
        "task_count": result.task_count,
        "exported_count": result.exported_count,
        "rejected_count": result.rejected_count,
        "files": [asdict(file) for file in result.files],
    }
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


def _write(folder: Path, contents: Mapping[str, bytes], manifest: bytes) -> None:
    """Put the files in place, each whole or not at all, the manifest last.

    The files hold phone numbers: only the account that runs the pipeline may read them.
    """
    private_folder(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    for stale in folder.glob(f"{LAYOUT_NAME}*"):
        if stale.name not in contents:
            stale.unlink()
    for name, content in [*contents.items(), (MANIFEST, manifest)]:
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
    for rejection in result.rejections:
        log.warning(
            "call task %d is in no file: %s %s",
            rejection.call_task_id,
            rejection.field,
            rejection.reason,
        )


def main() -> int:
    parser = step_parser(__doc__)
    parser.add_argument("--out-dir", type=Path, default=export_dir())
    parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
    parser.add_argument("--open-only", action="store_true", help="only what is still to be called")
    arguments = parser.parse_args()
    export(
        arguments.business_date,
        arguments.out_dir,
        is_dry_run=arguments.dry_run,
        is_open_only=arguments.open_only,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
