"""Three planes of a scan with the outlines that its preparation drew: for a person to judge."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import Affine
from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import Mask
from headstart.imaging.geometry import air
from headstart.imaging.geometry import centroid
from headstart.imaging.geometry import sampled
from headstart.imaging.template import template

SIDE, EDGE = 104, 2.0  # pixels along each side, and mm of each: 208 mm hold any brain
NEAR = 16.0  # mm about the brain that are shown; farther off there would be a face
BRIGHTEST = 99.5  # percentile of the brain that is white
IN_BRAIN, IN_TEMPLATE = 1, 2  # bits of the second layer

Planes = NDArray[np.uint8]


def planes(array: Array, grid: Grid, brain: Mask, to_template: Affine | None) -> Planes:
    """Cut a scan through the middle of its brain, or where it was brought onto the template's.

    Args:
        array: Intensities (x, y, z), axes nearest to RAS.
        grid: Where its voxels lie.
        brain: Its brain; at least one voxel.
        to_template: 4x4, from mm in the scan to the template's; None in native space.

    Returns:
        (3, 2, side, side): a sagittal, a coronal and an axial plane; of each what is seen, from air
        to the brain's brightest, and in bits what lies in the brain and in the template's. Axes as
        in the scan: the first to the right (in the sagittal plane to the front), the second up
        (in the axial one to the front).
    """
    middle = SIDE // 2
    field = _field(grid, brain, to_template)
    whole, cut = (0, SIDE), (middle, middle + 1)
    thin = [field.cropped([cut if a == across else whole for a in range(3)]) for across in range(3)]
    black, white = air(array), float(np.percentile(array[brain > 0], BRIGHTEST))
    inside = brain.astype(np.float32)
    found = np.zeros((3, 2, SIDE, SIDE), np.uint8)
    for (seen, marks), plane in zip(found, thin, strict=True):
        marks[:] = _marks(grid, inside, to_template, plane)
        shown = (sampled(array, grid, plane, black).squeeze() - black) / max(white - black, 1e-6)
        seen[:] = np.where(_near(marks > 0), np.clip(255 * shown, 0, 255), 0)
    return found


def _field(grid: Grid, brain: Mask, to_template: Affine | None) -> Grid:
    """Return cubes about the middle of a brain: along the scan's axes, or the template's."""
    if to_template is None:
        linear, middle = grid.affine[:3, :3] / grid.voxel_size, centroid(brain, grid)
    else:
        back = np.linalg.inv(to_template).astype(np.float64)
        linear, middle = back[:3, :3], nib.affines.apply_affine(back, centroid(*template()))
    affine = np.eye(4)
    affine[:3, :3] = EDGE * linear
    affine[:3, 3] = middle - affine[:3, :3] @ np.full(3, SIDE // 2)
    return Grid((SIDE,) * 3, affine)


def _marks(grid: Grid, brain: Array, to_template: Affine | None, plane: Grid) -> NDArray[Any]:
    """Tell what of a plane lies in the brain, and in the template's."""
    marks = IN_BRAIN * (sampled(brain, grid, plane, 0) > 0.5)
    if to_template is not None:
        average, own = template()
        there = Grid(plane.shape, to_template @ plane.affine)
        inside = sampled((average > 0).astype(np.float32), own, there, 0) > 0.5
        marks = marks + IN_TEMPLATE * inside
    return np.asarray(marks.squeeze())


def _near(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell what of a plane is near the brain."""
    from scipy import ndimage

    if not marked.any():
        return marked
    return np.asarray(ndimage.distance_transform_edt(~marked) * EDGE <= NEAR)
