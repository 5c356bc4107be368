"""Take in what a dialer reports of calls in its own forms, and apply it to the tasks.

    python -m scripts.import_call_reports --business-date 2026-11-21 [--landing-dir landing]

Reads `landing/dialer/<form>/<date>/*.txt|csv` up to the business date, in the forms of
`expectations/reports/`. Every line becomes a row of dialer.reported_call; its outcome follows from
the flags of its status (seeds/vicidial_status.csv, vicidial_flag.csv), never from its code, and
goes to dialer.record_attempt in the order of the calls. A call is known by its lead and its time,
so repeated and overlapping reports count once. A line that moves no task stays with the reason;
one whose status or task is not known yet is judged again each time.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from scripts import database
from scripts.arguments import add_landing_dir, step_parser
from scripts.delivered_file import storable
from scripts.delivery_terms import OPERATOR_ZONE, read_yaml
from scripts.landing_folder import delivery_dates, delivery_folder, modified_at
from scripts.warehouse import PROJECT_DIR, Role

FORM_DIR = PROJECT_DIR / "expectations" / "reports"
SOURCE = "dialer"
SUFFIXES = (".txt", ".csv")
IMPORT_LOCK = 20260432
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
DAY_SECONDS = 86_400
NEVER = datetime.min.replace(tzinfo=UTC)
COLUMNS = (
    "line",
    "lead_id",
    "called_at",
    "agent_id",
    "campaign_id",
    "status",
    "task_number",
    "source",
    "list_id",
    "talk_seconds",
    "is_inbound",
)

log = logging.getLogger(__name__)

Row = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """How a report is written: by position without a header, or by the names in its header.

    `delimiters`: the one that a line has most of counts. `column_count`: of a line without a
    header. `inbound_pattern`: what `dialed` looks like in the line of a call that came in.
    """

    name: str
    delimiters: Sequence[str]
    positions: Mapping[str, int] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)
    column_count: int | None = None
    inbound_pattern: str = ""


@dataclass(frozen=True)
class ReportsResult:
    """Lines read now, and what became of every line judged now: counts by verdict."""

    file_count: int
    row_count: int
    verdict_counts: Mapping[str, int]

    @property
    def recorded_count(self) -> int:
        return self.verdict_counts.get("recorded", 0)


class ReportNotReadError(RuntimeError):
    """A report is not in its form, so nothing of it was taken in."""


def read_forms(folder: Path = FORM_DIR) -> list[Form]:
    """Return every form of every file in `folder`."""
    files = sorted(folder.glob("*.yml"))
    return [Form(**form) for file in files for form in read_yaml(file)["forms"]]


def import_call_reports(business_date: date, landing_dir: Path) -> ReportsResult:
    """Read every report not read yet, then judge all waiting lines.

    A report that cannot be read keeps no other from being applied; ReportNotReadError comes last.
    """
    problems: list[str] = []
    file_count = row_count = 0
    known_since = _known_since()
    for form, day, file in _delivered(business_date, landing_dir):
        name = file.relative_to(landing_dir).as_posix()
        if modified_at(file) < known_since.get(name, NEVER):
            continue
        try:
            rows = _take_in(form, day, file, name)
        except ReportNotReadError as error:
            log.error("%s", error)
            problems.append(str(error))
            continue
        if rows is not None:
            file_count += 1
            row_count += rows
    result = ReportsResult(file_count, row_count, _judge())
    log.info(
        "%d reports with %d lines read; judged: %s",
        result.file_count,
        result.row_count,
        ", ".join(f"{verdict} {count}" for verdict, count in result.verdict_counts.items())
        or "none",
    )
    if problems:
        raise ReportNotReadError("; ".join(problems))
    return result


def read_report(form: Form, content: bytes, name: str) -> list[Row]:
    """Return a report's lines as rows of dialer.reported_call; one that breaks the form is empty.

    ReportNotReadError when the header is missing or lacks a column, or the last line has no end.
    """
    text = storable(content.decode("utf-8-sig", errors="replace"))
    if text and not text.endswith("\n"):
        raise ReportNotReadError(f"{name}: the last line has no line break: it is not complete")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    positions = form.positions
    if form.header:
        if not numbered:
            raise ReportNotReadError(f"{name}: the file is empty: there is no header")
        _, header = numbered.pop(0)
        positions = _header_positions(form, _cells(form, header), name)
    return [{"line": number} | _read_line(form, positions, line) for number, line in numbered]


def _delivered(business_date: date, landing_dir: Path) -> Iterator[tuple[Form, date, Path]]:
    """Yield the files of each form in the order of their days, up to the business date."""
    for form in read_forms():
        for day in delivery_dates(landing_dir, SOURCE, form.name):
            if day <= business_date:
                folder = delivery_folder(landing_dir, SOURCE, form.name, day)
                for file in sorted(folder.iterdir()):
                    if file.suffix in SUFFIXES and not file.name.startswith((".", "_")):
                        yield form, day, file


def _known_since() -> dict[str, datetime]:
    """Return when each report was read last, by its name in the landing folder."""
    rows = database.fetch_all(Role.LOADER, "select file, loaded_at from dialer.report_file")
    return {row["file"]: row["loaded_at"] for row in rows}


def _take_in(form: Form, day: date, file: Path, name: str) -> int | None:
    """Store a report's lines in the place of an earlier version; None when it is known already."""
    content = file.read_bytes()
    values = {
        "form": form.name,
        "day": day,
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with database.connect(Role.LOADER) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [IMPORT_LOCK])
        known = connection.execute(
            "select 1 from dialer.report_file where file = %(file)s and sha256 = %(sha256)s",
            values,
        ).fetchone()
        if known is not None:
            return None
        rows = read_report(form, content, str(file))
        connection.execute("delete from dialer.report_file where file = %(file)s", values)
        [entry] = connection.execute(
            "insert into dialer.report_file (report_form, delivered_date, file, sha256, row_count)"
            " values (%(form)s, %(day)s, %(file)s, %(sha256)s, %(rows)s) returning report_file_id",
            values | {"rows": len(rows)},
        ).fetchall()
        _copy(connection, entry["report_file_id"], rows)
    return len(rows)


def _copy(connection: database.Connection, report_file_id: int, rows: Sequence[Row]) -> None:
    statement = sql.SQL("copy dialer.reported_call (report_file_id, {}) from stdin").format(
        sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row([report_file_id, *(row.get(column) for column in COLUMNS)])


def _header_positions(form: Form, header: Sequence[str], name: str) -> dict[str, int]:
    missing = [title for title in form.header.values() if title not in header]
    if missing:
        raise ReportNotReadError(
            f"{name}: the header lacks {', '.join(missing)}; export it with its header row"
        )
    return {column: header.index(title) for column, title in form.header.items()}


def _cells(form: Form, line: str) -> list[str]:
    return line.split(max(form.delimiters, key=line.count))


def _read_line(form: Form, positions: Mapping[str, int], line: str) -> Row:
    """Return the values of one line, none at all if it has other columns or no time of the call."""
    cells = _cells(form, line)
    if form.column_count is not None and len(cells) != form.column_count:
        return {}
    if len(cells) <= max(positions.values()):
        return {}
    values: dict[str, Any] = {
        column: cells[position].strip() for column, position in positions.items()
    }
    try:
        called_at = datetime.strptime(values["called_at"], TIME_FORMAT)  # noqa: DTZ007 (zone below)
        length = int(values["talk_seconds"] or 0)
    except ValueError:
        return {}
    values["called_at"] = called_at.replace(tzinfo=OPERATOR_ZONE)
    values["talk_seconds"] = min(max(length, 0), DAY_SECONDS)  # a wrong length costs no call
    values["is_inbound"] = bool(re.fullmatch(form.inbound_pattern, values.pop("dialed", "?")))
    return values


def _judge() -> dict[str, int]:
    """Judge the waiting lines in the order of the calls; return the counts of each verdict."""
    with database.connect(Role.LOADER) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [IMPORT_LOCK])
        rows = connection.execute(
            """
            -- The sort happens inside, so that attempts are recorded in the order of the calls.
            with waiting as (
                select * from dialer.reported_call_to_judge
                order by called_at, call_id, report_file_id, line
            ),

            judged as materialized (
                select
                    waiting.*,
                    case
                        when waiting.reason_aside is not null then waiting.reason_aside
                        else dialer.record_attempt(
                            waiting.call_task_id,
                            waiting.call_id,
                            waiting.agent_id,
                            waiting.called_at,
                            waiting.outcome_code,
                            waiting.talk_seconds,
                            null
                        )
                    end as verdict
                from waiting
            ),

            noted as (
                update dialer.reported_call
                set
                    verdict = judged.verdict,
                    outcome_code = case
                        when judged.reason_aside is null then judged.outcome_code
                    end
                from judged
                where
                    reported_call.report_file_id = judged.report_file_id
                    and reported_call.line = judged.line
            ),

            told as materialized (
                select
                    dialer.record_feedback(
                        judged.call_task_id,
                        judged.call_id,
                        judged.agent_id,
                        judged.called_at,
                        'churn_reason',
                        judged.feedback_reason_code,
                        3,
                        judged.feedback_reason_code,
                        ''
                    )
                from judged
                where judged.verdict = 'recorded' and judged.feedback_reason_code <> 'none'
            ),

            matched_since as (
                delete from dialer.unmatched_outcome as known
                using judged
                where
                    known.business_date = judged.delivered_date
                    and known.file = judged.file
                    and known.call_id = judged.call_id
                    and known.call_task_id = judged.call_task_id
                    and known.reason <> judged.verdict
            ),

            unmatched as (
                insert into dialer.unmatched_outcome
                    (business_date, file, call_id, call_task_id, reason)
                select distinct delivered_date, file, call_id, call_task_id, verdict
                from judged
                where reason_aside is null and verdict not in ('recorded', 'duplicate')
                on conflict do nothing
            )

            select
                verdict,
                count(*) as row_count,
                -- Asked for, because nothing unasked is executed.
                (select count(*) from told) as feedback_count
            from judged
            group by verdict
            order by verdict
            """
        ).fetchall()
    return {row["verdict"]: row["row_count"] for row in rows}


def main() -> int:
    parser = step_parser(__doc__)
    add_landing_dir(parser)
    arguments = parser.parse_args()
    try:
        import_call_reports(arguments.business_date, arguments.landing_dir)
    except ReportNotReadError:
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
