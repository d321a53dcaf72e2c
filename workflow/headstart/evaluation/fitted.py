"""Answers that are fitted first to those for held-out subjects that are not judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.bench import HeldOutTrial
from headstart.evaluation.intervals import FEW
from headstart.evaluation.session_weights import session_weights
from headstart.tasks.base import Task
from headstart.tasks.base import UnfittedError


def fitted_to_others(task: Task, judged: HeldOutTrial, known: HeldOutTrial) -> NDArray[Any]:
    """Fit our networks' answers to what they say of subjects in other folds.

    By cross-validation, each fold's answers are fitted to those of the other folds, each of which
    a network gave that had not seen the subject; those of the test subjects to all folds'. So
    nothing that is fitted has looked at whom it is judged by.

    Args:
        task: What was asked.
        judged: The scans that are judged, n of them.
        known: Those of the folds.

    Returns:
        What `Task.fitted_metrics` take, (n, ...).

    Raises:
        UnfittedError: If the other folds do not tell, or there is none.
    """
    ours, theirs = judged.models[judged.ours], known.models[known.ours]
    parts, places = [], []
    for fold in np.unique(judged.sample.folds):
        inside = judged.sample.folds == fold
        # in other repeats these subjects are in other folds, too
        same = np.isin(known.sample.subjects, judged.sample.subjects[inside])
        others = (known.sample.folds != fold) & ~same
        if known.sample.people(others) < FEW:
            raise UnfittedError(f"other folds hold out fewer than {FEW} subjects to fit it to")
        weights = session_weights(known.sample.subjects[others])
        of_others = known.truth[others], theirs[others], weights
        parts.append(task.fitted(*of_others, judged.truth[inside], ours[inside]))
        places.append(np.flatnonzero(inside))
    return np.concatenate(parts)[np.argsort(np.concatenate(places))]
