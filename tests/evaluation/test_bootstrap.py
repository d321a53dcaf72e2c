from __future__ import annotations

import warnings

import numpy as np
import pytest
from measured import as_measured

from headstart.evaluation.bootstrap import subject_weights
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

RNG = np.random.default_rng(1)
BINARY = Classification(("a", "b"))
MASKS = Segmentation(("a", "b"))


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
def test_weights_that_are_the_same_for_all_are_as_weights_of_one(task):
    n = 60
    if task == "regression":
        asked, truth, prediction = Regression(), RNG.normal(45, 12, n), RNG.normal(45, 12, n)
    elif task == "segmentation":
        asked, truth, prediction = MASKS, np.zeros(n), RNG.uniform(0, 1, (n, 2))
        prediction[3, 1] = np.nan
    else:
        classes = 2 if task == "binary" else 3
        truth = RNG.integers(0, classes, n)
        # rounded, so that there are ties
        prediction = RNG.dirichlet(np.ones(classes), n).round(1)
        asked = Classification(tuple("abc"[:classes]))
    expected = asked.score(truth, prediction)
    said = as_measured(prediction) if task == "segmentation" else prediction
    got = asked.evaluate(truth, said, np.full((1, n), 0.2))
    assert expected.keys() <= got.keys()
    for name, value in expected.items():
        assert got[name][0] == pytest.approx(value, abs=1e-10), name


def test_a_resample_is_the_metric_of_the_drawn_scans():
    n = 25
    truth = RNG.integers(0, 2, n)
    probability = RNG.dirichlet([1, 1], n)
    weights = subject_weights([str(i) for i in range(n)], "exp", resamples=20)
    got = BINARY.evaluate(truth, probability, weights)
    for row, times in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(n), times)
        expected = BINARY.score(truth[drawn], probability[drawn])
        for name, value in expected.items():
            assert got[name][row] == pytest.approx(value, nan_ok=True)


def test_a_constant_prediction_has_no_correlation():
    truth = np.arange(10.0)
    got = Regression().evaluate(truth, np.full(10, 0.1), np.ones((1, 10)))
    assert np.isnan(got["r"][0])


def test_a_resample_of_a_regression_is_the_metric_of_the_drawn_scans():
    n = 25
    truth = RNG.normal(45, 12, n)
    prediction = truth + RNG.normal(3, 6, n)
    weights = subject_weights([str(i) for i in range(n)], "exp", resamples=20)
    got = Regression().evaluate(truth, prediction, weights)
    for row, times in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(n), times)
        for name, value in Regression().score(truth[drawn], prediction[drawn]).items():
            assert got[name][row] == pytest.approx(value), (name, row)


def test_the_draw_is_the_same_on_every_computer():
    drawn = subject_weights(["a", "b", "c", "d"], "age", resamples=3)
    assert drawn.tolist() == [[1, 1, 1, 1], [1, 2, 1, 0], [0, 1, 0, 3], [1, 1, 2, 0]]


def test_a_resample_without_a_class_has_no_value_and_no_warning():
    truth, probability = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    weights = np.array([[1.0, 1], [2, 0]])
    dice = np.array([[0.5, 1], [np.nan, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = BINARY.evaluate(truth, probability, weights)
        overlap = MASKS.evaluate(truth, as_measured(dice), weights[:, ::-1])
        same = Regression().evaluate(np.ones(2), np.ones(2), weights)
    assert got["auroc"].tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert got["balanced_accuracy"].tolist() == [1, 1]  # of the class that was drawn
    assert overlap["dice_a"].tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert overlap["dice"].tolist() == [0.5, 0]
    assert np.isnan(same["r2"]).all()


def test_each_class_has_a_name():
    with pytest.raises(ValueError, match="reshape"):
        Segmentation(("a",)).evaluate(np.zeros(3), np.ones((3, 2)), np.ones((1, 3)))


def test_a_unit_makes_no_difference_to_a_correlation():
    truth = np.array([1.0, 2, 3, 5])
    prediction = np.array([1.0, 3, 2, 4])
    plain = Regression().evaluate(truth, prediction, np.ones((1, 4)))
    small = Regression().evaluate(truth * 1e-8, prediction * 1e-8, np.ones((1, 4)))
    assert small["r"] == pytest.approx(plain["r"])
    assert small["r2"] == pytest.approx(plain["r2"])


def test_what_rounding_makes_of_a_certainty_is_no_gain():
    probability = np.array([[0.0, 1 + 1e-9]])
    got = BINARY.evaluate(np.array([1]), probability, np.ones((1, 1)))
    assert got["log_loss"].tolist() == [0]
