"""Resamples of subjects, for what has no interval of its own, such as a curve."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.session_weights import session_weights

Array = NDArray[np.float64]

RESAMPLES = 2000


def subject_weights(subjects: Sequence[str], name: str, resamples: int = RESAMPLES) -> Array:
    """Draw bootstrap samples of subjects, as one weight per scan.

    A subject is drawn as a whole. Its scans share its weight, so that a subject with five sessions
    counts as much as one with a single session (Field and Welsh 2007, doi:10.1111/
    j.1467-9868.2007.00593.x: the cluster bootstrap).

    Args:
        subjects: The subject of each scan.
        name: What is evaluated; it alone seeds the draw, so that models with one name are paired.
        resamples: Bootstrap samples to draw.

    Returns:
        Weights (1 + resamples, scans). Row 0 is the sample as it is, the others are resamples.
    """
    people, index = np.unique(list(subjects), return_inverse=True)
    n = len(people)
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:16], 16)
    drawn = np.random.Generator(np.random.PCG64(seed)).multinomial(n, [1 / n] * n, size=resamples)
    times = np.vstack([np.ones((1, n)), drawn])
    weights: Array = times[:, index] * session_weights(subjects)
    return weights
