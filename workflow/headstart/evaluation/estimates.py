"""Metrics of a sample, and what they become without each of its subjects (the jackknife)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.session_weights import session_weights
from headstart.tasks.base import Task
from headstart.tasks.metrics import Metric
from headstart.tasks.weighted import mean_of_known

if TYPE_CHECKING:
    from headstart.cohort.prepared import Scan

Array = NDArray[np.float64]
Measure = Callable[[NDArray[Any], NDArray[Any], Array], dict[str, Array]]

MOST = 1000  # groups: of more subjects, several are left out together


class NoIntervalError(Exception):
    """No interval holds; says why."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out scans of a number of subjects.

    Attributes:
        subjects: The subject of each scan, (n,).
        folds: The fold of each scan, (n,); one for all of a single held-out set.
        inflation: What the variance between subjects is multiplied by, as the networks of several
            folds have learnt from each other's held-out subjects; 1 for a single held-out set.

    A scan that several repeats hold out is there once for each, as a further session would be: no
    new subject.
    """

    subjects: NDArray[np.str_]
    folds: NDArray[np.int64]
    inflation: float = 1.0

    @cached_property
    def _subject(self) -> NDArray[np.intp]:
        """Number of each scan's subject, (n,)."""
        return np.unique(self.subjects, return_inverse=True)[1]

    @cached_property
    def repeats(self) -> float:
        """How many folds hold out a subject, on average."""
        held = np.unique(np.column_stack([self._subject, self.folds]), axis=0)
        return len(held) / len(np.unique(self._subject))

    @property
    def _group(self) -> NDArray[np.intp]:
        """Which scans are left out together, (n,)."""
        return self._subject % MOST

    @cached_property
    def weights(self) -> Array:
        """Weights (1 + groups, n): the sample as it is, then without each group.

        A subject has 1, which its sessions share.
        """
        shares = session_weights(self.subjects)
        left = self._group != np.arange(self._group.max() + 1)[:, None]
        return np.vstack([shares, left * shares])

    def inside(self, scans: NDArray[np.bool_]) -> HeldOut:
        """A part of it; of a single fold, no network has learnt from its subjects."""
        folds = self.folds[scans]
        several = len(np.unique(folds)) > 1
        return HeldOut(self.subjects[scans], folds, self.inflation if several else 1.0)

    def groups(self, scans: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The groups that some scans are of."""
        return np.unique(self._group[scans])

    def people(self, scans: NDArray[np.bool_] | slice = slice(None)) -> int:
        """How many subjects some scans are of, or all of them."""
        return len(np.unique(self._subject[scans]))


def inflation(held: Sequence[int], learnt: Sequence[int], repeats: float = 1.0) -> float:
    """What a variance over the held-out subjects of several folds is to be multiplied by.

    Nadeau and Bengio 2003, doi:10.1023/A:1024068626366: 1 / k + held / learnt in place of 1 / k.

    Args:
        held: Subjects that each of the k folds holds out.
        learnt: Subjects that it learns from.
        repeats: How many of them hold out a subject: a mean over repeats is of no more subjects.

    Returns:
        1 for a single fold, whose network has learnt from none of those that are held out.
    """
    if len(held) < 2:
        return 1.0
    return 1 + len(held) / repeats * sum(held) / sum(learnt)


def held_out(scans: Sequence[Scan], folds: Sequence[int], cohort: Iterable[Scan]) -> HeldOut:
    """Describe held-out scans.

    Args:
        scans: The scans.
        folds: The fold that holds out each of them.
        cohort: All scans with a known target, which tell how many each fold learnt from.
    """
    of_subject = {scan.subject: scan.folds for scan in cohort if not scan.test}
    held = Counter(fold for its in of_subject.values() for fold in its)
    sample = HeldOut(np.array([scan.subject for scan in scans]), np.array(folds))
    sizes = [held[fold] for fold in sorted(set(folds))]
    by = inflation(sizes, [len(of_subject) - size for size in sizes], sample.repeats)
    return replace(sample, inflation=by)


@dataclass(frozen=True)
class Estimate:
    """A metric of one model.

    Attributes:
        metric: The metric.
        sample: The scans.
        truth: What is true of them.
        prediction: What the model says of them.
        values: The metric of the sample, and without each group, (1 + groups,).
        told: Which scans it is told from, (n,).
        constant: Whether it follows from how the model is made, whoever is asked.
        most: The largest value that it can have of these scans, see `Task.largest`.
    """

    metric: Metric
    sample: HeldOut
    truth: NDArray[Any]
    prediction: NDArray[Any]
    values: Array
    told: NDArray[np.bool_]
    constant: bool = False
    most: float = math.inf

    @property
    def value(self) -> float:
        """The metric of the sample."""
        return float(self.values[0])

    @property
    def without(self) -> Array:
        """The metric without each of the groups that it is told from."""
        return self.values[1:][self.sample.groups(self.told)]

    def __sub__(self, other: Estimate) -> Estimate:
        """How far it is from another model's, on the same scans."""
        return Estimate(
            self.metric,
            self.sample,
            self.truth,
            self.prediction,
            self.values - other.values,
            self.told & other.told,
        )


def estimate(
    task: Task,
    sample: HeldOut,
    truth: NDArray[Any],
    prediction: NDArray[Any],
    constant: Mapping[str, float],
    *,
    fitted: bool = False,
    largest: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Estimate]:
    """Compute a model's metrics, by name, NaN where undefined.

    Args:
        task: What was asked.
        sample: The scans.
        truth: What is true of them.
        prediction: What the model says of them.
        constant: Values that follow from how the model is made.
        fitted: Whether these are the task's `fitted_metrics`, and the prediction what they take.
        largest: As `Task.largest` gives it.
    """
    measure = task.evaluate_fitted if fitted else task.evaluate
    return {
        name: Estimate(
            metric=task.metric(name),
            sample=sample,
            truth=truth,
            prediction=prediction,
            values=np.full_like(values, constant[name]) if name in constant else values,
            told=_told(task, name, truth, prediction),
            constant=not math.isnan(constant.get(name, math.nan)),
            most=largest.get(name, math.inf),
        )
        for name, values in evaluate(
            task, sample, truth, prediction, sample.weights, measure
        ).items()
    }


def _told(
    task: Task, name: str, truth: NDArray[Any], prediction: NDArray[Any]
) -> NDArray[np.bool_]:
    told = task.metric(name).told
    return task.is_defined(name, prediction) if told is None else told(truth, prediction)


def evaluate(
    task: Task,
    sample: HeldOut,
    truth: NDArray[Any],
    prediction: NDArray[Any],
    weights: Array,
    measure: Measure,
) -> dict[str, Array]:
    """Compute all metrics under every row of weights (rows, n).

    Those that pooling would bias, as each fold has a network of its own, are means over folds.
    """
    values = measure(truth, prediction, weights)
    folds = np.unique(sample.folds)
    if len(folds) == 1:
        return values
    each = [
        measure(truth[held], prediction[held], weights[:, held])
        for held in (sample.folds == fold for fold in folds)
    ]
    return {
        name: mean_of_known([of[name] for of in each]) if task.metric(name).by_fold else pooled
        for name, pooled in values.items()
    }


def seed_spread(
    task: Task, sample: HeldOut, truth: NDArray[Any], by_seed: Sequence[NDArray[Any]]
) -> dict[str, float]:
    """Compute each metric's standard deviation over seeds; {} for a single seed.

    Args:
        task: What was asked.
        sample: The scans.
        truth: What is true of them.
        by_seed: What the networks of each seed say of them.
    """
    if len(by_seed) < 2:
        return {}
    first = sample.weights[:1]
    each = [evaluate(task, sample, truth, said, first, task.evaluate) for said in by_seed]
    return {name: float(np.std([of[name][0] for of in each], ddof=1)) for name in each[0]}
