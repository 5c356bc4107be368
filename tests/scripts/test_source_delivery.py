"""What a source owes, and when its delivery counts as complete: on real files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from scripts.database import connect, fetch_all
from scripts.source_delivery import DeliveryWatch, Look, owed_extracts, record
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {name: tmp_path / name / NIGHT.isoformat() for name in ("invoice", "payment")}


def deliver(folder: Path, name: str = "a.csv", text: str = "id\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def enter(source: str, extract: str, day: date, status: str = "loaded") -> None:
    with connect(Role.LOADER) as connection:
        connection.execute(
            "insert into ops.extract_load (source, extract, business_date, file, status,"
            " started_at) values (%s, %s, %s, 'a.csv', %s, now())",
            [source, extract, day, status],
        )


def test_a_delivery_is_complete_when_it_is_the_same_twice(folders: dict[str, Path]) -> None:
    watch = DeliveryWatch(folders)
    assert watch.look().missing == ("invoice", "payment")
    deliver(folders["invoice"])
    assert watch.look() == Look(missing=("payment",), unfinished=("invoice",))
    deliver(folders["payment"])
    assert watch.look() == Look(missing=(), unfinished=("payment",))
    assert watch.look() == Look(missing=(), unfinished=(), is_complete=True)


def test_files_that_are_there_from_the_start_are_not_trusted_at_first_sight(
    folders: dict[str, Path],
) -> None:
    for folder in folders.values():
        deliver(folder)
    watch = DeliveryWatch(folders)
    assert [watch.look().is_complete for _ in range(2)] == [False, True]


def test_a_file_that_grows_is_not_complete(folders: dict[str, Path]) -> None:
    del folders["payment"]
    file = deliver(folders["invoice"])
    watch = DeliveryWatch(folders)
    for _ in range(3):
        assert not watch.look().is_complete
        with file.open("a", encoding="utf-8") as output:
            output.write("1\n")
    assert watch.look().unfinished == ("invoice",)
    assert watch.look().is_complete


@pytest.mark.parametrize("name", [".a.csv", "_a.csv", "a.csv.part", "a.txt"])
def test_a_file_under_its_working_name_is_no_delivery_and_keeps_the_folder_unfinished(
    folders: dict[str, Path], name: str
) -> None:
    del folders["payment"]
    watch = DeliveryWatch(folders)
    written = deliver(folders["invoice"], name)
    assert watch.look().missing == ("invoice",)
    written.rename(written.with_name("a.csv"))
    assert watch.look() == Look(missing=(), unfinished=("invoice",))
    assert watch.look().is_complete
    deliver(folders["invoice"], name)
    assert watch.look().unfinished == ("invoice",)


@pytest.mark.usefixtures("warehouse_db")
def test_a_source_owes_what_it_has_delivered_before_and_what_the_night_cannot_do_without() -> None:
    assert owed_extracts("billing", NIGHT) == []
    assert owed_extracts("crm", NIGHT) == ["customer", "subscription"]
    enter("billing", "invoice", NIGHT - timedelta(days=35))
    enter("billing", "payment", NIGHT - timedelta(days=36))
    enter("crm", "plan", NIGHT - timedelta(days=1))
    enter("crm", "plan", NIGHT - timedelta(days=2), "failed")
    assert owed_extracts("billing", NIGHT) == ["invoice"]
    assert owed_extracts("crm", NIGHT) == ["customer", "subscription", "plan"]


@pytest.mark.usefixtures("warehouse_db")
def test_what_was_found_is_recorded_and_replaced(folders: dict[str, Path]) -> None:
    cutoff = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
    deliver(folders["invoice"])
    record("billing", NIGHT, cutoff, Look(("payment",), ("invoice",)), folders)
    [row] = fetch_all(Role.TRANSFORMER, "select * from ops.source_delivery")
    assert (row["missing_extracts"], row["unfinished_extracts"]) == (["payment"], ["invoice"])
    assert row["due_at"] == cutoff - timedelta(hours=1)
    assert (row["cutoff_at"], row["arrived_at"]) == (cutoff, None)

    last = deliver(folders["payment"])
    record("billing", NIGHT, cutoff, Look((), ()), folders)
    [row] = fetch_all(Role.TRANSFORMER, "select * from ops.source_delivery")
    assert (row["missing_extracts"], row["unfinished_extracts"]) == ([], [])
    assert abs(row["arrived_at"].timestamp() - last.stat().st_mtime) < 0.001
