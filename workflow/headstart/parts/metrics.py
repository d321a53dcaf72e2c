"""What a prediction is worth: metrics on numpy arrays, by task. The first one chooses the epoch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Metric:
    """One number that judges predictions.

    Attributes:
        name: As in `history.csv` and `metrics.csv`.
        higher_is_better: Its direction.
        compute: Maps (truth, prediction) to the number, NaN where it is not defined.
            Regression: both (n,), in the target's unit. Classification: class indices (n,) and
            probabilities (n, classes). Segmentation: None and the Dice of each scan and
            class (n, classes), as `dice_by_class` gives it.
    """

    name: str
    higher_is_better: bool
    compute: Callable[..., float]


def mae(truth: Floats, prediction: Floats) -> float:
    """Mean absolute error, in the target's unit."""
    return float(np.mean(np.abs(prediction - truth)))


def rmse(truth: Floats, prediction: Floats) -> float:
    """Root mean squared error, in the target's unit."""
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def pearson(truth: Floats, prediction: Floats) -> float:
    """Pearson's r; NaN if either side is constant."""
    x, y = truth - np.mean(truth), prediction - np.mean(prediction)
    scale = np.sqrt(np.sum(x**2) * np.sum(y**2))
    return float(np.sum(x * y) / scale) if scale > 0 else float("nan")


def r2(truth: Floats, prediction: Floats) -> float:
    """Share of the truth's variance explained: 1 - residual / total; NaN for a constant truth."""
    total = np.sum((truth - np.mean(truth)) ** 2)
    return float(1 - np.sum((prediction - truth) ** 2) / total) if total > 0 else float("nan")


def log_loss(truth: Integers, probability: Floats) -> float:
    """Mean of -ln p(true class), in nats; p is clipped at 1e-15."""
    p = probability[np.arange(len(truth)), truth]
    return float(np.mean(-np.log(np.clip(p, 1e-15, 1))))


def accuracy(truth: Integers, probability: Floats) -> float:
    """Share of scans whose most probable class is the true one."""
    return float(np.mean(np.argmax(probability, axis=1) == truth))


def balanced_accuracy(truth: Integers, probability: Floats) -> float:
    """Mean over the classes present of the share of their scans that are recognised."""
    right = np.argmax(probability, axis=1) == truth
    return float(np.mean([np.mean(right[truth == c]) for c in np.unique(truth)]))


def auroc(truth: Integers, probability: Floats) -> float:
    """Area under the ROC curve; for more than two classes the mean of one class against the rest.

    It is the Mann-Whitney statistic: the share of pairs in the right order, a tie counting half.
    Classes without both positive and negative scans are left out; NaN if none remains.
    """
    classes = [1] if probability.shape[1] == 2 else range(probability.shape[1])
    areas = [_area(truth == c, probability[:, c]) for c in classes]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def _area(positive: NDArray[np.bool_], score: Floats) -> float:
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def dice_by_class(truth: Integers, prediction: Integers, classes: int) -> Floats:
    """Dice overlap of each foreground class in one scan.

    Args:
        truth: Mask with the values 0 (background) to `classes`, any shape.
        prediction: Mask of the same shape.
        classes: Number of foreground classes.

    Returns:
        2 |A and B| / (|A| + |B|) for the values 1 to `classes`; NaN where a class is in neither.
    """
    width = classes + 1
    pairs = np.bincount(
        truth.ravel().astype(np.intp) * width + prediction.ravel(), minlength=width * width
    ).reshape(width, width)
    sizes = (pairs.sum(axis=0) + pairs.sum(axis=1))[1:]
    overlap = 2.0 * np.diag(pairs)[1:]
    return np.divide(overlap, sizes, out=np.full(classes, np.nan), where=sizes > 0)


def mean_dice(_: None, dice: Floats) -> float:
    """Mean over classes of the mean Dice over scans; undefined ones (NaN) are left out."""
    known = [np.mean(column[~np.isnan(column)]) for column in dice.T if not np.isnan(column).all()]
    return float(np.mean(known)) if known else float("nan")


METRICS: dict[str, tuple[Metric, ...]] = {
    "regression": (
        Metric("mae", False, mae),
        Metric("rmse", False, rmse),
        Metric("r", True, pearson),
        Metric("r2", True, r2),
    ),
    "classification": (
        Metric("log_loss", False, log_loss),
        Metric("balanced_accuracy", True, balanced_accuracy),
        Metric("auroc", True, auroc),
        Metric("accuracy", True, accuracy),
    ),
    "segmentation": (Metric("dice", True, mean_dice),),
}


def measure(
    task: str, truth: NDArray[Any] | None, prediction: NDArray[Any], classes: Sequence[str] = ()
) -> dict[str, float]:
    """All metrics of a task, by name.

    Args:
        task: regression, classification or segmentation.
        truth: See `Metric.compute`.
        prediction: See `Metric.compute`.
        classes: Names of the foreground classes (segmentation): adds `dice_CLASS` for each.

    Returns:
        The metrics in the order of `METRICS`, the key metric first.
    """
    values = {metric.name: metric.compute(truth, prediction) for metric in METRICS[task]}
    if task == "segmentation":
        for index, name in enumerate(classes):
            values[f"dice_{name}"] = mean_dice(None, prediction[:, [index]])
    return values
