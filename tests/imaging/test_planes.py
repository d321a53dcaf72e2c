"""Planes by which a brain is judged: where they lie, and what they mark."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import interpolate
from headstart.imaging.planes import EDGE
from headstart.imaging.planes import IN_BRAIN
from headstart.imaging.planes import IN_TEMPLATE
from headstart.imaging.planes import SIDE
from headstart.imaging.planes import planes
from headstart.imaging.registration import rotation
from headstart.imaging.template import template


def box_in_a_head() -> tuple[np.ndarray, Grid, np.ndarray]:
    """Return a scan of 3 x 2 x 4 mm with a bright box of 60 x 80 x 48 mm, far from its middle."""
    grid = Grid((60, 90, 50), nib.affines.from_matvec(np.diag([3.0, 2.0, 4.0]), [-70, 30, -9]))
    brain = np.zeros(grid.shape, np.uint8)
    brain[30:50, 10:50, 30:42] = 1
    return 100 + 400 * brain.astype(np.float32), grid, brain


def test_planes_cut_the_brain_in_its_middle_and_show_nothing_far_from_it() -> None:
    array, grid, brain = box_in_a_head()
    found = planes(array, grid, brain, None)
    assert (found.shape, found.dtype) == ((3, 2, SIDE, SIDE), np.uint8)
    for (seen, marks), lengths in zip(found, [(80, 48), (60, 48), (60, 80)], strict=True):
        inside = marks == IN_BRAIN
        assert (marks[~inside] == 0).all()
        for axis, length in enumerate(lengths):
            there = np.flatnonzero(inside.any(axis=1 - axis))
            assert there.size * EDGE == pytest.approx(length, abs=EDGE)
            assert there[[0, -1]].mean() == pytest.approx(SIDE // 2, abs=1)
        assert (seen[inside][seen[inside] > 0] > 120).all()
        corner = np.s_[: SIDE // 2 - 32, : SIDE // 2 - 30]
        assert not seen[corner].any()


def test_where_a_brain_lies_on_the_template_both_outlines_agree() -> None:
    array, own = template()
    matrix = nib.affines.from_matvec(1.1 * rotation(np.array([0.3, -0.1, 0.2])), [10, -20, 30])
    grid = Grid((60, 70, 60), nib.affines.from_matvec(np.diag([4.0, 4, 4]), [-110, -150, -80]))
    scan = interpolate(array, Grid(own.shape, matrix @ own.affine), grid, 0)
    brain = (scan > 0.1).astype(np.uint8)
    found = planes(1000 * scan, grid, brain, np.linalg.inv(matrix))
    for _, marks in found:
        one, other = (marks & IN_BRAIN) > 0, (marks & IN_TEMPLATE) > 0
        dice = 2 * np.count_nonzero(one & other) / (one.sum() + other.sum())
        assert dice > 0.95
    # the axes are the template's: the brain is as long as the template's, not as the scan's
    sagittal = found[0, 1] & IN_TEMPLATE > 0
    length = np.flatnonzero(sagittal.any(axis=1)).size * EDGE
    inside = array[int(np.argwhere(array)[:, 0].mean())] > 0
    assert length == pytest.approx(np.flatnonzero(inside.any(axis=1)).size, abs=3 * EDGE)
