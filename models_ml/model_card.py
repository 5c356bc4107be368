"""The model card: what a churn model is for, what it was made from and how good it is, in Markdown.

The sections follow M. Mitchell et al., "Model cards for model reporting", 2019. Everything in it
comes from the model's metadata, so a card says of its version what is true of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from models_ml.evaluate import MINIMUM_GROUP_CLASS
from models_ml.features import FEATURES, REGION_COLUMN
from models_ml.model import Estimates, ModelMetadata

GROUP_HEADINGS = {"star_level": "star level", "product": "product", REGION_COLUMN: "region"}
GROUP_MEASURES = (
    "roc_auc",
    "pr_auc",
    "top_decile_lift",
    "brier",
    "calibration_error",
    "expected_maximum_profit",
)
KIND_MEASURES = ("roc_auc", "pr_auc", "top_decile_lift")
MEANINGS = {feature.name: feature.meaning for feature in FEATURES}


def model_card(metadata: ModelMetadata, reason: str, version: str) -> str:
    """Return the card of a registered version.

    Args:
        metadata: of the model.
        reason: why it became champion, or did not.
        version: in the registry.
    """
    sections = {
        "What it predicts": _prediction(metadata),
        "Data": _data(metadata),
        "Features": _features(metadata),
        "Held back": _held_back(metadata),
        "How it was trained": _choices(metadata),
        "How good it is": _metrics(metadata),
        "By group": _groups(metadata),
        "By kind of leaver": _kinds(metadata),
        "Calibration": _calibration(metadata),
        "Known limits": _limits(metadata),
        "How to use": _use(metadata),
    }
    title = f"# Churn model, version {version}\n\nDecision at registration: {reason}.\n"
    return title + "".join(f"\n## {heading}\n\n{text}\n" for heading, text in sections.items())


def _prediction(metadata: ModelMetadata) -> str:
    window = metadata.window
    gap = (
        f"The horizon begins {window.gap_days} days after the observation date; who leaves in this"
        " gap has no label."
        if window.gap_days
        else "The horizon begins on the observation date; there is no gap."
    )
    return (
        "The probability that a customer leaves: holds no active subscription at the end of a"
        f" horizon of {window.horizon_days} days. {gap} Leaving at the customer's request (active)"
        " and being ended by the operator (passive) both count."
    )


def _data(metadata: ModelMetadata) -> str:
    window, metrics = metadata.window, metadata.metrics
    return _bullets(
        [
            f"Made on business date {window.business_date} from `marts.fct_churn_feature` and"
            " `marts.fct_churn_label`.",
            f"Learnt from {metadata.training_row_count} customers and dates,"
            f" {metadata.training_churner_count} of them leavers, observed on"
            f" {', '.join(map(str, window.training_dates))}.",
            f"Tested out of time on {metrics.row_count} customers, {metrics.churner_count} of them"
            f" leavers ({metrics.churn_rate:.2%}), observed on {window.test_date}.",
        ]
    )


def _features(metadata: ModelMetadata) -> str:
    rows = [
        (f"`{name}`", MEANINGS.get(name, ""), "none" if median is None else f"{median:g}")
        for name, median in zip(metadata.features, metadata.feature_medians, strict=True)
    ]
    return f"{_table(('feature', 'meaning', 'median'), rows)}\n\nHash: `{metadata.feature_hash}`"


def _held_back(metadata: ModelMetadata) -> str:
    if not metadata.held_back:
        return "No feature was held back."
    return _bullets(f"`{column.column}`: {column.reason}." for column in metadata.held_back)


def _choices(metadata: ModelMetadata) -> str:
    choices = metadata.choices
    aucs = ", ".join(f"{name} {auc:.4f}" for name, auc in choices.inner_auc.items())
    parameters = ", ".join(f"{name} {value}" for name, value in choices.parameters.items())
    versions = ", ".join(f"{name} {number}" for name, number in metadata.versions.items())
    return _bullets(
        [
            f"Blend of the log odds of {choices.tree_count} trees (XGBoost, weight"
            f" {choices.tree_weight:g}) and a logistic regression (weight"
            f" {1 - choices.tree_weight:g}, inverse penalty {choices.penalty:g}), calibrated by"
            " Platt scaling.",
            f"Chosen walking forward over the training dates; mean ROC-AUC there: {aucs}.",
            f"Parameters of the trees: {parameters}.",
            f"Seed {metadata.seed}; {versions}.",
        ]
    )


def _metrics(metadata: ModelMetadata) -> str:
    rows = [
        (name, str(estimate), str(metadata.baseline_intervals[name]))
        for name, estimate in metadata.intervals.items()
    ]
    headings = ("out of time, 95 % interval", "model", "logistic regression alone")
    levels = [
        f"{name} expected {metrics.mean_probability:.2%} to leave, {metrics.churn_rate:.2%} did."
        for name, metrics in (
            ("The model", metadata.metrics),
            ("The logistic regression", metadata.baseline_metrics),
        )
    ]
    return (
        f"{_table(headings, rows)}\n\n{' '.join(levels)}"
        " Expected maximum profit is in yuan per customer."
    )


def _groups(metadata: ModelMetadata) -> str:
    parts = [
        _measured(GROUP_HEADINGS[kind], groups, GROUP_MEASURES)
        for kind, groups in metadata.group_intervals.items()
    ]
    parts.append(f"A group with fewer than {MINIMUM_GROUP_CLASS} leavers or stayers is not judged.")
    if REGION_COLUMN not in metadata.group_intervals:
        parts.append("Regions are not told apart: the feature table does not have the region.")
    return "\n\n".join(parts)


def _kinds(metadata: ModelMetadata) -> str:
    return (
        f"{_measured('kind of leaver', metadata.kind_intervals, KIND_MEASURES)}\n\n"
        "Each kind is judged among its leavers and all who stayed."
    )


def _calibration(metadata: ModelMetadata) -> str:
    rows = [
        (str(each.row_count), f"{each.mean_probability:.4f}", f"{each.churn_rate:.4f}")
        for each in metadata.calibration_bins
    ]
    return _table(("customers", "mean probability", "share that left"), rows)


def _limits(metadata: ModelMetadata) -> str:
    limits = [
        "It ranks customers by their risk, not by what a call changes: that is measured against"
        " control customers.",
        "It was tested on one later month. A season, a campaign or a price that it has not seen may"
        " change what it says.",
        "The same customers stand in training and test, at different dates.",
        "A customer without history gets a probability all the same; missing values count as"
        " unknown.",
    ]
    if metadata.held_back:
        limits.append("Features that were held back may matter again once they are steady.")
    if metadata.metrics.roc_auc <= metadata.baseline_metrics.roc_auc:
        limits.append("Out of time it does not rank better than its logistic regression alone.")
    return _bullets(limits)


def _use(metadata: ModelMetadata) -> str:
    return _bullets(
        [
            "The nightly run scores all customers with the champion into `ml.churn_score`"
            " (`python -m models_ml.score --business-date YYYY-MM-DD`), with up to three reasons.",
            "The probability is calibrated: the mean over a list is the share of it that leaves"
            f" within {metadata.window.horizon_days} days if nobody is called.",
            "Use it to choose whom to talk to. Do not use it to refuse service or to set prices.",
            "It is trained again every month (`python -m models_ml.train`); a challenger that is"
            " worse than the champion out of time is refused.",
        ]
    )


def _measured(heading: str, groups: Mapping[str, Estimates], measures: Sequence[str]) -> str:
    """Return a table with a row for each group; a dash where it was not judged."""
    rows = [
        (
            name,
            f"{estimates['churner_count'].value:.0f}",
            *(str(estimates[measure]) if measure in estimates else "–" for measure in measures),
        )
        for name, estimates in groups.items()
    ]
    return _table((heading, "leavers", *measures), rows)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
