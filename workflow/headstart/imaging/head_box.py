"""The part of a volume that holds the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.imaging.geometry import Array
from headstart.imaging.geometry import head

COARSE = 4.0  # mm: over blocks of this size the noise of air averages out
MARGIN = 8.0  # mm: the skin and the tip of a nose are darker than the rest


def head_box(array: Array, voxel_size: Sequence[float]) -> list[tuple[int, int]]:
    """Find the largest connected part of a volume that is above air, with a margin.

    Args:
        array: Intensities (x, y, z), in any unit.
        voxel_size: Edges of its voxels, mm.

    Returns:
        First voxel along each axis, and the one after the last; inside the volume.
    """
    steps = [max(1, round(COARSE / edge)) for edge in voxel_size]
    coarse: NDArray[Any] = array
    for axis, step in enumerate(steps):
        starts = np.arange(0, coarse.shape[axis], step)
        counts = np.diff(starts, append=coarse.shape[axis]).astype(np.float32)
        along = [-1 if one == axis else 1 for one in range(3)]
        coarse = np.add.reduceat(coarse, starts, axis) / counts.reshape(along)
    parts, _ = ndimage.label(head(coarse))
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    found = ndimage.find_objects(parts)[largest - 1]
    return [
        (
            max(0, part.start * step - round(MARGIN / edge)),
            min(length, part.stop * step + round(MARGIN / edge)),
        )
        for part, step, edge, length in zip(found, steps, voxel_size, array.shape, strict=True)
    ]
