"""Waiting for a source: the trigger on real folders, and when the sensor defers at all."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string

from dags.common.source_sensor import SourceSensor, SourceTrigger
from scripts.database import fetch_all
from scripts.delivery_terms import read_terms
from scripts.warehouse import Role

PAST = date(2026, 11, 20)
POKE_SECONDS = 0.05
NEVER = timedelta(minutes=1)


def trigger(folder: Path, wait: timedelta) -> SourceTrigger:
    """Return the trigger as the triggerer makes it: from what it was stored as."""
    cutoff = (datetime.now(UTC) + wait).isoformat()
    path, arguments = SourceTrigger({"invoice": str(folder)}, cutoff, POKE_SECONDS).serialize()
    made: SourceTrigger = import_string(path)(**arguments)
    return made


async def event_of(waiting: SourceTrigger) -> Any:  # noqa: ANN401 (Airflow's payload)
    return (await anext(waiting.run())).payload


async def write_slowly(folder: Path, seconds: float) -> datetime:
    """Deliver a file that grows more often than the trigger looks; return when it was finished."""
    await asyncio.sleep(3 * POKE_SECONDS)
    folder.mkdir(parents=True)
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    while datetime.now(UTC) < end:
        with (folder / "a.csv").open("a", encoding="utf-8") as output:
            output.write("a row\n")
        await asyncio.sleep(POKE_SECONDS / 5)
    return datetime.now(UTC)


def test_the_trigger_waits_for_a_late_file_until_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "invoice"

    async def night() -> tuple[Any, datetime, datetime]:
        writing = asyncio.create_task(write_slowly(folder, 20 * POKE_SECONDS))
        event = await event_of(trigger(folder, NEVER))
        return event, datetime.now(UTC), await writing

    event, fired_at, finished_at = asyncio.run(night())
    assert event == {"missing": [], "unfinished": []}
    assert fired_at > finished_at


def test_the_trigger_goes_on_at_the_cutoff_without_a_file(tmp_path: Path) -> None:
    waiting = trigger(tmp_path / "invoice", timedelta(seconds=4.5 * POKE_SECONDS))
    event = asyncio.run(asyncio.wait_for(event_of(waiting), 10))
    assert event == {"missing": ["invoice"], "unfinished": []}
    assert datetime.now(UTC) >= datetime.fromisoformat(waiting.cutoff)


def test_the_trigger_goes_on_at_the_cutoff_while_a_file_grows(tmp_path: Path) -> None:
    folder = tmp_path / "invoice"

    async def night() -> Any:  # noqa: ANN401 (Airflow's payload)
        writing = asyncio.create_task(write_slowly(folder, 60))
        event = await event_of(trigger(folder, timedelta(seconds=20 * POKE_SECONDS)))
        writing.cancel()
        return event

    assert asyncio.run(night()) == {"missing": [], "unfinished": ["invoice"]}


@pytest.fixture
def run(warehouse_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for Airflow's run: returns the parameters, which a test may change."""
    del warehouse_db
    params = {"business_date": PAST.isoformat(), "landing_dir": str(tmp_path)}
    monkeypatch.setattr("dags.common.defaults.get_current_context", lambda: {"params": params})
    return params


def sensor() -> SourceSensor:
    return SourceSensor(task_id="crm", source="crm")


def recorded() -> list[tuple[list[str], list[str]]]:
    rows = fetch_all(Role.TRANSFORMER, "select * from ops.source_delivery")
    return [(row["missing_extracts"], row["unfinished_extracts"]) for row in rows]


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


def test_a_night_of_the_past_does_not_wait(run: dict[str, Any]) -> None:
    assert "patience_minutes" not in run
    sensor().execute({})
    assert recorded() == [(["customer", "subscription"], [])]


def test_a_night_without_patience_does_not_wait(run: dict[str, Any]) -> None:
    run |= {"business_date": tomorrow(), "patience_minutes": 0}
    sensor().execute({})
    assert recorded() == [(["customer", "subscription"], [])]


def test_a_source_that_owes_nothing_is_not_waited_for(run: dict[str, Any]) -> None:
    run["business_date"] = tomorrow()
    SourceSensor(task_id="channel", source="channel").execute({})
    assert recorded() == [([], [])]


def test_a_night_to_come_waits_in_the_triggerer(
    run: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run |= {"business_date": tomorrow(), "patience_minutes": 90}
    monkeypatch.setenv("SOURCE_POKE_SECONDS", "7")
    with pytest.raises(TaskDeferred) as deferred:
        sensor().execute({})
    day = date.fromisoformat(run["business_date"])
    cutoff = read_terms("crm").due_at(day) + timedelta(minutes=90)
    _, arguments = deferred.value.trigger.serialize()
    assert arguments == {
        "folders": {
            name: str(tmp_path / "crm" / name / day.isoformat())
            for name in ("customer", "subscription")
        },
        "cutoff": cutoff.isoformat(),
        "poke_seconds": 7,
    }
    assert recorded() == []

    event = {"missing": ["customer"], "unfinished": ["subscription"]}
    sensor().resume_execution(deferred.value.method_name, {"event": event}, {})
    assert recorded() == [(["customer"], ["subscription"])]


def test_the_night_goes_on_when_no_triggerer_answers(run: dict[str, Any]) -> None:
    """The scheduler then ends the wait; the sensor looks for itself and does not fail."""
    run["business_date"] = tomorrow()
    sensor().resume_execution("__fail__", {"error": "Trigger timeout"}, {})
    assert recorded() == [(["customer", "subscription"], [])]
