"""Scans without their noise, learnt from noisy scans alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headstart.common.errors import NoAnswerError
from headstart.imaging.slabs import Slabs
from headstart.tasks import blind_spot
from headstart.tasks.base import Array
from headstart.tasks.base import Loss
from headstart.tasks.base import Task
from headstart.tasks.metrics import METRICS
from headstart.tasks.spot_kinds import KINDS
from headstart.tasks.weighted import mean_of_scans

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from headstart.cohort.answer_file import AnswerFile
    from headstart.cohort.prepared import Cohort
    from headstart.cohort.prepared import Scan
    from headstart.tasks.planted_spots import Planting


ZOOMS = ".spots.npy"  # what the name of an image ends with, of pictures of its planted spots


@dataclass(frozen=True)
class Denoising(Task):
    """The first channel of a scan as it would be without noise; the others are seen beside it."""

    name = "denoising"
    target_kind = "image"
    per_voxel = True
    own_space = True
    needs_noise = True
    local = True
    losses = {  # noqa: RUF012 never changed
        "blind_spot": Loss(
            "voxels are hidden and predicted from their neighbours; the answer is a weighted mean "
            "of that prediction and the measured voxel, by the local error and the noise",
            "Krull et al. 2019, Noise2Void, https://doi.org/10.1109/CVPR.2019.00223",
        ),
        "neighbours": Loss(
            "mean absolute error of each volume of a series, left out and predicted from those "
            "before and after it",
            "Lecoq et al. 2021, DeepInterpolation, https://doi.org/10.1038/s41592-021-01285-2",
        ),
    }
    metrics: ClassVar[tuple[str, ...]] = (
        *("psnr", "ssim", "snr", "nrmse", "rmse", "mae", "sure", "spots", "edges", "removed"),
    )
    further_metrics: ClassVar[tuple[str, ...]] = tuple(kind.metric for kind in KINDS)
    headline: ClassVar[tuple[str, ...]] = ("psnr", "ssim", "sure", "spots", "edges", "removed")
    baselines = "filters"
    figure = "images"
    chooses = "hidden_error"
    file = "image"
    answer_bytes = 10.5
    held_out_bytes = 10.5
    answer_words = "images without noise, in the scan's own unit"
    judged_words = (
        f"In held-out scans, soft-edged balls were planted ({'; '.join(k.words for k in KINDS)}), "
        "deep in the head where it is bright and even: under the noise where a scan had a "
        "reference, otherwise on top of it. What is kept of their contrast is the difference "
        "between the answers with and without them. The error without a reference is Stein's "
        "unbiased risk estimate, which holds for noise that is independent between voxels. Each "
        "filter has the strength that errs least on two scans of other folds."
    )

    @classmethod
    def from_config(cls, classes: Sequence[str], channels: Sequence[str]) -> Self:
        """See `Task.from_config`."""
        return cls()

    @classmethod
    def from_cohort(cls, cohort: Cohort, classes: Sequence[str]) -> Denoising:
        """See `Task.from_cohort`; of series, their own task."""
        from headstart.tasks.deep_interpolation import DeepInterpolation

        kind = DeepInterpolation if cohort.prepare.series else cls
        return kind.from_config(classes, cohort.channels)

    @classmethod
    def default_primary(cls, *, has_reference: bool) -> str:
        """See `Task.default_primary`; without a reference the error is estimated."""
        return "psnr" if has_reference else "sure"

    @classmethod
    def told_beside(cls, primary: str) -> tuple[str, ...]:
        """See `Task.told_beside`: what is lost, beside what is won, and the other way round."""
        return ("psnr", "sure") if METRICS[primary].idle_is_best else ("spots",)

    @property
    def out_channels(self) -> int:
        """The first channel."""
        return 1

    def target(self, scan: Scan) -> NDArray[Any]:
        """Nothing: what is true is hidden in the scan itself, see `pose`."""
        return np.zeros((), np.float32)

    def blank_target(self, window: Sequence[int]) -> NDArray[Any]:
        """Voxels that were all hidden."""
        return np.zeros((1, *window), np.float32)

    def pose(self, volumes: Tensor, targets: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Hide some voxels, which are to be told from their neighbours."""
        return blind_spot.hide(volumes, seeds)

    def predict(self, output: Tensor) -> NDArray[np.float32]:
        """What neighbours tell, (n, 1, x, y, z), on the prepared scale."""
        predicted: NDArray[np.float32] = output.float().cpu().numpy()
        return predicted

    def for_metrics(
        self, targets: NDArray[Any], output: Tensor
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean squared error of the hidden voxels of each scan, (n,), beside nothing."""
        squares = (self.predict(output) - targets) ** 2
        return np.empty((len(squares), 0)), np.nanmean(squares, axis=(1, 2, 3, 4))

    def score(self, truth: NDArray[Any], prediction: NDArray[Any]) -> dict[str, float]:
        """The error of hidden voxels, in units of the prepared scale."""
        return {self.chooses: float(np.sqrt(prediction.mean()))}

    def in_one_number(self, predictions: Sequence[Any], scan: Scan) -> Array:
        """The mean of what is told."""
        sums = [
            sum(slab.sum(dtype=np.float64) for _, slab in told.each()) for (told,) in predictions
        ]
        return np.array(sums) / math.prod(scan.shape)

    @property
    def columns(self) -> list[str]:
        """The noise, in the scan's unit, and the image's file."""
        return ["noise", "image"]

    @property
    def held_out_columns(self) -> list[str]:
        """What the image is like is measured where it is written."""
        return [*self.evaluated_columns, *self.columns, "image_sha256"]

    @property
    def evaluated_columns(self) -> list[str]:
        """What the image is like."""
        return [*self.metrics, *self.further_metrics]

    def answer(self, prediction: Any, file: AnswerFile) -> dict[str, Any]:
        """The image, and how strong its noise was taken to be."""
        return self._answer(prediction, file)[1]

    def answer_held_out(self, prediction: Any, file: AnswerFile, data: Path) -> dict[str, Any]:
        """The same, and what it is like."""
        from headstart.tasks.image_quality import NoisyImage

        image, cells = self._answer(prediction, file)
        found = NoisyImage.of(file.scan, cells["noise"]).quality(Slabs.of(image))
        return cells | found | {"image_sha256": file.sha256}

    def examine(
        self, cells: dict[str, Any], file: AnswerFile, ask: Callable[[Scan], Any]
    ) -> dict[str, Any]:
        """See `Task.examine`: spots are planted, and noise is added."""
        from headstart.cohort.seen_scan import SeenScan

        scan, noise = file.scan, cells["noise"]
        planting = planting_of(scan, noise)
        part = scan.part(planting.box)

        def denoised(block: NDArray[np.float32]) -> NDArray[np.float32]:
            told = ask(SeenScan.of(part, block)).whole()[0]
            return self._denoised(part, block, told, noise)

        answers = planting.answers(denoised)
        if planting.spots:
            zooms = [planting.zoom(answers.planted, kind) for kind in range(len(KINDS))]
            file.write_beside(ZOOMS, np.stack(zooms))
        else:
            tell_no_room(scan)
        return planting.measure(answers)

    def _denoised(
        self, scan: Scan, noisy: NDArray[np.float32], told: NDArray[np.float32], noise: float
    ) -> NDArray[np.float32]:
        """Make an image of what neighbours tell, in the scan's unit."""
        from headstart.imaging.rician import corrected

        told = scan.intensities[0].restored(told)
        return corrected(blind_spot.put_back(noisy, told, noise), noise)

    def _answer(
        self, prediction: Slabs, file: AnswerFile
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Make the image, (1, x, y, z), and write it; return it, and its cells."""
        scan = file.scan
        noise = noise_of(scan, file.noise)

        def denoised(noisy: NDArray[np.float32], told: NDArray[np.float32]) -> NDArray[np.float32]:
            return self._denoised(scan, noisy, told, noise)

        # slab by slab: at once would take ten times the memory
        images = scan.signal_slabs(), prediction
        image = Slabs.image(denoised, *images, reach=blind_spot.REACH).gathered()
        file.write_intensities(image[0])
        return image, {"noise": noise, "image": file.name}

    def are_possible(self, numbers: Array, *, empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """See `Task.are_possible`; without a reference some cells are empty."""
        return np.asarray((empty | np.isfinite(numbers)).all(axis=1))

    def truth(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """Nothing: what an image is like is measured already, and is all that is evaluated."""
        return np.empty((len(scans), 0))

    def evaluate(
        self, truth: NDArray[Any], prediction: NDArray[Any], weights: Array
    ) -> dict[str, Array]:
        """See `Task.evaluate`; each is a mean over scans."""
        columns = zip(self.evaluated_columns, prediction.T, strict=True)
        return {name: mean_of_scans(truth, one, weights) for name, one in columns}

    def is_defined(self, metric: str, prediction: Array) -> NDArray[np.bool_]:
        """See `Task.is_defined`; not every scan has a reference."""
        return np.asarray(~np.isnan(prediction[:, self.evaluated_columns.index(metric)]))


def planting_of(scan: Scan, noise: float) -> Planting:
    """Plant spots in a scan, always the same."""
    from headstart.cohort.allocation import rank
    from headstart.tasks.planted_spots import plant

    seed = int.from_bytes(rank(0, "\0".join(scan.key))[:8])
    edges = scan.grid.voxel_size.tolist()
    return plant(scan.signal_slabs(), noise, edges, seed, scan.reference_slabs())


def tell_no_room(scan: Scan) -> None:
    """Say that a scan has no place for spots."""
    from headstart.tasks.planted_spots import APART
    from headstart.tasks.planted_spots import DEEP

    print(
        f"warning: subject '{scan.subject}', session '{scan.session}': no room for planted spots "
        f"({len(KINDS)} or more, {APART} voxels apart, bright, even and {DEEP:g} mm deep in the "
        "head): how much is kept of them is not told of it",
        file=sys.stderr,
        flush=True,
    )


def noise_of(scan: Scan, measured: float | None = None) -> float:
    """Tell the noise of a scan's first channel, in the scan's unit.

    Args:
        scan: The scan.
        measured: Its standard deviation, where it is known; by default it is estimated from the
            scan's air.

    Raises:
        NoAnswerError: If it is not known, and there is no air.
    """
    from headstart.imaging.rician import NO_AIR
    from headstart.imaging.rician import air_noise

    noise = measured or air_noise(scan.signal(), scan.grid.voxel_size.tolist())
    if noise is None:
        raise NoAnswerError(f"subject '{scan.subject}', session '{scan.session}': {NO_AIR}")
    return noise
