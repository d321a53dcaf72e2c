"""A class for each voxel."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headstart.tasks.base import Array
from headstart.tasks.base import Loss
from headstart.tasks.base import Measured
from headstart.tasks.base import Task
from headstart.tasks.mask_metrics import MEASURES
from headstart.tasks.mask_metrics import dice_by_class
from headstart.tasks.mask_metrics import dice_of_sizes
from headstart.tasks.mask_metrics import measure
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import Metric
from headstart.tasks.metrics import of_class

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from headstart.cohort.answer_file import AnswerFile
    from headstart.cohort.prepared import Scan
    from headstart.imaging.mask_classes import Classes


@dataclass(frozen=True)
class Segmentation(Task):
    """Masks, whose value 0 is the background.

    Attributes:
        classes: Names of the mask's values from 1 on.
        measures: What is measured of each scan and class.
        measure: What does so, as `headstart.tasks.mask_metrics.measure`.
        shares: Those of the measures that are 1 at most.
    """

    classes: tuple[str, ...]

    name = "segmentation"
    target_kind = "mask"
    per_voxel = True
    losses = {  # noqa: RUF012 never changed
        "dice_cross_entropy": Loss("Dice loss plus cross-entropy", library="monai", smoothed=True),
        "dice": Loss(library="monai"),
        "tversky": Loss(
            "false negatives weigh 0.7, false positives 0.3",
            "Salehi et al. 2017, Tversky loss, https://doi.org/10.1007/978-3-319-67389-9_44",
            library="monai",
        ),
        "focal_tversky": Loss(
            "false negatives weigh 0.7, false positives 0.3; to the power of 0.75",
            "Abraham and Khan 2019, focal Tversky loss, https://doi.org/10.1109/ISBI.2019.8759329",
            library="monai",
        ),
    }
    metrics: ClassVar[tuple[str, ...]] = ("dice",)
    further_metrics: ClassVar[tuple[str, ...]] = ("iou", "nsd", "hd95", "assd", "volume_error")
    headline: ClassVar[tuple[str, ...]] = ("dice", "nsd", "hd95", "volume_error")
    baselines = "masks"
    controls = ("learning-curve", "injected")
    figure = "masks"
    measures: ClassVar[tuple[str, ...]] = MEASURES
    measure = staticmethod(measure)
    shares: ClassVar[tuple[str, ...]] = ("dice", "nsd")
    averaged = "Dice"  # and not the masks
    file = "mask"
    answer_bytes = 4
    held_out_bytes = 10.5
    answer_words = "Dice: from 0 to 1"

    @classmethod
    def from_config(cls, classes: Sequence[str], channels: Sequence[str]) -> Self:
        """See `Task.from_config`."""
        return cls(tuple(classes))

    @classmethod
    def over_classes(cls, classes: Collection[str]) -> str:
        """See `Task.over_classes`."""
        return "Metrics that name no class are means over classes." * (len(classes) > 1)

    def unseen(self, training: Sequence[Scan]) -> tuple[str, ...]:
        """See `Task.unseen`; masks are read until each class was found."""
        left = dict(enumerate(self.classes, start=1))
        for scan in training:
            if not left:
                break
            mask = scan.mask()
            left = {value: name for value, name in left.items() if not (mask == value).any()}
        return tuple(left.values())

    @property
    def out_channels(self) -> int:
        """A logit for each class, the background first."""
        return len(self.classes) + 1

    def target(self, scan: Scan) -> NDArray[Any]:
        """The prepared mask (1, x, y, z), uint8."""
        return np.array(scan.mask()[None])

    def blank_target(self, window: Sequence[int]) -> NDArray[Any]:
        """A mask without any class."""
        return np.zeros((1, *window), np.uint8)

    def predict(self, output: Tensor) -> Tensor:
        """Probabilities of the background and each class, (n, classes, x, y, z)."""
        return output.softmax(dim=1)

    def average(self, predictions: Sequence[Any]) -> Any:
        """The mean of the probabilities, (n, classes, x, y, z)."""
        return sum(predictions) / len(predictions)

    def decide(self, prediction: Any) -> NDArray[Any]:
        """Masks (n, x, y, z), uint8."""
        return prediction.argmax(dim=1).byte().cpu().numpy()

    def for_metrics(
        self, targets: NDArray[Any], output: Tensor
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Dice of each class of each scan, (n, classes), beside nothing."""
        pairs = zip(targets, self.decide(self.predict(output)), strict=True)
        dice = np.stack([dice_by_class(t, p, len(self.classes)) for t, p in pairs])
        return np.empty((len(dice), 0)), dice

    @property
    def measured_steps(self) -> int:
        """A count takes 1 to 2 % of a small U-Net's step for each class; half a percent is left."""
        return 2 * self.out_channels

    def for_metrics_later(self, targets: Tensor, output: Tensor) -> Measured:
        """Voxels are counted where the network computes, and the Dice made of the counts later."""
        # tensors, which a task that is planned does without
        from headstart.tasks.mask_counts import most_likely
        from headstart.tasks.mask_counts import sizes_by_class

        counts = sizes_by_class(targets[:, 0], most_likely(output), len(self.classes))
        return lambda: (np.empty((counts.shape[1], 0)), dice_of_sizes(*counts.cpu().numpy()))

    def in_one_number(self, predictions: Sequence[Any], scan: Scan) -> Array:
        """Volume of all classes together, ml."""
        ml = scan.grid.voxel_ml
        counts = [
            sum(np.count_nonzero(slab.argmax(axis=0)) for _, slab in told.each())
            for (told,) in predictions
        ]
        return ml * np.array(counts)

    def unit(self, of_target: str) -> str:
        """That of volumes."""
        return "ml"

    @property
    def evaluated_columns(self) -> list[str]:
        """What is measured of each class, the Dice first."""
        return [name for kind in self.measures for name in self._each(kind)]

    @property
    def columns(self) -> list[str]:
        """The volume of each class, ml, and the mask's file."""
        return [*self._each("volume"), "mask"]

    @property
    def held_out_columns(self) -> list[str]:
        """A mask is measured where it is written."""
        return [*self.evaluated_columns, "mask", "mask_sha256"]

    def _each(self, kind: str) -> list[str]:
        return [f"{kind}_{name}" for name in self.classes]

    def answer(self, prediction: Any, file: AnswerFile) -> dict[str, Any]:
        """The mask, and how large its classes are."""
        return self._answer(file.decided(prediction), file)

    def answer_held_out(self, prediction: Any, file: AnswerFile, data: Path) -> dict[str, Any]:
        """The same beside the true mask.

        On the scan's own grid nothing flatters: what the window cropped counts as missed.
        """
        mask = file.decided(prediction)
        cells = self._answer(mask, file) | {"mask_sha256": file.sha256}
        if not file.scan.target:
            return cells
        truth = self.own_truth(file.scan, data, file.classes)
        size = file.scan.source.voxel_size
        measured = self.measure(truth, mask, len(self.classes), size, file.tolerance)
        for kind, values in zip(self.measures, measured, strict=True):
            cells = self._cells(kind, values) | cells
        return cells

    def own_truth(self, scan: Scan, data: Path, classes: Classes) -> NDArray[Any]:
        """What is true on the scan's own grid, as `measure` takes it.

        Args:
            scan: A scan with a mask.
            data: Data root.
            classes: The values of the classes in the study's files.

        Raises:
            UserError: As `headstart.cohort.true_mask.true_mask`.
        """
        # it reads scans, which a task that is planned does not
        from headstart.cohort.true_mask import true_mask

        return true_mask(scan, data, classes)

    def _answer(self, mask: NDArray[np.uint8], file: AnswerFile) -> dict[str, Any]:
        file.write_mask(mask)
        return self._cells("volume", file.sizes(mask)) | {"mask": file.name}

    def _cells(self, kind: str, values: Sequence[float] | NDArray[np.floating]) -> dict[str, float]:
        return dict(zip(self._each(kind), values, strict=True))

    def are_possible(self, numbers: Array, *, empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """See `Task.are_possible`; what is not defined, or not known, is empty."""
        limits = [1.0 if kind in self.shares else np.inf for kind in self.measures]
        most = np.repeat(limits, len(self.classes))
        return np.asarray((empty | ((numbers >= 0) & (numbers <= most))).all(axis=1))

    def largest(self, scans: Sequence[Scan]) -> dict[str, float]:
        """See `Task.largest`; no two surfaces are farther apart than an image's diagonal, mm."""
        grids = [scan.source for scan in scans]
        longest = max(float(np.linalg.norm(grid.shape * grid.voxel_size)) for grid in grids)
        names = [name for kind in ("hd95", "assd") for name in (kind, *self._each(kind))]
        return dict.fromkeys(names, longest)

    def truth(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """Nothing: masks are measured already, and that is all that is evaluated."""
        return np.empty((len(scans), 0))

    def evaluate(
        self, truth: NDArray[Any], prediction: NDArray[Any], weights: Array
    ) -> dict[str, Array]:
        """See `Task.evaluate`; each class's metrics after those of all, unless there is but one."""
        measured = self._measured(prediction)
        values = {
            name: METRICS[name].compute(truth, measured[name], weights)
            for name in (*self.metrics, *self.further_metrics)
        }
        told = values.keys() if len(self.classes) == 1 else ()
        for number, of in enumerate(self.classes):
            for name in (name for name in measured if name not in told):
                column = measured[name][:, number : number + 1]
                values[f"{name}_{of}"] = METRICS[name].compute(truth, column, weights)
        return values

    def score(self, truth: NDArray[Any], prediction: NDArray[Any]) -> dict[str, float]:
        """See `Task.score`; with the Dice of each class, where there are several."""
        alike = np.ones((1, len(prediction)))
        several = self.classes if len(self.classes) > 1 else ()
        each = {f"dice_{of}": prediction[:, [n]] for n, of in enumerate(several)}
        return {
            name: float(METRICS["dice"].compute(truth, dice, alike)[0])
            for name, dice in {"dice": prediction, **each}.items()
        }

    def _measured(self, prediction: Array) -> dict[str, Array]:
        """Metrics of each scan and class (n, classes), by name; limits are those of differences."""
        of = self._by_measure(prediction)
        more = of["volume"] - of["true_volume"]
        return {
            "dice": of["dice"],
            "iou": of["dice"] / (2 - of["dice"]),
            "nsd": of["nsd"],
            "hd95": of["hd95"],
            "assd": of["assd"],
            "volume_error": np.abs(more),
            **dict.fromkeys(("volume_bias", "volume_low", "volume_high"), more),
        }

    def _by_measure(self, prediction: Array) -> dict[str, Array]:
        """What is measured of each scan and class (n, classes), by name."""
        shape = (len(prediction), len(self.measures), len(self.classes))
        return dict(zip(self.measures, np.moveaxis(prediction.reshape(shape), 1, 0), strict=True))

    def metric(self, name: str) -> Metric:
        """See `Task.metric`; a class's is one as their mean is."""
        return METRICS[of_class(name)[0]]

    def is_defined(self, metric: str, prediction: Array) -> NDArray[np.bool_]:
        """See `Task.is_defined`; a Dice is not known for each scan."""
        name, of = of_class(metric)
        columns = [self.classes.index(of)] if of else slice(None)
        return np.asarray((~np.isnan(self._measured(prediction)[name][:, columns])).any(axis=1))
