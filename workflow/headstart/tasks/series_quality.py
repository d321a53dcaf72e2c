"""What a denoised series is like, without a clean one to hold it against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import head
from headstart.tasks.image_quality import correlation

if TYPE_CHECKING:
    from headstart.cohort.prepared import Scan

Image = NDArray[np.float32]
Sums = NDArray[np.float64]


class _Moments:
    """Sums over time of each voxel of a series, by which its volumes need not be kept."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._times: list[int] = []
        self._sum, self._squares, self._by_time = (np.zeros(shape) for _ in range(3))

    def add(self, time: int, image: Image) -> None:
        exact = image.astype(np.float64)
        self._times.append(time)
        self._sum += exact
        self._squares += exact**2
        self._by_time += time * exact

    @property
    def mean(self) -> Sums:
        return self._sum / len(self._times)

    @property
    def mean_square(self) -> Sums:
        return self._squares / len(self._times)

    def tsnr(self) -> Sums:
        """Mean over standard deviation about a straight line in time, NaN where that is 0."""
        times = np.array(self._times, float)
        count, spread = len(times), times.var() * len(times)
        about = self._squares - count * self.mean**2
        line = (self._by_time - times.mean() * self._sum) ** 2 / spread
        deviation = np.sqrt(np.maximum(about - line, 0) / (count - 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(deviation > 0, self.mean / deviation, np.nan)


class SeriesQuality:
    """Measures a denoised series inside the head, volume by volume; three of them or more.

    Args:
        scan: The series as it was measured.
        left_out: Whether each volume was told without itself. What has seen it has learnt its noise
            as well, so that its distance from it says nothing.
    """

    def __init__(self, scan: Scan, *, left_out: bool = True) -> None:
        self._scan, self._left_out = scan, left_out
        self._measured, self._told = _Moments(scan.shape), _Moments(scan.shape)
        self._off = _Moments(scan.shape)

    def add(self, time: int, image: Image) -> None:
        """Measure the next volume.

        Args:
            time: Its time, from 0.
            image: The volume, denoised, in the scan's unit, (x, y, z).
        """
        measured = self._scan.at([time]).signal()
        self._measured.add(time, measured)
        self._told.add(time, image)
        self._off.add(time, measured - image)

    @property
    def mean(self) -> Sums:
        """Mean over time of the series as it was measured."""
        return self._measured.mean

    @property
    def tsnr(self) -> tuple[Sums, Sums]:
        """Temporal signal-to-noise ratio, as measured and denoised; NaN where nothing varies."""
        return self._measured.tsnr(), self._told.tsnr()

    @property
    def removed(self) -> Sums:
        """Root mean square over time of what was removed."""
        return np.sqrt(self._off.mean_square)

    def found(self) -> dict[str, float]:
        """Return what was found of all volumes.

        left_out_error: root mean square of the distance from the volumes that were left out, in
        percent of theirs; their own noise is in it. tsnr_gain: temporal signal-to-noise ratio, the
        median over the head, over that of the series; smoothing raises it as well. edges:
        correlation of the size of what was removed with the local edges, 0 for noise alone.
        """
        from scipy import ndimage

        inside = head(self.mean.astype(np.float32))
        removed, measured = self.removed[inside], self._measured.mean_square[inside]
        error = 100 * np.sqrt(np.mean(removed**2) / measured.mean())
        before, after = (np.nanmedian(one[inside]) for one in self.tsnr)
        gradient = ndimage.gaussian_gradient_magnitude(self.mean, 1.0)[inside]
        return {
            "left_out_error": float(error) if self._left_out else float("nan"),
            "tsnr_gain": float(after / before),
            "edges": correlation(removed, gradient),
        }
