"""A number of each scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headstart.common.errors import UserError
from headstart.tasks import target_checks
from headstart.tasks.base import Array
from headstart.tasks.base import Loss
from headstart.tasks.base import Task
from headstart.tasks.base import UnfittedError
from headstart.tasks.number_metrics import without_trend

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.cohort.answer_file import AnswerFile
    from headstart.cohort.prepared import Scan


BINS = 40  # as Peng and others have them: of a year each
BEYOND = 3  # bins on either side of the training targets, so that the ends have whole labels


class _OfNumbers(Task):
    """What a number is, whatever the network's output."""

    name = "regression"
    target_kind = "number"
    losses = {  # noqa: RUF012 never changed, as for the columns
        "l1": Loss("mean absolute error"),
        "mse": Loss("mean squared error"),
        "huber": Loss(),
        "soft_label": Loss(
            "the Kullback-Leibler divergence of 40 bins' probabilities from a normal distribution "
            "around the target with the standard deviation of a bin; their mean is the prediction",
            "Peng et al. 2021, SFCN, https://doi.org/10.1016/j.media.2020.101871",
        ),
    }
    metrics = ("mae", "rmse", "r", "r2")
    further_metrics = ("bias", "slope", "gap_r")
    baselines = "numbers"
    controls = ("shuffled", "background", "learning-curve", "injected")
    constant = "mean"
    failing = {"shuffled": "mae", "background": "r"}  # noqa: RUF012
    figure = "numbers"
    answer_words = "number"
    judged_words = (
        "Mean absolute error, r and R² depend on the spread of the target among those who are "
        "evaluated: between studies they compare only where that is alike (de Lange et al. 2022)."
    )
    columns = evaluated_columns = ["prediction"]  # noqa: RUF012

    @classmethod
    def from_config(cls, classes: Sequence[str], channels: Sequence[str]) -> Self:
        """See `Task.from_config`."""
        return cls()

    @classmethod
    def check_targets(cls, target: str, known: Sequence[tuple[str, str]]) -> None:
        """See `Task.check_targets`; a target that is no number is an error."""
        target_checks.check_numbers(target, known)

    def blank_target(self, window: Sequence[int]) -> NDArray[Any]:
        """A scalar."""
        return np.zeros((), np.float32)

    def in_one_number(self, predictions: Sequence[Any], scan: Scan) -> Array:
        """The numbers."""
        return np.concatenate(predictions)

    def unit(self, of_target: str) -> str:
        """That of the target."""
        return of_target

    def answer(self, prediction: Any, file: AnswerFile) -> dict[str, Any]:
        """The number."""
        return {"prediction": prediction}

    def from_columns(self, numbers: Array) -> Array:
        """Predictions in the target's unit, (n,)."""
        return numbers[:, 0]

    def truth(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """The targets, (n,)."""
        return np.array([float(scan.target) for scan in scans])

    def pooled_columns(
        self, truth: NDArray[Any], prediction: Array, fitted: NDArray[Any] | None
    ) -> dict[str, Array]:
        """The prediction, the gap, predicted minus true, and the gap corrected for the truth."""
        unknown = np.full(len(truth), np.nan)
        return {
            "prediction": prediction,
            "gap": prediction - truth,
            "corrected_gap": unknown if fitted is None else fitted - truth,
        }

    @property
    def fitted_metrics(self) -> tuple[str, ...]:
        """The gap, predicted minus true, corrected for the truth."""
        return ("corrected_gap", "corrected_gap_r")

    def fitted(
        self,
        known_truth: NDArray[Any],
        known: NDArray[Any],
        weights: Array,
        truth: NDArray[Any],
        prediction: NDArray[Any],
    ) -> NDArray[Any]:
        """The truth and the corrected gap in sum, (n,)."""
        if np.ptp(known_truth) == 0:
            raise UnfittedError("the target is the same in all of the other folds")
        return without_trend(known_truth, known, weights, truth, prediction)

    def _different(self, training: Sequence[Scan]) -> NDArray[Any]:
        """The training targets (n,); all the same are an error."""
        values = self.truth(training)
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
    target_words = "Targets were standardised by the mean and standard deviation of training scans."

    def fit(self, training: Sequence[Scan], *, class_weights: bool) -> Self:
        """See `Task.fit`; all targets the same are an error."""
        values = self._different(training)
        return type(self)(float(values.mean()), float(values.std()))

    @property
    def half_of_targets(self) -> float:
        """See `Task.half_of_targets`; nearly all are within two standard deviations."""
        return 2 * self.standard_deviation

    def target(self, scan: Scan) -> NDArray[Any]:
        """The standardised target, a scalar."""
        return np.array((float(scan.target) - self.mean) / self.standard_deviation, np.float32)

    def predict(self, output: Tensor) -> Array:
        """Predictions in the target's unit, (n,)."""
        return output.double()[:, 0].cpu().numpy() * self.standard_deviation + self.mean

    def for_metrics(
        self, targets: NDArray[Any], output: Tensor
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both in the target's unit."""
        return targets.astype(float) * self.standard_deviation + self.mean, self.predict(output)


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

    @property
    def half_of_targets(self) -> float:
        """See `Task.half_of_targets`."""
        return (self.bins[-1 - BEYOND] - self.bins[BEYOND]) / 2

    def target(self, scan: Scan) -> NDArray[Any]:
        """The target as a place among the bins, a scalar: 0 is the centre of the first."""
        return np.array((float(scan.target) - self.bins[0]) / self._width, np.float32)

    def score_of(self, output: Tensor, group: str) -> Tensor:
        """The prediction, in widths of a bin from the first one's centre."""
        return output.softmax(dim=1) @ output.new_tensor(range(BINS))

    def predict(self, output: Tensor) -> Array:
        """Predictions in the target's unit, (n,)."""
        return output.double().softmax(dim=1).cpu().numpy() @ np.array(self.bins)

    def for_metrics(
        self, targets: NDArray[Any], output: Tensor
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both in the target's unit."""
        return targets.astype(float) * self._width + self.bins[0], self.predict(output)
