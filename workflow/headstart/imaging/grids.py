"""How one grid of voxels lies in another, and how its volume is moved there exactly.

A mask may be stored left to right where its scan is stored right to left, or be cut to the part
that holds the lesion. As long as the voxels lie at the same places, nothing is interpolated.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from headstart.common.text import times
from headstart.imaging.geometry import Grid

# Two affines are one when no number in them differs by more, mm: headers round.
TOLERANCE = 1e-3
# A voxel lies in the one that is nearest: half an edge away at the most, and a hair for rounding.
NEAREST = 0.5 + 1e-3
# Voxel sizes (relative) and angles (degrees) that differ by more are worth a word.
SIZE, ANGLE = 1e-3, 0.05


@dataclass(frozen=True)
class Relation:
    """How a volume's voxels move onto another grid without interpolation.

    Attributes:
        turn: Where each axis goes and whether it is flipped, (3, 2), as nibabel's
            `apply_orientation` takes it.
        start: Voxel of the other grid on which the turned volume's first voxel falls, (x, y, z);
            negative where the volume reaches beyond the grid.
        shift: The largest distance between a voxel and the one that it falls on, mm; 0 if the
            affines agree to 0.001 mm.
    """

    turn: NDArray[np.float64]
    start: tuple[int, int, int]
    shift: float

    def apply(self, array: np.ndarray, shape: Sequence[int], fill: float) -> np.ndarray:
        """Turn a volume and crop or extend it to the other grid.

        Args:
            array: The volume, (x, y, z).
            shape: Voxels of the other grid.
            fill: Value where the volume has no voxels.
        """
        turned = nib.apply_orientation(array, self.turn)
        if turned.shape == tuple(shape):
            return turned
        placed = np.full(tuple(shape), fill, array.dtype)
        ours, theirs = [], []
        for start, length, most in zip(self.start, turned.shape, shape, strict=True):
            first, last = max(0, start), min(most, start + length)
            theirs.append(slice(first, last))
            ours.append(slice(first - start, last - start))
        placed[tuple(theirs)] = turned[tuple(ours)]
        return placed


def relation(grid: Grid, other: Grid) -> Relation | None:
    """Find out whether a volume can be moved onto another grid without interpolation.

    It can if its axes are the other's, flipped or permuted, if along each axis one grid holds the
    other, and if no voxel is farther than half a voxel from the one that it falls on.

    Args:
        grid: Grid of the volume, such as a mask's.
        other: The other grid, such as the scan's.

    Returns:
        How to do it; None if it needs interpolation.
    """
    step = np.linalg.inv(other.affine) @ grid.affine
    axes = np.rint(step[:3, :3])
    if not (np.abs(axes).sum(axis=0) == 1).all() or not (np.abs(axes).sum(axis=1) == 1).all():
        return None
    runs_along = np.abs(axes).argmax(axis=0)
    turn = np.column_stack([runs_along, axes.sum(axis=0)])
    back = nib.orientations.inv_ornt_aff(turn, grid.shape)
    shape = np.empty(3, int)
    shape[runs_along] = grid.shape
    # along each axis, the smaller grid lies within the larger one
    room = np.array(other.shape) - shape
    first = (step @ back)[:3, 3]
    start = np.clip(np.rint(first), np.minimum(0, room), np.maximum(0, room)).astype(int)

    exact = np.eye(4)
    exact[:3, 3] = start
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, n - 1) for n in shape))])
    away = ((step @ back - exact) @ corners.T)[:3]
    if np.abs(away).max() > NEAREST:
        return None
    same = np.abs(grid.affine @ back - other.affine @ exact).max() <= TOLERANCE
    shift = 0.0 if same else float(np.linalg.norm(other.affine[:3, :3] @ away, axis=0).max())
    x, y, z = map(int, start)
    return Relation(turn, (x, y, z), shift)


def difference(grid: Grid, other: Grid) -> str:
    """Describe in numbers how two grids differ, where one can't be moved onto the other.

    Args:
        grid: Grid of a mask or a further channel.
        other: Grid of the first channel.

    Returns:
        A part of a sentence, for after 'its grid:'.
    """
    one, two = grid.canonical(), other.canonical()
    if np.abs(one.voxel_size / two.voxel_size - 1).max() > SIZE:
        return f"voxels of {times(one.voxel_size)} mm instead of {times(two.voxel_size)} mm"
    cosines = (one.affine[:3, :3] * two.affine[:3, :3]).sum(axis=0) / one.voxel_size**2
    angle = float(np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))))
    if angle > ANGLE:
        return f"axes turned by {angle:.2g} degrees"
    away = one.affine[:3, 3] - two.affine[:3, 3]
    return (
        f"{times(one.shape)} voxels that begin {np.linalg.norm(away):.3g} mm "
        f"({', '.join(f'{edge:.3g}' for edge in away)} to the right, the front and up) from the "
        f"{times(two.shape)}"
    )
