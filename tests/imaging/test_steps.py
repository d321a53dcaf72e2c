"""The steps of preparation: a brain comes onto the template's, or its scan is refused."""

from __future__ import annotations

from importlib import metadata

import nibabel as nib
import numpy as np
import pytest

from headstart.common.errors import UserError
from headstart.imaging.affine_fit import Fit
from headstart.imaging.affine_fit import fit_to_template
from headstart.imaging.brain import NoBrainError
from headstart.imaging.brain import _box
from headstart.imaging.brain import at_edge
from headstart.imaging.brain import stripped_brain
from headstart.imaging.config import Preparation
from headstart.imaging.deepbet_weights import deepbet_weights
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import interpolate
from headstart.imaging.registration import rotation
from headstart.imaging.steps import brain_of
from headstart.imaging.template import template
from headstart.imaging.template import template_grid
from headstart.imaging.unusable import UnusableError

GRID = Grid((50, 60, 50), nib.affines.from_matvec(np.diag([4.0, 4, 4]), [-98, -130, -90]))


def pose(degrees: tuple[float, float, float], size: float, shift: float) -> np.ndarray:
    """Return a head's place: from the template's mm to the scan's."""
    matrix = np.eye(4)
    matrix[:3, :3] = size * rotation(np.deg2rad(degrees))
    matrix[:3, 3] = shift
    return matrix


def scan(matrix: np.ndarray) -> np.ndarray:
    """Return the template's brain as it lies in a scan of 4 mm."""
    array, grid = template()
    moved = interpolate(array, Grid(grid.shape, matrix @ grid.affine), GRID, 0)
    return np.where(moved > 0.05, moved, 0)


def places() -> np.ndarray:
    array, grid = template()
    return nib.affines.apply_affine(grid.affine, np.argwhere(array[::8, ::8, ::8] > 0) * 8)


def fit(matrix: np.ndarray) -> Fit:
    array = scan(matrix)
    return fit_to_template(array, GRID, (array > 0.1).astype(np.uint8))


def test_a_brain_is_brought_onto_the_template_twice_by_the_same_bytes() -> None:
    degrees, size, shift = (20, -8, 15), 0.9, 12.0
    matrix = pose(degrees, size, shift)
    found = fit(matrix)
    apply = nib.affines.apply_affine
    away = np.linalg.norm(apply(found.matrix, places()) - apply(matrix, places()), axis=1)
    assert away.mean() < 1.0  # mm: a quarter of a voxel
    assert found.correlation > 0.5
    assert found.overlap > 0.95
    assert found.rotation == pytest.approx(np.linalg.norm(degrees), abs=1)
    # rigid: the same turn, and nothing grows
    assert np.linalg.det(found.rigid[:3, :3]) == pytest.approx(1)
    np.testing.assert_allclose(found.rigid[:3, :3], rotation(np.deg2rad(degrees)), atol=0.03)
    assert fit(matrix).matrix.tobytes() == found.matrix.tobytes()


def test_air_beside_the_head_moves_nothing() -> None:
    array = scan(pose((5, 0, -5), 1.0, 3.0))
    brain = (array > 0.1).astype(np.uint8)
    sides = [(3, 3), (1, 0), (13, 5)]
    wide = GRID.cropped([(-a, n + b) for (a, b), n in zip(sides, GRID.shape, strict=True)])
    found = fit_to_template(array, GRID, brain)
    other = fit_to_template(np.pad(array, sides), wide, np.pad(brain, sides))
    np.testing.assert_allclose(other.matrix, found.matrix, atol=1e-3)


def test_a_grid_of_the_template_lies_about_its_brain() -> None:
    small, large = (template_grid((2, 2, 2), window) for window in (None, (150, 151, 96)))
    one, other = (
        nib.affines.apply_affine(grid.affine, (np.array(grid.shape) - 1) / 2)
        for grid in (small, large)
    )
    np.testing.assert_allclose(one, other)
    assert large.shape[0] == 150
    assert (large.shape[1] - 151) % 2 == 0


def test_a_stripped_scan_is_seen_and_a_head_is_not() -> None:
    array = scan(np.eye(4))
    brain = stripped_brain(array, 0.064)
    assert brain is not None
    assert brain.sum() > 0.99 * np.count_nonzero(array)
    assert stripped_brain(array + np.random.default_rng(0).random(array.shape), 0.064) is None
    assert stripped_brain(array, 0.64) is None  # ten times too large for a brain
    assert at_edge(brain) == 0
    assert at_edge(np.ones((4, 5, 6), np.uint8)) == 4 * 5 * 6 - 2 * 3 * 4


def test_a_scan_without_the_mask_that_is_asked_for_is_refused() -> None:
    with pytest.raises(UnusableError, match=r"s.nii: has no brain mask"):
        brain_of(scan(np.eye(4)), "s.nii", GRID, None, Preparation(brain="given"), ())


def test_stripped_scans_need_no_network() -> None:
    mask, found = brain_of(scan(np.eye(4)), "s.nii", GRID, None, Preparation(brain="deepbet"), ())
    assert mask is not None
    assert found == {"stripped": True, "brain_at_edge": 0}


def test_weights_that_are_not_installed_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(UserError, match=r"pip install --no-deps -r envs/weights\.txt"):
        deepbet_weights()


def test_a_scan_of_one_slice_has_no_brain_and_is_no_crash() -> None:
    coarse = np.zeros((128, 128, 128), bool)
    coarse[30:90, 30:90, 50:80] = True
    with pytest.raises(NoBrainError):
        _box(coarse, (128, 128, 1))
    assert _box(coarse, (128, 128, 128))[0] == slice(24, 96)


def test_a_slab_thinner_than_a_coarse_voxel_is_fitted_to_finite_numbers() -> None:
    grid = Grid((30, 36, 1), nib.affines.from_matvec(np.diag([6.0, 6, 5]), [-90, -110, 0]))
    array = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    assert np.isfinite(fit_to_template(array, grid, np.ones(grid.shape, np.uint8)).matrix).all()
