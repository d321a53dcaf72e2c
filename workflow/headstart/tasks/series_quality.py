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
    """Measures a denoised series inside the head, volume by volume.

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

    def found(self) -> dict[str, float]:
        """Return what was found of all volumes.

        left_out_error: root mean square of the distance from the volumes that were left out, over
        theirs; their own noise is in it. tsnr_gain: temporal signal-to-noise ratio, the median over
        the head, over that of the series; smoothing raises it as well. edges: correlation of the
        size of what was removed with the local edges, 0 for noise alone.
        """
        from scipy import ndimage

        mean = self._measured.mean
        inside = head(mean.astype(np.float32))
        off, measured = self._off.mean_square[inside], self._measured.mean_square[inside]
        error = np.sqrt(off.mean() / measured.mean())
        gain = np.nanmedian(self._told.tsnr()[inside]) / np.nanmedian(self._measured.tsnr()[inside])
        gradient = ndimage.gaussian_gradient_magnitude(mean, 1.0)[inside]
        return {
            "left_out_error": float(error) if self._left_out else float("nan"),
            "tsnr_gain": float(gain),
            "edges": correlation(np.sqrt(off), gradient),
        }
