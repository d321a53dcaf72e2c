"""How numbers vary together, of more of them than memory holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Together:
    """Means, standard deviations and correlations of some numbers, added piece by piece.

    What varies is summed about each piece's own means (Chan et al. 1983,
    doi:10.1080/00031305.1983.10483115), so that no digits are lost.

    Args:
        several: How many numbers.

    Attributes:
        mean: Their means.
    """

    def __init__(self, several: int) -> None:
        self._count = 0
        self.mean = np.zeros(several)
        self._products = np.zeros((several, several))

    def add(self, numbers: Sequence[NDArray[np.floating]]) -> None:
        """Add a piece: as many of each number."""
        piece = np.array(numbers, np.float64)
        if not (count := piece.shape[1]):
            return
        mean = piece.mean(axis=1)
        piece -= mean[:, None]
        step, total = mean - self.mean, self._count + count
        self._products += piece @ piece.T
        self._products += np.outer(step, step) * (self._count * count / total)
        self.mean += step * (count / total)
        self._count = total

    def deviation(self, place: int) -> float:
        """Return the standard deviation of a number."""
        return float(np.sqrt(self._products[place, place] / self._count))

    def correlation(self, one: int, other: int) -> float:
        """Return Pearson's r of two; 0 where either is constant, as nothing that was removed is."""
        scale = np.sqrt(self._products[one, one] * self._products[other, other])
        return float(self._products[one, other] / scale) if scale else 0.0
