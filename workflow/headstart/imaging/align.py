"""A further channel on another grid than the first one, brought onto it.

The registration is rigid, by mutual information (Mattes et al. 2003,
https://doi.org/10.1109/TMI.2003.809072), and starts where the files' headers say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import Affine
from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Grid
from headstart.imaging.itk import image_of

BINS = 32  # of the joint histogram
SAMPLED = 0.1  # share of the voxels that are looked at
COARSE, SMOOTHING = (4.0, 2.0), (2.0, 1.0)  # mm between looked-at voxels, and of the Gaussian
LARGEST_STEP, SMALLEST_STEP, STEPS = 1.0, 1e-2, 200  # of ITK's optimizer, mm
RADIUS = 80.0  # mm: as far as a head reaches from its middle


class AlignmentError(ValueError):
    """A channel that can't be registered."""


@dataclass(frozen=True)
class Aligned:
    """Where a channel lies by its registration.

    Attributes:
        grid: Its voxels, by their places in the first channel's scan.
        moved: How far it was moved from where its header says, mm: the farthest of what lies as
            far from the middle as a head reaches.
    """

    grid: Grid
    moved: float


def align(
    array: Array, grid: Grid, first: Array, first_grid: Grid, inside: NDArray[np.bool_] | None
) -> Aligned:
    """Register a channel with the first one, in turn and place. ITK computes on one thread.

    Args:
        array: Intensities of the channel (x, y, z).
        grid: Where its voxels lie by its header.
        first: Intensities of the first channel (x, y, z).
        first_grid: Where its voxels lie.
        inside: Voxels of the first channel that are compared, such as the brain and what is around
            it; without them all are.

    Raises:
        AlignmentError: If the two don't overlap by their headers, or have nothing in common.
    """
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    fixed, moving = image_of(first, first_grid.voxel_size), image_of(array, grid.voxel_size)
    frame, other_frame = _frame(first_grid), _frame(grid)
    middle = first_grid.voxel_size * (np.array(first.shape) - 1) / 2
    turn = SimpleITK.Euler3DTransform()
    turn.SetCenter(middle.tolist())
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED, 1)
    if inside is not None:
        method.SetMetricFixedMask(image_of(inside.astype(np.uint8), first_grid.voxel_size))
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(LARGEST_STEP, SMALLEST_STEP, STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    edge = float(first_grid.voxel_size.mean())
    method.SetShrinkFactorsPerLevel([max(1, round(one / edge)) for one in COARSE])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
    method.SetSmoothingSigmasPerLevel(SMOOTHING)
    method.SetMovingInitialTransform(_transform(np.linalg.inv(other_frame) @ frame))
    method.SetInitialTransform(turn, True)
    try:
        method.Execute(_floats(fixed), _floats(moving))
    except RuntimeError as error:  # ITK's only one, of many lines
        raise AlignmentError(str(error).strip().rpartition("\n")[2]) from error
    found = _matrix(turn)
    # the turn leads from places of the first channel to places as the header has them
    motion = frame @ np.linalg.inv(found) @ np.linalg.inv(frame)
    ends = middle + RADIUS * np.vstack([np.eye(3), -np.eye(3)])
    away = np.linalg.norm(ends @ (found[:3, :3] - np.eye(3)).T + found[:3, 3], axis=1)
    return Aligned(Grid(grid.shape, motion @ grid.affine), float(away.max()))


def _frame(grid: Grid) -> Affine:
    """Return the 4x4 from ITK's places, mm along the voxels' own axes, to mm of the scan."""
    return np.asarray(grid.affine @ np.diag([*(1 / grid.voxel_size), 1.0]))


def _transform(matrix: Affine) -> Any:
    import SimpleITK

    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def _matrix(transform: Any) -> Affine:
    """Return the 4x4 of a transform about a centre."""
    matrix, centre = np.eye(4), np.array(transform.GetCenter())
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = centre + transform.GetTranslation() - matrix[:3, :3] @ centre
    return matrix


def _floats(image: Any) -> Any:
    import SimpleITK

    return SimpleITK.Cast(image, SimpleITK.sitkFloat32)
