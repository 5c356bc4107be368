"""The uplift model as it is registered: how effects are predicted, and the verdict on it."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from models_ml import registry, uplift
from models_ml.features import feature_hash
from models_ml.stored_files import UnreadableModelError, require_files, require_same, sha256
from models_ml.uplift import UpliftModel

MODEL_NAME = "uplift"
VERDICT_FILE = "verdict.json"

Measures = dict[str, dict[str, dict[str, float | None]]]


@dataclass(frozen=True)
class Verdict:
    """What the priority of calls is made of from a training on: a row of ml.uplift_verdict.

    Attributes:
        business_date: when the outcomes were known.
        experiment_hash: of the customers and parameters that were judged.
        ranking: uplift where it was shown to rank better than risk.
        reason: why.
        treated_count: customers judged whose call was handed to the dialer.
        control_count: customers judged who were held out.
        has_sleeping_dogs: the effect measured among those expected to be harmed is below zero.
        measures: by ranking and measure the value with both ends of its 95 % interval; None for
            what could not be measured.
        model_version: in the registry; None where there were too few customers, or before it is
            registered.
    """

    business_date: date
    experiment_hash: str
    ranking: Literal["uplift", "risk"]
    reason: str
    treated_count: int
    control_count: int
    has_sleeping_dogs: bool
    measures: Measures
    model_version: str | None = None


@dataclass(frozen=True)
class JudgedUplift:
    """An uplift model, the columns it reads, the seed of all that was drawn, the verdict on it."""

    model: UpliftModel
    features: tuple[str, ...]
    seed: int
    verdict: Verdict

    @property
    def feature_hash(self) -> str:
        """The hash of the columns in use."""
        return feature_hash(self.features)


@dataclass(frozen=True)
class UpliftChampion:
    """The model to score with, and its version in the registry."""

    version: str
    uplift: JudgedUplift


def load_champion(model_name: str = MODEL_NAME) -> UpliftChampion | None:
    """Return the champion with its hashes verified, None while priority rests on risk.

    Raises:
        UnreadableModelError: it is registered, but its files are gone or are not what was saved.
    """
    with tempfile.TemporaryDirectory() as directory:
        found = registry.download_champion(model_name, Path(directory))
        return None if found is None else UpliftChampion(found.version, load(found.folder))


def register(judged: JudgedUplift, model_name: str = MODEL_NAME) -> str:
    """Register a new version, which is not champion yet; return it."""
    verdict = judged.verdict
    with tempfile.TemporaryDirectory() as directory:
        save(judged, Path(directory))
        return registry.register_folder(
            Path(directory),
            registry.Registration(
                model_name=model_name,
                run_name=f"{model_name} {verdict.business_date}",
                purpose="What a call does to the probability that a customer stays.",
                reason=verdict.reason,
                metrics=_figures(verdict.measures),
                parameters={
                    "seed": str(judged.seed),
                    "treated_count": str(verdict.treated_count),
                    "control_count": str(verdict.control_count),
                    "features": ", ".join(judged.features),
                    "feature_hash": judged.feature_hash,
                    "experiment_hash": verdict.experiment_hash,
                },
                tags={"business_date": str(verdict.business_date), "ranking": verdict.ranking},
            ),
        )


def save(judged: JudgedUplift, directory: Path) -> None:
    """Write the model and the verdict on it into `directory`."""
    uplift.save_uplift(judged.model, directory)
    stored = {
        "features": judged.features,
        "seed": judged.seed,
        "verdict": asdict(judged.verdict),
        "model_sha256": sha256(directory / uplift.METADATA_FILE),
    }
    text = json.dumps(stored, indent=2, default=date.isoformat)
    (directory / VERDICT_FILE).write_text(text, encoding="utf-8")


def load(directory: Path) -> JudgedUplift:
    """Read what `save` wrote.

    Raises:
        UnreadableModelError: a file is missing, is not the one that was saved, or is not of this
            version of the code.
    """
    require_files(directory, [VERDICT_FILE, uplift.METADATA_FILE])
    file = directory / VERDICT_FILE
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        given = date.fromisoformat(stored["verdict"]["business_date"])
        verdict = Verdict(**stored["verdict"] | {"business_date": given})
        features, seed = tuple(stored["features"]), int(stored["seed"])
        saved_sha256 = str(stored["model_sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableModelError(f"{file} is not this version's verdict: {error!r}") from error
    require_same(directory / uplift.METADATA_FILE, saved_sha256)
    return JudgedUplift(uplift.load_uplift(directory), features, seed, verdict)


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
