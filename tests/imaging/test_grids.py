"""One grid in another: what can be undone exactly is, and the rest is told in numbers."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.imaging.geometry import Grid
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation

SHAPE = (7, 6, 5)
OBLIQUE = np.array(
    [[1.9, 0.3, 0.1, -7], [-0.28, 1.4, 0.2, 4], [-0.03, -0.28, 2.9, 5], [0, 0, 0, 1.0]]
)
TURNS = [
    np.column_stack([axes, flips])
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def voxels() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 100, SHAPE)


def moved(affine: np.ndarray, *voxel: float) -> np.ndarray:
    """Let a grid begin at another of its voxels."""
    result = affine.copy()
    result[:3, 3] = nib.affines.apply_affine(affine, voxel)
    return result


@given(
    turn=st.sampled_from(TURNS),
    low=st.tuples(*[st.integers(-2, 2)] * 3),
    high=st.tuples(*[st.integers(-2, 2)] * 3),
)
def test_a_flip_a_permutation_and_a_crop_are_undone_exactly(
    turn: np.ndarray, low: tuple[int, ...], high: tuple[int, ...]
) -> None:
    # one grid holds the other along each axis
    high = tuple(b if a * b <= 0 else -b for a, b in zip(low, high, strict=True))
    array = np.pad(voxels(), 3)
    wider = Grid(array.shape, moved(OBLIQUE, -3, -3, -3))
    part = tuple(slice(3 + a, 3 + n + b) for a, b, n in zip(low, high, SHAPE, strict=True))
    cut = array[part]
    affine = moved(wider.affine, *(one.start for one in part))
    stored = nib.apply_orientation(cut, turn)
    grid = Grid(stored.shape, affine @ nib.orientations.inv_ornt_aff(turn, cut.shape))
    found = relation(grid, Grid(SHAPE, OBLIQUE))
    assert found is not None
    assert found.shift == 0
    expected = np.zeros(array.shape, int)
    expected[part] = cut
    np.testing.assert_array_equal(found.apply(stored, SHAPE, 0), expected[3:-3, 3:-3, 3:-3])


@pytest.mark.parametrize(
    ("away", "shift"),
    [
        ((0, 0, 0), 0.0),
        ((1e-4, 0, 0), 0.0),
        ((5e-3, 0, 0), 0.01),
        ((0.3, 0, 0), 0.6),
        ((0.5, 0, 0), 1.0),
        ((-0.5, 0.5, -0.5), 12**0.5 / 2),
        ((0.51, 0, 0), None),
        ((0, 1, 0), None),  # a whole voxel: the same number of voxels, elsewhere
        ((0, 0, 10), None),
    ],
)
def test_a_distance_of_up_to_half_a_voxel(away: tuple[float, ...], shift: float | None) -> None:
    affine = np.diag([2.0, 2, 2, 1])
    found = relation(Grid(SHAPE, moved(affine, *away)), Grid(SHAPE, affine))
    assert (found and found.shift) == (shift if shift is None else pytest.approx(shift, rel=1e-6))


def test_half_a_voxel_is_undone_towards_the_voxel_of_the_same_number() -> None:
    affine = np.diag([0.8, 0.46, 0.46, 1])
    found = relation(Grid(SHAPE, moved(affine, 0.5, 0.5, 0.5)), Grid(SHAPE, affine))
    assert found is not None
    assert found.shift == pytest.approx(np.linalg.norm([0.4, 0.23, 0.23]))
    np.testing.assert_array_equal(found.apply(voxels(), SHAPE, 0), voxels())


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.diag([2.0, 2, 6, 1]), "voxels of 2x2x6 mm instead of 2x2x2 mm"),
        (np.diag([-2.0, 2, 2.1, 1]), "voxels of 2x2x2.1 mm instead of 2x2x2 mm"),
        (moved(np.diag([2.0, 2, 2, 1]), 10, 0, -1.5), "begin 20.2 mm (20, 0, -3 to the right"),
    ],
)
def test_other_grids_are_told_in_numbers(affine: np.ndarray, words: str) -> None:
    one, two = Grid(SHAPE, affine), Grid(SHAPE, np.diag([2.0, 2, 2, 1]))
    assert relation(one, two) is None
    assert words in difference(one, two)


def test_a_turn_is_told_in_degrees() -> None:
    c, s = np.cos(np.radians(12)), np.sin(np.radians(12))
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    one, two = Grid(SHAPE, turn @ np.diag([2.0, 2, 2, 1])), Grid(SHAPE, np.diag([2.0, 2, 2, 1]))
    assert relation(one, two) is None
    assert difference(one, two) == "axes turned by 12 degrees"
