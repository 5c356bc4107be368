"""An upgrade of a warehouse that has decided before: its log is kept and takes the new rows."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest

from scripts import database, warehouse
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)


@pytest.mark.usefixtures("warehouse_db")
def test_the_log_of_an_earlier_release_gets_a_row_per_campaign() -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "create table marts.fct_retention_decision (business_date date, customer_id text,"
            " revisit_tag text not null, primary key (business_date, customer_id))"
        )
        connection.execute(
            "insert into marts.fct_retention_decision values (%s, 'C1', 'risk_soothing')", [NIGHT]
        )
    warehouse.migrate()
    warehouse.migrate()
    with database.connect(Role.TRANSFORMER) as connection:
        insert = (
            "insert into marts.fct_retention_decision (business_date, customer_id, revisit_tag,"
            " campaign_code) values (%s, 'C1', 'churn_warning', 'churn_warning')"
        )
        connection.execute(insert, [NIGHT])
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute(insert, [NIGHT])
        rows = connection.execute(
            "select campaign_code, revisit_tag from marts.fct_retention_decision order by 1"
        ).fetchall()
    assert [tuple(row.values()) for row in rows] == [
        ("churn_warning", "churn_warning"),
        ("risk_soothing", "risk_soothing"),
    ]
