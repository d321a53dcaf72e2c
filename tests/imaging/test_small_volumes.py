"""Small volumes: cubes of one edge, in one range of intensity, whatever the window."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.imaging.small_volumes import small_shape
from headstart.imaging.small_volumes import small_volume

NOISE = np.random.default_rng(0).normal(size=(40, 44, 36)).astype(np.float32)


@pytest.mark.parametrize(
    ("window", "voxel_size", "shape"),
    [
        ((96, 112, 96), (2, 2, 2), (48, 56, 48)),
        ((48, 64, 48), (1, 1, 1), (42, 56, 42)),
        ((20, 20, 20), (4, 4, 4), (20, 20, 20)),
        ((40, 40, 10), (1, 1, 4), (10, 10, 10)),
    ],
)
def test_cubes_are_never_smaller_than_a_voxel(window, voxel_size, shape) -> None:
    assert small_shape(window, voxel_size) == shape
    assert small_volume(np.random.default_rng(0).random(window), voxel_size).shape == shape


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 20, 45), (2, 3, 400)])
def test_any_window_has_a_small_volume(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float16)
    assert np.isfinite(small_volume(noise, (1, 1, 1))).all()
    assert not small_volume(np.full(shape, 3, np.float16), (1, 1, 1)).any()


def test_the_scale_of_intensity_does_not_matter() -> None:
    small = small_volume(NOISE, (2, 2, 2))
    np.testing.assert_allclose(small_volume(7 * NOISE + 100, (2, 2, 2)), small, atol=2e-3)
    assert np.percentile(small.astype(float), (1, 99)) == pytest.approx([0, 1], abs=2e-3)


def test_cubes_hold_averages() -> None:
    ramp = np.broadcast_to(np.arange(112.0)[:, None, None], (112, 112, 112))
    steps = np.diff(small_volume(ramp, (1, 1, 1))[:, 0, 0].astype(float))
    np.testing.assert_allclose(steps, steps.mean(), atol=1e-3)
