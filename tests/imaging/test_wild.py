"""Wild voxels become like those around them, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.imaging.wild import tamed


def scan() -> np.ndarray:
    rng = np.random.default_rng(0)
    array = rng.rayleigh(5, (40, 40, 40)).astype(np.float32)
    array[10:30, 10:30, 10:30] += rng.normal(300, 40, (20, 20, 20))
    return array


def test_an_ordinary_scan_is_left_as_it_is() -> None:
    array = scan()
    found, wild = tamed(array)
    assert found is array
    assert wild == 0


@pytest.mark.parametrize("value", [1e6, -1e6])
@pytest.mark.parametrize("count", [1, 8, 16])
def test_wild_voxels_become_like_those_around_them(value: float, count: int) -> None:
    array = scan()
    spoilt = array.copy()
    spoilt[::2, 0, 0][: count - count // 2] = value  # in air
    spoilt[12, 12:28:2, 20][: count // 2] = value  # in tissue
    found, wild = tamed(spoilt)
    assert wild == count
    ordinary = np.abs(spoilt) < 1e5
    np.testing.assert_array_equal(found[ordinary], array[ordinary])
    assert (found[:, 0, 0][~ordinary[:, 0, 0]] < 12).all()
    assert np.abs(found[~ordinary & (array > 100)] - 300).max(initial=0) < 60


def test_a_clump_of_wild_voxels_becomes_what_is_around_it_too() -> None:
    spoilt = scan()
    spoilt[15:17, 15:17, 15:17] = 1e6
    found, wild = tamed(spoilt)
    assert wild == 8
    assert found[15:17, 15:17, 15:17].max() < 400


def test_what_little_there_is_to_see_in_a_scan_of_one_value_stays() -> None:
    array = np.zeros((40, 40, 40), np.float32)
    array[20, 20, 20:30] = 100
    assert tamed(array)[0] is array
    assert tamed(array[20, 20, 19:25].reshape(1, 2, 3))[1] == 0
