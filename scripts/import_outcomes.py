"""Take in what became of the calls of one day: load the dialer's file, then apply it to the tasks.

    python -m scripts.import_outcomes --business-date 2026-11-21 [--landing-dir landing]

Loads `landing/dialer/call_outcome/<business_date>/` like every other extract and hands its rows, in
the order of the calls, to dialer.record_attempt. A call that is recorded already changes nothing,
so the same file may come twice. Rows that fit no open task are kept in dialer.unmatched_outcome
with the reason.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from scripts import database
from scripts.arguments import add_landing_dir, step_parser
from scripts.contracts import find_extract
from scripts.load_extracts import ExtractLoad, due_loads, load_each, load_extract
from scripts.warehouse import Role

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ApplyResult:
    """Counts of outcomes; always row_count = recorded + duplicate + the sum of unmatched.

    `unmatched_counts`: rows per reason that dialer.record_attempt gave.
    """

    business_date: date
    row_count: int = 0
    recorded_count: int = 0
    duplicate_count: int = 0
    unmatched_counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def unmatched_count(self) -> int:
        return sum(self.unmatched_counts.values())


@dataclass(frozen=True)
class ImportResult:
    """What the loader did with the delivery, and what its rows did to the tasks."""

    business_date: date
    load: ExtractLoad
    applied: ApplyResult


class OutcomesNotLoadedError(RuntimeError):
    """The dialer's delivery could not be read, so nothing was applied."""


def import_outcomes(business_date: date, landing_dir: Path) -> ImportResult:
    """Load and apply the outcomes delivered for `business_date`."""
    load = load_extract(find_extract("dialer", "call_outcome"), business_date, landing_dir)
    if load.status == "failed":
        raise OutcomesNotLoadedError(
            f"dialer.call_outcome of {business_date} was not loaded, no task was changed: "
            f"{load.error}"
        )
    return ImportResult(business_date, load, apply_outcomes(business_date))


def import_delivered_outcomes(call_date: date, landing_dir: Path) -> list[ExtractLoad]:
    """Load what was delivered up to the day of the calls and is not known yet; apply all of it.

    Returns what became of each delivery; OutcomesNotLoadedError, in the end, if one failed.
    """
    due = [
        (day, extract)
        for day, extract in due_loads(date.min, call_date, landing_dir)
        if (extract.source, extract.name) == ("dialer", "call_outcome")
    ]
    loads = list(load_each(due, landing_dir))
    apply_pending_outcomes(call_date)
    failed = [f"{load.business_date}: {load.error}" for load in loads if load.status == "failed"]
    if failed:
        raise OutcomesNotLoadedError(f"dialer.call_outcome was not loaded: {'; '.join(failed)}")
    return loads


def apply_pending_outcomes(business_date: date) -> None:
    """Apply every delivery up to `business_date` with outcomes that no task has felt yet.

    Also one that an interrupted run has loaded but not applied.
    """
    pending = database.fetch_all(
        Role.LOADER,
        """
        select distinct delivered.business_date
        from raw.dialer__call_outcome as delivered
        where
            delivered.business_date <= %(business_date)s
            and not exists (
                select 1 from dialer.call_attempt as attempt
                where attempt.call_id = delivered.call_id
            )
            and not exists (
                select 1 from dialer.unmatched_outcome as unmatched
                where
                    unmatched.business_date = delivered.business_date
                    and unmatched.call_id = delivered.call_id
                    and unmatched.call_task_id = delivered.call_task_id
            )
        order by delivered.business_date
        """,
        business_date=business_date,
    )
    for row in pending:
        apply_outcomes(row["business_date"])


def apply_outcomes(business_date: date) -> ApplyResult:
    """Apply the loaded outcomes of `business_date` to the tasks, in one statement.

    dialer.unmatched_outcome ends up with exactly the rows of that delivery that do not fit now:
    what fits since, or is no longer delivered, leaves it.
    """
    rows = database.fetch_all(
        Role.LOADER,
        """
        -- The sort happens inside, so that attempts are recorded in the order of the calls.
        with delivered as (
            select outcome.*, ledger.file
            from raw.dialer__call_outcome as outcome
            inner join ops.extract_load as ledger using (extract_load_id)
            where outcome.business_date = %(business_date)s
            order by outcome.called_at, outcome.call_id, outcome.call_task_id, ledger.file
        ),

        applied as materialized (
            select
                delivered.file,
                delivered.call_id,
                delivered.call_task_id,
                dialer.record_attempt(
                    delivered.call_task_id,
                    delivered.call_id,
                    delivered.agent_id,
                    delivered.called_at,
                    delivered.outcome_code,
                    delivered.talk_seconds,
                    delivered.next_call_at
                ) as verdict
            from delivered
        ),

        unmatched as (
            select distinct file, call_id, call_task_id, verdict
            from applied
            where verdict not in ('recorded', 'duplicate')
        ),

        matched_since as (
            delete from dialer.unmatched_outcome as known
            where
                known.business_date = %(business_date)s
                and not exists (
                    select 1
                    from unmatched
                    where
                        unmatched.file = known.file
                        and unmatched.call_id = known.call_id
                        and unmatched.call_task_id = known.call_task_id
                        and unmatched.verdict = known.reason
                )
                -- What a dialer's own report left there is judged with the report.
                and not exists (
                    select 1
                    from dialer.report_file
                    where
                        report_file.delivered_date = known.business_date
                        and report_file.file = known.file
                )
        ),

        newly_unmatched as (
            insert into dialer.unmatched_outcome
                (business_date, file, call_id, call_task_id, reason)
            select %(business_date)s, file, call_id, call_task_id, verdict
            from unmatched
            on conflict do nothing
        )

        select verdict, count(*) as row_count
        from applied
        group by verdict
        order by verdict
        """,
        business_date=business_date,
    )
    result = _to_result(business_date, Counter({row["verdict"]: row["row_count"] for row in rows}))
    log.info(
        "%s: %d outcomes, %d recorded, %d known already, %d unmatched",
        business_date,
        result.row_count,
        result.recorded_count,
        result.duplicate_count,
        result.unmatched_count,
    )
    for reason, count in result.unmatched_counts.items():
        log.warning("%s: %d outcomes not applied: %s", business_date, count, reason)
    return result


def _to_result(business_date: date, counts: Counter[str]) -> ApplyResult:
    unmatched = {
        verdict: count
        for verdict, count in counts.items()
        if verdict not in ("recorded", "duplicate")
    }
    return ApplyResult(
        business_date=business_date,
        row_count=counts.total(),
        recorded_count=counts["recorded"],
        duplicate_count=counts["duplicate"],
        unmatched_counts=unmatched,
    )


def main() -> int:
    parser = step_parser(__doc__)
    add_landing_dir(parser)
    arguments = parser.parse_args()
    try:
        import_outcomes(arguments.business_date, arguments.landing_dir)
    except OutcomesNotLoadedError as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
