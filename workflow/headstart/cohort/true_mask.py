"""The true mask of a scan, or the ids of its objects, on the grid of the scan's own file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.common.errors import UserError
from headstart.imaging.grids import Relation
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_values import numbered
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume
from headstart.imaging.volume import Volume


def true_mask(scan: Scan, data: Path, classes: Classes) -> NDArray[np.uint8]:
    """Read a scan's raw mask as prepare does, onto the scan's own grid.

    Args:
        scan: A scan with a mask.
        data: Data root.
        classes: The values of the classes in the study's files.

    Returns:
        Numbers of classes.

    Raises:
        UserError: If it is gone, can't be read, or is another one than was prepared.
    """
    raw, placed = _raw_mask(scan, data)
    numbers = np.empty(raw.shape, np.uint8, order="F")
    for z in range(raw.shape[2]):  # at once, values take eight times a mask's memory
        plane = replace(raw, stored=raw.stored[..., z])
        numbers[..., z] = numbered(plane.values(np.float64), classes)
    return placed.apply(numbers, scan.source_shape, 0)


def true_ids(scan: Scan, data: Path, classes: Classes) -> NDArray[np.int32]:
    """Read the same mask, the values of which are the ids of objects, as they are.

    Args:
        scan: A scan with a mask.
        data: Data root.
        classes: The class of the objects.

    Returns:
        The id of each voxel's object; 0 where there is none.

    Raises:
        UserError: As `true_mask`.
    """
    raw, placed = _raw_mask(scan, data)
    values = raw.values(np.float64)
    values[numbered(values, classes) == 0] = 0
    return placed.apply(np.rint(values, out=values).astype(np.int32), scan.source_shape, 0)


def _raw_mask(scan: Scan, data: Path) -> tuple[Volume, Relation]:
    """Read the file, and find how its voxels lie on the scan's own grid."""
    path = data / scan.target
    if not path.exists():
        raise UserError(
            f"{path}: the mask of subject '{scan.subject}', session '{scan.session}', is gone "
            "since it was prepared; put it back, and type the same command again"
        )
    try:
        raw = read_volume(path)
    except BadScanError as error:
        raise UserError(error.detail) from error
    if scan.mask_content not in ("", raw.content):
        raise UserError(
            f"{path}: is another mask than the one that was prepared; type the same command "
            "again, which checks and prepares it again"
        )
    found = relation(raw.grid, scan.source)
    if found is None:
        different = difference(raw.grid, scan.source)
        raise UserError(f"{path}: lies on another grid than its scan: {different}; resample it")
    return raw, found
