from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from headstart.tasks import TASKS
from headstart.tasks import class_metrics
from headstart.tasks import mask_metrics
from headstart.tasks import number_metrics
from headstart.tasks.classification import Classification
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import of_class
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
    assert np.isnan(plain(number_metrics.pearson, np.arange(10.0), np.full(10, 0.1)))
    assert np.isnan(plain(number_metrics.pearson, np.full(10, 0.1), np.arange(10.0)))


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
    assert np.isnan(
        plain(class_metrics.auroc, np.array([1, 1]), np.array([[0.5, 0.5], [0.1, 0.9]]))
    )


def test_dice():
    truth = np.array([0, 1, 1, 2, 0, 0])
    prediction = np.array([0, 1, 2, 2, 1, 0])
    np.testing.assert_allclose(
        mask_metrics.dice_by_class(truth, prediction, 3), [2 / 4, 2 / 3, np.nan]
    )


def test_dice_of_large_masks_does_not_overflow():
    truth = np.full((30, 30, 30), 200, np.uint8)
    assert mask_metrics.dice_by_class(truth, truth, 200)[-1] == 1


MASKS = Segmentation(("a", "b"))


def measured(dice, distance=1.0, volume=3.0, true=2.0):
    """What is measured of two classes where the Dice is as given; (n, measures * classes)."""
    dice = np.asarray(dice, float)
    rest = [np.full_like(dice, value) for value in (distance, distance, volume, true)]
    return np.column_stack([dice, dice, *rest])


def test_undefined_dice_is_left_out_of_the_mean():
    dice = [[0.8, np.nan], [0.6, 0.5], [np.nan, np.nan]]
    values = MASKS.evaluate(NOTHING, measured(dice), np.ones((1, 3)))
    found = {name: value[0] for name, value in values.items() if "dice" in name or name == "iou"}
    assert found == pytest.approx({"dice": 0.6, "dice_a": 0.7, "dice_b": 0.5, "iou": 0.4404762})
    assert np.isnan(MASKS.evaluate(NOTHING, measured(dice)[2:], np.ones((1, 1)))["dice"])


def test_while_training_masks_are_told_by_their_dice_alone():
    assert MASKS.score(NOTHING, np.array([[0.8, np.nan], [0.6, 0.5]])) == pytest.approx(
        {"dice": 0.6, "dice_a": 0.7, "dice_b": 0.5}
    )


def test_volumes_agree_as_bland_and_altman_have_it():
    predicted, true = np.array([5.0, 7, 6, 9]), np.array([4.0, 7, 7, 6])
    table = np.column_stack([*[np.ones(4)] * 4, predicted, true])
    values = Segmentation(("a",)).evaluate(NOTHING, table, np.ones((1, 4)))
    apart = predicted - true
    limits = apart.mean() + 1.96 * apart.std(ddof=1) * np.array([-1, 1])
    assert values["volume_bias_a"][0] == apart.mean()
    assert [values["volume_low_a"][0], values["volume_high_a"][0]] == pytest.approx(limits)
    assert values["volume_error"][0] == np.abs(apart).mean()


def test_what_is_no_number_is_never_the_first_class() -> None:
    truth = np.array([0, 1, 0, 1])
    probability = np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan], [0.3, 0.7]])
    values = BINARY.score(truth, probability)
    assert all(np.isnan(value) for value in values.values())
    resampled = BINARY.evaluate(truth, probability, np.ones((3, 4)))
    assert all(np.isnan(column).all() for column in resampled.values())


def test_values_of_no_class_enter_no_dice() -> None:
    truth, prediction = np.array([0, 1, 5, 2, -1, 255]), np.array([0, 1, 1, 2, 2, 0])
    assert mask_metrics.dice_by_class(truth, prediction, 2).tolist() == pytest.approx(
        [2 / 3, 2 / 3]
    )
    assert mask_metrics.dice_by_class(truth.astype(np.int16), prediction.astype(np.uint8), 2)[
        0
    ] == (pytest.approx(2 / 3))


def test_which_metrics_are_better_when_higher() -> None:
    lower = {name for name, metric in METRICS.items() if not metric.higher_is_better}
    assert lower == {
        *("mae", "rmse", "log_loss", "brier", "ece", "hd95", "assd", "volume_error"),
        *("hidden_error", "left_out_error", "nrmse", "edges", "sure", "corrected_gap"),
        "false_lesions",
    }
    between = {name for name, metric in METRICS.items() if metric.in_between}
    volumes = {"volume_bias", "volume_low", "volume_high"}
    assert between == {
        *(
            "bias",
            "slope",
            "gap_r",
            "corrected_gap_r",
            "threshold",
            "removed",
            "tsnr_gain",
            *volumes,
        )
    }
    # and no result is told by what can't be better
    assert "removed" in TASKS["denoising"].metrics
    assert not any(between & {*task.primaries()} for task in TASKS.values())
    assert [task.metrics[0] for task in TASKS.values()] == ["mae", "log_loss", "dice", "psnr"]


def test_a_class_of_one_voxel_that_is_missed_has_a_dice_of_nothing() -> None:
    assert mask_metrics.dice_by_class(np.array([1, 0]), np.array([0, 0]), 1).tolist() == [0]


def test_a_truth_without_variance_has_no_r2() -> None:
    assert np.isnan(plain(number_metrics.r2, np.array([3.0, 3.0]), np.array([2.0, 4.0])))


def test_a_wrong_certainty_costs_no_more_than_the_clip() -> None:
    probability = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert plain(class_metrics.log_loss, np.array([1, 1]), probability) == pytest.approx(
        15 * np.log(10) / 2
    )
    # what rounding makes of a certainty is no gain
    assert plain(class_metrics.log_loss, np.array([1]), np.array([[0.0, 1 + 1e-9]])) == 0


def test_classes_that_cannot_be_ranked_are_left_out_of_the_area() -> None:
    """Of three classes nobody is of the third; the others' areas are 1 and 3/4."""
    truth = np.array([0, 0, 1, 1])
    probability = np.array([[0.8, 0.1, 0.1], [0.7, 0.3, 0.0], [0.1, 0.2, 0.7], [0.3, 0.6, 0.1]])
    assert plain(class_metrics.auroc, truth, probability) == pytest.approx((1 + 3 / 4) / 2)
    assert plain(class_metrics.auroc, np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]])) == 0.5


# --- calibration ---


def test_predictions_drawn_to_the_mean_have_a_slope_above_1_and_a_gap_that_falls_with_the_truth():
    truth = np.linspace(20, 80, 13)
    values = Regression().evaluate(truth, 50 + 0.5 * (truth - 50) + 3, np.ones((1, 13)))
    assert values["slope"][0] == pytest.approx(2)
    assert values["gap_r"][0] == pytest.approx(-1)
    assert values["bias"][0] == pytest.approx(3)


def test_a_constant_prediction_has_no_slope():
    assert np.isnan(plain(number_metrics.slope, np.arange(9.0), np.full(9, 0.1)))


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_as_scikit_learn(classes):
    truth = RANDOM.integers(0, classes, 60)
    probability = np.round(RANDOM.dirichlet(np.ones(classes), 60), 1) + 0.01
    probability /= probability.sum(axis=1, keepdims=True)
    weights = RANDOM.choice([1, 1 / 3], 60)
    task = Classification(tuple("abcd"[:classes]))
    values = task.evaluate(truth, probability, weights[None])
    score = probability[:, 1] if classes == 2 else probability
    member = truth if classes == 2 else np.eye(classes)[truth]
    assert values["auprc"][0] == pytest.approx(
        reference.average_precision_score(member, score, sample_weight=weights)
    )
    assert values["brier"][0] == pytest.approx(
        reference.brier_score_loss(truth, score, labels=np.arange(classes), sample_weight=weights)
    )
    assert values["macro_f1"][0] == pytest.approx(
        reference.f1_score(
            truth, probability.argmax(axis=1), average="macro", sample_weight=weights
        )
    )


def test_calibration_error_and_curve_are_of_the_same_bins():
    probability = np.array([0.05, 0.02, 0.95, 0.91, 0.93, 1.0])
    truth = np.array([0, 1, 1, 1, 0, 1])
    both = np.column_stack([1 - probability, probability])
    said, happened, scans = class_metrics.calibration_curve(truth, both, np.ones(6))
    assert said == pytest.approx([0.035, 0.9475])
    assert happened == pytest.approx([0.5, 0.75])
    assert scans.tolist() == [2, 4]
    expected = (2 * 0.465 + 4 * 0.1975) / 6
    assert plain(class_metrics.ece, truth, both) == pytest.approx(expected)


def test_of_several_classes_the_calibration_is_that_of_the_most_probable():
    probability = np.array([[0.6, 0.3, 0.1], [0.2, 0.65, 0.15]])
    assert plain(class_metrics.ece, np.array([0, 2]), probability) == pytest.approx(0.125)


# --- names ---


def test_a_class_may_be_named_as_it_likes():
    assert of_class("volume_error") == ("volume_error", "")
    assert of_class("volume_error_left_error") == ("volume_error", "left_error")
    assert of_class("dice_nsd") == ("dice", "nsd")


def test_the_dice_of_a_single_class_is_told_once() -> None:
    assert Segmentation(("lesion",)).score(NOTHING, np.array([[0.8], [0.6]])) == {
        "dice": pytest.approx(0.7)
    }
