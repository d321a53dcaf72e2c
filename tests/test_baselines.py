from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluated import make_study

from headstart.parts import baselines
from headstart.parts.baselines import Features
from headstart.parts.cohort import read_cohort


def features(n: int, *, sites: tuple[str, ...] = ("A", "B"), seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    site = np.array([sites[i % len(sites)] for i in range(n)])
    return Features(np.array([f"s{i}" for i in range(n)]), site, rng.normal(7, 0.1, n))


def test_the_mean_counts_a_subject_once():
    known = Features(np.array(["a", "a", "b"]), np.array(["A"] * 3), np.array([7.0, 7.0, 7.1]))
    predicted = baselines.regression(known, np.array([10.0, 20.0, 45.0]), known)
    assert predicted["mean"].tolist() == [30.0] * 3


def test_one_site_has_no_site_baseline():
    known = features(10, sites=("A",))
    assert "site-mean" not in baselines.regression(known, np.arange(10.0), known)
    target = np.arange(10) % 2
    assert "site" not in baselines.classification(known, target, known, 2)


def test_a_site_that_is_left_out_has_no_site_baseline():
    known, asked = features(10), features(4, sites=("C",))
    assert "site-mean" not in baselines.regression(known, np.arange(10.0), asked)
    assert "site" not in baselines.classification(known, np.arange(10) % 2, asked, 2)


def test_each_site_gets_its_own_mean_and_an_unknown_one_the_overall():
    known = features(4)
    asked = features(3, sites=("A", "B", "new"))
    predicted = baselines.regression(known, np.array([1.0, 3.0, 2.0, 6.0]), asked)
    assert predicted["site-mean"].tolist() == [1.5, 4.5, 3.0]


def test_head_size_finds_what_head_size_tells():
    known = features(200)
    predicted = baselines.regression(known, 3 + 40 * known.head, known)
    np.testing.assert_allclose(predicted["head-size"], 3 + 40 * known.head)
    target = (known.head > 7).astype(int)
    probability = baselines.classification(known, target, known, 2)["head-size"]
    assert (probability.argmax(axis=1) == target).mean() > 0.95


def test_heads_of_one_size_tell_nothing():
    known = Features(np.array(["a", "b"]), np.array(["A", "A"]), np.array([7.0, 7.0]))
    predicted = baselines.regression(known, np.array([1.0, 3.0]), known)
    np.testing.assert_allclose(predicted["head-size"], 2.0)


def test_probabilities_sum_to_one_and_majority_is_the_frequency():
    known = features(40)
    target = (np.arange(40) % 4 == 0).astype(int)
    for name, probability in baselines.classification(known, target, known, 2).items():
        np.testing.assert_allclose(probability.sum(axis=1), 1, err_msg=name)
    majority = baselines.classification(known, target, known, 2)["majority"]
    assert majority[0].tolist() == [0.75, 0.25]


def test_head_volume_follows_the_head_and_not_its_ventricles(tmp_path: Path):
    study = make_study(tmp_path, task="segmentation", subjects=12, seeds=(0,))
    cohort = read_cohort(
        study.root / "check/passed.csv",
        study.root / "split/splits.csv",
        study.root / "prepare",
        "mask",
        "segmentation",
    )
    for scan in cohort.scans:
        # the ellipsoid's own volume; its centre is dark, and larger in the old
        image = np.asarray(scan.volume()[0], dtype=float)
        filled = (image > 0.6).sum() * 4**3 / 1000
        volume = baselines.head_volume(scan)
        assert filled < volume
        assert volume == pytest.approx(filled + (scan.mask() == 2).sum() * 4**3 / 1000, rel=0.08)


def test_mean_mask_is_the_majority_and_background_overlaps_nothing(tmp_path: Path):
    study = make_study(tmp_path, task="segmentation", subjects=12, seeds=(0,))
    scans = read_cohort(
        study.root / "check/passed.csv",
        study.root / "split/splits.csv",
        study.root / "prepare",
        "mask",
        "segmentation",
    ).scans
    # the majority of one scan is that scan
    dice = baselines.segmentation([scans[0]], [scans[0]], 2)
    assert dice["mean-mask"].tolist() == [[1.0, 1.0]]
    assert dice["background"].tolist() == [[0.0, 0.0]]
