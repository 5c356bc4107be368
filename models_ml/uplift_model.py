"""The uplift model as it is registered: how effects are predicted, and what they were proven on."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from models_ml import registry, uplift
from models_ml.features import feature_hash
from models_ml.stored_files import UnreadableModelError, require_files, require_same, sha256
from models_ml.uplift import UpliftModel

MODEL_NAME = "uplift"
PROOF_FILE = "proof.json"

Measures = dict[str, dict[str, dict[str, float | None]]]


@dataclass(frozen=True)
class Proof:
    """What a model was made from, and how it ranks.

    Attributes:
        business_date: when the outcomes were known.
        experiment_hash: of the customers and parameters, as in ml.uplift_verdict.
        features: the columns in use.
        treated_count: customers whose call was handed to the dialer.
        control_count: customers held out.
        measures: by ranking and measure the value with both ends of its 95 % interval.
        has_sleeping_dogs: the effect measured among those it expects to be harmed is below zero.
        seed: of everything drawn.
        model_sha256: of the model's own metadata; set when the model is saved.
    """

    business_date: date
    experiment_hash: str
    features: tuple[str, ...]
    treated_count: int
    control_count: int
    measures: Measures
    has_sleeping_dogs: bool
    seed: int
    model_sha256: str = ""

    @property
    def feature_hash(self) -> str:
        """The hash of the columns in use."""
        return feature_hash(self.features)


@dataclass(frozen=True)
class ProvenUplift:
    """An uplift model with its proof."""

    model: UpliftModel
    proof: Proof


@dataclass(frozen=True)
class UpliftChampion:
    """The model to score with, and its version in the registry."""

    version: str
    uplift: ProvenUplift


def load_champion(model_name: str = MODEL_NAME) -> UpliftChampion | None:
    """Return the champion with its hashes verified, None while priority rests on risk.

    Raises:
        UnreadableModelError: it is registered, but its files are gone or are not what was saved.
    """
    with tempfile.TemporaryDirectory() as directory:
        found = registry.download_champion(model_name, Path(directory))
        return None if found is None else UpliftChampion(found.version, load(found.folder))


def register(proven: ProvenUplift, reason: str, model_name: str = MODEL_NAME) -> str:
    """Register a new version, which is not champion yet; return it."""
    proof = proven.proof
    with tempfile.TemporaryDirectory() as directory:
        save(proven, Path(directory))
        return registry.register_folder(
            Path(directory),
            registry.Registration(
                model_name=model_name,
                run_name=f"{model_name} {proof.business_date}",
                purpose="What a call does to the probability that a customer stays.",
                reason=reason,
                metrics=_figures(proof.measures),
                parameters={
                    "seed": str(proof.seed),
                    "treated_count": str(proof.treated_count),
                    "control_count": str(proof.control_count),
                    "features": ", ".join(proof.features),
                    "feature_hash": proof.feature_hash,
                    "experiment_hash": proof.experiment_hash,
                },
                tags={"business_date": str(proof.business_date), "verdict": reason},
            ),
        )


def save(proven: ProvenUplift, directory: Path) -> None:
    """Write model and proof into `directory`."""
    uplift.save_uplift(proven.model, directory)
    proof = replace(proven.proof, model_sha256=sha256(directory / uplift.METADATA_FILE))
    text = json.dumps(asdict(proof), indent=2, default=date.isoformat)
    (directory / PROOF_FILE).write_text(text, encoding="utf-8")


def load(directory: Path) -> ProvenUplift:
    """Read what `save` wrote.

    Raises:
        UnreadableModelError: a file is missing, is not the one that was saved, or is not of this
            version of the code.
    """
    require_files(directory, [PROOF_FILE, uplift.METADATA_FILE])
    file = directory / PROOF_FILE
    try:
        stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        proof = Proof(
            **stored
            | {
                "business_date": date.fromisoformat(stored["business_date"]),
                "features": tuple(stored["features"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableModelError(f"{file} is not this version's proof: {error!r}") from error
    require_same(directory / uplift.METADATA_FILE, proof.model_sha256)
    return ProvenUplift(uplift.load_uplift(directory), proof)


def _figures(measures: Measures) -> dict[str, float]:
    """Return every known figure and end of an interval under one name, such as T_qini_low."""
    suffixes = {"value": "", "low": "_low", "high": "_high"}
    return {
        f"{ranking.replace(' ', '_')}_{measure}{suffixes[part]}": figure
        for ranking, estimates in measures.items()
        for measure, estimate in estimates.items()
        for part, figure in estimate.items()
        if figure is not None
    }
