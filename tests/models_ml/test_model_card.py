"""The model card says what the metadata says, whatever the model."""

from __future__ import annotations

from dataclasses import replace

from models_ml.model import ChurnModel
from models_ml.model_card import MEANINGS, model_card
from models_ml.steadiness import HeldBack


def test_card_tells_what_the_model_is(churn_model: ChurnModel) -> None:
    metadata = churn_model.metadata
    card = model_card(metadata, "first model", "3")
    assert card.startswith("# Churn model, version 3\n\nDecision at registration: first model.\n")
    assert sections(card).keys() == {
        "What it predicts",
        "Data",
        "Features",
        "Held back",
        "How it was trained",
        "How good it is",
        "By group",
        "By kind of leaver",
        "Calibration",
        "Known limits",
        "How to use",
    }
    for name in metadata.features:
        assert f"| `{name}` | {MEANINGS[name]} |" in card
    for day in (*metadata.window.training_dates, metadata.window.test_date):
        assert str(day) in sections(card)["Data"]
    assert "horizon of 30 days" in card and "there is no gap" in card
    assert f"{metadata.choices.tree_count} trees" in card


def test_card_shows_figures_beside_the_baseline(churn_model: ChurnModel) -> None:
    metadata = churn_model.metadata
    parts = sections(model_card(metadata, "first model", "3"))
    for name, estimate in metadata.intervals.items():
        row = f"| {name} | {estimate} | {metadata.baseline_intervals[name]} |"
        assert row in parts["How good it is"]
    assert "| mobile only | " in parts["By group"]
    assert "Regions are not told apart" in parts["By group"]
    assert {"| active | ", "| passive | "} <= {
        f"| {line.split(' | ')[0][2:]} | " for line in parts["By kind of leaver"].splitlines()
    }
    assert parts["Calibration"].count("\n") == len(metadata.calibration_bins) + 1


def test_card_of_another_model(churn_model: ChurnModel) -> None:
    metadata = churn_model.metadata
    small = dict(metadata.group_intervals["product"]["both"])
    del small["roc_auc"]
    changed = replace(
        metadata,
        held_back=(HeldBack("age_years", "its values moved"),),
        group_intervals={"region": {"east | west": small}},
        window=replace(metadata.window, gap_days=5),
        baseline_metrics=replace(metadata.baseline_metrics, roc_auc=1.0),
    )
    parts = sections(model_card(changed, "worse", "4"))
    assert parts["Held back"] == "- `age_years`: its values moved."
    assert "begins 5 days after" in parts["What it predicts"]
    assert "Regions are not" not in parts["By group"]
    assert f"| east / west | {small['churner_count'].value:.0f} | – |" in parts["By group"]
    assert "does not rank better" in parts["Known limits"]
    assert "does not rank better" not in model_card(
        replace(metadata, baseline_metrics=replace(metadata.metrics, roc_auc=0.5)), "first", "1"
    )


def sections(card: str) -> dict[str, str]:
    """Return the text of each section, by heading."""
    parts = (part.split("\n", 1) for part in card.split("\n## ")[1:])
    return {heading: text.strip() for heading, text in parts}
