"""Waiting for a source without holding a worker: a sensor, and the trigger it defers to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import TaskDeferralTimeout
from airflow.triggers.base import BaseTrigger, TriggerEvent

from dags.common.defaults import business_date_of_run, landing_dir_of_run, patience_of_run
from scripts.delivery_terms import read_terms
from scripts.landing_folder import delivery_folder
from scripts.source_delivery import (
    DeliveryWatch,
    Look,
    owed_extracts,
    record,
)

POKE_SECONDS = 60.0
# The scheduler wakes a sensor whose triggerer has died this long after the cutoff.
GRACE = timedelta(minutes=2)


class SourceTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires when the folders of a source are complete, or at the cutoff with what is lacking."""

    def __init__(self, folders: dict[str, str], cutoff: str, poke_seconds: float) -> None:
        super().__init__()
        self.folders = folders
        self.cutoff = cutoff
        self.poke_seconds = poke_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger anew."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"folders": self.folders, "cutoff": self.cutoff, "poke_seconds": self.poke_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the folders every `poke_seconds`, a last time at the cutoff."""
        cutoff = datetime.fromisoformat(self.cutoff)
        watch = DeliveryWatch({name: Path(folder) for name, folder in self.folders.items()})
        while True:
            look = await asyncio.to_thread(watch.look)
            seconds_left = (cutoff - datetime.now(UTC)).total_seconds()
            if look.is_complete or seconds_left <= 0:
                yield TriggerEvent(
                    {"missing": list(look.missing), "unfinished": list(look.unfinished)}
                )
                return
            await asyncio.sleep(min(self.poke_seconds, seconds_left))


class SourceSensor(BaseSensorOperator):  # type: ignore[misc]
    """Waits until a source has delivered, or until the cutoff, and records which of the two.

    It succeeds either way: what a missing source means is for gate 1 and the staleness marks.
    """

    def __init__(self, *, source: str, **kwargs: Any) -> None:  # noqa: ANN401 (Airflow's own)
        super().__init__(**kwargs)
        self.source = source

    def execute(self, context: Any) -> None:  # noqa: ANN401 (Airflow's context has no public type)
        """Defer until the source is there; not after the cutoff, without patience or a debt."""
        del context
        folders = self._folders()
        now, cutoff = datetime.now(UTC), self._cutoff()
        if not folders or not patience_of_run() or now >= cutoff:
            self._record(DeliveryWatch(folders).look(), folders)
            return
        self.defer(
            trigger=SourceTrigger(
                {name: str(folder) for name, folder in folders.items()},
                cutoff.isoformat(),
                float(os.environ.get("SOURCE_POKE_SECONDS") or POKE_SECONDS),
            ),
            method_name="execute_complete",
            timeout=cutoff - now + GRACE,
        )

    def execute_complete(self, context: Any, event: dict[str, list[str]]) -> None:  # noqa: ANN401
        """Record what the trigger found last."""
        del context
        self._record(Look(tuple(event["missing"]), tuple(event["unfinished"])), self._folders())

    def resume_execution(
        self,
        next_method: str,
        next_kwargs: dict[str, Any] | None,
        context: Any,  # noqa: ANN401
    ) -> None:
        """Resume; if no triggerer looked until the cutoff, look now and go on."""
        try:
            # Past the sensor's own method, which turns the timeout into a failure.
            super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            self.log.warning("no triggerer has answered; is it running?")
            folders = self._folders()
            self._record(DeliveryWatch(folders).look(), folders)

    def _folders(self) -> dict[str, Path]:
        business_date, landing_dir = business_date_of_run(), landing_dir_of_run()
        return {
            extract: delivery_folder(landing_dir, self.source, extract, business_date)
            for extract in owed_extracts(self.source, business_date)
        }

    def _cutoff(self) -> datetime:
        return read_terms(self.source).due_at(business_date_of_run()) + patience_of_run()

    def _record(self, look: Look, folders: dict[str, Path]) -> None:
        record(self.source, business_date_of_run(), self._cutoff(), look, folders)
