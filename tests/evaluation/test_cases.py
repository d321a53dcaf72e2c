"""The order of held-out scans, from the worst answer to the best."""

from __future__ import annotations

import numpy as np
from measured import as_measured

from headstart.evaluation.cases import in_order
from headstart.tasks.classification import Classification
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
