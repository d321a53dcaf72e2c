"""A number of each scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headstart.common.errors import UserError
from headstart.common.text import as_number
from headstart.tasks.base import Array
from headstart.tasks.base import Task

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.cohort.prepared import Cohort
    from headstart.cohort.prepared import Scan


BINS = 40  # as Peng and others have them: of a year each
BEYOND = 3  # bins on either side of the training targets, so that the ends have whole labels


class _OfNumbers(Task):
    """What a number is, whatever the network's output."""

    name = "regression"
    numeric = True
    losses = ("l1", "mse", "huber", "soft_label")
    metrics = ("mae", "rmse", "r", "r2")
    baselines = "numbers"
    figure = "numbers"
    wanted = "number"
    columns = numbers = ["prediction"]  # noqa: RUF012 never changed

    @classmethod
    def asked(cls, mask_classes: Sequence[str]) -> Self:
        """See `Task.asked`."""
        return cls()

    @classmethod
    def of(cls, cohort: Cohort, mask_classes: Sequence[str]) -> Self:
        """See `Task.of`; a target that is no number is an error."""
        for scan in cohort.scans:
            if not math.isfinite(as_number(scan.target or "0", math.nan)):
                raise UserError(
                    f"{cohort.table}: {cohort.target} of subject {scan.subject} is "
                    f"'{scan.target}', not a number; fix it in the label table, or leave it empty"
                )
        return cls()

    def answer(self, prediction: Any) -> dict[str, Any]:
        """The number."""
        return {"prediction": prediction}

    def said(self, scores: Array, scan: Scan) -> Array:
        """The numbers."""
        return scores

    def unit(self, of_target: str) -> str:
        """That of the target."""
        return of_target

    def for_metrics(self, numbers: Array) -> Array:
        """Predictions in the target's unit, (n,)."""
        return numbers[:, 0]

    def truths(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """The targets, (n,)."""
        return np.array([float(scan.target) for scan in scans])

    def _different(self, training: Sequence[Scan]) -> NDArray[Any]:
        """The training targets (n,); all the same are an error."""
        values = self.truths(training)
        if np.ptp(values) == 0:
            raise UserError(
                f"the target is {values[0]:g} in all {len(values)} training scans; "
                "a regression needs different values"
            )
        return values


@dataclass(frozen=True)
class Regression(_OfNumbers):
    """Targets standardised by those of the training scans.

    Attributes:
        mean: Mean of the training targets, in their unit.
        standard_deviation: That of the training targets, in their unit.
    """

    mean: float = 0.0
    standard_deviation: float = 1.0

    out_channels = 1

    def fit(self, training: Sequence[Scan], *, class_weights: bool) -> Self:
        """See `Task.fit`; all targets the same are an error."""
        values = self._different(training)
        return type(self)(float(values.mean()), float(values.std()))

    def truth(self, scan: Scan) -> NDArray[Any]:
        """The standardised target, a scalar."""
        return np.array((float(scan.target) - self.mean) / self.standard_deviation, np.float32)

    def scores(self, output: Tensor) -> Array:
        """Predictions in the target's unit, (n,)."""
        return output.double()[:, 0].cpu().numpy() * self.standard_deviation + self.mean

    def compare(self, truth: NDArray[Any], output: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both in the target's unit."""
        return truth.astype(float) * self.standard_deviation + self.mean, self.read(output)


@dataclass(frozen=True)
class BinnedRegression(_OfNumbers):
    """A probability for each bin of the target's range, whose mean is the prediction.

    Peng and others 2021, doi:10.1016/j.media.2020.101871.

    Attributes:
        bins: Centres of the bins, in the target's unit, at equal distances.
    """

    bins: tuple[float, ...] = ()

    out_channels = BINS

    def fit(self, training: Sequence[Scan], *, class_weights: bool) -> Self:
        """See `Task.fit`; all targets the same are an error."""
        values = self._different(training)
        width = np.ptp(values) / (BINS - 1 - 2 * BEYOND)
        return type(self)(tuple((values.min() + (np.arange(BINS) - BEYOND) * width).tolist()))

    @property
    def _width(self) -> float:
        return (self.bins[-1] - self.bins[0]) / (BINS - 1)

    def truth(self, scan: Scan) -> NDArray[Any]:
        """The target as a place among the bins, a scalar: 0 is the centre of the first."""
        return np.array((float(scan.target) - self.bins[0]) / self._width, np.float32)

    def scores(self, output: Tensor) -> Array:
        """Predictions in the target's unit, (n,)."""
        return output.double().softmax(dim=1).cpu().numpy() @ np.array(self.bins)

    def compare(self, truth: NDArray[Any], output: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both in the target's unit."""
        return truth.astype(float) * self._width + self.bins[0], self.read(output)
