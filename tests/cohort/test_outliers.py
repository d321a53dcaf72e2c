"""Spoilt scans are marked by the cohort's own spread, and clean cohorts have few marks."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.cohort.outliers import find_outliers

PEOPLE = 200


def usual(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw how alike the scans of a cohort are to their neighbours: as in crops of hippocampi."""
    return 1 - 0.075 * np.exp(0.3 * rng.standard_normal(count))


def marked(similarity: np.ndarray) -> np.ndarray:
    """Mark scans that are so similar to all that are at least as similar themselves."""
    whole = np.minimum.outer(similarity, similarity)
    others = ~np.eye(len(similarity), dtype=bool)
    return find_outliers(whole, np.full_like(whole, 0.4), others).marked


@pytest.mark.parametrize("unusual", [0, 8, 20])
@pytest.mark.parametrize("people", [24, 60, PEOPLE])
def test_spoilt_scans_are_marked_among_others_that_are_merely_unusual(
    people: int, unusual: int
) -> None:
    """Where a tenth was cut or shaded, the tail is long; the cohort's spread is the same."""
    rng = np.random.default_rng(people + unusual)
    strange = 1 - rng.uniform(0.13, 0.2, unusual * people // PEOPLE)
    spoilt = np.array([0.27, 0.49, 0.55, 0.67])
    found = marked(np.concatenate([usual(rng, people), strange, spoilt]))
    assert found[-4:].all()
    assert found[:people].sum() <= max(1, 0.01 * people)


def test_spoilt_scans_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(0)
    found = marked(np.concatenate([usual(rng, 20), np.full(8, 0.3)]))
    assert found[20:].all()
    assert not found[:20].any()


@pytest.mark.parametrize(
    ("noise", "most"),
    [
        (lambda rng, size: rng.standard_normal(size), 0.01),
        (lambda rng, size: rng.standard_t(4, size), 0.02),
        (lambda rng, size: rng.exponential(1, size), 0.05),
    ],
    ids=["normal", "heavy", "skewed"],
)
def test_clean_cohorts_have_few_marks(noise, most: float) -> None:
    rng = np.random.default_rng(1)
    found = [marked(1 - 0.02 * np.exp(0.3 * noise(rng, PEOPLE))) for _ in range(20)]
    assert np.mean(found) < most


def test_a_scan_of_usual_shape_is_marked_by_its_detail() -> None:
    rng = np.random.default_rng(2)
    detail = np.minimum.outer(*[0.4 + 0.03 * rng.standard_normal(60)] * 2)
    detail[7] = detail[:, 7] = 0.05
    others = ~np.eye(60, dtype=bool)
    whole = np.minimum.outer(*[usual(rng, 60)] * 2)
    assert np.flatnonzero(find_outliers(whole, detail, others).marked).tolist() == [7]


def test_few_subjects_are_ranked_and_not_marked() -> None:
    similarity = np.array([0.9, 0.91, 0.9, 0.92, 0.3, 0.91])
    whole = np.minimum.outer(similarity, similarity)
    found = find_outliers(whole, whole, ~np.eye(6, dtype=bool))
    assert found.distance.argmax() == 4
    assert not found.marked.any()


def test_a_subject_s_own_scans_do_not_vouch_for_each_other() -> None:
    """Six scans of one subject, all spoilt in one way."""
    subjects = np.concatenate([np.arange(30), np.full(6, 30)])
    rng = np.random.default_rng(3)
    whole = np.minimum.outer(*[np.append(usual(rng, 30), np.full(6, 0.3))] * 2)
    whole[30:, 30:] = 0.99
    found = find_outliers(whole, whole, subjects[:, None] != subjects)
    assert found.marked[30:].all()
