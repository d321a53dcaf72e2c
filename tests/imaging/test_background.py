"""A scan without its head."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.imaging.background import background_of

VOXEL = (4.0, 4.0, 4.0)


def head_in_noise(level: float = 0.0, scale: float = 1.0, inside: float = 100.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    volume = rng.normal(5, 1, (1, 32, 40, 32))
    volume[0, 8:24, 10:30, 8:24] += inside + rng.normal(0, 5, (16, 20, 16))
    return level + scale * volume


def test_nothing_of_the_head_is_left_and_the_rest_is_as_it_was() -> None:
    volume = head_in_noise()
    seen = background_of(volume, VOXEL, seed=1)
    assert seen.shape == volume.shape
    assert seen.max() < 6  # the head is 100 standard deviations above
    corner = volume[0, :4, :4, :4].ravel()
    assert np.corrcoef(corner, seen[0, :4, :4, :4].ravel())[0, 1] > 0.999
    # neither the edge nor the inside of the box is unlike the background
    assert seen[0, 10:22, 12:28, 10:22].std() == pytest.approx(1, abs=0.05)


def test_another_head_in_the_same_noise_leaves_the_same_picture() -> None:
    one, other = (background_of(head_in_noise(inside=n), VOXEL, seed=1) for n in (100, 140))
    assert np.array_equal(one, other)


def test_normalisation_by_the_head_tells_nothing() -> None:
    as_it_was = background_of(head_in_noise(), VOXEL, seed=1)
    normalised = background_of(head_in_noise(level=-3, scale=0.02), VOXEL, seed=1)
    assert np.allclose(as_it_was, normalised, atol=0.01)


def test_a_head_that_fills_the_volume_leaves_nothing() -> None:
    volume = head_in_noise()[:, 9:23, 11:29, 9:23]
    assert not background_of(volume, VOXEL, seed=1).any()
    flat = np.zeros((1, 32, 32, 32))
    flat[0, 12:20, 12:20, 12:20] = 1
    assert not background_of(flat, VOXEL, seed=1).any()
