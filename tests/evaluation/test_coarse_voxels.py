from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.evaluation import coarse_voxels
from headstart.evaluation import penalised


def scan_of(volume: np.ndarray, voxel: tuple[float, float, float], air: float = 0.0) -> Any:
    scales = [SimpleNamespace(air=air)] * len(volume)
    return SimpleNamespace(
        volume=lambda: volume.astype(np.float16),
        intensities=scales,
        affine=np.diag([*voxel, 1.0]),
        shape=volume.shape[1:],
    )


def down_sampled(scan: Any, shape: tuple[int, ...]) -> np.ndarray:
    return coarse_voxels.down_sampled(scan, shape, coarse_voxels.cubes_of([scan]))


def test_voxels_of_8_mm_are_means_of_cubes_whatever_the_voxels_edges():
    volume = np.zeros((2, 8, 4, 2))
    volume[0, 4:, :2] = 4
    volume[1] = np.arange(8)[:, None, None]
    small = down_sampled(scan_of(volume, (2, 4, 8)), (8, 4, 2))
    assert small.shape == (2, 2, 2, 2)
    assert small[0, :, :, 0].tolist() == [[0, 0], [4, 0]]
    assert small[1, :, 0, 0].tolist() == [1.5, 5.5]


def test_a_turned_scan_is_down_sampled_by_the_lengths_of_its_voxels():
    scan = scan_of(np.ones((1, 8, 8, 8)), (4, 4, 4))
    half = np.sqrt(0.5)
    scan.affine[:2, :2] = 4 * np.array([[half, -half], [half, half]])
    assert down_sampled(scan, (8, 8, 8)).shape == (1, 4, 4, 4)


def test_heads_of_several_sizes_on_a_template_have_the_same_cubes():
    """Their voxels are small or large in their own millimetres: 4 or 5 of them make 8."""
    scans = [scan_of(np.ones((1, 40, 40, 40)), (edge, 2.0, 2.0)) for edge in (1.7, 2.0, 2.3)]
    steps = coarse_voxels.cubes_of(scans)
    small = [coarse_voxels.down_sampled(scan, (40, 40, 40), steps) for scan in scans]
    assert {one.shape for one in small} == {(1, 10, 10, 10)}


def test_scans_of_several_sizes_lie_centre_upon_centre_and_beyond_them_is_no_signal():
    small = down_sampled(scan_of(np.ones((1, 2, 2, 2)), (8, 8, 8), -3.0), (4, 2, 2))
    assert small[0, :, 0, 0].tolist() == [-3, 1, 1, -3]


def test_voxels_larger_than_8_mm_and_a_single_slice_are_taken_as_they_are():
    volume = np.arange(4.0).reshape(1, 4, 1, 1)
    small = down_sampled(scan_of(volume, (10, 10, 10)), (4, 1, 1))
    assert small[0, :, 0, 0].tolist() == [0, 1, 2, 3]
    assert coarse_voxels._halved(small)[0, :, 0, 0].tolist() == [0.5, 2.5]


def heads(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise within a head of 8 x 8 x 8 voxels, and air around it."""
    volumes = np.full((n, 1, 12, 12, 12), -2.0, np.float32)
    volumes[:, :, 2:10, 2:10, 2:10] = rng.normal(1, 0.3, (n, 1, 8, 8, 8))
    return volumes


def test_what_a_few_voxels_carry_is_found_and_of_noise_the_mean_is_left():
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 80, 160)
    volumes = heads(160, rng)
    volumes[:, 0, 4:8, 4:8, 4:8] += (age / 60)[:, None, None, None]
    people = np.array([f"s{i}" for i in range(120)])

    def fit(ours: np.ndarray, theirs: np.ndarray) -> penalised.Fitted:
        return penalised.ridge(ours, age[:120], people, theirs)

    predicted = coarse_voxels.predict([*volumes[:120]], [*volumes[120:]], fit)
    # 64 voxels with a noise of 18 years each: 1.8 years if one knew which
    assert np.abs(predicted - age[120:]).mean() < 2.5
    noise = heads(160, rng)
    guessed = coarse_voxels.predict([*noise[:120]], [*noise[120:]], fit)
    of_mean = np.abs(age[:120].mean() - age[120:]).mean()
    assert np.abs(guessed - age[120:]).mean() > 0.95 * of_mean


def test_the_edge_that_does_better_within_the_known_scans_is_taken():
    volumes = [*heads(6, np.random.default_rng(1))]
    seen = []

    def fit(ours: np.ndarray, theirs: np.ndarray) -> penalised.Fitted:
        seen.append(ours.shape)
        return penalised.Fitted(np.full(len(theirs), float(len(seen))), error=5.0 - len(seen))

    assert coarse_voxels.predict(volumes[:4], volumes[4:], fit).tolist() == [2, 2]
    assert len(seen) == 2


def test_components_hold_all_of_few_scans_and_are_those_of_the_known_alone():
    volumes = heads(12, np.random.default_rng(2))
    ours, theirs = coarse_voxels.components(volumes[:8], volumes[8:])
    voxels, _ = penalised.standardised(
        volumes[:8, 0, 2:10, 2:10, 2:10].reshape(8, -1).astype(float), np.zeros((1, 512))
    )
    np.testing.assert_allclose(ours @ ours.T, voxels @ voxels.T, atol=1e-6)
    again, _ = coarse_voxels.components(volumes[:8], volumes[8:] * 100)
    np.testing.assert_array_equal(again, ours)
    assert theirs.shape == (4, ours.shape[1])


def test_the_nearest_is_the_one_of_like_pattern_whatever_its_brightness():
    rng = np.random.default_rng(3)
    known = heads(5, rng)
    asked = 3 * known[[3, 1]] + 7 + rng.normal(0, 0.05, (2, 1, 12, 12, 12)).astype(np.float32)
    assert coarse_voxels.nearest([*known], [*asked]) == [3, 1]
    one, other = rng.normal(0, 1, (2, 1, 12, 12, 12)).astype(np.float32)
    assert coarse_voxels.nearest([other + 5, one + 1], [one + 5]) == [1]
    flat = [np.ones((1, 12, 12, 12), np.float32)]
    assert coarse_voxels.nearest([*known], flat) == [0]
    assert coarse_voxels.nearest([*flat, known[2]], [known[2]]) == [1]


@pytest.mark.parametrize("shape", [(5, 4, 3), (1, 1, 1)])
def test_what_fills_no_block_at_the_rim_is_left_out(shape):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    half = coarse_voxels._halved(array[None])[0]
    assert half.shape == tuple(max(n // 2, 1) for n in shape)
