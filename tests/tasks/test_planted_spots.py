"""Planted spots and probed noise: denoisers whose answers are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from headstart.imaging.rician import corrected
from headstart.imaging.slabs import Slabs
from headstart.tasks import planted_spots
from headstart.tasks.planted_spots import APART
from headstart.tasks.planted_spots import EACH
from headstart.tasks.planted_spots import Planting
from headstart.tasks.planted_spots import plant
from headstart.tasks.spot_kinds import KINDS
from headstart.tasks.spot_kinds import SpotKind

NOISE = 5.0
EDGES = (2.0, 2.0, 2.0)


def head(edge: int = 64, texture: float = 3.0) -> np.ndarray:
    """Return a ball of about 100 in air."""
    random = np.random.default_rng(edge)
    distance = np.linalg.norm(np.indices((edge,) * 3) - (edge - 1) / 2, axis=0)
    uneven = texture * ndimage.gaussian_filter(random.normal(size=distance.shape), 2.5) * 20
    return np.where(distance < 0.42 * edge, 100 + uneven, 0).astype(np.float32)


def noisy(clean: np.ndarray, seed: int = 0, noise: float = NOISE) -> np.ndarray:
    real, imaginary = np.random.default_rng(seed).normal(0, noise, (2, *clean.shape))
    return np.hypot(clean + real, imaginary).astype(np.float32)


def planting_in(
    seen: np.ndarray, seed: int = 1, reference: np.ndarray | None = None, noise: float = NOISE
) -> Planting:
    clean = None if reference is None else Slabs.of(reference[None])
    return plant(Slabs.of(seen[None]), noise, EDGES, seed, clean)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return head()


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "reference"])
def planting(request: pytest.FixtureRequest, clean: np.ndarray) -> Planting:
    return planting_in(noisy(clean), 1, clean if request.param else None)


def measured(planting: Planting, denoise) -> dict[str, float]:
    return planting.measure(planting.answers(denoise))


def test_who_leaves_a_scan_as_it_is_keeps_all_and_wins_nothing(planting: Planting) -> None:
    found = measured(planting, lambda image: image)
    assert len(planting.spots) == EACH * len(KINDS)
    assert found == pytest.approx(dict.fromkeys(found, 1.0), rel=1e-5)


def test_who_answers_the_same_whatever_is_asked_keeps_nothing(
    planting: Planting, clean: np.ndarray
) -> None:
    found = measured(planting, np.zeros_like)
    signal = np.mean(clean[planting.judged].astype(float) ** 2)
    assert found.pop("sure") == pytest.approx(signal / NOISE**2 + 1 - 1, rel=0.02)
    assert set(found.values()) == {0.0}


@pytest.mark.parametrize("width", [0.6, 1.0])
def test_a_gaussian_keeps_of_a_spot_what_it_keeps_by_its_formula(
    monkeypatch: pytest.MonkeyPatch, clean: np.ndarray, width: float
) -> None:
    spread = 1.5
    places = np.mgrid[-6:7, -6:7, -6:7]
    shape = np.exp(-np.sum(places**2, axis=0) / (2 * spread**2)).astype(np.float32)
    monkeypatch.setattr(SpotKind, "shape", shape)
    planting = planting_in(noisy(clean))
    found = measured(planting, lambda image: ndimage.gaussian_filter(image, width))
    # two normal densities' overlap, which the spots' neighbours add a little to
    share = (2 * spread**2 / (2 * spread**2 + width**2)) ** 1.5
    assert found["spots"] == pytest.approx(share, abs=0.02)


def test_a_gaussian_keeps_of_each_kind_what_it_keeps_of_it_alone(planting: Planting) -> None:
    found = measured(planting, lambda image: ndimage.gaussian_filter(image, 0.7))
    for kind in KINDS:
        alone = np.pad(kind.shape, 6)
        share = np.sum(alone * ndimage.gaussian_filter(alone, 0.7)) / np.sum(alone**2)
        assert found[kind.metric] == pytest.approx(share, abs=0.01)
    assert found["spots"] == pytest.approx(np.mean([found[kind.metric] for kind in KINDS]))
    assert found["spots_1_10"] < found["spots_2_10"]


@pytest.mark.parametrize(
    "denoise",
    [
        lambda image: corrected(ndimage.gaussian_filter(image, 0.5), NOISE),
        lambda image: corrected(ndimage.gaussian_filter(image, 1.0), NOISE),
        lambda image: ndimage.median_filter(image, 3),
        lambda image: 0.7 * image + 30,
    ],
)
def test_the_error_is_told_without_the_reference(denoise, clean: np.ndarray) -> None:
    planting = planting_in(noisy(clean))
    true = np.mean((denoise(planting.noisy) - clean)[planting.judged] ** 2) / NOISE**2
    assert measured(planting, denoise)["sure"] == pytest.approx(true, rel=0.07, abs=0.02)


def test_spots_lie_deep_apart_and_always_at_the_same_places(clean: np.ndarray) -> None:
    seen = noisy(clean)
    one, other, third = (planting_in(seen, seed) for seed in (1, 1, 2))
    assert one.spots == other.spots
    np.testing.assert_array_equal(one.planted, other.planted)
    assert one.spots != third.spots
    places = np.array([spot.centre for spot in one.spots])
    depth = ndimage.distance_transform_edt(clean > 0, sampling=EDGES)
    assert depth[tuple(places.T)].min() > planted_spots.DEEP - 3
    distances = np.linalg.norm(places[:, None] - places, axis=2)[~np.eye(len(places), dtype=bool)]
    assert distances.min() >= APART
    assert [spot.kind for spot in one.spots] == [n % len(KINDS) for n in range(len(places))]


@pytest.mark.parametrize("contrast", [-0.10, -0.25])
def test_a_spot_has_its_size_and_contrast(clean: np.ndarray, contrast: float) -> None:
    planting = planting_in(noisy(clean))
    change = (planting.planted - planting.noisy) / ndimage.gaussian_filter(planting.noisy, 2)
    for spot in planting.spots:
        kind = KINDS[spot.kind]
        if kind.contrast == contrast:
            assert change[spot.centre] == pytest.approx(contrast, rel=1e-3)
            x, y, z = spot.centre
            assert change[x + int(kind.radius), y, z] == pytest.approx(contrast / 2, rel=0.1)


def test_before_the_noise_a_spot_has_the_statistics_of_what_a_scanner_would_show() -> None:
    clean, low = head(40, texture=0), 20.0
    clean[clean > 0] = low  # five and a half standard deviations: a magnitude is not yet normal
    planted, scanned = [], []
    for seed in range(12):
        planting = planting_in(noisy(clean, seed, low / 5.5), 3, clean, low / 5.5)
        places = tuple(np.array([s.centre for s in planting.spots if s.kind % 2]).T)
        planted += [*planting.planted[places]]
        scanned += [*noisy(np.full(50, 0.75 * low), 100 + seed, low / 5.5)]
    assert np.mean(planted) == pytest.approx(np.mean(scanned), abs=1.2)
    assert np.std(planted) == pytest.approx(np.std(scanned), rel=0.3)


def test_a_part_of_a_large_scan_is_looked_at_from_the_crown_down(
    monkeypatch: pytest.MonkeyPatch, clean: np.ndarray
) -> None:
    monkeypatch.setattr(planted_spots, "BLOCK", 40)
    monkeypatch.setattr(planted_spots, "RIM", 6)
    planting = planting_in(noisy(clean))
    assert planting.noisy.shape == (40, 40, 40)
    marked = np.flatnonzero((clean > 0).any(axis=(0, 1)))
    assert abs(planting.box[2][1] - marked[-1]) <= 4
    assert planting.spots
    assert np.array([spot.centre for spot in planting.spots]).min() >= 6
    assert not planting.judged[:6].any()


def test_a_scan_without_room_has_no_spots_but_an_error() -> None:
    clean = head(22)
    found = measured(planting_in(noisy(clean)), lambda image: image)
    assert found.pop("sure") == pytest.approx(1)
    assert np.isnan(list(found.values())).all()


def test_where_all_is_dark_nothing_is_told() -> None:
    random = np.random.default_rng(0).rayleigh(NOISE, (20, 20, 20)).astype(np.float32)
    found = measured(planting_in(random), lambda image: image)
    assert np.isnan(list(found.values())).all()
