"""What is stale on a night and what rests on it: from the ledger and a lineage."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scripts import delivery_terms
from scripts.assess_staleness import assess, mark_relations, staleness
from scripts.database import connect, fetch_all
from scripts.lineage import dependants
from scripts.summarize_run import summarize
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)

pytestmark = pytest.mark.usefixtures("warehouse_db")


def enter(name: str, days_ago: int, status: str = "loaded", row_count: int = 1) -> None:
    source, _, extract = name.partition(".")
    with connect(Role.LOADER) as connection:
        connection.execute(
            "insert into ops.extract_load (source, extract, business_date, file, rows_read,"
            " rows_loaded, status, started_at) values (%s, %s, %s, 'a.csv', %s, %s, %s, now())",
            [source, extract, NIGHT - timedelta(days=days_ago), row_count, row_count, status],
        )


def cause(name: str) -> str | None:
    [found] = [item.cause for item in staleness(NIGHT) if str(item.extract) == name]
    return found


@pytest.mark.parametrize(
    ("name", "deliveries", "expected"),
    [
        ("crm.plan", [], "not delivered"),
        ("crm.plan", [(0, "loaded", 1)], None),
        ("crm.plan", [(1, "loaded", 1)], "not delivered"),
        ("crm.plan", [(1, "loaded", 1), (0, "failed", 0)], "cannot be loaded"),
        ("crm.plan", [(1, "loaded", 1), (0, "superseded", 1)], "not delivered"),
        ("crm.plan", [(1, "loaded", 1), (0, "loaded", 0)], "a snapshot without rows"),
        ("crm.plan", [(0, "loaded", 1), (0, "failed", 0)], None),
        ("crm.plan", [(1, "loaded", 1), (-1, "loaded", 1)], "not delivered"),
        ("billing.payment", [(1, "loaded", 1), (0, "loaded", 0)], None),
        ("fault.dispatch", [(1, "loaded", 1), (0, "loaded", 0)], None),
        ("fault.dispatch", [(1, "loaded", 1)], "not delivered"),
    ],
)
def test_stale_is_what_was_not_loaded_tonight(
    name: str, deliveries: list[tuple[int, str, int]], expected: str | None
) -> None:
    for days_ago, status, row_count in deliveries:
        enter(name, days_ago, status, row_count)
    assert cause(name) == expected


@pytest.mark.parametrize(("days_ago", "expected"), [(30, None), (31, "not delivered")])
def test_a_monthly_extract_is_stale_after_a_month(
    monkeypatch: pytest.MonkeyPatch, days_ago: int, expected: str | None
) -> None:
    monthly = delivery_terms.DeliveryTerms(delivery_terms.DEFAULT_DUE_TIME, {"plan": 31})
    monkeypatch.setattr("scripts.assess_staleness.read_terms", lambda _: monthly)
    enter("crm.plan", days_ago)
    assert cause("crm.plan") == expected


def manifest() -> dict[str, Any]:
    """Return a lineage: raw.crm__plan > stg > int > a mart > a score > another mart > a use."""
    chain = [
        "source.r.crm.plan",
        "model.r.stg_crm__plan",
        "model.r.int_plan",
        "model.r.fct_feature",
    ]
    later = ["source.r.ml.score", "model.r.customer_360", "exposure.r.call_list"]
    edges = [*pairwise(chain), *pairwise(later)]
    schemas = {
        "stg_crm__plan": "staging",
        "int_plan": "intermediate",
        "fct_feature": "marts",
        "customer_360": "marts",
    }
    return {
        "sources": {
            "source.r.crm.plan": {"schema": "raw", "identifier": "crm__plan", "meta": {}},
            "source.r.ml.score": {
                "schema": "ml",
                "identifier": "score",
                "meta": {"made_from": "fct_feature"},
            },
        },
        "nodes": {
            f"model.r.{name}": {
                "resource_type": "model",
                "name": name,
                "alias": name,
                "schema": schema,
            }
            for name, schema in schemas.items()
        }
        | {"test.r.unique": {"resource_type": "test", "name": "unique", "schema": "marts"}},
        "exposures": {"exposure.r.call_list": {"meta": {"relation": "dialer.call_task"}}},
        "child_map": {key: [] for key in (*chain, *later)}
        | {parent: [child, "test.r.unique"] for parent, child in edges},
    }


def test_lineage_reaches_what_others_read_also_past_python_steps() -> None:
    rest = ["dialer.call_task", "marts.customer_360", "marts.fct_feature", "ml.score"]
    assert dependants(manifest(), "crm__plan") == rest
    assert dependants(manifest(), "crm__dealer") == []


def test_marks_and_summary_say_what_rests_on_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest()), encoding="utf-8")
    enter("crm.plan", 2)
    enter("billing.invoice", 0)
    stale = {str(item.extract) for item in assess(NIGHT)}
    assert {"crm.plan", "billing.payment"} <= stale
    assert "billing.invoice" not in stale
    for _ in range(2):  # repeating it changes nothing
        assert mark_relations(NIGHT) == 4
    rows = fetch_all(Role.ANALYST, "select * from marts.stale_relation order by relation")
    assert [row["relation"] for row in rows] == dependants(manifest(), "crm__plan")
    assert {(row["source"], row["extract"], row["last_loaded_date"]) for row in rows} == {
        ("crm", "plan", date(2026, 11, 18))
    }

    with connect(Role.LOADER) as connection:
        for step in ("assess_staleness", "transform"):
            connection.execute(
                "insert into ops.step_run (business_date, step, status, started_at)"
                " values (%s, %s, 'success', now())",
                [NIGHT, step],
            )
    page = " ".join(_summary().split())
    assert (
        "crm (plan): not delivered, last delivered 2026-11-18; affects dialer.call_task,"
        " marts.customer_360, marts.fct_feature, ml.score" in page
    )
    assert "billing (balance, payment): never delivered; nothing rests on it" in page

    enter("crm.plan", 0)
    assess(NIGHT)
    assert mark_relations(NIGHT) == 0
    assert not fetch_all(Role.ANALYST, "select * from marts.stale_relation")


def _summary() -> str:
    """Return the summary; the tables that it reads after `transform` are not there."""
    with connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "create table marts.fct_risk_warning"
            " (rule_code text, risk_level text, is_new boolean, business_date date)"
        )
        connection.execute(
            "create table marts.fct_remediation_order_state"
            " (remediation_order_id text, order_state text, valid_from date, valid_to date)"
        )
        connection.execute(
            "create table marts.dim_retention_policy (policy_code text, policy_name text,"
            " conflicting_policy_code text, conflicting_policy_name text, star_level integer,"
            " valid_from date, valid_to date, is_accepted boolean)"
        )
        connection.execute(
            "create table intermediate.int_remediation_order_opened"
            " (remediation_order_id text, owner_team text, opened_date date, due_date date)"
        )
    return summarize(NIGHT)
