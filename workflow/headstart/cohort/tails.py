"""How many values as extreme as one a cohort would have by chance, told from its own tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NARROWEST = 0.4  # standard deviations, scale of the tail: about that of normal values


@dataclass(frozen=True)
class Tail:
    """An exponential tail, fitted to the largest of many values.

    Attributes:
        start: Where the tail begins.
        count: How many values lie beyond.
        scale: Mean by which these exceed `start`, told from their median: a few true outliers
            among them don't widen it.
    """

    start: float
    count: int
    scale: float

    @classmethod
    def fit(cls, values: NDArray[Any], count: int) -> Tail:
        """Fit the tail to the largest `count` values of several."""
        largest = np.sort(values)[::-1][: count + 1]
        start, beyond = float(largest[-1]), largest[:-1]
        excess = float(np.median(beyond)) - start if len(beyond) else 0.0
        return cls(start, max(len(beyond), 1), max(excess / np.log(2), NARROWEST))

    def expected(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Tell how many values at least as large are expected by chance.

        The scale is known from `count` values only, so the predictive distribution is Lomax': the
        fewer values, the heavier. A median tells half as much as a mean, hence half of them.

        Args:
            values: Any number of them.

        Returns:
            Expected numbers; `count` for all that lie before the tail.
        """
        shape = max(self.count / 2, 1.0)
        beyond = np.maximum(np.asarray(values, float) - self.start, 0) / self.scale
        expected: NDArray[np.float64] = self.count * (1 + beyond / shape) ** -shape
        return expected
