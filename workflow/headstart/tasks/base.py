"""What a task asks of a network, and what it makes of the answer."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic import TypeAdapter

from headstart.tasks.metrics import METRICS

# A study is planned, and a dry run made, without torch and scipy: a task makes no tensors.
if TYPE_CHECKING:
    from torch import Tensor

    from headstart.cohort.prepared import Cohort
    from headstart.cohort.prepared import Scan

Array = NDArray[np.float64]


class Task(ABC):
    """A task: as the config asks it, then of a cohort, then fitted to its training scans.

    Attributes:
        name: Its name in the config.
        dense: Whether it answers for every voxel, and its truth is a mask.
        numeric: Whether its truth is a number.
        categorical: Whether its truth is one of the target's values, which its loss may weigh.
        ordered: Whether its classes are numbers, whose order counts.
        losses: What may be made small in training, `headstart.training.losses`; the first is the
            default.
        metrics: What evaluates its answers, `headstart.tasks.metrics`; the first chooses the epoch.
        baselines: What they are compared with, `headstart.evaluation.evaluate.BASELINES`.
        figure: How they are drawn, `headstart.figures.evaluation.PAGES`.
        averaged: Of what a mean is taken where several networks answer.
        wanted: What its answers are no ..., if they can't be right.
        classes: What is told apart; () for a number.
        weights: Weight of each class in the loss; (): all the same.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: ClassVar[str]
    dense: ClassVar[bool] = False
    numeric: ClassVar[bool] = False
    categorical: ClassVar[bool] = False
    ordered: ClassVar[bool] = False
    losses: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[str, ...]]
    baselines: ClassVar[str]
    figure: ClassVar[str]
    averaged: ClassVar[str] = "prediction"
    wanted: ClassVar[str]
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    @classmethod
    @abstractmethod
    def asked(cls, mask_classes: Sequence[str]) -> Self:
        """The task as the config asks it, before any label is read.

        Args:
            mask_classes: Names of the masks' foreground classes.
        """

    @classmethod
    def of(cls, cohort: Cohort, mask_classes: Sequence[str]) -> Self:
        """The task of a cohort whose labels are read.

        Raises:
            UserError: If the target is not what the task needs.
        """
        return cls.asked(mask_classes)

    def fit(self, training: Sequence[Scan], *, class_weights: bool) -> Self:
        """Fit it to training scans only, so that nothing is learnt from those held out.

        Args:
            training: The training scans.
            class_weights: Whether the loss weighs the classes by their inverse frequency.

        Raises:
            UserError: If nothing can be learnt from these scans.
        """
        return self

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make the fitted task that a model card holds.

        Raises:
            ValueError: If it holds other fields or types than the task has.
        """
        task = TypeAdapter(cls).validate_python(state)
        missing = task.state().keys() - state.keys()
        if missing:
            raise ValueError(f"{', '.join(sorted(missing))}: is missing")
        return task

    def state(self) -> dict[str, Any]:
        """Return the task's fields, for a model card."""
        return dict(vars(self))

    # --- for training ---------------------------------------------------------------------------

    @property
    @abstractmethod
    def out_channels(self) -> int:
        """Channels that the network must give."""

    @abstractmethod
    def truth(self, scan: Scan) -> NDArray[Any]:
        """The scan's truth as the loss takes it."""

    def swap_table(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.int64] | None:
        """What each value of a truth becomes in a scan that is mirrored left to right.

        Args:
            pairs: Classes that turn into each other, see `train.swap`.

        Returns:
            New value by old value; None if nothing changes.
        """
        if not pairs:
            return None
        first = self.out_channels - len(self.classes)  # the background, if there is one
        table = np.arange(self.out_channels)
        for pair in pairs:
            one, two = (first + self.classes.index(name) for name in pair)
            table[[one, two]] = table[[two, one]]
        return table

    # --- of a network's output ------------------------------------------------------------------

    @abstractmethod
    def scores(self, output: Tensor) -> Array:
        """Turn a batch of outputs into what may be averaged over networks."""

    def read(self, output: Tensor) -> NDArray[Any]:
        """Turn a batch of outputs into predictions."""
        return self.scores(output)

    def compare(self, truth: NDArray[Any], output: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
        """Bring a batch's truths and outputs to what the metrics take."""
        return truth, self.read(output)

    @abstractmethod
    def answer(self, prediction: Any) -> dict[str, Any]:
        """Return the cells of a scan's prediction, as `read` gives it."""

    @abstractmethod
    def said(self, scores: Array, scan: Scan) -> Array:
        """What each of several networks says of a scan, as one number.

        Args:
            scores: (networks, …), as `scores` gives them.
            scan: The scan.
        """

    def unit(self, of_target: str) -> str:
        """Unit of the answer, where the target has that one."""
        return ""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Columns of a prediction of a new scan."""

    @property
    def held_out_columns(self) -> list[str]:
        """Columns of a prediction beside what is true."""
        return self.columns

    # --- for evaluation -------------------------------------------------------------------------

    @property
    @abstractmethod
    def numbers(self) -> list[str]:
        """Columns of the numbers that are evaluated."""

    def may_be(self, numbers: Array, *, empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which scans' answers can be right.

        Args:
            numbers: The answers, (n, numbers); NaN for what is no number.
            empty: Where there is none, (n, numbers).
        """
        return np.asarray(np.isfinite(numbers).all(axis=1))

    def for_metrics(self, numbers: Array) -> Array:
        """Bring the answers (n, numbers) to what the metrics take."""
        return numbers

    @abstractmethod
    def truths(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """What is true of scans, as the metrics take it."""

    def evaluate(
        self, truth: NDArray[Any], prediction: NDArray[Any], weights: Array
    ) -> dict[str, Array]:
        """Compute all metrics for every row of weights.

        Args:
            truth: As `truths` gives it, of n scans.
            prediction: As `for_metrics` gives it.
            weights: One row for each resample (rows, n).

        Returns:
            Name: values (rows,), NaN where undefined; the metric that chooses the epoch first.
        """
        return {name: METRICS[name].compute(truth, prediction, weights) for name in self.metrics}

    def measure(self, truth: NDArray[Any], prediction: NDArray[Any]) -> dict[str, float]:
        """Compute all metrics of what `compare` gave for all scans."""
        metrics = self.evaluate(truth, prediction, np.ones((1, len(prediction))))
        return {name: float(values[0]) for name, values in metrics.items()}

    def known(self, metric: str, prediction: Array) -> NDArray[np.bool_]:
        """Tell which scans a metric is told from."""
        return np.ones(len(prediction), dtype=bool)
