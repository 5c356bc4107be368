"""The command that trains and evaluates on any table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models_ml.benchmark import Arms, arms_of, main, with_arms
from models_ml.table import TableError, TableRequest, read_table

ROW_COUNT = 600
METRICS = (
    "roc_auc",
    "pr_auc",
    "top_decile_lift",
    "brier",
    "calibration_error",
    "expected_maximum_profit",
)


def customers(row_count: int = ROW_COUNT) -> pd.DataFrame:
    """Return customers whose rent and tariff make them leave."""
    chance = np.random.default_rng(41)
    frame = pd.DataFrame(
        {
            "customer": [f"c{number}" for number in range(row_count)],
            "rent": chance.normal(100, 20, row_count).round(2),
            "tariff": chance.choice(["basic", "flat"], row_count),
            "noise": chance.normal(size=row_count).round(3),
        }
    )
    log_odds = (frame["rent"] - 100) / 14 + 1.0 * (frame["tariff"] == "flat") - 1.2
    frame["left"] = np.where(chance.random(row_count) < 1 / (1 + np.exp(-log_odds)), "yes", "no")
    return frame


def written(folder: Path, frame: pd.DataFrame, name: str = "customers.csv") -> Path:
    frame.to_csv(folder / name, index=False, sep=";")
    return folder / name


def measured(capsys: pytest.CaptureFixture[str], file: Path, *options: str) -> dict[str, Any]:
    """Run the command with --json and return its object."""
    capsys.readouterr()
    label = ["--label", "left", "--positive", "yes", "--id", "customer", "--folds", "2"]
    assert main([str(file), *label, "--json", *options]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_metrics_with_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, customers())
    result = measured(capsys, file)
    for name in METRICS:
        for of_whom in (result, result["baseline"]):
            estimate = of_whom[name]
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert 0.75 < result["roc_auc"]["value"] < 0.87
    assert result["columns"] == ["rent", "tariff", "noise"]
    assert (result["rows"], result["rows_judged"], result["split"]) == (600, 600, "2 folds")
    assert result["positives"] == (customers()["left"] == "yes").sum()
    assert len(result["fold_roc_auc"]) == 2
    assert result["warnings"] == [] and result["held_back"] == []
    del result["seconds"]
    again = measured(capsys, file)
    del again["seconds"]
    assert result == again


def test_the_table_on_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = customers()
    frame.loc[:3, "left"] = None
    frame = pd.concat([frame, frame.iloc[10:15]])
    options = ["--label", "left", "--positive", "yes", "--id", "customer", "--folds", "2"]
    assert main([str(written(tmp_path, frame)), *options]) == 0
    screen = capsys.readouterr().out
    for name in METRICS:
        assert name in screen
    assert "5 exact duplicate rows were removed" in screen
    assert "4 rows without a label were left out" in screen


def test_time_order_judges_the_last_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In the last 30 % of the rows everything is the other way round: only they are judged.
    frame = customers(900)
    late = frame.index >= 630
    frame.loc[late, "left"] = frame.loc[late, "left"].map({"yes": "no", "no": "yes"})
    result = measured(capsys, written(tmp_path, frame), "--time-order")
    assert (result["split"], result["rows_judged"]) == ("time", 270)
    assert result["roc_auc"]["value"] < 0.3


def test_held_back_columns_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = customers(1500)
    frame["index"] = np.array([4, 1, 3, 8, 2, 9, 7, 6])[np.arange(1500) * 8 // 1500]
    result = measured(capsys, written(tmp_path, frame), "--time-order")
    assert [column["column"] for column in result["held_back"]] == ["index"]
    assert "stability index" in result["held_back"][0]["reason"]
    assert "index" in result["columns"]


def test_dropped_columns_are_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = measured(capsys, written(tmp_path, customers()), "--drop", "rent,noise")
    assert result["columns"] == ["tariff"]
    assert result["roc_auc"]["value"] < 0.7


def test_a_leak_is_spoken_of_and_fails_when_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = customers()
    frame["closed"] = np.where(frame["left"] == "yes", "2026-01-31", "")
    file = written(tmp_path, frame)
    assert "column closed alone" in measured(capsys, file)["warnings"][0]
    options = ["--label", "left", "--positive", "yes", "--id", "customer", "--folds", "2"]
    assert main([str(file), *options, "--strict"]) == 1
    captured = capsys.readouterr()
    assert "leak suspected: column closed" in " ".join(captured.out.split())
    assert "column closed alone" in " ".join(captured.err.split())


def test_plausible_auc_is_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, customers())
    assert "rent" in measured(capsys, file, "--plausible-auc", "0.7")["warnings"][0]


def experiment(row_count: int = 3000) -> pd.DataFrame:
    """Return customers of three arms; being called keeps those with a low rent, and only them."""
    chance = np.random.default_rng(43)
    frame = pd.DataFrame(
        {
            "customer": range(10, 10 + 3 * row_count, 3),
            "rent": chance.normal(size=row_count),
            "noise": chance.normal(size=row_count),
            "arm": chance.choice(["call", "none", "letter"], row_count),
        }
    )
    chances = 0.3 + 0.4 * ((frame["arm"] == "call") & (frame["rent"] < 0))
    frame["left"] = np.where(chance.random(row_count) < chances, "yes", "no")
    return frame


def test_uplift_of_a_treatment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = experiment()
    result = measured(
        capsys, written(tmp_path, frame), "--treatment", "arm", "--treated", "call",
        "--control", "none",
    )  # fmt: skip
    assert 0.3 < result["uplift_at_k"]["value"] < 0.5
    assert result["qini"]["low"] > 0
    assert set(result["uplift"]) == {"T", "X", "risk", "T less risk"}
    assert result["columns"] == ["rent", "noise"]
    assert result["rows"] == frame["arm"].isin(["call", "none"]).sum()
    assert any("rows of other arms" in note for note in result["notes"])


def test_arms() -> None:
    file = Path("t.csv")

    def arms(values: list[str], treated: str | None = None, control: str | None = None) -> Arms:
        return arms_of(file, pd.Series(values, name="arm"), treated, control)

    assert arms(["0", "1"]) == Arms("1", "0")
    assert arms(["No", "Yes"]) == Arms("Yes", "No")
    assert arms(["a", "b"], treated="b") == Arms("b", "a")
    assert arms(["a", "b"], control="b") == Arms("a", "b")
    assert arms(["a", "b", "c"], "c", "a") == Arms("c", "a")
    with pytest.raises(TableError, match=r"t\.csv: treatment column 'arm' has a and b: give"):
        arms(["a", "b"])
    with pytest.raises(TableError, match=r"has 3 values \(a, b, c\): give --treated and --control"):
        arms(["a", "b", "c"], treated="a")
    with pytest.raises(TableError, match="never has the value 'd'; it has a, b"):
        arms(["a", "b"], "d", "a")


def test_rows_of_other_arms_are_left_out(tmp_path: Path) -> None:
    frame = experiment()
    file = written(tmp_path, frame)
    table = read_table(file, TableRequest("left", "yes", "customer", treatment="arm"))
    kept = with_arms(table, Arms("call", "none"))
    chosen = frame[frame["arm"] != "letter"]
    assert kept.treatment is not None and kept.treatment.tolist() == chosen["arm"].tolist()
    assert kept.features["rent"].to_numpy() == pytest.approx(chosen["rent"].to_numpy())
    assert kept.is_positive.tolist() == (chosen["left"] == "yes").astype(int).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "gone", "--positive", "yes"], "there is no label column 'gone'"),
        (["--label", "left", "--positive", "maybe"], "never has the value 'maybe'"),
        (["--label", "left", "--positive", "yes", "--folds", "500"], "500 folds"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main([str(written(tmp_path, customers())), *options]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_one_class_in_the_first_rows_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = customers().sort_values("left")
    options = ["--label", "left", "--positive", "yes", "--time-order"]
    assert main([str(written(tmp_path, frame)), *options]) == 1
    assert "hold one class only" in capsys.readouterr().err
