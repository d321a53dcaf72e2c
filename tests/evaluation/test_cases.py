"""The order of held-out scans, from the worst answer to the best."""

from __future__ import annotations

import numpy as np
from measured import as_measured

from headstart.evaluation.cases import in_order
from headstart.tasks.classification import Classification
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

KEYS = [(name, "1") for name in "abc"]


def test_numbers_are_ordered_by_their_error():
    task = Regression.from_config((), ())
    cases = in_order(task, KEYS, np.array([50.0, 50, 50]), np.array([52.0, 41, 50]))
    assert [(case.key[0], case.place, case.score) for case in cases] == [
        ("b", 1, 9),
        ("a", 0, 2),
        ("c", 2, 0),
    ]


def test_classes_are_ordered_by_the_probability_of_the_true_one():
    task = Classification.from_config(("F", "M"), ())
    right = np.array([0.9, 0.2, 0.6])
    cases = in_order(task, KEYS, np.array([1, 1, 0]), np.stack([1 - right, right], axis=1))
    assert [case.key[0] for case in cases] == ["b", "c", "a"]
    assert cases[0].score == -np.log(0.2)


def test_masks_are_ordered_by_their_dice_and_those_without_any_are_left_out():
    task = Segmentation.from_config(("x", "y"), ())
    dice = np.array([[0.9, 0.7], [np.nan, np.nan], [np.nan, 0.5]])
    cases = in_order(task, KEYS, np.zeros(3), as_measured(dice))
    assert [case.key[0] for case in cases] == ["c", "a"]
    np.testing.assert_allclose([case.score for case in cases], [0.5, 0.8])


def test_the_primary_metric_orders_and_ties_stand_by_the_first_one():
    task = Classification.from_config(("F", "M"), ())
    right = np.array([0.2, 0.9, 0.4])  # two are wrong
    given = (KEYS, np.array([1, 1, 1]), np.stack([1 - right, right], axis=1))
    cases = in_order(task, *given, "accuracy")
    assert [(case.key[0], case.score) for case in cases] == [("a", 0), ("c", 0), ("b", 1)]
    assert {case.metric for case in cases} == {"accuracy"}
    # of one scan there is no area under a curve
    assert {case.metric for case in in_order(task, *given, "auroc")} == {"log_loss"}


def test_what_is_best_by_one_metric_may_be_worst_by_the_primary_one():
    task = InstanceSegmentation(("lesion",))
    columns = {kind: np.full(2, 0.5) for kind in task.measures}
    columns |= {"dice": np.array([0.9, 0.5]), "lesion_f1": np.array([0.1, 0.8])}
    given = (KEYS[:2], np.zeros(2), np.column_stack([*columns.values()]))
    assert [case.key[0] for case in in_order(task, *given, "lesion_f1")] == ["a", "b"]
    assert [case.key[0] for case in in_order(task, *given)] == ["b", "a"]


def test_a_single_class_has_each_metric_once():
    one = Segmentation(("x",)).evaluate(np.zeros(1), as_measured([[0.5]]), np.ones((1, 1)))
    assert "dice" in one
    assert [name for name in one if name.endswith("_x")] == [
        *("volume_bias_x", "volume_low_x", "volume_high_x")
    ]
    two = Segmentation(("x", "y")).evaluate(np.zeros(1), as_measured([[0.5, 0.6]]), np.ones((1, 1)))
    assert {"dice", "dice_x", "dice_y"} <= two.keys()
