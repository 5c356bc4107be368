"""What the loader's ledger says of every fault that the simulated operator plants."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from scripts.contracts import Extract, read_extracts
from scripts.database import fetch_all
from scripts.load_extracts import load_all
from scripts.simulate_operator.delivering import correct, deliver
from scripts.simulate_operator.delivery_faults import FAULTS, HARD_TEXTS
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.timeline import deliveries
from scripts.warehouse import Role

BUSINESS_DATE = date(2026, 11, 20)
PARAMETERS = Parameters(BUSINESS_DATE, seed=3, customer_count=300, dirt="full", history_days=8)
FILE = ["source", "extract", "business_date", "file"]


def _ledger() -> pd.DataFrame:
    rows = fetch_all(
        Role.LOADER,
        "select source, extract, business_date::text, file, rows_read, rows_loaded, rows_rejected,"
        " status, coalesce(warning, '') as warning, coalesce(error, '') as error"
        " from ops.extract_load where status <> 'superseded'",
    )
    ledger = pd.DataFrame(rows)
    ledger["file"] = ledger["file"].str.rpartition("/")[2]
    return ledger


def _planted(truth_dir: Path) -> pd.DataFrame:
    planted = pd.read_csv(truth_dir / "planted_dirt.csv", keep_default_na=False)
    assert len(planted) > 50
    return planted


def _check(planted: pd.DataFrame, ledger: pd.DataFrame) -> None:
    """Hold every planted fault against the ledger, and the ledger against what is planted."""
    known = {tuple(row[name] for name in FILE): row for row in ledger.to_dict("records")}
    assert len(known) == len(ledger) > 200
    assert (ledger["rows_read"] == ledger["rows_loaded"] + ledger["rows_rejected"]).all()
    rejected = planted.groupby(FILE)["rejected_row_count"].sum().to_dict()
    expected = {key for key, row in known.items() if row["rows_rejected"]}
    assert expected == {key for key, count in rejected.items() if count}
    for row in planted.to_dict("records"):
        key = tuple(row[name] for name in FILE)
        if row["expected_status"] == "absent":
            assert not [other for other in known if other[:3] == key[:3]], row
            continue
        found = known[key]
        assert found["status"] == row["expected_status"], (row, found)
        assert row["expected_warning"] in found["warning"], (row, found)
        assert row["expected_error"] in found["error"], (row, found)
        assert found["rows_rejected"] == rejected[key], (row, found)
    failed = planted.loc[planted["expected_status"] == "failed", FILE]
    assert set(failed.itertuples(index=False, name=None)) == {
        key for key, row in known.items() if row["status"] == "failed"
    }
    warned = planted.loc[planted["expected_warning"] != "", FILE]
    assert set(warned.itertuples(index=False, name=None)) == {
        key for key, row in known.items() if row["warning"]
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    deliver(PARAMETERS, tmp_path / "landing", tmp_path / "truth")
    return tmp_path


@pytest.mark.usefixtures("warehouse_db")
def test_the_ledger_tells_every_planted_fault_and_nothing_is_lost(folder: Path) -> None:
    landing, truth = folder / "landing", folder / "truth"
    for delivery in deliveries(BUSINESS_DATE, PARAMETERS.history_days):
        load_all(delivery.business_date, landing)
    planted = _planted(truth)
    hard_texts = {name for texts in HARD_TEXTS.values() for name in texts}
    assert {fault.kind for fault in FAULTS} | hard_texts <= set(planted["kind"])
    _check(planted, _ledger())

    correct(PARAMETERS, landing, truth)
    load_all(BUSINESS_DATE, landing)
    ledger, planted = _ledger(), _planted(truth)
    _check(planted, ledger)
    again = planted[planted["kind"].isin(["exact duplicate", "delivered before"])]
    clean = replace(PARAMETERS, dirt="none")
    true_rows = deliver(clean, folder / "clean" / "landing", folder / "clean" / "truth")
    for extract in read_extracts():
        if extract.delivery_mode != "snapshot" and str(extract) in true_rows:
            loaded, doubled = (
                int(frame.loc[_is_of(frame, extract), column].sum())
                for frame, column in ((ledger, "rows_loaded"), (again, "row_count"))
            )
            assert loaded - doubled == true_rows[str(extract)], extract


def _is_of(frame: pd.DataFrame, extract: Extract) -> pd.Series:
    return (frame["source"] == extract.source) & (frame["extract"] == extract.name)
