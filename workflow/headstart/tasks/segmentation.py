"""A class for each voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headstart.tasks.base import Array
from headstart.tasks.base import Task
from headstart.tasks.metrics import dice_by_class
from headstart.tasks.metrics import mean_dice

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.cohort.prepared import Scan


@dataclass(frozen=True)
class Segmentation(Task):
    """Masks, whose value 0 is the background.

    Attributes:
        classes: Names of the mask's values from 1 on.
    """

    classes: tuple[str, ...]

    name = "segmentation"
    dense = True
    losses = ("dice_cross_entropy", "dice", "tversky", "focal_tversky")
    metrics = ("dice",)
    baselines = "masks"
    figure = "masks"
    averaged = "Dice"  # and not the masks
    wanted = "Dice: from 0 to 1"

    @classmethod
    def asked(cls, mask_classes: Sequence[str]) -> Self:
        """See `Task.asked`."""
        return cls(tuple(mask_classes))

    @property
    def out_channels(self) -> int:
        """A logit for each class, the background first."""
        return len(self.classes) + 1

    def truth(self, scan: Scan) -> NDArray[Any]:
        """The prepared mask (1, x, y, z), uint8."""
        return np.array(scan.mask()[None])

    def scores(self, output: Tensor) -> Array:
        """Probabilities, (n, classes, x, y, z)."""
        return output.double().softmax(dim=1).cpu().numpy()

    def read(self, output: Tensor) -> NDArray[Any]:
        """Masks (n, x, y, z), uint8."""
        return output.argmax(dim=1).byte().cpu().numpy()

    def compare(self, truth: NDArray[Any], output: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
        """Dice of each class of each scan, (n, classes), beside nothing."""
        pairs = zip(truth, self.read(output), strict=True)
        dice = np.stack([dice_by_class(t, p, len(self.classes)) for t, p in pairs])
        return np.empty((len(dice), 0)), dice

    def answer(self, prediction: Any) -> dict[str, Any]:
        """Nothing: a mask is a file."""
        return {}

    def said(self, scores: Array, scan: Scan) -> Array:
        """Volume of all classes together, ml."""
        voxel = abs(float(np.linalg.det(scan.affine[:3, :3]))) / 1000
        return np.count_nonzero(scores.argmax(axis=1), axis=(1, 2, 3)) * voxel

    def unit(self, of_target: str) -> str:
        """That of volumes."""
        return "ml"

    @property
    def numbers(self) -> list[str]:
        """The Dice of each class."""
        return [f"dice_{name}" for name in self.classes]

    @property
    def columns(self) -> list[str]:
        """The volume of each class, ml, and the mask's file."""
        return [*(f"volume_{name}" for name in self.classes), "mask"]

    @property
    def held_out_columns(self) -> list[str]:
        """The Dice of a mask is computed where it is written."""
        sizes = [f"{kind}_{name}" for kind in ("volume", "true_volume") for name in self.classes]
        return [*self.numbers, *sizes, "mask", "mask_sha256"]

    def may_be(self, numbers: Array, *, empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """See `Task.may_be`; a Dice is empty where nothing is to be found, or no truth is known."""
        return np.asarray((empty | ((numbers >= 0) & (numbers <= 1))).all(axis=1))

    def truths(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """Nothing: the Dice is computed already, and is all that is evaluated."""
        return np.empty((len(scans), 0))

    def evaluate(
        self, truth: NDArray[Any], prediction: NDArray[Any], weights: Array
    ) -> dict[str, Array]:
        """See `Task.evaluate`; with the Dice of each class."""
        columns = zip(self.numbers, prediction.T, strict=True)
        return super().evaluate(truth, prediction, weights) | {
            name: mean_dice(truth, column[:, None], weights) for name, column in columns
        }

    def known(self, metric: str, prediction: Array) -> NDArray[np.bool_]:
        """See `Task.known`; a Dice is not known for each scan."""
        columns = [i for i, name in enumerate(self.numbers) if metric in (name, *self.metrics)]
        return np.asarray((~np.isnan(prediction[:, columns])).any(axis=1))
