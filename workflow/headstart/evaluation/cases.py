"""Held-out scans in the order in which a network answers them well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.common.keys import Key
from headstart.tasks.base import Task
from headstart.tasks.metrics import METRICS


@dataclass(frozen=True)
class Case:
    """How well one scan is answered.

    Attributes:
        key: Subject and session.
        place: Where it stands among the scans that were given.
        metric: The metric that orders, or the task's first one that is known of any scan.
        score: Its value, of this scan alone.
    """

    key: Key
    place: int
    metric: str
    score: float


def in_order(
    task: Task,
    keys: Sequence[Key],
    truth: NDArray[Any],
    prediction: NDArray[Any],
    primary: str = "",
) -> list[Case]:
    """Order scans from the worst to the best; those whose score is not defined are left out.

    Args:
        task: The task.
        keys: Subject and session of n scans.
        truth: As `Task.truth` gives it.
        prediction: As `Task.evaluate` takes it.
        primary: Metric that orders them, where one scan has it; those that are alike in it stand
            as the task's first metric has them, which orders all if none is named.
    """
    alone = np.eye(len(keys))
    every = task.evaluate(truth, prediction, alone)
    asked = (primary, *task.metrics) if primary else task.metrics
    known = [name for name in asked if not np.isnan(every[name]).all()]
    metric = next(iter(known), task.metrics[0])
    scores, others = every[metric], every[task.metrics[0]]
    sign, other = (1 if METRICS[of].higher_is_better else -1 for of in (metric, task.metrics[0]))
    cases = [
        Case(key, place, metric, float(score))
        for place, (key, score) in enumerate(zip(keys, scores, strict=True))
        if not math.isnan(score)
    ]
    return sorted(cases, key=lambda one: (sign * one.score, other * others[one.place]))
