"""What a task asks of a network, and what it makes of the output."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic import TypeAdapter

from headstart.common.errors import UserError
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import Metric

# A study is planned, and a dry run made, without torch and scipy: a task makes no tensors.
if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from headstart.cohort.answer_file import AnswerFile
    from headstart.cohort.prepared import Cohort
    from headstart.cohort.prepared import Scan

Array = NDArray[np.float64]
# Gives what is true and what is answered, as the metrics take it.
Measured = Callable[[], tuple[NDArray[Any], NDArray[Any]]]


class UnfittedError(Exception):
    """Nothing can be fitted to known scans; says why."""


@dataclass(frozen=True)
class Loss:
    """What training makes small; its function has its name in `headstart.training.losses`.

    Attributes:
        words: What the methods say of it.
        cite: Its paper, if it has one of its own.
        library: What it rests on.
        smoothed: Whether it is a cross-entropy, or has one in it, whose labels may be smoothed.
        path: MODULE:NAME of its function, if that lies elsewhere.
    """

    words: str = ""
    cite: str = ""
    library: str = "torch"
    smoothed: bool = False
    path: str = ""


class Task(ABC):
    """A task: as the config asks it, then of a cohort, then fitted to its training scans.

    Attributes:
        name: Its name in the config.
        target_kind: What its targets are: a label that is a number, one that is a class, or one of
            a scan's own files, see `headstart.data.label_table.IMAGES`.
        per_voxel: Whether a network answers for every voxel.
        own_space: Whether it is of scans in their own voxels, neither resampled nor cropped.
        needs_noise: Whether its answers hang on how strong a scan's noise is, `predict.noise`.
        local: Whether it asks for a network whose answer for a voxel hangs on its surroundings
            alone, and not on what else it sees.
        losses: What may be made small in training, by name; the first is the default.
        metrics: What evaluates its answers, `headstart.tasks.metrics`; the first chooses the epoch.
        chooses: The metric that does so in its place, of validation scans alone.
        further_metrics: What evaluates them besides, once they are pooled.
        headline: The metrics that are told first; () for all of `metrics`.
        baselines: What they are compared with, `headstart.evaluation.bench.BASELINES`.
        figure: How they are drawn, `headstart.figures.evaluation.PAGES`.
        controls: Which of an experiment's controls mean something, `headstart.study.controls`.
        constant: The baseline that says the same of every scan, which a control that must fail is
            not to beat; "" if no control must fail.
        failing: The metric that says whether it does, by control.
        averaged: Of what a mean is taken where several networks answer.
        file: Column with the path of an answer that is an image, which a column FILE_sha256 stands
            beside; "" if answers are no images.
        answer_words: What its answers are, in words.
        matching: By which rule objects are matched, in words; "" if none are.
        target_words: What is done to targets before they are learnt, in a sentence.
        judged_words: How it is measured what they are worth, where the metrics' names do not say.
        answer_bytes: Memory that an answer which is an image takes at its peak, bytes for each
            voxel of the scan's file; measured.
        held_out_bytes: The same where it is judged besides.
        classes: What is told apart; () for a number.
        weights: Weight of each class in the loss; (): all the same.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: ClassVar[str]
    target_kind: ClassVar[Literal["number", "class", "mask", "image"]]
    per_voxel: ClassVar[bool] = False
    own_space: ClassVar[bool] = False
    needs_noise: ClassVar[bool] = False
    local: ClassVar[bool] = False
    losses: ClassVar[Mapping[str, Loss]]
    metrics: ClassVar[tuple[str, ...]]
    chooses: ClassVar[str] = ""
    further_metrics: ClassVar[tuple[str, ...]] = ()
    headline: ClassVar[tuple[str, ...]] = ()
    baselines: ClassVar[str] = "none"
    figure: ClassVar[str] = "metrics"
    controls: ClassVar[tuple[str, ...]] = ("learning-curve",)
    constant: ClassVar[str] = ""
    failing: ClassVar[Mapping[str, str]] = {}
    averaged: ClassVar[str] = "prediction"
    file: ClassVar[str] = ""
    answer_words: ClassVar[str]
    matching: ClassVar[str] = ""
    target_words: ClassVar[str] = ""
    judged_words: ClassVar[str] = ""
    answer_bytes: ClassVar[float] = 0
    held_out_bytes: ClassVar[float] = 0
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    @classmethod
    @abstractmethod
    def from_config(cls, classes: Sequence[str], channels: Sequence[str]) -> Self:
        """The task as the config asks it, before any label is read.

        Args:
            classes: Names of the masks' foreground classes.
            channels: Names of the image channels.
        """

    @classmethod
    def from_cohort(cls, cohort: Cohort, classes: Sequence[str]) -> Self:
        """The task of a cohort whose labels are read.

        Args:
            cohort: The cohort.
            classes: Names of the masks' foreground classes.

        Raises:
            UserError: If the target is not what the task needs.
        """
        known = [(scan.subject, scan.target) for scan in cohort.scans if scan.target]
        try:
            cls.check_targets(cohort.target, known)
        except ValueError as error:
            raise UserError(f"{cohort.table}: {error}") from None
        return cls.from_config(classes, cohort.channels)

    @classmethod
    def told_first(cls) -> tuple[str, ...]:
        """Name the metrics that a page tells before all others."""
        return cls.headline or cls.metrics

    @classmethod
    def primaries(cls) -> tuple[str, ...]:
        """Name the metrics that a result may be told by: of each, more or less is better."""
        return tuple(name for name in cls.metrics if not METRICS[name].in_between)

    @classmethod
    def default_primary(cls, *, has_reference: bool) -> str:
        """Name the metric that a result is told by, where the study names none.

        Args:
            has_reference: Whether scans come with what is true of them as an image.
        """
        return cls.metrics[0]

    @classmethod
    def told_beside(cls, primary: str) -> tuple[str, ...]:
        """Name metrics of which the first that is known is told with the primary one."""
        return ()

    @classmethod
    def over_classes(cls, classes: Collection[str]) -> str:
        """Say what metrics that name none of these classes of masks are; "" where that is plain."""
        return ""

    @classmethod
    def default_loss(cls) -> str:
        """Name of the loss where the config names none."""
        return next(iter(cls.losses))

    @classmethod
    def key_metric(cls) -> str:
        """Name of the metric that chooses the epoch."""
        return cls.chooses or cls.metrics[0]

    @classmethod  # noqa: B027 most take any
    def check_classes(cls, target: str, classes: Sequence[str]) -> None:
        """Check names of classes, as far as they are known.

        Args:
            target: Name of the target.
            classes: Some of its values.

        Raises:
            ValueError: If one can't be learnt.
        """

    @classmethod  # noqa: B027 most take any
    def check_targets(cls, target: str, known: Sequence[tuple[str, str]]) -> None:
        """Check that scans' targets can be learnt.

        Args:
            target: Name of the target.
            known: Subject and target of each scan that has one.

        Raises:
            ValueError: If not; says why, and how it is fixed.
        """

    def fit(self, training: Sequence[Scan], *, class_weights: bool) -> Self:
        """Fit it to training scans only, so that nothing is learnt from those held out.

        Args:
            training: The training scans.
            class_weights: Whether the loss weighs the classes by their inverse frequency.

        Raises:
            UserError: If nothing can be learnt from these scans.
        """
        return self

    def unseen(self, training: Sequence[Scan]) -> tuple[str, ...]:
        """Name the classes that no training scan has, so that they can't be learnt."""
        return ()

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

    def output_shape(self, window: Sequence[int]) -> tuple[int, ...]:
        """Shape of what the network must give for one scan.

        Args:
            window: Voxels of the scan, (x, y, z).
        """
        return (self.out_channels, *(window if self.per_voxel else ()))

    @abstractmethod
    def target(self, scan: Scan) -> NDArray[Any]:
        """The scan's target as the loss takes it."""

    @abstractmethod
    def blank_target(self, window: Sequence[int]) -> NDArray[Any]:
        """A target of zeros as the loss takes it, of a scan of that many voxels."""

    def pose(self, volumes: Tensor, targets: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Pose the question in the volumes themselves; most ask what a target says already.

        Args:
            volumes: What the network would see, augmented, (n, channels, x, y, z).
            targets: Their targets.
            seeds: Decides what is drawn, for each scan.

        Returns:
            What it sees, and the targets as the loss takes them.
        """
        return volumes, targets

    def swap_table(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.int64] | None:
        """What each value of a target becomes in a scan that is mirrored left to right.

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
    def predict(self, output: Tensor) -> Any:
        """Turn a network's output for a batch into predictions, which `average` takes."""

    def average(self, predictions: Sequence[Any]) -> Any:
        """Take the mean of what several networks predict for the same batch."""
        return predictions[0] if len(predictions) == 1 else np.mean(predictions, axis=0)

    def decide(self, prediction: Any) -> NDArray[Any]:
        """Turn predictions, averaged or not, into answers, (n, ...)."""
        return np.asarray(prediction)

    def for_metrics(
        self, targets: NDArray[Any], output: Tensor
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Bring a batch to what the metrics take.

        Args:
            targets: As `target` gives them, (n, ...).
            output: The network's output.

        Returns:
            What is true, and what is answered.
        """
        return targets, self.decide(self.predict(output))

    @property
    def measured_steps(self) -> int:
        """One in so many steps of an epoch is measured: where it takes time, one in many."""
        return 1

    def for_metrics_later(self, targets: Tensor, output: Tensor) -> Measured | None:
        """Begin what `for_metrics` does with a batch that is learnt from; a GPU is not waited for.

        Args:
            targets: As `target` gives them, (n, ...), where the network computes.
            output: What the network said before it learnt from them.

        Returns:
            What ends it, which holds little memory; None where that can't be had.
        """
        if self.per_voxel:
            return None
        return lambda: self.for_metrics(targets.cpu().numpy(), output)

    def spread(self, predictions: Sequence[Any], scan: Scan) -> float | None:
        """Standard deviation over networks of what each answers; None for one network.

        Args:
            predictions: Of each network, as `predict` gives them for the scan alone; of each
                voxel, a list of one `headstart.imaging.slabs.Slabs`.
            scan: The scan.
        """
        if len(predictions) == 1:
            return None
        return float(np.std(self.in_one_number(predictions, scan), ddof=1))

    @abstractmethod
    def in_one_number(self, predictions: Sequence[Any], scan: Scan) -> Array:
        """What each of several networks answers for a scan, as one number; see `spread`."""

    def score_of(self, output: Tensor, group: str) -> Tensor:
        """What a network's output says of a class or number, before it is a probability, (n,).

        Args:
            output: The network's output for n scans; the result can be differentiated by it.
            group: The class; "" for a number.
        """
        return output[:, self.classes.index(group) if group else 0]

    @property
    def half_of_targets(self) -> float | None:
        """Half of the range of the training targets, in their unit; None if they are no numbers."""
        return None

    # --- in a table -----------------------------------------------------------------------------

    def unit(self, of_target: str) -> str:
        """Unit of the answer, where the target has that one."""
        return ""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Columns of an answer for a new scan."""

    @property
    def held_out_columns(self) -> list[str]:
        """Columns of an answer beside what is true."""
        return self.columns

    @abstractmethod
    def answer(self, prediction: Any, file: AnswerFile) -> dict[str, Any]:
        """Answer for a new scan.

        Args:
            prediction: What is predicted for it, one of those that `average` gives; of each voxel,
                `headstart.imaging.slabs.Slabs`.
            file: Where an answer that is an image is written.

        Returns:
            Cells, as `columns` names them.
        """

    def answer_held_out(self, prediction: Any, file: AnswerFile, data: Path) -> dict[str, Any]:
        """Answer for a scan of the cohort, beside what is true, if that is known.

        Args:
            prediction: As for `answer`.
            file: Where an answer that is an image is written.
            data: Data root, where the cohort's files lie.

        Returns:
            Cells, as `held_out_columns` names them; what is not known may lack.

        Raises:
            UserError: If a file of what is true can't be read, or is another one than was prepared.
        """
        return self.answer(prediction, file)

    def examine(
        self, cells: dict[str, Any], file: AnswerFile, ask: Callable[[Scan], Any]
    ) -> dict[str, Any]:
        """Measure how the answer for a scan of the cohort changes where the scan does.

        Args:
            cells: What was answered for the scan.
            file: Where it was written.
            ask: Returns what is predicted for a scan, or for a part of one.

        Returns:
            Further cells, as `held_out_columns` names them.
        """
        return {}

    # --- for evaluation -------------------------------------------------------------------------

    @property
    @abstractmethod
    def evaluated_columns(self) -> list[str]:
        """Columns of the numbers that are evaluated."""

    def are_possible(self, numbers: Array, *, empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which scans' answers can be right.

        Args:
            numbers: Cells of `evaluated_columns`, (n, columns); NaN for what is no number.
            empty: Which cells are empty, (n, columns).
        """
        return np.asarray(np.isfinite(numbers).all(axis=1))

    def from_columns(self, numbers: Array) -> Array:
        """Bring the cells of `evaluated_columns`, (n, columns), to what the metrics take."""
        return numbers

    def pooled_columns(
        self, truth: NDArray[Any], prediction: Array, fitted: NDArray[Any] | None
    ) -> dict[str, Array]:
        """Bring what is answered for n scans, networks averaged, into columns of a table.

        Args:
            truth: As `truth` gives it.
            prediction: As `from_columns` gives it.
            fitted: As `fitted` gives it; None where it can't be fitted.
        """
        columns = prediction.reshape(len(prediction), -1).T
        return dict(zip(self.evaluated_columns, columns, strict=True))

    def largest(self, scans: Sequence[Scan]) -> dict[str, float]:
        """Name metrics whose largest value hangs on the scans or classes, with that value."""
        return {}

    @abstractmethod
    def truth(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """What is true of scans, as the metrics take it."""

    def evaluate(
        self, truth: NDArray[Any], prediction: NDArray[Any], weights: Array
    ) -> dict[str, Array]:
        """Compute all metrics for every row of weights.

        Args:
            truth: As `truth` gives it, of n scans.
            prediction: As `from_columns` gives it.
            weights: One row for each resample (rows, n).

        Returns:
            Name: values (rows,), NaN where undefined; the metric that chooses the epoch first.
        """
        names = (*self.metrics, *self.further_metrics)
        return {name: METRICS[name].compute(truth, prediction, weights) for name in names}

    def score(self, truth: NDArray[Any], prediction: NDArray[Any]) -> dict[str, float]:
        """Compute `metrics` of what `for_metrics` gave for all scans."""
        alike = np.ones((1, len(prediction)))
        return {
            name: float(METRICS[name].compute(truth, prediction, alike)[0]) for name in self.metrics
        }

    @property
    def fitted_metrics(self) -> tuple[str, ...]:
        """Metrics of answers that were fitted to those for other subjects first, see `fitted`."""
        return ()

    def fitted(
        self,
        known_truth: NDArray[Any],
        known: NDArray[Any],
        weights: Array,
        truth: NDArray[Any],
        prediction: NDArray[Any],
    ) -> NDArray[Any]:
        """Fit answers to those for known scans, of other subjects.

        Args:
            known_truth: What is true of m known scans.
            known: What is predicted of them.
            weights: Their weights, (m,).
            truth: What is true of the n scans that are judged.
            prediction: What is predicted of these.

        Returns:
            What `fitted_metrics` take in place of predictions, (n, ...).

        Raises:
            UnfittedError: If the known scans do not tell.
        """
        raise NotImplementedError

    def evaluate_fitted(
        self, truth: NDArray[Any], prediction: NDArray[Any], weights: Array
    ) -> dict[str, Array]:
        """Compute `fitted_metrics` as `evaluate` does the others, of what `fitted` returns."""
        return {
            name: self.metric(name).compute(truth, prediction, weights)
            for name in self.fitted_metrics
        }

    def metric(self, name: str) -> Metric:
        """Return one of the metrics that `evaluate` or `evaluate_fitted` computes."""
        return METRICS[name]

    def is_defined(self, metric: str, prediction: Array) -> NDArray[np.bool_]:
        """Tell which scans a metric is told from."""
        return np.ones(len(prediction), dtype=bool)
