from __future__ import annotations

import numpy as np
import pytest

from headstart.imaging.head_box import head_box


def scan(edge: float, noise: float) -> np.ndarray:
    """Make a ball of 60 mm radius in 240 x 200 x 220 mm of noise, with a bright dot far from it."""
    rng = np.random.default_rng(0)
    shape = [round(length / edge) for length in (240, 200, 220)]
    places = np.indices(shape).astype(np.float32) * edge
    centre = np.array([120, 90, 100], np.float32)[:, None, None, None]
    ball = ((places - centre) ** 2).sum(0) < 60**2
    array = np.abs(rng.normal(0, noise, shape)) + 300 * ball
    array[2:4, 2:4, 2:4] = 400
    return array.astype(np.float32)


@pytest.mark.parametrize("noise", [1, 20])
@pytest.mark.parametrize("edge", [2.0, 3.0])
def test_the_head_and_8_mm_around_it_are_kept(edge: float, noise: float) -> None:
    array = scan(edge, noise)
    found = np.array(head_box(array, (edge,) * 3)) * edge
    wanted = np.array([[120 - 68, 120 + 68], [90 - 68, 90 + 68], [100 - 68, 100 + 68]])
    # up to a block of 4 mm more
    np.testing.assert_allclose(found, wanted, atol=4 + edge)
    assert (found[:, 0] <= wanted[:, 0] + edge).all()
    assert (found[:, 1] >= wanted[:, 1] - edge).all()


def test_a_scan_without_air_is_kept_whole() -> None:
    assert head_box(np.full((9, 8, 7), 5, np.float32), (1, 1, 1)) == [(0, 9), (0, 8), (0, 7)]
