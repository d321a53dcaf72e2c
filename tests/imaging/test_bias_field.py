"""A field that was multiplied in is divided out, and what is in the scan stays."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.imaging.bias_field import FieldError
from headstart.imaging.bias_field import correct_bias

SHAPE = (20, 22, 20)  # of 8 mm
GRID = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
INSIDE = (GRID**2).sum(axis=0) < 0.6
FIELD = np.exp(0.7 * GRID[1] - 0.4 * GRID[2])


def scan() -> np.ndarray:
    """Return two tissues in blocks, and air around them."""
    tissue = np.where(np.sin(9 * GRID).prod(axis=0) > 0, 300, 200)
    noise = np.random.default_rng(0).normal(0, 3, SHAPE)
    return np.where(INSIDE, tissue, 5) + noise


def zoomed(volume: np.ndarray) -> np.ndarray:
    """Return a volume of four voxels for each, along each axis."""
    return volume.repeat(4, 0).repeat(4, 1).repeat(4, 2)


def spread(corrected: np.ndarray, plain: np.ndarray) -> float:
    return float(np.log(corrected / plain)[INSIDE].std())


def test_the_field_is_divided_out_and_intensities_keep_their_unit() -> None:
    plain = scan()
    shaded = (plain * FIELD).astype(np.float32)
    even, (low, high) = correct_bias(shaded, (8, 8, 8), INSIDE)
    assert spread(even, plain) < spread(shaded, plain) / 3
    assert np.log(even / shaded)[INSIDE].mean() == pytest.approx(0, abs=1e-3)
    assert (low, high) == pytest.approx(np.percentile(FIELD[INSIDE], (1, 99)), rel=0.25)


def test_the_field_lies_where_it_is_on_finer_voxels_than_it_is_looked_for() -> None:
    fine, coarse = (
        correct_bias(one, size, inside)[0]
        for one, size, inside in (
            (zoomed((scan() * FIELD).astype(np.float32)), (2, 2, 2), zoomed(INSIDE)),
            ((scan() * FIELD).astype(np.float32), (8, 8, 8), INSIDE),
        )
    )
    apart = np.log(fine / zoomed((scan() * FIELD).astype(np.float32)))[zoomed(INSIDE)]
    other = np.log(zoomed((coarse / (scan() * FIELD)).astype(np.float32)))[zoomed(INSIDE)]
    assert np.corrcoef(apart, other)[0, 1] > 0.98


def test_an_even_scan_stays() -> None:
    plain = scan().astype(np.float32)
    even, (low, high) = correct_bias(plain, (8, 8, 8), INSIDE)
    assert spread(even, plain) < 0.03
    assert 0.9 < low < high < 1.1


def test_two_runs_give_the_same_bytes() -> None:
    shaded = (scan() * FIELD).astype(np.float32)
    one, other = (correct_bias(shaded, (8, 8, 8), INSIDE)[0] for _ in range(2))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("value", [0.0, -7.0])
def test_nothing_above_zero_has_no_field(value: float) -> None:
    with pytest.raises(FieldError, match="above zero"):
        correct_bias(np.full(SHAPE, value, np.float32), (8, 8, 8), INSIDE)


def test_a_hole_inside_does_not_change_the_field() -> None:
    """A voxel of nearly nothing, as interpolation leaves them, has a logarithm far from all."""
    shaded = (scan() * FIELD).astype(np.float32)
    plain = correct_bias(shaded, (8, 8, 8), INSIDE)[0]
    shaded[10, 11, 10] = 1e-6
    even = correct_bias(shaded, (8, 8, 8), INSIDE)[0]
    rest = INSIDE.copy()
    rest[10, 11, 10] = False
    assert np.abs(np.log(even / plain)[rest]).max() < 0.01
