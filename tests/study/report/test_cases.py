"""What the table of the worst cases tells of each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from measured import as_measured

from headstart.evaluation.cases import Case
from headstart.evaluation.predictions import Pooled
from headstart.study.report import cases
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation


@pytest.mark.parametrize(
    ("dice", "headers", "told"),
    [
        ({"lesion": [0.4, 0.8]}, [], []),
        (
            {"rim": [0.4, 0.8], "core": [0.6, 0.9]},
            ["Dice, rim", "Dice, core"],
            ["0.400", "0.600"],
        ),
    ],
)
def test_the_dice_of_a_single_class_is_told_once(dice, headers, told) -> None:
    mean = as_measured(np.transpose([*dice.values()]))
    pooled = Pooled((("a", "1"), ("b", "1")), (0, 0), (mean,), mean)
    asked: Any = SimpleNamespace(target="mask", unit="")
    scans: Any = dict.fromkeys(pooled.keys, SimpleNamespace(target="m.nii.gz"))
    answers = cases.Answers(asked, "dice", Segmentation((*dice,)), {}, [], scans, pooled)
    assert cases._headers(answers) == headers
    assert cases._told(answers, answers.ordered)[0] == told


@pytest.mark.parametrize(
    ("scans", "words"),
    [
        (1, ["best"]),
        (2, ["worst 1", "best"]),
        (5, ["worst 1", "worst 2", "median", "best"]),
        (40, [*(f"worst {n}" for n in range(1, 9)), "median", "best"]),
    ],
)
def test_no_scan_is_called_one_of_the_worst_that_is_better_than_the_median(scans, words) -> None:
    ordered = [Case((str(n), "1"), n, "mae", float(scans - n)) for n in range(scans)]
    assert [*cases.listed(ordered)] == words
    assert len({case.place for case in cases.listed(ordered).values()}) == len(words)


def test_numbers_below_each_other_are_rounded_alike() -> None:
    said = np.array([61.46, 30.57, 9.0])
    pooled = Pooled((("a", "1"), ("b", "1"), ("c", "1")), (0, 0, 0), (said,), said)
    asked: Any = SimpleNamespace(target="age", unit="years")
    true = ("61.4", "52.57", "9")
    scans: Any = {
        key: SimpleNamespace(target=age) for key, age in zip(pooled.keys, true, strict=True)
    }
    answers = cases.Answers(asked, "mae", Regression(), {}, [], scans, pooled)
    head, rows = cases._table(answers, dict(zip("wmb", answers.ordered, strict=True)))
    assert head[-1] == "absolute error (years)"
    assert [row[-1] for row in rows] == ["22.0", "0.1", "0.0"]
    assert [row[-2] for row in rows] == ["30.6", "61.5", "9.0"]
    assert [row[-3] for row in rows] == ["52.57", "61.40", "9.00"]
