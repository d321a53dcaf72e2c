"""A channel on a grid of its own lies on the first one, wherever the head was."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from two_contrasts import GRID
from two_contrasts import MIDDLE
from two_contrasts import channel
from two_contrasts import head
from two_contrasts import motion
from two_contrasts import other_contrast
from two_contrasts import slices

from headstart.imaging.align import AlignmentError
from headstart.imaging.align import align
from headstart.imaging.geometry import Grid


@pytest.mark.parametrize(
    ("degrees", "shift", "codes"),
    [
        ((0, 0, 0), (0, 0, 0), "RAS"),
        ((4, -3, 5), (4, -3, 2), "LAS"),
        ((-9, 5, 3), (9, 8, -7), "RAS"),
    ],
)
def test_a_moved_head_is_found(degrees, shift, codes) -> None:
    moved, grid = motion(degrees, shift), slices(codes).canonical()
    found = align(channel(moved, grid), grid, head(), GRID, None)
    # where the channel's voxels lie, against where they do
    ends = MIDDLE + 50 * np.vstack([np.eye(3), -np.eye(3)])
    back = found.grid.affine @ np.linalg.inv(grid.affine) @ moved
    away = nib.affines.apply_affine(back, ends) - ends
    assert np.linalg.norm(away, axis=1).max() < 1
    real = nib.affines.apply_affine(moved, MIDDLE + 80 * np.eye(3)) - (MIDDLE + 80 * np.eye(3))
    assert found.moved == pytest.approx(np.linalg.norm(real, axis=1).max(), abs=8)


def test_scans_that_do_not_meet_are_refused() -> None:
    far = Grid(GRID.shape, nib.affines.from_matvec(np.eye(3), [900, 0, 0]) @ GRID.affine)
    with pytest.raises(AlignmentError):
        align(other_contrast(head()), far, head(), GRID, None)
