"""Linear models whose penalty is chosen by cross-validation within the scans that they learn from.

Nothing but these is looked at: neither the held-out fold nor the test subjects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.session_weights import session_weights
from headstart.tasks import class_metrics
from headstart.tasks import number_metrics

Array = NDArray[np.float64]
Model = Callable[[Array, NDArray[Any], Array, Array, float], Array]

# The strongest first, which is taken where several do equally well: nothing but the mean is left.
PENALTIES = tuple(10.0**power for power in range(4, -4, -1))
PARTS = 5  # of the subjects, each predicted by a model of the others


@dataclass(frozen=True)
class Fitted:
    """What a model says of the scans that are asked.

    Attributes:
        answers: Numbers (m,) or class probabilities (m, classes).
        error: Its error within the scans that it has learnt from, by cross-validation.
    """

    answers: Array
    error: float


def ridge(known: Array, target: Array, subjects: NDArray[np.str_], asked: Array) -> Fitted:
    """Predict a number by ridge regression.

    Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634.

    Args:
        known: Columns of the scans to fit on, (n, columns).
        target: Their values, (n,).
        subjects: Their subjects, (n,); the sessions of one share its weight and its part.
        asked: Columns of the scans to predict, (m, columns).
    """
    return _fit(_ridge, number_metrics.mae, known, target, subjects, asked)


def logistic(
    known: Array, target: NDArray[np.int64], subjects: NDArray[np.str_], asked: Array, classes: int
) -> Fitted:
    """Predict class probabilities by logistic regression with a penalty on the squared slopes.

    Args:
        known: Columns of the scans to fit on, (n, columns).
        target: Their class indices, (n,).
        subjects: Their subjects, (n,).
        asked: Columns of the scans to predict, (m, columns).
        classes: Number of classes; one that no known scan is of has probability 0.
    """

    def model(known: Array, target: Any, weights: Array, asked: Array, penalty: float) -> Array:
        return _logistic(known, target, weights, asked, penalty, classes)

    return _fit(model, class_metrics.log_loss, known, target, subjects, asked)


def standardised(known: Array, asked: Array) -> tuple[Array, Array]:
    """Bring columns to mean 0 and to variances of 1 in sum, by the known scans alone."""
    centre, spread = known.mean(axis=0), known.std(axis=0)
    scale = np.where(spread > 0, spread, 1) * np.sqrt(known.shape[1])
    return (known - centre) / scale, (asked - centre) / scale


def _fit(
    model: Model,
    error: Callable[[Any, Any, Array], Array],
    known: Array,
    target: NDArray[Any],
    subjects: NDArray[np.str_],
    asked: Array,
) -> Fitted:
    """Choose the penalty, then fit to all known scans."""
    weights, parts = session_weights(subjects), _parts(target, subjects)
    errors = np.zeros(len(PENALTIES))
    for part in np.unique(parts) if parts.any() else ():
        out = parts == part
        for number, penalty in enumerate(PENALTIES):
            answers = model(known[~out], target[~out], weights[~out], known[out], penalty)
            of_part = error(target[out], answers, weights[None, out])[0]
            errors[number] += of_part * weights[out].sum() / weights.sum()
    best = int(errors.argmin())
    return Fitted(model(known, target, weights, asked, PENALTIES[best]), float(errors[best]))


def _parts(target: NDArray[Any], subjects: NDArray[np.str_]) -> NDArray[np.intp]:
    """Part of each scan's subject, (n,): those of like targets are dealt out in turn."""
    people, first = np.unique(subjects, return_index=True)
    turn = np.empty(len(people), np.intp)
    turn[np.argsort(target[first], kind="stable")] = np.arange(len(people)) % PARTS
    return turn[np.searchsorted(people, subjects)]


def _ridge(
    known: Array, target: NDArray[Any], weights: Array, asked: Array, penalty: float
) -> Array:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=penalty, solver="cholesky").fit(known, target, sample_weight=weights)
    return np.asarray(model.predict(asked), dtype=np.float64)


def _logistic(
    known: Array,
    target: NDArray[Any],
    weights: Array,
    asked: Array,
    penalty: float,
    classes: int,
) -> Array:
    from sklearn.linear_model import LogisticRegression

    probability = np.zeros((len(asked), classes))
    seen = np.unique(target)
    if len(seen) == 1:
        probability[:, seen] = 1
        return probability
    # of two classes in a few steps; the matrix that it solves grows with their number
    solver = "newton-cholesky" if len(seen) == 2 else "lbfgs"
    model = LogisticRegression(C=1 / penalty, solver=solver, max_iter=1000)
    model.fit(known, target, sample_weight=weights)
    probability[:, model.classes_] = model.predict_proba(asked)
    return probability
