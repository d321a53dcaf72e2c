"""What predictions are worth: every metric, for one sample or for many resamples at once.

A resample is a row of weights, one for each scan; with weights of 1 it is the sample itself.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Metric:
    """One number that says how good predictions are.

    Attributes:
        words: Its name in figures and in the methods.
        compute: Maps (truth, prediction, weights (rows, n)) to values (rows,), NaN where it is not
            defined. Of numbers, truth and prediction are (n,), in the target's unit; of classes,
            their indices (n,) and probabilities (n, classes); of masks, the truth is not looked
            at, and the prediction is the Dice of each scan and class (n, classes), as
            `dice_by_class` gives it.
        interval: How its interval is made, `headstart.evaluation.intervals.METHODS`.
        by_fold: Whether it is taken in each fold and then averaged: it ranks scans, and those of
            two networks have no common rank.
        higher_is_better: Its direction.
        in_unit: Whether it is in the target's unit.
    """

    words: str
    compute: Callable[[NDArray[Any], NDArray[Any], Array], Array]
    interval: str
    by_fold: bool = False
    higher_is_better: bool = True
    in_unit: bool = False


def mean(values: NDArray[Any], weights: Array) -> Array:
    """Weighted mean of values (n,), for each row of weights."""
    with np.errstate(invalid="ignore"):  # a mean of nobody is NaN
        return weights @ values / weights.sum(axis=1)


def mean_of_known(answers: Sequence[Array]) -> Array:
    """Mean over the classes, networks or folds that have an answer; NaN where none has."""
    stacked = np.stack(answers)
    known = ~np.isnan(stacked)
    total, times = np.where(known, stacked, 0).sum(axis=0), known.sum(axis=0)
    mean: Array = np.divide(total, times, out=np.full(total.shape, np.nan), where=times > 0)
    return mean


def mae(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Mean absolute error, in the target's unit."""
    return mean(np.abs(prediction - truth), weights)


def rmse(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Root mean squared error, in the target's unit."""
    return np.asarray(np.sqrt(mean((prediction - truth) ** 2, weights)))


def pearson(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Pearson's r; NaN if either side is constant."""
    # shifted to the sample's mean, so that the moments lose no digits
    x, y = truth - truth.mean(), prediction - prediction.mean()
    covariance = mean(x * y, weights) - mean(x, weights) * mean(y, weights)
    return covariance / np.sqrt(_variance(x, weights) * _variance(y, weights))


def r2(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Share of the truth's variance explained: 1 - residual / total; NaN for a constant truth."""
    variance = _variance(truth - truth.mean(), weights)
    return np.asarray(1 - mean((prediction - truth) ** 2, weights) / variance)


def _variance(shifted: Floats, weights: Array) -> Array:
    """Variance; NaN where the sample is constant but for rounding."""
    variance = mean(shifted**2, weights) - mean(shifted, weights) ** 2
    return np.where(variance > 1e-12 * max(float(np.max(variance)), 1e-12), variance, np.nan)


def log_loss(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Mean of -ln p(true class), in nats; p is clipped at 1e-15."""
    likelihood = np.clip(probability[np.arange(len(truth)), truth], 1e-15, 1)
    return mean(-np.log(likelihood), weights)


def accuracy(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Share of scans whose most probable class is the true one."""
    return mean(np.argmax(probability, axis=1) == truth, weights)


def balanced_accuracy(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Mean over the classes present of the share of their scans that are recognised."""
    return mean_of_known(recalls(truth, probability, weights))


def recalls(truth: Integers, probability: Floats, weights: Array) -> list[Array]:
    """Share of each class's scans that are recognised, (rows,) each."""
    right = np.argmax(probability, axis=1) == truth
    members = [truth == c for c in range(probability.shape[1])]
    return [mean(right[of], weights[:, of]) for of in members]


def auroc(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Area under the ROC curve; for more than two classes the mean of one class against the rest.

    Classes without both positive and negative scans are left out; NaN if none remains.
    """
    classes = [1] if probability.shape[1] == 2 else range(probability.shape[1])
    return mean_of_known([_area(*roc(truth == c, probability[:, c], weights)) for c in classes])


def roc(positive: Flags, score: Floats, weights: Array) -> tuple[Array, Array]:
    """False and true positive rates from (0, 0) to (1, 1), a step per distinct score.

    Args:
        positive: Whether each scan is of the class, (n,).
        score: How much it looks like it, (n,).
        weights: One row per resample (rows, n).

    Returns:
        Two arrays (rows, steps + 1); a row is NaN if there is nobody to take a rate of.
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))
    counts = [
        np.cumsum((weights * member)[:, order], axis=1)[:, last] for member in (~positive, positive)
    ]
    with np.errstate(invalid="ignore"):
        rates = np.stack([np.pad(count / count[:, -1:], ((0, 0), (1, 0))) for count in counts])
    rates[:, np.isnan(rates).any(axis=(0, 2))] = np.nan
    return rates[0], rates[1]


def _area(false: Array, true: Array) -> Array:
    """Area below each row's curve: pairs in the right order, a tie counting half."""
    return np.asarray((np.diff(false) * (true[:, 1:] + true[:, :-1])).sum(axis=1) / 2)


def dice_by_class(truth: Integers, prediction: Integers, classes: int) -> Floats:
    """Dice overlap of each foreground class in one scan.

    Args:
        truth: Mask with the values 0 (background) to `classes`, any shape; other values belong
            to no class.
        prediction: Mask of the same shape.
        classes: Number of foreground classes.

    Returns:
        2 |A and B| / (|A| + |B|) for the values 1 to `classes`; NaN where a class is in neither.
    """
    width = classes + 1
    one, two = (
        np.where((mask > 0) & (mask < width), mask, 0).ravel().astype(np.intp)
        for mask in (truth, prediction)
    )
    pairs = np.bincount(one * width + two, minlength=width * width).reshape(width, width)
    sizes = (pairs.sum(axis=0) + pairs.sum(axis=1))[1:]
    overlap = 2.0 * np.diag(pairs)[1:]
    return np.divide(overlap, sizes, out=np.full(classes, np.nan), where=sizes > 0)


def mean_of_scans(_: NDArray[Any], values: Floats, weights: Array) -> Array:
    """Mean over scans of what was measured in each, (n,); what is not known (NaN) is left out."""
    known = ~np.isnan(values)
    return mean(values[known], weights[:, known])


def mean_dice(_: NDArray[Any], dice: Floats, weights: Array) -> Array:
    """Mean over classes of the mean Dice over scans; undefined ones (NaN) are left out."""
    known = ~np.isnan(dice)
    columns = zip(dice.T, known.T, strict=True)
    return mean_of_known([mean(column[there], weights[:, there]) for column, there in columns])


METRICS = {
    "mae": Metric("mean absolute error", mae, "log", higher_is_better=False, in_unit=True),
    "rmse": Metric("root mean squared error", rmse, "log", higher_is_better=False, in_unit=True),
    "r": Metric("Pearson's r", pearson, "fisher", by_fold=True),
    "r2": Metric("R²", r2, "unexplained"),
    "log_loss": Metric("log loss (nats)", log_loss, "log", higher_is_better=False),
    "balanced_accuracy": Metric("balanced accuracy", balanced_accuracy, "recalls"),
    "auroc": Metric("area under the ROC curve", auroc, "area", by_fold=True),
    "accuracy": Metric("accuracy", accuracy, "share"),
    "dice": Metric("Dice, mean over classes", mean_dice, "dice"),
    "hidden_error": Metric("error of hidden voxels", mean_of_scans, "log", higher_is_better=False),
    "psnr": Metric("PSNR in the head (dB)", mean_of_scans, "mean"),
    "ssim": Metric("SSIM in the head", mean_of_scans, "mean"),
    "nrmse": Metric("NRMSE in the head", mean_of_scans, "log", higher_is_better=False),
    "spots": Metric("contrast of planted spots that is kept", mean_of_scans, "mean"),
    "edges": Metric(
        "correlation of what was removed with edges", mean_of_scans, "mean", higher_is_better=False
    ),
    "removed": Metric("spread of what was removed, of the noise", mean_of_scans, "mean"),
}
