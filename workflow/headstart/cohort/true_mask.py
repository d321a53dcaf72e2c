"""The true mask of a scan, on the grid of the scan's own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.common.errors import UserError
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_values import numbered
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume


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
    return found.apply(numbered(raw.values(np.float64), classes), scan.source_shape, 0)
