"""Labels that can't be covariates, and those that are the answer."""

from __future__ import annotations

import pandas as pd
import pytest
from rows import label_rows

from headstart.cohort.covariate_checks import check_covariate
from headstart.cohort.covariate_checks import gives_away
from headstart.common.errors import UserError
from headstart.data.label_table import LabelRow


def cohort(**columns: list[str]) -> list[LabelRow]:
    rows = len(next(iter(columns.values())))
    return label_rows(pd.DataFrame({"subject": [f"s{n}" for n in range(rows)], **columns}))


def test_labels_that_are_of_use():
    labels = cohort(age=["20", "", "3e1", "40"], sex=["F", "M", "", "F"])
    check_covariate("age", labels)
    check_covariate("sex", labels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["20", "30", "old", "40"], "subject s2 has x = 'old', which is no number"),
        (["20", "30", "inf", "40"], "subject s2 has x = 'inf', which is no number"),
        (["40", "40.0", "", "40"], "every scan has x = 40, which tells nothing; remove it"),
        (["M", "M", "M", ""], "every scan has x = M, which tells nothing"),
        (["M", "F", "m", "F"], r"'m' and 'M' differ in case .* map: \{F: F, M: M, m: M\}"),
        (["a", "b", "c", "a"], "x has 3 classes among 4 subjects, so that it names people"),
        (["", "", "", ""], "'x' is empty for every scan"),
    ],
)
def test_a_label_that_can_not_be_seen(values, message):
    with pytest.raises(UserError, match=message):
        check_covariate("x", cohort(x=values))


def test_a_label_that_is_not_there():
    with pytest.raises(UserError, match="no scan has the label 'y'; allowed: site, x"):
        check_covariate("y", cohort(x=["1", "2"]))
    with pytest.raises(UserError, match="no scan has the label 'mask'"):
        check_covariate("mask", cohort(x=["1", "2"]))


NUMBERS = [str(n) for n in range(40)]
HALVES = ["low" if n < 20 else "high" for n in range(40)]
TURNS = ["ab"[n % 2] for n in range(40)]


@pytest.mark.parametrize(
    ("values", "targets", "number", "known"),
    [
        # another unit of the target, upside down, and with much noise
        (NUMBERS, [str(7 - 2 * n) for n in range(40)], True, True),
        (NUMBERS, [str(n + 12 * (n % 2)) for n in range(40)], True, False),
        (TURNS, NUMBERS, True, False),
        # a threshold
        (NUMBERS, HALVES, False, True),
        (NUMBERS, TURNS, False, False),
        # other words; one wrong of twenty of each class is more than nearly all
        (["x" if t == "a" else "y" for t in TURNS], TURNS, False, True),
        (["x", *["y" if t == "b" else "x" for t in TURNS[1:-2]], "y", "x"], TURNS, False, False),
        (["0" if t == "a" else "1" for t in TURNS], TURNS, False, True),
        (HALVES, TURNS, False, False),
        (["x"] * 40, TURNS, False, False),
        # a rare class is not told by saying the common one of everybody
        (HALVES, ["a"] * 39 + ["b"], False, False),
    ],
)
def test_a_covariate_that_is_the_answer(values, targets, number, known):
    assert gives_away(values, targets, number=number) is known
