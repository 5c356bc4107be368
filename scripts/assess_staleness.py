"""Say how old the data is that a night works on, and mark what rests on a stale extract.

    python -m scripts.assess_staleness --business-date 2026-11-20

The one definition of stale: the newest loaded delivery of an extract is older than its contract's
`frequency` allows (default: every day). A delivery of events or changes without a row is a delivery
all the same; a snapshot without a row is none, since the models go on with the one before.
`assess` runs after loading and fills ops.extract_staleness; `mark_relations` runs when dbt has
written its lineage and fills ops.stale_relation, which analysts see as marts.stale_relation.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import Any

from scripts.arguments import step_parser
from scripts.contracts import Extract, find_extract, read_extracts
from scripts.database import connect, fetch_all
from scripts.delivery_terms import OWES_NOTHING, read_terms
from scripts.extract_ledger import deliveries_by_extract
from scripts.lineage import dependants
from scripts.run_dbt import read_manifest
from scripts.warehouse import Role

NOT_DELIVERED = "not delivered"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Staleness:
    """How old one extract is on one night; `cause` says why it is stale, None if it is not.

    `status`: tonight's delivery in the ledger, loaded or failed; None if there is none.
    """

    extract: Extract
    business_date: date
    last_loaded_date: date | None
    status: str | None
    cause: str | None

    @property
    def days_old(self) -> int | None:
        """Days from the last loaded business date to this one."""
        if self.last_loaded_date is None:
            return None
        return (self.business_date - self.last_loaded_date).days

    @property
    def is_stale(self) -> bool:
        return self.cause is not None

    @property
    def told(self) -> str | None:
        """Say to the operator on duty what is the matter; None if nothing is."""
        return None if self.cause is None else tell(self.cause, self.last_loaded_date)


def tell(cause: str, last_loaded_date: date | None) -> str:
    """Say why something is stale and since when."""
    if last_loaded_date is not None:
        return f"{cause}, last delivered {last_loaded_date}"
    return "never delivered" if cause == NOT_DELIVERED else f"{cause}, never loaded"


def staleness(business_date: date) -> list[Staleness]:
    """Return how old each extract is that the sources owe, from the ledger, in contract order."""
    deliveries = deliveries_by_extract(business_date)
    nothing = dict.fromkeys(("status", "last_loaded", "last_filled"))
    return [
        _judge(extract, business_date, deliveries.get(str(extract), nothing))
        for extract in read_extracts()
        if extract.source not in OWES_NOTHING
    ]


def assess(business_date: date) -> list[Staleness]:
    """Record in ops.extract_staleness how old each extract is; return those that are stale."""
    found = staleness(business_date)
    with connect(Role.LOADER) as connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from ops.extract_staleness where business_date = %s", [business_date]
        )
        cursor.executemany(
            "insert into ops.extract_staleness"
            " (business_date, source, extract, last_loaded_date, days_old, is_stale, cause)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    business_date,
                    item.extract.source,
                    item.extract.name,
                    item.last_loaded_date,
                    item.days_old,
                    item.is_stale,
                    item.cause,
                )
                for item in found
            ],
        )
    stale = [item for item in found if item.is_stale]
    for item in stale:
        log.warning("%s is stale: %s", item.extract, item.told)
    return stale


def mark_relations(business_date: date) -> int:
    """Record in ops.stale_relation what rests on each stale extract; return how many relations."""
    stale = fetch_all(
        Role.TRANSFORMER,
        "select source, extract, last_loaded_date from ops.extract_staleness"
        " where business_date = %(business_date)s and is_stale",
        business_date=business_date,
    )
    manifest = read_manifest() if stale else {}
    marks = [
        (business_date, relation, row["source"], row["extract"], row["last_loaded_date"])
        for row in stale
        for relation in dependants(manifest, find_extract(row["source"], row["extract"]).table)
    ]
    with connect(Role.TRANSFORMER) as connection, connection.cursor() as cursor:
        cursor.execute("delete from ops.stale_relation where business_date = %s", [business_date])
        cursor.executemany(
            "insert into ops.stale_relation"
            " (business_date, relation, source, extract, last_loaded_date)"
            " values (%s, %s, %s, %s, %s)",
            marks,
        )
    return len({relation for _, relation, *_ in marks})


def _judge(extract: Extract, business_date: date, delivery: dict[str, Any]) -> Staleness:
    is_snapshot = extract.delivery_mode == "snapshot"
    last = delivery["last_filled"] if is_snapshot else delivery["last_loaded"]
    days_between = read_terms(extract.source).days_between(extract.name)
    is_stale = last is None or (business_date - last).days >= days_between
    causes = {
        None: NOT_DELIVERED,
        "failed": "cannot be loaded",
        "loaded": "a snapshot without rows",
    }
    cause = causes[delivery["status"]] if is_stale else None
    return Staleness(extract, business_date, last, delivery["status"], cause)


def main() -> int:
    options = step_parser(__doc__).parse_args()
    assess(options.business_date)
    log.info("%d relations rest on a stale extract", mark_relations(options.business_date))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
