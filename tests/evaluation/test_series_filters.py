"""What denoises series without a network: known answers, and no volume tells itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from headstart.evaluation.series_filters import fitted_weights
from headstart.evaluation.series_filters import interpolated
from headstart.evaluation.series_filters import measured
from headstart.evaluation.series_filters import patch2self
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import head
from headstart.tasks.neighbours import Neighbours
from headstart.tasks.series_quality import SeriesQuality

SHAPE = (8, 9, 7)


@dataclass(frozen=True)
class Made:
    """As much of a prepared series as filters see."""

    array: np.ndarray  # (t, x, y, z)
    times: Sequence[int] = (0,)

    @property
    def grid(self) -> Grid:
        return Grid(self.shape, np.diag([3.0, 3, 3, 1]))

    @property
    def length(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape[1:]

    def at(self, times: Sequence[int]) -> Any:
        return Made(self.array, times)

    def signal(self) -> np.ndarray:
        return self.array[self.times[0]].astype(np.float32)


def noisy(length: int = 30, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    anatomy = random.uniform(200, 400, SHAPE)
    return anatomy + random.normal(0, 5, (length, *SHAPE))


def test_a_moving_average_is_interpolated_as_it_is() -> None:
    ramp = noisy()[:1] + np.arange(12)[:, None, None, None] * 3.0
    near = Neighbours(before=1, after=1)
    halves = np.full(2, 0.5, np.float32)
    for time in range(1, 11):
        told = interpolated(Made(ramp), time, near, halves)
        np.testing.assert_allclose(told, ramp[time], rtol=1e-6)
    # at an end, from one side alone
    np.testing.assert_allclose(interpolated(Made(ramp), 0, near, halves), ramp[1], rtol=1e-6)


def test_independent_noise_is_averaged_by_equal_weights() -> None:
    weights = fitted_weights([Made(noisy(60))], Neighbours(before=2, after=1))
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert weights == pytest.approx([1 / 3] * 3, abs=0.06)


def test_patch2self_tells_no_volume_by_itself_and_removes_noise() -> None:
    array = noisy()
    clean = array.mean(axis=0)
    made = patch2self(Made(array))
    told = np.stack([made(time) for time in range(30)])
    assert np.std(told - clean) < 0.5 * np.std(array - clean)
    spoilt = array.copy()
    spoilt[4, 2, 2, 2] += 50
    other = patch2self(Made(spoilt))(4)[2, 2, 2]
    # it changes what is fitted to all voxels, and nothing else
    assert abs(other - told[4, 2, 2, 2]) < 5


def test_filters_are_judged_by_the_volumes_that_have_all_neighbours_as_the_network_is() -> None:
    spoilt = noisy(12)
    spoilt[[0, 11]] += np.random.default_rng(1).normal(0, 200, (2, *SHAPE))
    columns, both = ["left_out_error", "tsnr_gain", "edges"], Neighbours(before=2, after=2)
    plain, found = (
        measured([Made(noisy())], [Made(one)], columns, both) for one in (noisy(12), spoilt)
    )
    # those that don't look as far as the ends are what they would be without
    for name in ("noisy", "gaussian", "interpolation"):
        np.testing.assert_array_equal(found[name], plain[name])


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_temporal_snr_is_that_about_a_line(drift: float) -> None:
    array = noisy(400) + drift * np.arange(400)[:, None, None, None]
    mean = array.mean(axis=0).astype(np.float32)
    inside, quality = head(mean), SeriesQuality(Made(array))
    for time in range(400):
        quality.add(time, mean + np.float32(time % 2) / 100)
    before, _ = quality.tsnr
    assert np.median(before) == pytest.approx(array.mean() / 5, rel=0.03)
    found = quality.found()
    if not drift:
        wrong, measured = (array - mean)[:, inside], array[:, inside]
        error = 100 * np.sqrt(np.mean(wrong**2) / np.mean(measured**2))
        assert found["left_out_error"] == pytest.approx(error, rel=1e-3)
        assert abs(found["edges"]) < 0.15
