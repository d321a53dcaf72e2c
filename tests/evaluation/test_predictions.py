"""Predictions of several networks, put together by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from measured import columns_of

from headstart.common.errors import UserError
from headstart.common.run_id import RunId
from headstart.evaluation.predictions import NetworkPredictions
from headstart.evaluation.predictions import PredictionRow
from headstart.evaluation.predictions import check_complete
from headstart.evaluation.predictions import image_path
from headstart.evaluation.predictions import pool
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.tasks.weighted import mean_of_known

REGRESSION, SEX, MASKS = Regression(), Classification(("F", "M")), Segmentation(("x", "y"))
REST = columns_of("xy")
FOLDS = {"a": (0,), "b": (0,), "c": (1,), "t": ()}
SCANS = {(s, "1"): SimpleNamespace(folds=folds) for s, folds in FOLDS.items()}


def network(fold: int, seed: int, **columns: dict[str, float]) -> NetworkPredictions:
    """One network's file: its fold's subjects, and the test subject t."""
    (first,) = list(columns.values())[:1]
    rows = [
        PredictionRow(
            *(s, "1", "test" if s == "t" else "fold", "1"),
            {name: str(values[s]) for name, values in columns.items()},
        )
        for s in first
    ]
    path = RunId("x", fold, seed).predicted / "predictions.csv"
    return NetworkPredictions(path, fold, seed, rows)


def four() -> list[NetworkPredictions]:
    return [
        network(0, 0, prediction={"a": 10, "b": 20, "t": 1}),
        network(0, 1, prediction={"a": 14, "b": 26, "t": 3}),
        network(1, 0, prediction={"c": 30, "t": 5}),
        network(1, 1, prediction={"c": 50, "t": 11}),
    ]


def test_a_held_out_scan_has_the_mean_over_the_seeds_of_its_fold():
    pooled = pool(four(), "fold", SCANS, REGRESSION)
    assert pooled.keys == (("a", "1"), ("b", "1"), ("c", "1"))
    assert pooled.mean.tolist() == [12, 23, 40]
    assert [one.tolist() for one in pooled.by_seed] == [[10, 20, 30], [14, 26, 50]]


def test_a_scan_that_two_repeats_hold_out_is_there_twice():
    scans = SCANS | {("a", "1"): SimpleNamespace(folds=(0, 3))}
    again = network(3, 0, prediction={"a": 70, "t": 5})
    pooled = pool([network(0, 0, prediction={"a": 10, "t": 1}), again], "fold", scans, REGRESSION)
    assert pooled.keys == (("a", "1"), ("a", "1"))
    assert pooled.folds == (0, 3)
    assert pooled.mean.tolist() == [10, 70]


def test_a_test_scan_has_the_mean_over_all_folds_and_seeds():
    pooled = pool(four(), "test", SCANS, REGRESSION)
    assert pooled.keys == (("t", "1"),)
    assert pooled.mean.tolist() == [5]
    assert [one.tolist() for one in pooled.by_seed] == [[3], [7]]


def test_probabilities_are_averaged_by_class():
    runs = [
        network(0, seed, p_F={"a": p, "b": 0.5, "t": p}, p_M={"a": 1 - p, "b": 0.5, "t": 1 - p})
        for seed, p in enumerate((0.9, 0.2))
    ]
    scans = {key: scan for key, scan in SCANS.items() if key[0] != "c"}
    pooled = pool(runs, "fold", scans, SEX)
    np.testing.assert_allclose(pooled.mean, [[0.55, 0.45], [0.5, 0.5]])


def test_dice_is_averaged_where_it_is_known():
    rest = {name: {"a": "", "b": ""} for name in REST}
    runs = [
        network(0, 0, dice_x={"a": 0.8, "b": ""}, dice_y={"a": "", "b": ""}, **rest),  # type: ignore
        network(0, 1, dice_x={"a": 0.6, "b": 0.5}, dice_y={"a": "", "b": 1.0}, **rest),  # type: ignore
    ]
    scans = {key: scan for key, scan in SCANS.items() if key[0] in "ab"}
    pooled = pool(runs, "fold", scans, MASKS)
    np.testing.assert_allclose(pooled.mean[:, :2], [[0.7, np.nan], [0.5, 1.0]])


def test_scans_without_a_known_target_are_left_out():
    scans = {key: scan for key, scan in SCANS.items() if key[0] != "a"}
    assert pool(four(), "fold", scans, REGRESSION).keys == (("b", "1"), ("c", "1"))


def test_a_subject_of_another_fold_is_refused():
    with pytest.raises(UserError, match="subject c is not in fold 0"):
        pool([network(0, 0, prediction={"c": 1})], "fold", SCANS, REGRESSION)


def test_nobody_left_is_told():
    runs = [network(0, 0, prediction={"a": 10, "b": 20})]
    with pytest.raises(UserError, match="'test'"):
        pool(runs, "test", SCANS, REGRESSION)


def test_mean_of_known():
    answers = [np.array([1.0, np.nan, np.nan]), np.array([3.0, 5.0, np.nan])]
    np.testing.assert_array_equal(mean_of_known(answers), [2, 5, np.nan])


COHORT: Any = SimpleNamespace(
    held_out=lambda fold: [SimpleNamespace(subject=s, session="1") for s in "abc" if fold == 0],
    test=lambda: [SimpleNamespace(subject="t", session="1")],
)
MASK = {"mask": ["masks/any.nii.gz"] * 3, "mask_sha256": [""] * 3}


def said_of_three(*, test: str = "", **columns: list[str]) -> NetworkPredictions:
    rows = [
        PredictionRow(subject, "1", "fold", "", {name: cells[n] for name, cells in columns.items()})
        for n, subject in enumerate("abc")
    ]
    if test:
        rows.append(PredictionRow(test, "1", "test", "", dict.fromkeys(columns, "0.5")))
    return NetworkPredictions(RunId("x", 0, 0).predicted / "predictions.csv", 0, 0, rows)


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        (REGRESSION, {"prediction": ["-5", "0", "1e3"]}),
        (SEX, {"p_F": ["0", "1", "0.4995"], "p_M": ["1", "0", "0.4999"]}),
        (MASKS, {"dice_x": ["0", "1", ""], "dice_y": ["", "", "0.5"], **REST, **MASK}),
    ],
)
def test_answers_up_to_their_bounds_are_taken(task, columns):
    check_complete(said_of_three(**columns), COHORT, task, test=False)


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        (REGRESSION, {"prediction": ["1", "2", ""]}),
        (REGRESSION, {"prediction": ["1", "2", "old"]}),
        (SEX, {"p_F": ["0.5"] * 3, "p_M": ["0.5", "0.5", "0.502"]}),
        (SEX, {"p_F": ["0.5"] * 3, "p_M": ["0.5", "0.5", "0.498"]}),
        (SEX, {"p_F": ["1", "1", "1.0005"], "p_M": ["0"] * 3}),
        (MASKS, {"dice_x": ["1"] * 3, "dice_y": ["0", "", "1.01"], **REST, **MASK}),
        (MASKS, {"dice_x": ["1"] * 3, "dice_y": ["0", "", "nan"], **REST, **MASK}),
    ],
)
def test_an_answer_that_cannot_be_is_refused_with_its_scan(task, columns):
    with pytest.raises(UserError, match="the answer for subject c, session 1 is no"):
        check_complete(said_of_three(**columns), COHORT, task, test=False)


def test_a_test_part_is_whole_or_not_there():
    answers = {"prediction": ["1", "2", "3"]}
    check_complete(said_of_three(**answers), COHORT, REGRESSION, test=False)
    check_complete(said_of_three(test="t", **answers), COHORT, REGRESSION, test=True)
    with pytest.raises(
        UserError, match=r"\(1 differ\): subject t, session 1, part test: is not th"
    ):
        check_complete(said_of_three(**answers), COHORT, REGRESSION, test=True)
    with pytest.raises(
        UserError, match=r"\(2 differ\): subject t, session 1, part test: is not th"
    ):
        check_complete(said_of_three(test="u", **answers), COHORT, REGRESSION, test=False)


def test_a_scan_that_is_there_twice_is_refused():
    run = said_of_three(prediction=["1", "2", "3"])
    twice = NetworkPredictions(run.path, 0, 0, [*run.rows, run.rows[1]])
    with pytest.raises(UserError, match=r"\(1 differ\): subject b, .*: is there 2 times"):
        check_complete(twice, COHORT, REGRESSION, test=False)


def test_a_held_out_scan_of_no_known_fold_is_refused_and_one_without_a_target_left_out():
    other = [network(1, 0, prediction={"a": 1, "c": 2})]
    with pytest.raises(UserError, match="subject a is not in fold 1"):
        pool(other, "fold", SCANS, REGRESSION)
    scans = {key: scan for key, scan in SCANS.items() if key[0] == "c"}
    assert pool(other, "fold", scans, REGRESSION).mean.tolist() == [2]


def test_a_scan_that_one_network_cannot_tell_has_no_prediction() -> None:
    runs = four()
    bad = PredictionRow("b", "1", "fold", "1", {"prediction": "", "rejected": "not finite"})
    runs[1] = replace(runs[1], rows=[row for row in runs[1].rows if row.key != bad.key] + [bad])
    pooled = pool(runs, "fold", SCANS, REGRESSION)
    assert pooled.keys == (("a", "1"), ("c", "1"))
    assert pooled.mean.tolist() == [12, 40]
    assert pooled.rejected == {("b", "1"): "not finite"}
    assert pool(runs, "test", SCANS, REGRESSION).rejected == {}


def test_what_was_rejected_is_complete_and_no_answer() -> None:
    answers = {"prediction": ["1", "", "3"], "rejected": ["", "not finite", ""]}
    check_complete(said_of_three(**answers), COHORT, REGRESSION, test=False)
    masks = {"dice_x": ["1"] * 3, "dice_y": ["0"] * 3, **REST, "mask": ["a", "", "c"]}
    masks |= {"mask_sha256": ["1", "", "3"], "rejected": ["", "not finite", ""]}
    run = said_of_three(**masks)
    check_complete(run, COHORT, MASKS, test=False)
    assert [image_path(run, (subject, "1"), MASKS) is None for subject in "abc"] == [0, 1, 0]
    nobody = said_of_three(prediction=[""] * 3, rejected=["not finite"] * 3)
    with pytest.raises(UserError, match=r"no prediction of the part 'fold' .* not finite"):
        pool([nobody], "fold", SCANS, REGRESSION)
