"""What both gates share: the library's set-up, recording what was found, stopping the run."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from scripts import database
from scripts.warehouse import Role

log = logging.getLogger(__name__)


class Severity(StrEnum):
    """Whether a failed expectation stops the run or is only shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Verdict:
    """What one expectation said about one table.

    `observed` is shown to people and kept: counts and bounds, never a customer's data.
    """

    subject: str
    expectation: str
    severity: Severity
    is_success: bool
    observed: str | None = None

    def __str__(self) -> str:
        return f"{self.subject}: {self.expectation}" + (
            f" (observed {self.observed})" if self.observed else ""
        )


@dataclass(frozen=True)
class GateResult:
    """Every verdict of one gate for one business date."""

    gate: str
    business_date: date
    verdicts: tuple[Verdict, ...]

    @property
    def errors(self) -> tuple[Verdict, ...]:
        return self._failed(Severity.ERROR)

    @property
    def warnings(self) -> tuple[Verdict, ...]:
        return self._failed(Severity.WARNING)

    @property
    def is_passed(self) -> bool:
        """Whether anything was checked and nothing that blocks has failed."""
        return bool(self.verdicts) and not self.errors

    def raise_if_failed(self) -> None:
        """Raise GateFailed unless the gate is passed."""
        if not self.is_passed:
            raise GateFailed(self)

    def _failed(self, severity: Severity) -> tuple[Verdict, ...]:
        return tuple(
            verdict
            for verdict in self.verdicts
            if not verdict.is_success and verdict.severity == severity
        )


class GateFailed(RuntimeError):  # noqa: N818 (says what happened, callers read better)
    """A gate found what must not go further; the message names it."""

    def __init__(self, result: GateResult) -> None:
        self.result = result
        failures = "; ".join(map(str, result.errors)) or "nothing was checked"
        super().__init__(f"gate {result.gate} of {result.business_date} failed: {failures}")


def ephemeral_context() -> Any:  # noqa: ANN401 (the library is untyped)
    """Return a Great Expectations context that keeps nothing, calls nobody and says little.

    Imports the library, which takes seconds and would otherwise note how it registers itself.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.datasource.fluent import GxDatasourceWarning

    warnings.simplefilter("ignore", GxDatasourceWarning)  # the generic SQL source is meant
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )


def record(gate: str, business_date: date, verdicts: Sequence[Verdict], role: Role) -> GateResult:
    """Replace what the gate said about that date before, log it and return it.

    Recorded before anyone raises, so that a failed gate can be read afterwards.
    """
    result = GateResult(gate, business_date, tuple(verdicts))
    with database.connect(role) as connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from ops.gate_result where gate = %s and business_date = %s",
            [gate, business_date],
        )
        cursor.executemany(
            """
            insert into ops.gate_result
                (gate, business_date, subject, expectation, severity, is_success, observed)
            values (%s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    gate,
                    business_date,
                    verdict.subject,
                    verdict.expectation,
                    verdict.severity.value,
                    verdict.is_success,
                    verdict.observed,
                )
                for verdict in result.verdicts
            ],
        )
    for verdict in result.errors:
        log.error("gate %s: %s", gate, verdict)
    for verdict in result.warnings:
        log.warning("gate %s: %s", gate, verdict)
    log.info(
        "gate %s of %s: %d expectations, %d errors, %d warnings",
        gate,
        business_date,
        len(result.verdicts),
        len(result.errors),
        len(result.warnings),
    )
    return result
