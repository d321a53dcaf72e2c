"""Metrics of classes: truth is their indices (n,), the prediction probabilities (n, classes).

Weights are rows of resamples (rows, n), and values (rows,), see `headstart.tasks.weighted`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headstart.tasks.weighted import Array
from headstart.tasks.weighted import Flags
from headstart.tasks.weighted import Floats
from headstart.tasks.weighted import Integers
from headstart.tasks.weighted import mean
from headstart.tasks.weighted import mean_of_known

BINS = 10  # of a calibration curve, equally wide
LEAST = 1e-15  # probability that the log loss counts


def log_loss(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Mean of -ln p(true class), in nats; p is clipped at `LEAST`."""
    likelihood = np.clip(probability[np.arange(len(truth)), truth], LEAST, 1)
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
    ranked = ranked_classes(probability)
    return mean_of_known([_area(*roc(truth == c, probability[:, c], weights)) for c in ranked])


def ranked_classes(probability: Floats) -> list[int]:
    """The classes that scans are ranked by: of two the second, which is called positive."""
    classes = probability.shape[1]
    return [1] if classes == 2 else list(range(classes))


def roc(positive: Flags, score: Floats, weights: Array) -> tuple[Array, Array]:
    """False and true positive rates from (0, 0) to (1, 1), a step per distinct score.

    Args:
        positive: Whether each scan is of the class, (n,).
        score: How much it looks like it, (n,).
        weights: One row per resample (rows, n).

    Returns:
        Two arrays (rows, steps + 1); a row is NaN if there is nobody to take a rate of.
    """
    counts = _marked(positive, score, weights)
    with np.errstate(invalid="ignore"):
        rates = np.stack([np.pad(count / count[:, -1:], ((0, 0), (1, 0))) for count in counts])
    rates[:, np.isnan(rates).any(axis=(0, 2))] = np.nan
    return rates[0], rates[1]


def _marked(positive: Flags, score: Floats, weights: Array) -> tuple[Array, Array]:
    """How many scans that are not of a class, and are, score as high as each distinct score."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))
    false, true = (
        np.cumsum((weights * member)[:, order], axis=1)[:, last] for member in (~positive, positive)
    )
    return false, true


def _area(false: Array, true: Array) -> Array:
    """Area below each row's curve: pairs in the right order, a tie counting half."""
    return np.asarray((np.diff(false) * (true[:, 1:] + true[:, :-1])).sum(axis=1) / 2)


def auprc(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Area under the precision-recall curve, as average precision; classes as for `auroc`."""
    ranked = ranked_classes(probability)
    return mean_of_known(
        [_average_precision(*_marked(truth == c, probability[:, c], weights)) for c in ranked]
    )


def _average_precision(false: Array, true: Array) -> Array:
    """Precision at each score, weighed by the recall that it adds."""
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(true / (true + false))  # where nobody is marked, none is added
        gained = np.diff(true, axis=1, prepend=0) / true[:, -1:]
        found: Array = (precision * gained).sum(axis=1)
    return np.where(false[:, -1] > 0, found, np.nan)


def brier(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Mean squared error of the probabilities (Brier 1950, Mon. Weather Rev. 78:1-3).

    Of two classes that of the second one's, from 0 to 1; of more the sum over the classes.
    """
    squares = (probability - np.eye(probability.shape[1])[truth]) ** 2
    return mean(squares[:, ranked_classes(probability)].sum(axis=1), weights)


def ece(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Expected calibration error: what `calibration_curve` is off, bins weighed by their scans.

    Naeini and others 2015, doi:10.1609/aaai.v29i1.9602; Guo and others 2017, arXiv:1706.04599.
    """
    said, happened = _claims(truth, probability)
    inside = _bins(said)
    apart = weights @ (inside * (happened - said)[:, None])
    with np.errstate(invalid="ignore"):  # an error of nobody is NaN
        return np.asarray(np.abs(apart).sum(axis=1) / weights.sum(axis=1))


def calibration_curve(
    truth: Integers, probability: Floats, weights: Array
) -> tuple[Array, Array, Array]:
    """Probabilities as predicted, and as they turned out, in bins of equal width.

    Of two classes, the probability of the second; of more, that of the most probable class.

    Args:
        truth: Indices of the classes, (n,).
        probability: Probabilities, (n, classes).
        weights: Weights, (n,).

    Returns:
        Mean probability, share that it came true for, and weight of each bin that has scans.
    """
    said, happened = _claims(truth, probability)
    inside = _bins(said) * weights[:, None]
    total = inside.sum(axis=0)
    some = total > 0
    shares = [(values @ inside)[some] / total[some] for values in (said, happened)]
    return shares[0], shares[1], total[some]


def _claims(truth: Integers, probability: Floats) -> tuple[Floats, Flags]:
    """What is claimed of each scan with which probability, and whether it is so."""
    if probability.shape[1] == 2:
        return probability[:, 1], truth == 1
    return probability.max(axis=1), np.argmax(probability, axis=1) == truth


def _bins(said: Floats) -> Flags:
    """Which bin each probability is in, (n, bins)."""
    number = np.minimum((said * BINS).astype(int), BINS - 1)
    return number[:, None] == np.arange(BINS)


def youden(truth: Integers, probability: Floats, weights: Array) -> float:
    """Choose the threshold at which sensitivity and specificity are largest in sum.

    Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.

    Args:
        truth: Indices of two classes, (n,), of which both are there.
        probability: Probabilities, (n, 2).
        weights: Weights, (n,).

    Returns:
        The least probability of the second class that is called positive; of several the highest.
    """
    (false,), (true,) = roc(truth == 1, probability[:, 1], weights[None])
    highest_first = np.unique(probability[:, 1])[::-1]
    return float(highest_first[(true - false)[1:].argmax()])


def is_called(said: Floats) -> Flags:
    """Tell which scans are called positive: whose probability (n, 2) reaches its threshold."""
    return np.asarray(said[:, 0] >= said[:, 1])


def share_right(
    told: Callable[[Integers, Floats], Flags],
) -> Callable[[Integers, Floats, Array], Array]:
    """Make the share of some scans that are rightly called positive, or rightly not.

    Args:
        told: Of which scans, by their truth (n,), and probability and threshold (n, 2).
    """

    def share(truth: Integers, said: Floats, weights: Array) -> Array:
        scans = told(truth, said)
        right = is_called(said) == (truth == 1)
        return mean(right[scans], weights[:, scans])

    return share


def threshold(_: Integers, said: Floats, weights: Array) -> Array:
    """Mean of the thresholds, which are the second column of (n, 2)."""
    return mean(said[:, 1], weights)


def macro_f1(truth: Integers, probability: Floats, weights: Array) -> Array:
    """Mean over the classes, present or predicted, of the F1 of the most probable class."""
    decided = np.argmax(probability, axis=1)
    scores = []
    for number in range(probability.shape[1]):
        true, marked = truth == number, decided == number
        both, either = weights @ (true & marked), weights @ true + weights @ marked
        some = np.divide(2 * both, either, out=np.full(len(both), np.nan), where=either > 0)
        scores.append(some)
    return mean_of_known(scores)
