"""How dbt is started and how its failures are told; without a database."""

from __future__ import annotations

from datetime import date

import pytest

from scripts import run_dbt


def test_connection_takes_the_role_with_only_an_administrators_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RETENTION_TRANSFORMER_PASSWORD", raising=False)
    monkeypatch.setenv(
        "WAREHOUSE_URL", "postgresql://admin:secret@db.example:5433/retention?sslmode=require"
    )
    environment = run_dbt._environment({})
    assert environment["DBT_HOST"] == "db.example"
    assert environment["DBT_PORT"] == "5433"
    assert environment["DBT_USER"] == "admin"
    assert environment["DBT_ENV_SECRET_PASSWORD"] == "secret"  # noqa: S105 (the one above)
    assert environment["DBT_ROLE"] == "retention_transformer"
    assert environment["DBT_SSLMODE"] == "require"
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"


def test_connection_uses_a_socket_directory_and_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RETENTION_TRANSFORMER_PASSWORD", raising=False)
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://postgres@/retention?host=/var/run/pg")
    environment = run_dbt._environment({})
    assert environment["DBT_HOST"] == "/var/run/pg"
    assert environment["DBT_USER"] == "retention_transformer"
    assert environment["DBT_ENV_SECRET_PASSWORD"] == ""
    assert environment["DBT_ROLE"] == ""


def test_failures_tell_the_cause_but_no_row() -> None:
    message = (
        "Database Error in model customer_360\n"
        '  null value in column "region" violates not-null constraint\n'
        "  DETAIL:  Failing row contains (C1, 张三, 13612348475).\n"
        "  compiled code at target/run/customer_360.sql"
    )
    told = run_dbt._without_rows(message)
    assert "violates not-null constraint" in told
    assert "13612348475" not in told


def test_failed_nodes_raise_and_warnings_do_not() -> None:
    warned = run_dbt.NodeResult("a_test", "test", "warn", 0.1, "Got 2 results")
    failed = run_dbt.NodeResult("a_model", "model", "error", 0.1, "syntax error")
    result = run_dbt.DbtResult(1.0, (warned,))
    run_dbt._raise_if_failed("build", 0, result)
    assert result.warnings == ("a_test: Got 2 results",)
    assert result.counts == {"test": {"warn": 1}}
    with pytest.raises(run_dbt.DbtBuildFailed, match="model a_model: syntax error"):
        run_dbt._raise_if_failed("build", 1, run_dbt.DbtResult(1.0, (warned, failed)))
    with pytest.raises(run_dbt.DbtBuildFailed, match="nothing to do"):
        run_dbt._raise_if_failed("build", 0, run_dbt.DbtResult(1.0, ()))


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="transform, decide"):
        run_dbt.build("transfrom", date(2026, 11, 20))
