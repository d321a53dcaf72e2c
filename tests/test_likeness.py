"""Thumbnails, and who resembles whom: nothing is missed, and little is compared."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import ndimage

from headstart.parts.likeness import ODD
from headstart.parts.likeness import SIDE
from headstart.parts.likeness import Pair
from headstart.parts.likeness import lookalikes
from headstart.parts.likeness import neighbours
from headstart.parts.likeness import numbered_in_twos
from headstart.parts.likeness import oddness
from headstart.parts.likeness import thumbnail
from headstart.parts.likeness import unit_vectors

LEAST = 0.99


def head_of(seed: int, shape: tuple[int, int, int] = (48, 56, 48)) -> np.ndarray:
    """Return an ellipsoid with an inside of its own."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    inside = (grid**2).sum(axis=0) < 0.6
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 3)
    return (np.where(inside, 2 + 3 * texture / texture.std() * 0.5, -1)).astype(np.float32)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    rows = unit_vectors(np.stack([thumbnail(a), thumbnail(b)]))
    return float(rows[0] @ rows[1])


def test_a_thumbnail_is_small_and_standardised() -> None:
    small = thumbnail(head_of(1))
    assert (small.shape, small.dtype) == ((SIDE,) * 3, np.float16)
    assert float(small.mean(dtype=np.float64)) == pytest.approx(0, abs=1e-3)
    assert float(small.std(dtype=np.float64)) == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(small, thumbnail(head_of(1)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 20, 45), (2, 3, 400)])
def test_any_window_has_a_thumbnail(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float16)
    assert np.isfinite(thumbnail(noise)).all()
    assert not thumbnail(np.full(shape, 3, np.float16)).any()


def test_scale_and_position_do_not_matter() -> None:
    scan = head_of(1)
    moved = np.full_like(scan, -1)
    moved[:, 3:, 2:] = scan[:, :-3, :-2]
    assert correlation(scan, 7 * scan + 100) > 0.9999
    assert correlation(scan, moved) > 0.999
    assert correlation(scan, ndimage.zoom(scan, 1.5, order=1)) > LEAST
    assert correlation(scan, head_of(2)) < 0.95


def test_blocks_hold_averages() -> None:
    ramp = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 40, 40)).copy()
    small = thumbnail(ramp)[:, 0, 0].astype(float)
    steps = np.diff(small[: SIDE // 2])
    np.testing.assert_allclose(steps, steps[0], rtol=0.01)


def odd(thumbnails: np.ndarray, subjects: list[str]) -> tuple[np.ndarray, np.ndarray]:
    return oddness(neighbours(thumbnails, subjects))


def scans(*volumes: np.ndarray) -> np.ndarray:
    return np.stack([thumbnail(volume) for volume in volumes])


def test_copies_under_other_names_are_found_mirrored_ones_too() -> None:
    one = head_of(1)
    found = lookalikes(
        scans(one, head_of(2), one[::-1], 2 * one), ["a", "b", "c", "d"], least=LEAST
    )
    assert [(pair.first, pair.second, pair.flipped) for pair in found] == [
        (0, 2, True),
        (0, 3, False),
        (2, 3, True),
    ]
    assert min(pair.correlation for pair in found) > 0.998


def test_sessions_of_one_subject_are_no_pair() -> None:
    one = head_of(1)
    assert lookalikes(scans(one, one), ["a", "a"], least=LEAST) == []
    assert len(lookalikes(scans(one, one), ["a", "b"], least=LEAST)) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_to_compare(number: int) -> None:
    few = np.ones((number, SIDE, SIDE, SIDE), np.float16)
    assert lookalikes(few, ["a"] * number, least=LEAST) == []
    assert [len(values) for values in odd(few, ["a"] * number)] == [number, number]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    number=st.integers(2, 60),
    people=st.integers(1, 30),
    spread=st.floats(0.05, 2),
    least=st.floats(0.5, 0.999),
)
def test_no_pair_is_missed(
    seed: int, number: int, people: int, spread: float, least: float
) -> None:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(4, 4, 4))
    cohort = (common + spread * rng.normal(size=(number, 4, 4, 4))).astype(np.float16)
    subjects = [str(person) for person in rng.integers(0, people, number)]
    rows, mirrored = unit_vectors(cohort), unit_vectors(cohort[:, ::-1])
    best = np.maximum(rows @ rows.T, mirrored @ rows.T)
    expected = {
        (i, j)
        for i in range(number)
        for j in range(i + 1, number)
        if subjects[i] != subjects[j] and abs(best[i, j] - least) > 1e-4 and best[i, j] > least
    }
    found = {(p.first, p.second): p.correlation for p in lookalikes(cohort, subjects, least)}
    assert expected <= found.keys()
    for (i, j), value in found.items():
        assert value == pytest.approx(best[i, j], abs=1e-4)
        assert value >= least


def test_a_scan_unlike_the_cohort_stands_out() -> None:
    usual = head_of(0)
    volumes = [usual + 0.2 * head_of(seed) for seed in range(1, 20)]
    upside_down = volumes[3][:, :, ::-1].copy()
    upside_down[:, :, :20] = 0
    names = [str(number) for number in range(20)]
    likeness, distance = odd(scans(*volumes, upside_down), names)
    assert distance[-1] > ODD
    assert (distance[:-1] < ODD).all()
    assert likeness[-1] < likeness[:-1].min()


def test_sessions_of_one_subject_do_not_vouch_for_each_other() -> None:
    volumes = [head_of(0) + 0.2 * head_of(seed) for seed in range(1, 20)]
    names = [*(str(number) for number in range(19)), "odd", "odd"]
    _, distance = odd(scans(*volumes, head_of(77), head_of(77)), names)
    assert (distance[-2:] > ODD).all()


def test_nothing_is_odd_about_copies_or_one_subject_alone() -> None:
    copies = scans(*[head_of(1)] * 12)
    assert (odd(copies, [str(number) for number in range(12)])[1] == 0).all()
    assert (odd(copies, ["a"] * 12)[1] == 0).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), people=st.integers(2, 40), per_person=st.integers(1, 3))
def test_the_most_similar_are_found_among_few_candidates(
    seed: int, people: int, per_person: int
) -> None:
    rng = np.random.default_rng(seed)
    cohort = rng.normal(size=(people * per_person, 2, 2, 2)).astype(np.float16)
    subjects = np.repeat([str(number) for number in range(people)], per_person)
    correlations = unit_vectors(cohort) @ unit_vectors(cohort).T
    correlations[subjects[:, None] == subjects] = -2
    number = min(5, (people - 1) * per_person)
    expected = np.sort(correlations, axis=1)[:, -number:].mean(axis=1)
    # eight voxels lie whole in the basis: then no candidate is missed
    np.testing.assert_allclose(odd(cohort, list(subjects))[0], expected, atol=1e-4)


def resembling(partner_of: dict[int, int], number: int) -> list[Pair]:
    """Return each scan's most similar: a partner, or somebody far away in number."""
    return [
        Pair(one, partner_of.get(one, (one + number // 2) % number), 0.9, False)
        for one in range(number)
    ]


def test_two_scans_of_one_person_under_consecutive_numbers_are_named() -> None:
    names = [f"case_{number:03d}" for number in range(1, 101)]  # 1 and 2 are one, 3 and 4, …
    one_in_four = {one: one ^ 1 for one in range(0, 100, 4)}
    found = numbered_in_twos(resembling(one_in_four, 100), names)
    assert [(pair.first, pair.second) for pair in found] == [(n, n + 1) for n in range(0, 100, 4)]
    assert numbered_in_twos(resembling(one_in_four, 100), [f"{n}x" for n in names]) == []


@pytest.mark.parametrize("step", [12, 50])
def test_few_consecutive_likes_mean_nothing(step: int) -> None:
    names = [str(number) for number in range(100)]
    partner_of = {one: one ^ 1 for one in range(0, 100, step)}
    assert numbered_in_twos(resembling(partner_of, 100), names) == []


def test_likes_on_both_sides_are_a_site_not_a_person() -> None:
    names = [str(number) for number in range(100)]
    either = {one: one + 1 for one in range(99)}
    assert numbered_in_twos(resembling(either, 100), names) == []


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(20, 300))
def test_chance_names_nobody(random: Random, number: int) -> None:
    others = [random.choice([n for n in range(number) if n != one]) for one in range(number)]
    nearest = [Pair(one, other, 0.9, False) for one, other in enumerate(others)]
    assert numbered_in_twos(nearest, [f"s{n}" for n in range(number)]) == []
