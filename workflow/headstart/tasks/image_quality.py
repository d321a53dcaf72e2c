"""What a denoised image is like, beside the noisy scan and, where there is one, the clean one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import head_threshold
from headstart.imaging.slabs import Slabs
from headstart.tasks.together import Together

if TYPE_CHECKING:
    from headstart.cohort.prepared import Scan

Image = NDArray[np.float32]

BRIGHTEST = 99.9  # percentile of the reference in the head: the range of PSNR and SSIM
WINDOW = 1.5  # voxels: width of SSIM's Gaussian window, as Wang et al. have it
EDGE = 1.0  # voxels: width of the Gaussian whose gradient tells the edges
AROUND = 2.0  # voxels: width of the Gaussian that tells the signal around a voxel


def noisy_head(noisy: Slabs) -> NDArray[np.bool_]:
    """Separate head from air in a noisy scan, whose air has voxels as bright as the head's dark.

    Args:
        noisy: The scan, (1, x, y, z).

    Returns:
        Where the head is, (x, y, z).
    """
    from scipy import ndimage

    def smooth(image: Image) -> Image:
        return np.asarray(ndimage.gaussian_filter(image, AROUND))

    return _head(Slabs.image(smooth, noisy, reach=_reach(AROUND)))


def _head(image: Slabs) -> NDArray[np.bool_]:
    """Separate head from air, as `headstart.imaging.geometry.head` does, in less memory."""
    threshold = head_threshold(image.gathered(), overwrite=True)
    return np.asarray(Slabs.image(lambda planes: planes > threshold, image).gathered()[0])


def _reach(width: float) -> int:
    """How many voxels far a Gaussian filter of a width looks."""
    return math.ceil(4 * width)


@dataclass(frozen=True)
class NoisyImage:
    """A scan beside which denoised images are judged, slab by slab: each may fill the memory.

    Attributes:
        noisy: The scan, (1, x, y, z).
        noise: Standard deviation of its noise.
        reference: The scan without noise; None where there is none.
    """

    noisy: Slabs
    noise: float
    reference: Slabs | None = None

    @classmethod
    def of(cls, scan: Scan, noise: float) -> NoisyImage:
        """Take a scan's first channel, whose noise is known."""
        return cls(scan.signal_slabs(), noise, scan.reference_slabs())

    @cached_property
    def noisy_inside(self) -> NDArray[np.bool_]:
        """Where the head is as the noisy scan shows it, (x, y, z)."""
        return noisy_head(self.noisy)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Where it is, as the reference shows it if there is one."""
        return self.noisy_inside if self.reference is None else _head(self.reference)

    def quality(self, image: Slabs) -> dict[str, float]:
        """Measure a denoised image inside the head.

        Args:
            image: The denoised image, (1, x, y, z).

        Returns:
            psnr and snr (dB; over the error, the brightest signal and the signal's root mean
            square), ssim, nrmse (the error over that), rmse and mae, all NaN without a reference;
            edges: correlation of the size of what was removed with the local edges, 0 for noise
            alone; removed: its standard deviation in units of the noise, above 1 if more than noise
            went.
        """
        from scipy import ndimage

        def steep(planes: Image) -> Image:
            return np.asarray(ndimage.gaussian_gradient_magnitude(planes, EDGE))

        together = Together(3)
        for seen, told, edges in self._inside(
            self.noisy, image, Slabs.image(steep, self.noisy, reach=_reach(EDGE))
        ):
            together.add([seen - told, np.abs(seen - told), edges])
        return {
            **self._errors(image),
            "edges": together.correlation(1, 2),
            "removed": together.deviation(0) / self.noise,
        }

    def _errors(self, image: Slabs) -> dict[str, float]:
        if self.reference is None:
            return dict.fromkeys(("psnr", "ssim", "snr", "nrmse", "rmse", "mae"), float("nan"))
        true = np.concatenate([true for (true,) in self._inside(self.reference)])
        span = float(np.percentile(true, BRIGHTEST, overwrite_input=True))
        del true
        alike = Slabs.image(
            lambda one, other: similarity(one, other, span),
            *(image, self.reference),
            reach=_reach(WINDOW),
        )
        means = Together(4)
        for told, true, similar in self._inside(image, self.reference, alike):
            wrong = (told - true).astype(np.float64)
            means.add([wrong**2, np.abs(wrong), true.astype(np.float64) ** 2, similar])
        square, size, signal, ssim = means.mean

        def decibels(power: float) -> float:
            return float(10 * np.log10(power / square)) if square else math.inf

        return {
            "psnr": decibels(span**2),
            "ssim": float(ssim),
            "snr": decibels(signal),
            "nrmse": float(np.sqrt(square / signal)),
            "rmse": float(np.sqrt(square)),
            "mae": float(size),
        }

    def _inside(self, *images: Slabs) -> Iterator[list[Image]]:
        """Yield the numbers of images inside the head, slab by slab."""
        for first, slab in images[0].each():
            last = first + slab.shape[1]
            inside = self.inside[first:last]
            yield [slab[0][inside], *(one.read(first, last)[0][inside] for one in images[1:])]


def similarity(one: Image, other: Image, span: float) -> Image:
    """Structural similarity around each voxel.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861.

    Args:
        one: An image, (x, y, z).
        other: Another one, likewise.
        span: Range of their intensities.
    """
    from scipy import ndimage

    def mean(image: Image) -> Image:
        return np.asarray(ndimage.gaussian_filter(image, WINDOW))

    mean_one, mean_other = mean(one), mean(other)
    between = mean(one * other) - mean_one * mean_other
    spread = mean(one**2) - mean_one**2 + mean(other**2) - mean_other**2
    small, large = (0.01 * span) ** 2, (0.03 * span) ** 2
    bright = (2 * mean_one * mean_other + small) / (mean_one**2 + mean_other**2 + small)
    return bright * (2 * between + large) / (spread + large)


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Pearson's r; 0 where either side is constant, as nothing that was removed is."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
