"""Load a range of dates, in order, and build again the nights that rest on what has changed.

    python -m scripts.backfill --from 2026-01-01 --to 2026-11-20 [--landing-dir landing]

Loads what lies in the landing folder for the range and what the ledger does not know yet. Then
every night that was built before something it rests on was loaded is built again, oldest first:
those tables of the stage `transform` that rest on what came, nothing else. Scores, decisions and
call lists stay: they were acted upon. Stopped at any point, the same command goes on from there.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from scripts import nightly_steps, run_dbt, warehouse
from scripts.arguments import add_landing_dir
from scripts.contracts import find_extract
from scripts.database import fetch_all
from scripts.lineage import Manifest, downstream, marts_models_downstream
from scripts.load_extracts import ExtractLoad, due_loads, load_each
from scripts.warehouse import Role


@dataclass(frozen=True)
class Rebuild:
    """One build that is due: the stage, the night, the models, the days they are built for."""

    stage: str
    business_date: date
    models: tuple[str, ...]
    observation_dates: tuple[date, ...]


def backfill(first: date, last: date, landing_dir: Path, console: Console) -> list[ExtractLoad]:
    """Load everything due from `first` to `last`, showing progress; return what became of it."""
    due = due_loads(first, last, landing_dir)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    loads = []
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("loading" if due else "nothing to load", total=len(due))
        for load in load_each(due, landing_dir):
            loads.append(load)
            done = f"{load.business_date} {load.source}.{load.extract}"
            progress.update(bar, advance=1, description=done)
    return loads


def plan_rebuilds() -> list[Rebuild]:
    """Return the builds that are due, oldest night first; none if every night is up to date.

    Each night is built as it was, from what had been delivered by then. The newest comes last in
    any case, since tables without a history hold the night that was built last; with it come the
    days that were built only to train on.
    """
    outdated = _outdated_nights()
    if not outdated:
        return []
    manifest = run_dbt.read_manifest()
    newest = _newest_night()
    histories, latest = _models_resting_on(manifest, set().union(*outdated.values()))
    rebuilds = [
        Rebuild("transform", night, models, (night,))
        for night in sorted(outdated)
        if night != newest and (models := _models_resting_on(manifest, outdated[night])[0])
    ]
    if histories or latest:
        days = (*_days_trained_on(min(outdated)), newest)
        rebuilds.append(Rebuild("transform", newest, histories + latest, days))
    if latest:
        rebuilds.append(Rebuild("decide", newest, latest, (newest,)))
    return rebuilds


def rebuild(rebuilds: list[Rebuild], console: Console) -> None:
    """Carry out the builds and say which."""
    for number, due in enumerate(rebuilds, start=1):
        models = ", ".join(due.models)
        console.print(f"{number}/{len(rebuilds)} {due.stage} of {due.business_date}: {models}")
        nightly_steps.build_again(due.stage, due.business_date, due.models, due.observation_dates)


def _outdated_nights() -> dict[date, set[str]]:
    """Return, by night, the tables of raw into which something came after the night was built."""
    rows = fetch_all(
        Role.TRANSFORMER,
        """
        with night as (
            select business_date, max(started_at) as built_at
            from ops.step_run
            where step = 'transform' and status = 'success'
            group by business_date
        )

        select distinct night.business_date, ledger.source, ledger.extract
        from night
        inner join ops.extract_load as ledger
            on night.business_date >= ledger.business_date and night.built_at < ledger.finished_at
        where ledger.status = 'loaded'
        """,
    )
    outdated: dict[date, set[str]] = {}
    for row in rows:
        table = find_extract(row["source"], row["extract"]).table
        outdated.setdefault(row["business_date"], set()).add(table)
    return outdated


def _newest_night() -> date:
    (row,) = fetch_all(
        Role.TRANSFORMER,
        "select max(business_date) as business_date from ops.step_run"
        " where step = 'transform' and status = 'success'",
    )
    newest: date = row["business_date"]
    return newest


def _models_resting_on(
    manifest: Manifest, raw_tables: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the models in marts that rest on tables of raw: with a history, of the latest night.

    A model of the stage `decide` with a history is what was decided and done, and is left out, with
    what rests on it.
    """
    models: dict[str, dict[str, Any]] = {
        model["name"]: model
        for table in sorted(raw_tables)
        for model in marts_models_downstream(manifest, table)
    }
    has_history = {name: m["config"]["materialized"] == "incremental" for name, m in models.items()}
    histories = [n for n, m in models.items() if has_history[n] and "transform" in m["tags"]]
    done = [m["unique_id"] for n, m in models.items() if has_history[n] and "decide" in m["tags"]]
    resting_on_done = downstream(manifest, done)
    latest = [
        n for n, m in models.items() if not has_history[n] and m["unique_id"] not in resting_on_done
    ]
    return tuple(sorted(histories)), tuple(sorted(latest))


def _days_trained_on(first: date) -> list[date]:
    """Return the days from `first` on that have churn features but were never a night."""
    rows = fetch_all(
        Role.TRANSFORMER,
        """
        select distinct feature.observation_date
        from marts.fct_churn_feature as feature
        where
            feature.observation_date >= %(first)s
            and not exists (
                select 1 from ops.step_run as step
                where
                    step.business_date = feature.observation_date
                    and step.step = 'transform'
                    and step.status = 'success'
            )
        order by feature.observation_date
        """,
        first=first,
    )
    return [row["observation_date"] for row in rows]


def _print_loads(loads: Iterable[ExtractLoad], console: Console) -> None:
    """Print what was loaded, an extract a row, and why something was not."""
    by_extract: dict[str, list[ExtractLoad]] = {}
    for load in loads:
        by_extract.setdefault(f"{load.source}.{load.extract}", []).append(load)
    table = Table(
        "extract", "dates loaded", "unchanged", "failed", "rows read", "loaded", "rejected"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, mine in sorted(by_extract.items()):
        by_status = Counter(load.status for load in mine)
        counts = [by_status[status] for status in ("loaded", "unchanged", "failed")]
        counts.append(sum(load.rows_read for load in mine))
        counts.append(sum(load.rows_loaded for load in mine))
        counts.append(sum(load.rows_rejected for load in mine))
        table.add_row(name, *(f"{count:,}" for count in counts))
    console.print(table)
    for mine in by_extract.values():
        for load in mine:
            if load.error is not None:
                console.print(load.error, markup=False, style="red")


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("first", "last"):
        parser.add_argument(
            {"first": "--from", "last": "--to"}[name],
            type=date.fromisoformat,
            required=True,
            metavar="YYYY-MM-DD",
            dest=name,
        )
    add_landing_dir(parser)
    options = parser.parse_args()
    if options.first > options.last:
        parser.error(f"--from {options.first} lies after --to {options.last}")
    console = Console()
    warehouse.migrate()
    loads = backfill(options.first, options.last, options.landing_dir, console)
    _print_loads(loads, console)
    rebuild(plan_rebuilds(), console)
    return 1 if any(load.status == "failed" for load in loads) else 0


if __name__ == "__main__":
    raise SystemExit(main())
