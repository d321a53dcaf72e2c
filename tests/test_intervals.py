from __future__ import annotations

import numpy as np
import pytest

from headstart.parts.intervals import interval
from headstart.parts.intervals import resampled_metrics
from headstart.parts.intervals import subject_weights
from headstart.parts.metrics import measure

RNG = np.random.default_rng(1)


def test_a_subject_is_drawn_as_a_whole_and_its_sessions_share_its_weight():
    weights = subject_weights(["a", "a", "b", "c"], "exp")
    assert (weights[:, 0] == weights[:, 1]).all()
    assert weights[0].tolist() == [0.5, 0.5, 1, 1]
    np.testing.assert_allclose(weights.sum(axis=1), 3)


def test_the_name_alone_seeds_the_draw():
    subjects = [f"s{i}" for i in range(30)]
    assert np.array_equal(subject_weights(subjects, "age"), subject_weights(subjects, "age"))
    assert not np.array_equal(subject_weights(subjects, "age"), subject_weights(subjects, "sex"))


@pytest.mark.parametrize("task", ["regression", "binary", "three classes", "segmentation"])
def test_with_weights_of_one_the_metrics_are_the_plain_ones(task):
    n = 60
    names: tuple[str, ...] = ()
    if task == "regression":
        truth, prediction = RNG.normal(45, 12, n), RNG.normal(45, 12, n)
    elif task == "segmentation":
        truth, prediction, names = np.zeros(n), RNG.uniform(0, 1, (n, 2)), ("a", "b")
        prediction[3, 1] = np.nan
    else:
        classes = 2 if task == "binary" else 3
        truth = RNG.integers(0, classes, n)
        # rounded, so that there are ties
        prediction = RNG.dirichlet(np.ones(classes), n).round(1)
        task = "classification"
    expected = measure(task, truth, prediction, names)
    got = resampled_metrics(task, truth, prediction, np.ones((1, n)), names)
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name][0] == pytest.approx(value, abs=1e-10), name


def test_a_resample_is_the_metric_of_the_drawn_scans():
    n = 25
    truth = RNG.integers(0, 2, n)
    probability = RNG.dirichlet([1, 1], n)
    weights = subject_weights([str(i) for i in range(n)], "exp", resamples=20)
    got = resampled_metrics("classification", truth, probability, weights)
    for row, times in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(n), times)
        expected = measure("classification", truth[drawn], probability[drawn])
        for name, value in expected.items():
            assert got[name][row] == pytest.approx(value, nan_ok=True)


def test_the_interval_of_a_mean_covers_as_often_as_it_says():
    hits = 0
    for study in range(200):
        errors = np.random.default_rng(study).normal(1, 1, 60)
        weights = subject_weights([str(i) for i in range(60)], str(study), resamples=400)
        low, high = interval(weights @ errors / weights.sum(axis=1))
        hits += low <= 1 <= high
    assert 0.89 <= hits / 200 <= 0.99


def test_undefined_resamples_are_left_out():
    assert interval(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)
    assert np.isnan(interval(np.array([np.nan]))).all()


def test_a_constant_prediction_has_no_correlation():
    truth = np.arange(10.0)
    got = resampled_metrics("regression", truth, np.full(10, 0.1), np.ones((1, 10)))
    assert np.isnan(got["r"][0])
