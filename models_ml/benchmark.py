"""Train and evaluate on any table, with the training and evaluation code of the churn model.

    python -m models_ml.benchmark FILE --label Churn --positive Yes --id customerID

FILE is CSV or Parquet; separator, encoding and compression are detected. Rows in no order are
judged out of fold: every row gets its probability from a model that was trained without its fold.
With --time-order the rows stand oldest first, the first 70 % train and the rest is judged. Every
choice (trees, blend, calibration, columns held back) is made inside the training rows.

With --treatment the effect of the treatment on the label is modelled too and measured against the
control rows; the treatment must have been given at random. An effect above zero means more positive
labels, so to measure customers kept give the label's value of a customer who stays.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table as ScreenTable
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from models_ml import leak_guard, learner
from models_ml.evaluate import Estimate, intervals
from models_ml.learner import Learner, LearnerSettings
from models_ml.steadiness import HeldBack
from models_ml.table import (
    Table,
    TableError,
    TableRequest,
    is_true,
    read_table,
    same_value,
)
from models_ml.uplift import LEARNERS, judge

TRAINING_SHARE = 0.7
DEFAULT_SEED = 20261120
DEFAULT_FOLDS = 5

Estimates = dict[str, Estimate]


@dataclass(frozen=True)
class Arms:
    """The experiment of a table: which value of the treatment column was treated, which was not."""

    treated: str
    control: str


@dataclass(frozen=True)
class Judged:
    """Rows with probabilities from a model that had not seen them.

    Attributes:
        rows: positions in the table.
        probability: of the blend, one per row.
        baseline: of the logistic regression alone.
        fold_aucs: ROC-AUC within each fold; one figure where time splits the rows.
        held_back: columns that the model left out because they do not hold over time.
    """

    rows: NDArray[np.int64]
    probability: NDArray[np.float64]
    baseline: NDArray[np.float64]
    fold_aucs: tuple[float, ...]
    held_back: tuple[HeldBack, ...]


@dataclass(frozen=True)
class Report:
    """What a benchmark found; `to_json` is what `--json` prints."""

    metrics: Estimates
    baseline: Estimates
    uplift: dict[str, Estimates]
    facts: dict[str, Any]
    held_back: tuple[HeldBack, ...]
    suspicions: tuple[leak_guard.Suspicion, ...]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Return one object: each metric with its interval, then what it was measured on."""
        best = self.uplift.get(LEARNERS[0], {})
        content = {
            **{name: asdict(estimate) for name, estimate in (self.metrics | best).items()},
            "baseline": {name: asdict(estimate) for name, estimate in self.baseline.items()},
            "uplift": {
                ranking: {name: asdict(estimate) for name, estimate in estimates.items()}
                for ranking, estimates in self.uplift.items()
            },
            **self.facts,
            "held_back": [asdict(column) for column in self.held_back],
            "warnings": [suspicion.message for suspicion in self.suspicions],
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=2, ensure_ascii=False)


def run(
    table: Table,
    *,
    in_time_order: bool = False,
    arms: Arms | None = None,
    fold_count: int = DEFAULT_FOLDS,
    plausible_auc: float = leak_guard.PLAUSIBLE_AUC,
    settings: LearnerSettings | None = None,
    watch: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Report:
    """Train and judge on a table.

    Args:
        table: features, labels and, for an experiment, arms.
        in_time_order: rows are oldest first: the first TRAINING_SHARE trains, the rest is judged.
        arms: the arms of an experiment; rows of other arms must have been left out.
        fold_count: folds of rows in no order, and of the uplift model.
        plausible_auc: above it the leak guard looks for the columns behind it.
        settings: of the learner.
        watch: wraps the folds, to show progress.

    Raises:
        ValueError: too few rows of a class for the folds, or for a training and a judged part.
    """
    started = time.monotonic()
    settings = settings or LearnerSettings(seed=DEFAULT_SEED)
    judged = (
        _judged_in_time(table, settings)
        if in_time_order
        else _judged_out_of_fold(table, fold_count, settings, watch)
    )
    is_positive = table.is_positive[judged.rows]
    metrics = intervals(is_positive, judged.probability, seed=settings.seed)
    uplift = (
        _uplift(_rows_of(table, judged.rows), arms, judged.probability, fold_count, settings.seed)
        if arms
        else {}
    )
    suspicions = leak_guard.suspicions(
        table.features,
        table.is_positive,
        metrics["roc_auc"].value,
        plausible_auc=plausible_auc,
        seed=settings.seed,
        thread_count=settings.thread_count,
    )
    facts = {
        "rows_read": table.rows_read,
        "duplicates_removed": table.duplicates_removed,
        "unlabelled_removed": table.unlabelled_removed,
        "rows": len(table.is_positive),
        "positives": int(table.is_positive.sum()),
        "rows_judged": len(judged.rows),
        "split": "time" if in_time_order else f"{fold_count} folds",
        "fold_roc_auc": list(judged.fold_aucs),
        "columns": [str(name) for name in table.features.columns],
        "seed": settings.seed,
        "seconds": round(time.monotonic() - started, 1),
    }
    return Report(
        metrics=metrics,
        baseline=intervals(is_positive, judged.baseline, seed=settings.seed),
        uplift=uplift,
        facts=facts,
        held_back=judged.held_back,
        suspicions=tuple(suspicions),
        notes=table.notes,
    )


def arms_of(
    file: Path, treatment: pd.Series[str], treated: str | None, control: str | None
) -> Arms:
    """Return the arms to compare, as the column writes them.

    Of two values the treated one need not be given when it says yes (1, true, yes).

    Raises:
        TableError: a value does not occur, or must be given.
    """
    values = sorted(map(str, treatment.dropna().unique()))
    where = f"{file}: treatment column {treatment.name!r}"

    def found(wanted: str) -> str:
        for value in values:
            if same_value(value, wanted):
                return value
        raise TableError(f"{where} never has the value {wanted!r}; it has {', '.join(values)}")

    if treated is not None and control is not None:
        return Arms(found(treated), found(control))
    if len(values) != 2:
        raise TableError(
            f"{where} has {len(values)} values ({', '.join(values)}): give --treated and --control"
        )
    if treated is None and control is None:
        saying_yes = [value for value in values if is_true(value)]
        if len(saying_yes) != 1:
            raise TableError(f"{where} has {' and '.join(values)}: give --treated")
        treated = saying_yes[0]
    named = found(treated if treated is not None else str(control))
    other = values[1 - values.index(named)]
    return Arms(named, other) if treated is not None else Arms(other, named)


def with_arms(table: Table, arms: Arms) -> Table:
    """Return the rows of the two arms; says in the notes how many were left out."""
    assert table.treatment is not None  # noqa: S101 - callers have read a treatment column
    rows = np.flatnonzero(table.treatment.isin([arms.treated, arms.control]))
    left_out = len(table.is_positive) - len(rows)
    kept = _rows_of(table, rows)
    if not left_out:
        return kept
    return replace(kept, notes=(*kept.notes, f"{left_out} rows of other arms were left out"))


def _judged_out_of_fold(
    table: Table,
    fold_count: int,
    settings: LearnerSettings,
    watch: Callable[[Iterable[Any]], Iterable[Any]],
) -> Judged:
    labels = table.is_positive
    rarest = int(min(labels.sum(), len(labels) - labels.sum()))
    if rarest < fold_count:
        raise ValueError(f"{fold_count} folds need as many rows of each class, one has {rarest}")
    kind = StratifiedKFold if table.groups is None else StratifiedGroupKFold
    splitter = kind(n_splits=fold_count, shuffle=True, random_state=settings.seed)
    probability, baseline = np.zeros(len(labels)), np.zeros(len(labels))
    aucs = []
    for training, held_out in watch(list(splitter.split(labels, labels, table.groups))):
        model = _fitted(table, training, settings)
        rows = table.features.iloc[held_out]
        probability[held_out] = model.probability(rows)
        baseline[held_out] = model.baseline_probability(rows)
        aucs.append(float(roc_auc_score(labels[held_out], probability[held_out])))
    return Judged(np.arange(len(labels)), probability, baseline, tuple(aucs), ())


def _judged_in_time(table: Table, settings: LearnerSettings) -> Judged:
    labels = table.is_positive
    cut = round(len(labels) * TRAINING_SHARE)
    for name, part in (("first", labels[:cut]), ("last", labels[cut:])):
        if not 0 < part.sum() < len(part):
            raise ValueError(f"in time order the {name} {len(part)} rows hold one class only")
    model = _fitted(table, np.arange(cut), settings, in_time_order=True)
    rows = table.features.iloc[cut:]
    probability = model.probability(rows)
    return Judged(
        rows=np.arange(cut, len(labels)),
        probability=probability,
        baseline=model.baseline_probability(rows),
        fold_aucs=(float(roc_auc_score(labels[cut:], probability)),),
        held_back=model.held_back,
    )


def _fitted(
    table: Table,
    rows: NDArray[np.int64],
    settings: LearnerSettings,
    in_time_order: bool = False,
) -> Learner:
    return learner.fit(
        table.features.iloc[rows],
        table.is_positive[rows],
        in_time_order=in_time_order,
        groups=None if table.groups is None else table.groups[rows],
        settings=settings,
    )


def _uplift(
    table: Table, arms: Arms, risk: NDArray[np.float64], fold_count: int, seed: int
) -> dict[str, Estimates]:
    """Measure both learners, the ranking by the label's probability, and what T adds to it."""
    assert table.treatment is not None  # noqa: S101 - there are arms
    treated = (table.treatment == arms.treated).to_numpy(dtype=np.bool_)
    return judge(
        table.features, treated, table.is_positive, risk, seed=seed, folds=fold_count
    ).measures


def _rows_of(table: Table, rows: NDArray[np.int64]) -> Table:
    return replace(
        table,
        features=table.features.iloc[rows].reset_index(drop=True),
        is_positive=table.is_positive[rows],
        groups=None if table.groups is None else table.groups[rows],
        treatment=(
            None if table.treatment is None else table.treatment.iloc[rows].reset_index(drop=True)
        ),
    )


def show(report: Report, file: Path, console: Console) -> None:
    """Print the report as tables."""
    facts = report.facts
    title = (
        f"{file.name}: {facts['rows']} rows, {facts['positives']} positive; {facts['split']},"
        f" {facts['rows_judged']} judged, seed {facts['seed']}, {facts['seconds']} s"
    )
    screen = ScreenTable(title=title, title_justify="left")
    for heading in ("metric, 95 % interval", "model", "logistic regression"):
        screen.add_column(heading, no_wrap=True)
    for name, estimate in report.metrics.items():
        screen.add_row(name, str(estimate), str(report.baseline[name]))
    console.print(screen)
    if report.uplift:
        screen = ScreenTable(title="Effect of the treatment on the label", title_justify="left")
        for heading in ("ranking", "metric", "value, 95 % interval"):
            screen.add_column(heading, no_wrap=True)
        for ranking, estimates in report.uplift.items():
            for name, estimate in estimates.items():
                screen.add_row(ranking, name, str(estimate))
        console.print(screen)
    if facts["duplicates_removed"]:
        console.print(f"{facts['duplicates_removed']} exact duplicate rows were removed.")
    if facts["unlabelled_removed"]:
        console.print(f"{facts['unlabelled_removed']} rows without a label were left out.")
    for note in report.notes:
        console.print(f"Note: {note}", markup=False)
    for column in report.held_back:
        console.print(f"Held back: {column.column}: {column.reason}", markup=False)
    for suspicion in report.suspicions:
        console.print(f"Warning: leak suspected: {suspicion.message}", style="bold red")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models_ml.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="CSV or Parquet, compressed or not")
    add("--label", required=True, metavar="COLUMN", help="the column to predict")
    add("--positive", required=True, metavar="VALUE", help="its value that counts as positive")
    add("--id", metavar="COLUMN", help="names the customer; its rows stay in one fold")
    add("--drop", nargs="+", default=[], metavar="COLUMN", help="leave out; commas may separate")
    add("--time-order", action="store_true", help="rows stand oldest first")
    add("--treatment", metavar="COLUMN", help="says which arm of an experiment a row was in")
    add("--treated", metavar="VALUE", help="the treatment's value of the treated")
    add("--control", metavar="VALUE", help="the treatment's value of the controls")
    add("--folds", type=_fold_count, default=DEFAULT_FOLDS, metavar="N", help="default 5")
    add("--seed", type=int, default=DEFAULT_SEED, metavar="N")
    add("--threads", type=int, default=1, metavar="N", help="default 1")
    add(
        "--plausible-auc",
        type=float,
        default=leak_guard.PLAUSIBLE_AUC,
        metavar="AUC",
        help="above it the leak guard looks for the columns behind it; default %(default)s",
    )
    add("--strict", action="store_true", help="exit with 1 when a leak is suspected")
    add("--json", action="store_true", help="print one JSON object instead of tables")
    return parser


def _fold_count(text: str) -> int:
    count = int(text)
    if count < 2:
        raise argparse.ArgumentTypeError("at least 2 folds are needed")
    return count


def _read(options: argparse.Namespace) -> tuple[Table, Arms | None]:
    table = read_table(
        options.file,
        TableRequest(
            label=options.label,
            positive=options.positive,
            identifier=options.id,
            dropped=tuple(options.drop),
            treatment=options.treatment,
            in_time_order=options.time_order,
        ),
    )
    if table.treatment is None:
        return table, None
    arms = arms_of(options.file, table.treatment, options.treated, options.control)
    return with_arms(table, arms), arms


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 with a sentence on stderr when the table cannot be used."""
    options = _parser().parse_args(arguments)
    messages = Console(stderr=True)

    def watch(folds: Iterable[Any]) -> Iterable[Any]:
        return track(folds, description="Folds", console=messages, transient=True)

    try:
        table, arms = _read(options)
        report = run(
            table,
            in_time_order=options.time_order,
            arms=arms,
            fold_count=options.folds,
            plausible_auc=options.plausible_auc,
            settings=LearnerSettings(seed=options.seed, thread_count=options.threads),
            watch=watch,
        )
    except ValueError as error:
        messages.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    if options.json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        show(report, options.file, Console())
    if options.strict and report.suspicions:
        messages.print(str(leak_guard.LeakSuspected(report.suspicions)), markup=False)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
