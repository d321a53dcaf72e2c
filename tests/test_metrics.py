from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from headstart.parts import metrics

RANDOM = np.random.default_rng(0)


def test_regression_as_scikit_learn():
    truth, prediction = RANDOM.normal(50, 10, 40), RANDOM.normal(50, 10, 40)
    values = metrics.measure("regression", truth, prediction)
    assert list(values) == ["mae", "rmse", "r", "r2"]
    assert values["mae"] == pytest.approx(reference.mean_absolute_error(truth, prediction))
    assert values["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, prediction))
    assert values["r2"] == pytest.approx(reference.r2_score(truth, prediction))
    assert values["r"] == pytest.approx(np.corrcoef(truth, prediction)[0, 1])


def test_constant_predictions_have_no_correlation():
    values = metrics.measure("regression", np.array([1.0, 2, 3]), np.array([2.0, 2, 2]))
    assert np.isnan(values["r"])
    assert values["r2"] == 0


@pytest.mark.parametrize("classes", [2, 4])
def test_classification_as_scikit_learn(classes):
    truth = RANDOM.integers(0, classes, 60)
    # rounded, so that there are ties
    probability = np.round(RANDOM.dirichlet(np.ones(classes), 60), 1) + 0.01
    probability /= probability.sum(axis=1, keepdims=True)
    guess = probability.argmax(axis=1)
    values = metrics.measure("classification", truth, probability)
    assert list(values) == ["log_loss", "balanced_accuracy", "auroc", "accuracy"]
    score = probability[:, 1] if classes == 2 else probability
    assert values["auroc"] == pytest.approx(
        reference.roc_auc_score(truth, score, multi_class="ovr")
    )
    assert values["log_loss"] == pytest.approx(reference.log_loss(truth, probability))
    assert values["accuracy"] == pytest.approx(reference.accuracy_score(truth, guess))
    expected = reference.balanced_accuracy_score(truth, guess)
    assert values["balanced_accuracy"] == pytest.approx(expected)


def test_one_class_has_no_auroc():
    assert np.isnan(metrics.auroc(np.array([1, 1]), np.array([[0.5, 0.5], [0.1, 0.9]])))


def test_dice():
    truth = np.array([0, 1, 1, 2, 0, 0])
    prediction = np.array([0, 1, 2, 2, 1, 0])
    np.testing.assert_allclose(metrics.dice_by_class(truth, prediction, 3), [2 / 4, 2 / 3, np.nan])


def test_dice_of_large_masks_does_not_overflow():
    truth = np.full((30, 30, 30), 200, np.uint8)
    assert metrics.dice_by_class(truth, truth, 200)[-1] == 1


def test_undefined_dice_is_left_out_of_the_mean():
    dice = np.array([[0.8, np.nan], [0.6, 0.5], [np.nan, np.nan]])
    values = metrics.measure("segmentation", None, dice, ["a", "b"])
    assert values == pytest.approx({"dice": 0.6, "dice_a": 0.7, "dice_b": 0.5})
    assert np.isnan(metrics.measure("segmentation", None, dice[2:], ["a", "b"])["dice"])
