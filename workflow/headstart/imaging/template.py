"""The average brain that scans are brought onto."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path

import nibabel as nib
import numpy as np

from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import cut

# nilearn's wheel holds it; nothing of nilearn's code is run.
FILE = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
MARGIN = 8  # mm about the brain
ROOM = (200.0, 240.0, 200.0)  # mm about the brain's middle: what is looked at of a scan


def origin() -> str:
    """Say which template it is, where it came from, and its licence as its makers publish it."""
    return (
        "MNI152: ICBM 2009a nonlinear symmetric, T1, 1 mm, the brain alone, as nilearn "
        f"{metadata.version('nilearn')} ships it; copyright 1993-2009 Louis Collins, McConnell "
        "Brain Imaging Centre, Montreal Neurological Institute, McGill University, free to use, "
        "copy, modify and distribute with this notice (https://nist.mni.mcgill.ca); Fonov et al. "
        "2011, https://doi.org/10.1016/j.neuroimage.2010.07.033"
    )


@cache
def template() -> tuple[Array, Grid]:
    """Read the template's brain: from 0 to 1 at 1 mm, with 0 outside it, and its grid."""
    path = Path(str(metadata.distribution("nilearn").locate_file(FILE)))
    image = nib.nifti1.load(path)
    array = np.asarray(image.dataobj, np.float32)
    sides = [(int(at.min()) - MARGIN, int(at.max()) + 1 + MARGIN) for at in np.nonzero(array)]
    grid = Grid(array.shape, np.asarray(image.affine, np.float64)).cropped(sides)
    return cut(array, sides, 0) / array.max(), grid


def template_grid(voxel_size: tuple[float, ...], window: tuple[int, ...] | None) -> Grid:
    """Return a grid in the template's space about the middle of its brain.

    Args:
        voxel_size: Edges of its voxels, mm.
        window: Voxels that it has at the least along each axis; None for as many as a head needs.
    """
    array, grid = template()
    middle = nib.affines.apply_affine(grid.affine, (np.array(array.shape) - 1) / 2)
    least = window or (1, 1, 1)
    # as odd or even as the window, so that the window lies about the middle too
    rooms = [round(room / edge) for room, edge in zip(ROOM, voxel_size, strict=True)]
    shape = tuple(
        max(wanted, room + (room - wanted) % 2) for room, wanted in zip(rooms, least, strict=True)
    )
    affine = np.diag([*voxel_size, 1.0])
    affine[:3, 3] = middle - np.multiply(voxel_size, np.array(shape) - 1) / 2
    return Grid(shape, affine)
