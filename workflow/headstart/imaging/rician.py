"""The noise of magnitude images: how strong it is, and what it adds to a signal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import Array
from headstart.imaging.otsu import otsu

HALO = 10.0  # mm around bright tissue that are no air: skin, and what moving heads leave
FEWEST = 500  # voxels of air: the median of so many is known to 4 %
MEDIAN = math.sqrt(2 * math.log(2))  # of a Rayleigh distribution, whose scale is 1
# What is said of a scan with less than that.
NO_AIR = (
    "has no air that its noise could be told from; measure it, and write its standard deviation as "
    "predict.noise of the study"
)
STRONG = 20.0  # standard deviations of the noise above which it is as good as Gaussian


def air_noise(image: Array, voxel_size: Sequence[float]) -> float | None:
    """Estimate the noise of a magnitude image from its air, where it is all that there is.

    There, magnitudes are Rayleigh distributed (Gudbjartsson and Patz 1995,
    doi:10.1002/mrm.1910340618), and their median is 1.18 standard deviations of the noise in each
    of the two channels. Ghosts and wild voxels move a median little. Zeros are no air: masks and
    defacing leave them.

    Args:
        image: Intensities (x, y, z) of the whole scan, 0 where there was no signal; overwritten.
        voxel_size: Edges of its voxels, mm.

    Returns:
        Standard deviation of the noise, in the image's unit; None where there is too little air.
    """
    from scipy import ndimage

    if np.count_nonzero(image > 0) < FEWEST:
        return None
    reach = [2 * math.ceil(HALO / edge) + 1 for edge in voxel_size]
    # in place, for each array of truths is a quarter as large as the image
    quiet = ndimage.maximum_filter(image > otsu(image, floor=0), reach)
    np.logical_not(quiet, out=quiet)
    quiet &= image > 0
    # put to the front of the image: most of a scan may be air
    every, count = image.reshape(-1), 0
    for plane, inside in zip(image, quiet, strict=True):
        air = plane[inside]
        every[count : count + len(air)] = air
        count += len(air)
    if count < FEWEST:
        return None
    return float(np.median(every[:count], overwrite_input=True)) / MEDIAN


def corrected(magnitude: Array, noise: float) -> Array:
    """Take from mean magnitudes what the noise adds to them: nothing dark has a mean of 0.

    The mean of the Rice distribution is inverted (Koay and Basser 2006,
    doi:10.1016/j.jmr.2006.01.016).

    Args:
        magnitude: Denoised magnitudes.
        noise: Standard deviation of the noise, in their unit; above 0.

    Returns:
        The signal; 0 where there is no more than noise alone would give.
    """
    from scipy import special

    signal = np.linspace(0, STRONG, 2001)
    quarter = signal**2 / 4
    mean = (1 + 2 * quarter) * special.i0e(quarter) + 2 * quarter * special.i1e(quarter)
    ratio = magnitude / noise
    weak = np.interp(ratio, math.sqrt(math.pi / 2) * mean, signal)
    strong = np.sqrt(np.maximum(ratio**2 - 1, 0))
    found: NDArray[np.float32] = np.where(ratio < STRONG, weak, strong).astype(np.float32)
    return found * np.float32(noise)
