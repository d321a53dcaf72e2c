"""Confidence intervals by resampling subjects, and the metrics of many resamples at once."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 95


def subject_weights(subjects: Sequence[str], name: str, resamples: int = RESAMPLES) -> Array:
    """Draw bootstrap samples of subjects, as one weight per scan.

    A subject is drawn as a whole. Its scans share its weight, so that a subject with five sessions
    counts as much as one with a single session (Field and Welsh 2007, doi:10.1111/
    j.1467-9868.2007.00593.x: the cluster bootstrap).

    Args:
        subjects: The subject of each scan.
        name: What is judged; it alone seeds the draw, so that models with one name are paired.
        resamples: Bootstrap samples to draw.

    Returns:
        Weights (1 + resamples, scans). Row 0 is the sample as it is, the others are resamples.
    """
    _, index, sessions = np.unique(list(subjects), return_inverse=True, return_counts=True)
    n = len(sessions)
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:16], 16)
    drawn = np.random.Generator(np.random.PCG64(seed)).multinomial(n, [1 / n] * n, size=resamples)
    times = np.vstack([np.ones((1, n)), drawn])
    return times[:, index] / sessions[index]


def interval(values: Array) -> tuple[float, float]:
    """Percentile interval (95 %) of a metric over resamples; those without a value are left out."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return float("nan"), float("nan")
    tail = (100 - CONFIDENCE) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def resampled_metrics(
    task: str,
    truth: NDArray[Any],
    prediction: Array,
    weights: Array,
    classes: Sequence[str] = (),
) -> dict[str, Array]:
    """The metrics of `headstart.parts.metrics`, for every row of weights.

    Args:
        task: regression, classification or segmentation.
        truth: Values (n,), or class indices (n,); not looked at for segmentation.
        prediction: Values (n,), or probabilities (n, classes), or Dice (n, classes).
        weights: One row per resample (rows, n), as `subject_weights` gives them.
        classes: Names of the foreground classes (segmentation).

    Returns:
        Metric name: values (rows,), NaN where undefined. With weights of 1 they equal the plain
        metrics.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if task == "segmentation":
            return _segmentation(prediction, weights, classes)
        if task == "regression":
            return _regression(truth, prediction, weights)
        return _classification(truth, prediction, weights)


def _mean(values: NDArray[Any], weights: Array) -> Array:
    return weights @ values / weights.sum(axis=1)


def _regression(truth: Array, prediction: Array, weights: Array) -> dict[str, Array]:
    # shifted to the sample's mean, so that the moments below lose no digits
    x, y = truth - truth.mean(), prediction - prediction.mean()
    error = prediction - truth
    variance_x = _mean(x**2, weights) - _mean(x, weights) ** 2
    variance_y = _mean(y**2, weights) - _mean(y, weights) ** 2
    covariance = _mean(x * y, weights) - _mean(x, weights) * _mean(y, weights)
    squared = _mean(error**2, weights)
    return {
        "mae": _mean(np.abs(error), weights),
        "rmse": np.sqrt(squared),
        "r": covariance / np.sqrt(_positive(variance_x) * _positive(variance_y)),
        "r2": 1 - squared / _positive(variance_x),
    }


def _positive(variance: Array) -> Array:
    """Variance with NaN where the sample is constant but for rounding."""
    return np.where(variance > 1e-12 * max(float(np.max(variance)), 1e-12), variance, np.nan)


def _classification(truth: NDArray[Any], probability: Array, weights: Array) -> dict[str, Array]:
    likelihood = np.clip(probability[np.arange(len(truth)), truth], 1e-15, 1)
    right = np.argmax(probability, axis=1) == truth
    members = [truth == c for c in range(probability.shape[1])]
    recalls = [_mean(right[of], weights[:, of]) for of in members]
    positives = [1] if len(members) == 2 else range(len(members))
    areas = [_area(members[c], probability[:, c], weights) for c in positives]
    return {
        "log_loss": _mean(-np.log(likelihood), weights),
        "balanced_accuracy": _mean_of_known(recalls),
        "auroc": _mean_of_known(areas),
        "accuracy": _mean(right, weights),
    }


def _area(positive: NDArray[np.bool_], score: Array, weights: Array) -> Array:
    """Weighted Mann-Whitney statistic: pairs in the right order, a tie counting half."""
    order = np.argsort(score, kind="stable")
    first = np.flatnonzero(np.diff(score[order], prepend=-np.inf) > 0)
    ups = np.add.reduceat((weights * positive)[:, order], first, axis=1)
    downs = np.add.reduceat((weights * ~positive)[:, order], first, axis=1)
    below = np.cumsum(downs, axis=1) - downs / 2
    return (ups * below).sum(axis=1) / (ups.sum(axis=1) * downs.sum(axis=1))


def _segmentation(dice: Array, weights: Array, classes: Sequence[str]) -> dict[str, Array]:
    by_class = []
    for column in dice.T:
        known = ~np.isnan(column)
        by_class.append(_mean(column[known], weights[:, known]))
    named = {f"dice_{name}": values for name, values in zip(classes, by_class, strict=True)}
    return {"dice": _mean_of_known(by_class), **named}


def _mean_of_known(columns: Sequence[Array]) -> Array:
    with warnings.catch_warnings():
        # a resample in which no class is known has no mean: NaN is the answer
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(np.stack(columns), axis=0))
