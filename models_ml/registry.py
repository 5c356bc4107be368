"""The model registry: MLflow on the warehouse's own server, or the server in MLFLOW_TRACKING_URI.

Models are registered under a name, get a version, and one of them carries the alias `champion`.
Artifacts lie in MLFLOW_ARTIFACT_DIR (default var/mlflow); with an MLflow server, where it keeps
them. MLflow is imported here only, and late: that takes seconds, and so does its first connection
to a new database, where it creates its tables.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from models_ml.evaluate import Estimate
from models_ml.model import ChurnModel, ModelMetadata, load, save
from models_ml.model_card import model_card
from models_ml.stored_files import UnreadableModelError
from scripts import warehouse

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

MODEL_NAME = "churn"
PURPOSE = "Probability that a customer leaves within the label horizon."
CHAMPION = "champion"
ARTIFACT_PATH = "model"
MODEL_CARD_FILE = "model_card.md"
OTHER_SIGN = re.compile(r"[^\w. -]")
BATCH_METRICS = 900  # MLflow takes 1,000 entries at a time, parameters and tags among them

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """The model to score with, and its version in the registry."""

    version: str
    model: ChurnModel


def load_champion(model_name: str = MODEL_NAME) -> Champion | None:
    """Return the champion with its hashes verified, None when there is none.

    Raises:
        UnreadableModelError: it is registered, but its files are gone or are not what was saved.
    """
    with tempfile.TemporaryDirectory() as directory:
        champion = download_champion(model_name, Path(directory))
        if champion is None:
            return None
        return Champion(champion.version, load(champion.folder))


def is_champion_usable(model_name: str = MODEL_NAME) -> bool:
    """Return whether there is a champion whose files can be read by this version of the code."""
    try:
        return load_champion(model_name) is not None
    except UnreadableModelError as error:
        log.warning("%s", error)
        return False


def register(
    model: ChurnModel, *, is_champion: bool, reason: str, model_name: str = MODEL_NAME
) -> str:
    """Log `model` as a run, register it as a new version, and make it champion if it is to be.

    Its model card lies beside the model's folder.

    Returns:
        The version.
    """
    client = _client()
    run = client.create_run(
        _experiment_id(client, model_name),
        run_name=f"{model_name} {model.metadata.window.business_date}",
    )
    _log_metadata(client, run.info.run_id, model.metadata, reason)
    with tempfile.TemporaryDirectory() as directory:
        save(model, Path(directory))
        client.log_artifacts(run.info.run_id, directory, ARTIFACT_PATH)
    version = _create_version(client, run, model_name, PURPOSE, reason)
    client.log_text(run.info.run_id, model_card(model.metadata, reason, version), MODEL_CARD_FILE)
    client.set_terminated(run.info.run_id)
    if is_champion:
        set_champion(model_name, version)
    return version


@dataclass(frozen=True)
class Registration:
    """What the registry is told of a model whose files lie in a folder.

    Attributes:
        model_name: under which it gets a version.
        run_name: of the run that made it.
        purpose: what models of this name say.
        reason: why it is, or is not, to be used.
        metrics: figures to compare runs by.
        parameters: what to filter runs by.
        tags: the same.
    """

    model_name: str
    run_name: str
    purpose: str
    reason: str
    metrics: dict[str, float]
    parameters: dict[str, str]
    tags: dict[str, str]


@dataclass(frozen=True)
class ChampionFolder:
    """The files of a champion, and its version."""

    version: str
    folder: Path


def register_folder(folder: Path, registration: Registration) -> str:
    """Log the files of `folder` as a run and register it as a new version; return the version."""
    from mlflow.entities import Metric, Param, RunTag

    client, name = _client(), registration.model_name
    run = client.create_run(_experiment_id(client, name), run_name=registration.run_name)
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(key, value, 0, 0) for key, value in registration.metrics.items()],
        params=[Param(key, value) for key, value in registration.parameters.items()],
        tags=[RunTag(key, value) for key, value in registration.tags.items()],
    )
    client.log_artifacts(run.info.run_id, str(folder), ARTIFACT_PATH)
    version = _create_version(client, run, name, registration.purpose, registration.reason)
    client.set_terminated(run.info.run_id)
    return version


def set_champion(model_name: str, version: str | None) -> None:
    """Make `version` the champion; with None there is no champion any more."""
    client = _client()
    if version is not None:
        client.set_registered_model_alias(model_name, CHAMPION, version)
    elif _champion(model_name) is not None:
        client.delete_registered_model_alias(model_name, CHAMPION)


def download_champion(model_name: str, directory: Path) -> ChampionFolder | None:
    """Fetch the champion's files into `directory`; None when there is no champion.

    Raises:
        UnreadableModelError: it is registered, but its files are gone.
    """
    version = _champion(model_name)
    if version is None:
        return None
    return ChampionFolder(str(version.version), _download(version, directory))


def tracking_uri() -> str:
    """Return where runs and versions are kept: MLFLOW_TRACKING_URI or the warehouse's server."""
    return os.environ.get("MLFLOW_TRACKING_URI") or warehouse.url(
        warehouse.Role.SCORER, database=warehouse.MLFLOW_DATABASE, driver="postgresql+psycopg2"
    )


def artifact_dir() -> Path:
    """Return the folder of the model files where no MLflow server keeps them."""
    default = warehouse.PROJECT_DIR / "var" / "mlflow"
    return Path(os.environ.get("MLFLOW_ARTIFACT_DIR") or default).resolve()


def _client() -> MlflowClient:
    return _client_of(tracking_uri())


@cache
def _client_of(uri: str) -> MlflowClient:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # a few small files
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow.store.db.utils"):  # they tell every step of the migration
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _champion(model_name: str) -> ModelVersion | None:
    """Return the version with the alias; asked by listing, as a missing alias is an error."""
    client = _client()
    for registered in client.search_registered_models(f"name = '{model_name}'"):
        version = registered.aliases.get(CHAMPION)
        if version is not None:
            return client.get_model_version(model_name, version)
    return None


def _download(version: ModelVersion, directory: Path) -> Path:
    from mlflow.exceptions import MlflowException

    try:
        return Path(
            _client().download_artifacts(str(version.run_id), ARTIFACT_PATH, str(directory))
        )
    except (MlflowException, OSError) as error:
        raise UnreadableModelError(
            f"the files of model {version.name} version {version.version} cannot be read from"
            f" {version.source} ({error}); restore them, or train again:"
            " python -m models_ml.train --business-date YYYY-MM-DD"
        ) from error


def _experiment_id(client: MlflowClient, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    if tracking_uri().startswith("http"):  # the server knows where artifacts belong
        return str(client.create_experiment(name))
    location = artifact_dir() / name
    location.mkdir(parents=True, exist_ok=True)
    return str(client.create_experiment(name, artifact_location=location.as_uri()))


def _create_version(client: MlflowClient, run: Run, name: str, purpose: str, reason: str) -> str:
    """Register what the run logged under `name`, made known if need be; return the version."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=purpose)
    version = client.create_model_version(
        name,
        source=f"{run.info.artifact_uri}/{ARTIFACT_PATH}",
        run_id=run.info.run_id,
        description=reason,
    )
    return str(version.version)


def _log_metadata(client: MlflowClient, run_id: str, metadata: ModelMetadata, reason: str) -> None:
    """Log what people filter and compare runs by; the rest is in the metadata."""
    from mlflow.entities import Metric, Param, RunTag

    window, choices = metadata.window, metadata.choices
    parameters = choices.parameters | {
        "tree_count": choices.tree_count,
        "tree_weight": choices.tree_weight,
        "penalty": choices.penalty,
        "seed": metadata.seed,
        "horizon_days": window.horizon_days,
        "gap_days": window.gap_days,
        "training_dates": ", ".join(map(str, window.training_dates)),
        "test_date": window.test_date,
        "features": ", ".join(metadata.features),
        "held_back": ", ".join(column.column for column in metadata.held_back),
        "feature_hash": metadata.feature_hash,
    }
    metrics = asdict(metadata.metrics) | {
        f"baseline_{name}": value for name, value in asdict(metadata.baseline_metrics).items()
    }
    metrics |= _bounds(metadata.intervals)
    for kind, groups in (metadata.group_intervals | {"kind": metadata.kind_intervals}).items():
        for group, estimates in groups.items():
            figures = {name: each.value for name, each in estimates.items()} | _bounds(estimates)
            metrics |= {_group_metric(kind, group, name): figures[name] for name in figures}
    logged = [Metric(name, float(value), 0, 0) for name, value in metrics.items()]
    for start in range(BATCH_METRICS, len(logged), BATCH_METRICS):
        client.log_batch(run_id, metrics=logged[start : start + BATCH_METRICS])
    client.log_batch(
        run_id,
        metrics=logged[:BATCH_METRICS],
        params=[Param(name, str(value)) for name, value in parameters.items()],
        tags=[
            RunTag("business_date", str(window.business_date)),
            RunTag("promotion_reason", reason),
        ],
    )


def _group_metric(kind: str, group: str, figure: str) -> str:
    """Return a name such as region/城东/roc_auc, of letters and digits that MLflow takes."""
    return f"{kind}/{OTHER_SIGN.sub('_', group)}/{figure}"


def _bounds(estimates: dict[str, Estimate]) -> dict[str, float]:
    """Return both ends of each 95 % interval; a count has none."""
    measured = {name: each for name, each in estimates.items() if not name.endswith("_count")}
    low = {f"{name}_low": estimate.low for name, estimate in measured.items()}
    return low | {f"{name}_high": estimate.high for name, estimate in measured.items()}
