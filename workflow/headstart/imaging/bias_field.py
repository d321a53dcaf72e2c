"""Uneven sensitivity of the coils, estimated and divided out: N4.

Tustison et al. 2010, N4ITK, https://doi.org/10.1109/TMI.2010.2046908
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import Array
from headstart.imaging.itk import image_of

SPACING = 6.0  # mm: on a finer grid N4 takes many times as long and finds the same
ITERATIONS = (50, 50, 50, 50)  # on four levels: with three, half of a strong field is left
SETTLED = 1e-3  # change of the field at which a level ends
FAINT = 0.01  # of the median inside: darker voxels are holes, and their logarithms far from all


class FieldError(ValueError):
    """An intensity from which no field can be estimated."""


def correct_bias(
    array: Array, voxel_size: Sequence[float] | NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[Array, tuple[float, float]]:
    """Divide a scan by the smooth field that N4 finds in it.

    The field is scaled to a geometric mean of 1 inside, so that intensities keep their unit. ITK
    computes on one thread: on more, the last bits differ from run to run.

    Args:
        array: Intensities (x, y, z).
        voxel_size: Edges of its voxels, mm.
        inside: Where the field is estimated: the brain, or else the head.

    Returns:
        The corrected intensities, and the 1st and 99th percentile of the field inside.

    Raises:
        FieldError: If no intensity inside is above zero, or the field is not finite.
    """
    import SimpleITK

    bright = array[inside & (array > 0)]  # N4 looks at the logarithm
    if not bright.size:
        raise FieldError("no intensity inside is above zero")
    marked = inside & (array > FAINT * np.median(bright))
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    steps, looked_at = _looked_at(array.shape, voxel_size)
    some, apart = np.ix_(*looked_at), np.multiply(steps, voxel_size)
    image, mask = (image_of(one[some], apart) for one in (array, marked.astype(np.uint8)))
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.SetConvergenceThreshold(SETTLED)
    try:
        n4.Execute(image, mask)
        coarse = SimpleITK.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)).T
    except RuntimeError as error:  # ITK's only one, of many lines
        raise FieldError(str(error).strip().rpartition("\n")[2]) from error
    if not np.isfinite(coarse).all():
        raise FieldError("the field is not finite")
    logarithm = _between(coarse, looked_at, array.shape)
    logarithm -= np.float32(logarithm[marked].mean(dtype=np.float64))
    low, high = np.exp(np.percentile(logarithm[marked], (1, 99)))
    even: Array = np.divide(array, np.exp(logarithm))
    return even, (float(low), float(high))


def _looked_at(
    shape: Sequence[int], voxel_size: Sequence[float] | NDArray[np.float64]
) -> tuple[list[int], list[NDArray[np.int64]]]:
    """Say which voxels N4 looks at along each axis: every so many, about the middle.

    Two at the least, between which there is something to interpolate.
    """
    steps, places = [], []
    for length, edge in zip(shape, voxel_size, strict=True):
        step = max(1, min(round(SPACING / edge), length // 2))
        count = length // step
        steps.append(step)
        places.append((length - (count - 1) * step) // 2 + step * np.arange(count))
    return steps, places


def _between(coarse: Array, known: Sequence[NDArray[np.int64]], shape: Sequence[int]) -> Array:
    """Interpolate a field between the voxels of which it is known; beyond them it stays.

    By cubic splines, of which N4 makes its field: ITK's own answer, in a third of its time.
    """
    from scipy.interpolate import CubicSpline

    field: Array = coarse
    for axis, (at, length) in enumerate(zip(known, shape, strict=True)):
        wanted = np.clip(np.arange(length), at[0], at[-1])
        field = CubicSpline(at, field, axis)(wanted).astype(np.float32)
    return field
