"""Small copies of prepared volumes, by which scans are compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.slabs import PLANES

LONGEST = 56  # voxels along the longest axis: 4 mm in a window of 224 mm

SmallVolume = NDArray[np.float16]


def small_shape(window: Sequence[int], voxel_size: Sequence[float]) -> tuple[int, ...]:
    """Return the shape of a window's small volumes.

    Args:
        window: Voxels of the prepared volumes.
        voxel_size: Their edges, mm.
    """
    extent = np.multiply(window, voxel_size)
    counts = np.maximum(np.rint(extent / _edge(window, voxel_size)), 1)
    return tuple(int(count) for count in counts)


def small_volume(volume: NDArray[Any], voxel_size: Sequence[float]) -> SmallVolume:
    """Average a prepared volume over cubes, and bring its intensities to one range.

    Args:
        volume: Intensities (x, y, z).
        voxel_size: Edges of its voxels, mm.

    Returns:
        float16 of `small_shape`, 1st percentile at 0 and 99th at 1; all 0 for a constant volume.
    """
    if volume.min() == volume.max():
        return np.zeros(small_shape(volume.shape, voxel_size), np.float16)
    steps = _edge(volume.shape, voxel_size) / np.asarray(voxel_size, float)
    array = volume
    for axis, count in enumerate(small_shape(volume.shape, voxel_size)):
        # slab by slab along another axis: integrals take many times the volume's memory
        across = 1 if axis == 0 else 0
        slabs = np.split(array, range(PLANES, array.shape[across], PLANES), across)
        parts = [_averaged(slab, axis, count, float(steps[axis])) for slab in slabs]
        array = np.concatenate(parts, across)
    low, high = np.percentile(array, (1, 99))
    if high <= low:
        low, high = array.min(), array.max()
    if high <= low:
        return np.zeros(array.shape, np.float16)
    scaled = (array - low) / (high - low)
    # float16 ends at 65504; nothing real is so many times brighter than the 99th percentile
    return np.clip(scaled, -1000, 1000).astype(np.float16)


def _edge(window: Sequence[int], voxel_size: Sequence[float]) -> float:
    """Return the edge of the cubes, mm: never below a voxel's."""
    return max(*voxel_size, float(np.multiply(window, voxel_size).max()) / LONGEST)


def _averaged(array: NDArray[Any], axis: int, count: int, step: float) -> NDArray[np.float64]:
    """Average along one axis over `count` pieces of `step` voxels about the middle."""
    length = array.shape[axis]
    edges = np.clip(length / 2 + step * (np.arange(count + 1) - count / 2), 0, length)
    # the integral up to a place between two voxels' edges is a straight line between them
    sums = np.cumsum(np.moveaxis(array, axis, -1), axis=-1, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
    whole = np.minimum(np.floor(edges).astype(int), length - 1)
    slope = sums[..., whole + 1] - sums[..., whole]
    integral = sums[..., whole] + (edges - whole) * slope
    averages: NDArray[np.float64] = np.diff(integral, axis=-1) / np.diff(edges)
    return np.moveaxis(averages, -1, axis)
