"""The part of a volume that holds the head, and the window that holds most of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Box
from headstart.imaging.geometry import about
from headstart.imaging.geometry import extent
from headstart.imaging.geometry import head

COARSE = 4.0  # mm: over blocks of this size the noise of air averages out
MARGIN = 8.0  # mm: the skin and the tip of a nose are darker than the rest
THIN = 0.05  # of the fullest slice: emptier ones are no part of the head's core
CROWN = 160.0  # mm from the crown down that hold any brain; lower are face and neck


def head_box(array: Array, voxel_size: Sequence[float]) -> Box:
    """Find the largest connected part of a volume that is above air, with a margin.

    Args:
        array: Intensities (x, y, z), in any unit.
        voxel_size: Edges of its voxels, mm.

    Returns:
        Its box, inside the volume.
    """
    part, steps = _head(array, voxel_size)
    return with_margin(_in_voxels(extent(part), steps, array.shape), array.shape, voxel_size)


def head_core(array: Array, voxel_size: Sequence[float]) -> Box:
    """Find the head without what sticks out: ears, the tip of a nose, and what moved beside it.

    Args:
        array: Intensities (x, y, z), in any unit.
        voxel_size: Edges of its voxels, mm.

    Returns:
        The box of the slices that hold a twentieth of what the fullest one holds.
    """
    part, steps = _head(array, voxel_size)
    counts = [part.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    full = [np.flatnonzero(count >= THIN * count.max()) for count in counts]
    return _in_voxels([(at[0], at[-1] + 1) for at in full], steps, array.shape)


def _head(array: Array, voxel_size: Sequence[float]) -> tuple[NDArray[np.bool_], list[int]]:
    """Return the head in blocks of 4 mm, and the voxels along their edges."""
    steps = [max(1, round(COARSE / edge)) for edge in voxel_size]
    coarse: NDArray[Any] = array
    for axis, step in enumerate(steps):
        starts = np.arange(0, coarse.shape[axis], step)
        counts = np.diff(starts, append=coarse.shape[axis]).astype(np.float32)
        along = [-1 if one == axis else 1 for one in range(3)]
        coarse = np.add.reduceat(coarse, starts, axis) / counts.reshape(along)
    parts, _ = ndimage.label(head(coarse))
    return parts == np.bincount(parts.ravel())[1:].argmax() + 1, steps


def _in_voxels(box: Box, steps: Sequence[int], shape: Sequence[int]) -> Box:
    sides = zip(box, steps, shape, strict=True)
    return [(int(a * step), int(min(length, b * step))) for (a, b), step, length in sides]


def with_margin(box: Box, shape: Sequence[int], voxel_size: Sequence[float]) -> Box:
    """Return a box with 8 mm around it, inside the volume.

    Args:
        box: The box.
        shape: Voxels of the volume.
        voxel_size: Their edges, mm.
    """
    margins = [round(MARGIN / edge) for edge in voxel_size]
    sides = zip(box, margins, shape, strict=True)
    return [(max(0, a - margin), min(length, b + margin)) for (a, b), margin, length in sides]


def head_window(
    shape: Sequence[int], found: Box, window: Sequence[int], voxel_size: Sequence[float]
) -> Box:
    """Place a window about the middle of a head; of a taller head it holds the crown.

    It never leaves the scan on one side where there is scan on the other: along an axis on which
    the whole scan fits into it, the scan is in its middle.

    Args:
        shape: Voxels of the scan, axes nearest to RAS.
        found: The head.
        window: Voxels of the window.
        voxel_size: Edges of a voxel, mm; what is less tall than 160 mm is no whole head.
    """
    box, (bottom, top) = about(found, window), found[2]
    if top - bottom > max(window[2], CROWN / voxel_size[2]):
        box[2] = (top - window[2], top)
    placed = []
    for (first, _), length, wanted in zip(box, shape, window, strict=True):
        room = length - wanted
        start = min(max(first, 0), room) if room >= 0 else room // 2
        placed.append((start, start + wanted))
    return placed


def head_cut(found: Box, box: Box, voxel_size: Sequence[float]) -> float:
    """Tell how much of a head a box cuts off at the most, mm; face and neck don't count.

    What is nowhere as long as 160 mm is no head, but a part that somebody cut out.

    Args:
        found: The head, axes nearest to RAS.
        box: What is kept.
        voxel_size: Edges of a voxel, mm.
    """
    if max((b - a) * edge for (a, b), edge in zip(found, voxel_size, strict=True)) < CROWN:
        return 0.0
    x, y, (bottom, top) = found
    high = (max(bottom, top - round(CROWN / voxel_size[2])), top)
    sides = zip((x, y, high), box, voxel_size, strict=True)
    return float(max(max(c - a, b - d, 0) * edge for (a, b), (c, d), edge in sides))
