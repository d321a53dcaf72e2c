from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from headstart.tasks import TASKS
from headstart.tasks import metrics
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

RANDOM = np.random.default_rng(0)
BINARY = Classification(("a", "b"))
NOTHING = np.empty(0)


def plain(metric, truth, prediction):
    return metric(truth, prediction, np.ones((1, len(truth))))[0]


def test_regression_as_scikit_learn():
    truth, prediction = RANDOM.normal(50, 10, 40), RANDOM.normal(50, 10, 40)
    values = Regression().score(truth, prediction)
    assert list(values) == ["mae", "rmse", "r", "r2"]
    assert values["mae"] == pytest.approx(reference.mean_absolute_error(truth, prediction))
    assert values["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, prediction))
    assert values["r2"] == pytest.approx(reference.r2_score(truth, prediction))
    assert values["r"] == pytest.approx(np.corrcoef(truth, prediction)[0, 1])


def test_constant_predictions_have_no_correlation():
    values = Regression().score(np.array([1.0, 2, 3]), np.array([2.0, 2, 2]))
    assert np.isnan(values["r"])
    assert values["r2"] == 0
    assert np.isnan(plain(metrics.pearson, np.arange(10.0), np.full(10, 0.1)))
    assert np.isnan(plain(metrics.pearson, np.full(10, 0.1), np.arange(10.0)))


@pytest.mark.parametrize("classes", [2, 4])
def test_classification_as_scikit_learn(classes):
    truth = RANDOM.integers(0, classes, 60)
    # rounded, so that there are ties
    probability = np.round(RANDOM.dirichlet(np.ones(classes), 60), 1) + 0.01
    probability /= probability.sum(axis=1, keepdims=True)
    guess = probability.argmax(axis=1)
    values = Classification(tuple("abcd"[:classes])).score(truth, probability)
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
    assert np.isnan(plain(metrics.auroc, np.array([1, 1]), np.array([[0.5, 0.5], [0.1, 0.9]])))


def test_dice():
    truth = np.array([0, 1, 1, 2, 0, 0])
    prediction = np.array([0, 1, 2, 2, 1, 0])
    np.testing.assert_allclose(metrics.dice_by_class(truth, prediction, 3), [2 / 4, 2 / 3, np.nan])


def test_dice_of_large_masks_does_not_overflow():
    truth = np.full((30, 30, 30), 200, np.uint8)
    assert metrics.dice_by_class(truth, truth, 200)[-1] == 1


def test_undefined_dice_is_left_out_of_the_mean():
    dice = np.array([[0.8, np.nan], [0.6, 0.5], [np.nan, np.nan]])
    values = Segmentation(("a", "b")).score(NOTHING, dice)
    assert values == pytest.approx({"dice": 0.6, "dice_a": 0.7, "dice_b": 0.5})
    assert np.isnan(Segmentation(("a", "b")).score(NOTHING, dice[2:])["dice"])


def test_what_is_no_number_is_never_the_first_class() -> None:
    truth = np.array([0, 1, 0, 1])
    probability = np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan], [0.3, 0.7]])
    values = BINARY.score(truth, probability)
    assert all(np.isnan(value) for value in values.values())
    resampled = BINARY.evaluate(truth, probability, np.ones((3, 4)))
    assert all(np.isnan(column).all() for column in resampled.values())


def test_values_of_no_class_enter_no_dice() -> None:
    truth, prediction = np.array([0, 1, 5, 2, -1, 255]), np.array([0, 1, 1, 2, 2, 0])
    assert metrics.dice_by_class(truth, prediction, 2).tolist() == pytest.approx([2 / 3, 2 / 3])
    assert metrics.dice_by_class(truth.astype(np.int16), prediction.astype(np.uint8), 2)[0] == (
        pytest.approx(2 / 3)
    )


def test_which_metrics_are_better_when_higher() -> None:
    higher = {name for name, metric in metrics.METRICS.items() if metric.higher_is_better}
    assert higher == {"r", "r2", "balanced_accuracy", "auroc", "accuracy", "dice"}
    assert [task.metrics[0] for task in TASKS.values()] == ["mae", "log_loss", "dice"]


def test_a_class_of_one_voxel_that_is_missed_has_a_dice_of_nothing() -> None:
    assert metrics.dice_by_class(np.array([1, 0]), np.array([0, 0]), 1).tolist() == [0]


def test_a_truth_without_variance_has_no_r2() -> None:
    assert np.isnan(plain(metrics.r2, np.array([3.0, 3.0]), np.array([2.0, 4.0])))


def test_a_wrong_certainty_costs_no_more_than_the_clip() -> None:
    probability = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert plain(metrics.log_loss, np.array([1, 1]), probability) == pytest.approx(
        15 * np.log(10) / 2
    )
    # what rounding makes of a certainty is no gain
    assert plain(metrics.log_loss, np.array([1]), np.array([[0.0, 1 + 1e-9]])) == 0


def test_classes_that_cannot_be_ranked_are_left_out_of_the_area() -> None:
    """Of three classes nobody is of the third; the others' areas are 1 and 3/4."""
    truth = np.array([0, 0, 1, 1])
    probability = np.array([[0.8, 0.1, 0.1], [0.7, 0.3, 0.0], [0.1, 0.2, 0.7], [0.3, 0.6, 0.1]])
    assert plain(metrics.auroc, truth, probability) == pytest.approx((1 + 3 / 4) / 2)
    assert plain(metrics.auroc, np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]])) == 0.5
