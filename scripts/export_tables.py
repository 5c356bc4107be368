"""Write as files what other desks work from: colour marks, what channels offer, and risk lists.

    python -m scripts.export_tables marks --business-date 2026-11-20 [--out-dir var/export]
    python -m scripts.export_tables offers --business-date 2026-11-20 [--out-dir var/export]
    python -m scripts.export_tables risk-lists --business-date 2026-11-30 [--out-dir var/export]

CSV in UTF-8 with a header, one file per workstation, channel or department, in
`out_dir`/<business_date>. They hold identifiers of customers and lines, no names and no phone
numbers. A file that is written again for the same night has the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import LiteralString

from psycopg import sql

from scripts.arguments import step_parser
from scripts.database import Connection, connect
from scripts.export_folder import export_dir, private_folder, whole_file
from scripts.warehouse import Role

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableExport:
    """What is written: the files' name, the column that says whose file a row is in, the rows."""

    name: str
    split_by: str
    table: LiteralString
    columns: Sequence[str]
    order_by: Sequence[str]


MARKS = TableExport(
    name="customer_mark",
    split_by="workstation_code",
    table="customer_mark",
    columns=("customer_id", "list_code", "colour_zh", "reasons_zh", "instructions_zh"),
    order_by=("customer_id",),
)
OFFERS = TableExport(
    name="channel_offer",
    split_by="channel_code",
    table="channel_offer",
    columns=("customer_id", "campaign_code", "wave_number", "occasion", "message_zh"),
    order_by=("customer_id", "campaign_code"),
)
RISK_LISTS = TableExport(
    name="risk_list",
    split_by="department",
    table="rpt_monthly_risk_list",
    columns=(
        "risk_month",
        "remediation_order_id",
        "subject_kind",
        "subject_id",
        "subscription_id",
        "customer_id",
        "cross_connect_area_id",
        "cause_code",
        "highest_risk_level",
        "priority",
        "task_zh",
        "order_state",
        "opened_date",
        "answer_due_date",
    ),
    order_by=("priority", "opened_date", "remediation_order_id", "subject_id"),
)
EXPORTS = {"marks": MARKS, "offers": OFFERS, "risk-lists": RISK_LISTS}


def export(exported: TableExport, business_date: date, out_dir: Path) -> dict[str, int]:
    """Write the files of one night; return the rows of each, by its name.

    Files of the same night for somebody who has no rows any more are taken away.
    """
    folder = private_folder(out_dir / business_date.isoformat())
    written = {}
    with connect(Role.TRANSFORMER) as connection:
        for owner in _owners(connection, exported, business_date):
            path = folder / f"{exported.name}_{owner}.csv"
            written[path.name] = _write(connection, exported, business_date, owner, path)
    for stale in folder.glob(f"{exported.name}_*.csv"):
        if stale.name not in written:
            stale.unlink()
    log.info("%s: %d files in %s, %s", exported.name, len(written), folder, written)
    return written


def last_of_month_before(day: date) -> date:
    """Return the last day of the month before: the night that made the latest risk lists."""
    return day.replace(day=1) - timedelta(days=1)


def _owners(connection: Connection, exported: TableExport, business_date: date) -> list[str]:
    query = sql.SQL("select distinct {0} as owner from marts.{1} where business_date = %s").format(
        sql.Identifier(exported.split_by), sql.Identifier(exported.table)
    )
    rows = connection.execute(query, [business_date]).fetchall()
    return sorted(str(row["owner"]) for row in rows)


def _write(
    connection: Connection,
    exported: TableExport,
    business_date: date,
    owner: str,
    path: Path,
) -> int:
    query = sql.SQL(
        "copy (select {columns} from marts.{table}"
        " where business_date = {business_date} and {split_by} = {owner} order by {order_by})"
        " to stdout (format csv, header)"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, exported.columns)),
        table=sql.Identifier(exported.table),
        business_date=sql.Literal(business_date),
        split_by=sql.Identifier(exported.split_by),
        owner=sql.Literal(owner),
        order_by=sql.SQL(", ").join(map(sql.Identifier, exported.order_by)),
    )
    with connection.cursor() as cursor, whole_file(path) as file:
        with cursor.copy(query) as rows:
            for block in rows:
                file.write(block)
        return cursor.rowcount


def main() -> int:
    parser = step_parser(__doc__)
    parser.add_argument("what", choices=EXPORTS)
    parser.add_argument("--out-dir", type=Path, default=export_dir())
    arguments = parser.parse_args()
    export(EXPORTS[arguments.what], arguments.business_date, arguments.out_dir)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
