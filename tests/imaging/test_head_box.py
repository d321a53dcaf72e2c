from __future__ import annotations

import numpy as np
import pytest

from headstart.imaging.head_box import head_box
from headstart.imaging.head_box import head_core
from headstart.imaging.head_box import head_cut
from headstart.imaging.head_box import head_window


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


def test_a_window_lies_about_the_head_and_inside_the_scan() -> None:
    head = [(20, 60), (50, 90), (10, 60)]
    # along x about the head's middle; along y the scan ends first; along z the scan fits as it is
    size = (4, 4, 4)
    assert head_window((100, 100, 60), head, (50, 50, 64), size) == [(15, 65), (45, 95), (-2, 62)]
    assert head_window((100, 100, 60), head, (50, 80, 64), size)[1] == (20, 100)
    assert head_cut(head, [(15, 65), (45, 95), (-2, 62)], size) == 0
    assert head_cut(head, [(15, 65), (54, 95), (-2, 62)], size) == 16


def test_a_part_that_somebody_cut_out_of_a_head_has_no_crown() -> None:
    part = [(0, 35), (0, 47), (0, 45)]
    box = head_window((35, 47, 45), part, (40, 56, 40), (1, 1, 1))
    assert box == [(-3, 37), (-5, 51), (2, 42)]
    assert head_cut(part, [(10, 20), (10, 20), (10, 20)], (1, 1, 1)) == 0


def test_of_a_tall_head_the_window_holds_the_crown_and_what_is_cut_is_told() -> None:
    head = [(20, 60), (20, 60), (0, 120)]
    box = head_window((100, 100, 130), head, (40, 30, 90), (2, 2, 2))
    assert box == [(20, 60), (25, 55), (30, 120)]
    # 160 mm from the crown down are held; along y 5 voxels are cut on either side
    assert head_cut(head, box, (2, 2, 2)) == 10
    assert head_cut(head, [(0, 99), (0, 99), (50, 120)], (2, 2, 2)) == 20


def test_the_core_of_a_head_has_no_nose_and_no_streak_beside_it() -> None:
    array = scan(2.0, 1)
    plain = head_core(array, (2, 2, 2))
    array[58:62, 74:, 48:52] = 300  # 8 x 8 mm, to the rim of the scan
    assert head_core(array, (2, 2, 2)) == plain
    assert head_box(array, (2, 2, 2))[1][1] == array.shape[1]
    wanted = [(60, 180), (30, 150), (40, 160)]  # mm
    np.testing.assert_allclose(np.array(plain) * 2, wanted, atol=6)
