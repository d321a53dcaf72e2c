"""A subject counts once, however many sessions it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def session_weights(subjects: Sequence[str] | NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the weight of each scan, (n,): a subject has 1, which its sessions share.

    Args:
        subjects: The subject of each scan, (n,).
    """
    _, index, sessions = np.unique(list(subjects), return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1 / sessions[index]
    return weights
