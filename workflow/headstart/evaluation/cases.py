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
        metric: The task's first metric that is known of any scan.
        score: Its value, of this scan alone.
    """

    key: Key
    place: int
    metric: str
    score: float


def in_order(
    task: Task, keys: Sequence[Key], truth: NDArray[Any], prediction: NDArray[Any]
) -> list[Case]:
    """Order scans from the worst to the best; those whose score is not defined are left out.

    Args:
        task: The task.
        keys: Subject and session of n scans.
        truth: As `Task.truth` gives it.
        prediction: As `Task.evaluate` takes it.
    """
    alone = np.eye(len(keys))
    every = task.evaluate(truth, prediction, alone)
    known = [name for name in task.metrics if not np.isnan(every[name]).all()]
    metric = next(iter(known), task.metrics[0])
    scores = every[metric]
    sign = 1 if METRICS[metric].higher_is_better else -1
    cases = [
        Case(key, place, metric, float(score))
        for place, (key, score) in enumerate(zip(keys, scores, strict=True))
        if not math.isnan(score)
    ]
    return sorted(cases, key=lambda case: sign * case.score)
