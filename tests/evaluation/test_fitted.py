"""Thresholds and corrections are chosen on the held-out subjects of other folds, and judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_curve

from headstart.evaluation.bench import HeldOutTrial
from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.estimates import estimate
from headstart.evaluation.evaluate import fitted_rows
from headstart.evaluation.fitted import fitted_to_others
from headstart.evaluation.fitted_words import fitted_words
from headstart.evaluation.intervals import interval
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.tasks.base import UnfittedError
from headstart.tasks.class_metrics import youden
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression

SEX = Classification(("F", "M"))
AGE = Regression()
N = 60


def trial(truth: np.ndarray, said: np.ndarray, folds: np.ndarray) -> HeldOutTrial:
    # nobody of the test is in a fold
    subjects = [f"{'t' if fold < 0 else 's'}{n:03d}" for n, fold in enumerate(folds)]
    sample = HeldOut(np.array(subjects), folds)
    sites = np.full(len(truth), "A")
    return HeldOutTrial(sample, sites, truth, "network", {"network": said}, (said,), ())


def of_classes(seed: int = 0, folds: int = 3) -> HeldOutTrial:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, N)
    p = np.clip(np.round(rng.normal(0.3 + 0.2 * truth, 0.15), 2), 0, 1)
    return trial(truth, np.column_stack([1 - p, p]), np.arange(N) % folds)


def by_hand(truth: np.ndarray, called: np.ndarray) -> dict[str, float]:
    return {
        "sensitivity_M": called[truth == 1].mean(),
        "specificity_M": (~called)[truth == 0].mean(),
        "ppv_M": truth[called].mean(),
        "npv_M": 1 - truth[~called].mean(),
    }


def test_youden_s_threshold_is_that_of_scikit_learn() -> None:
    one = of_classes()
    false, true, cuts = roc_curve(one.truth, one.models["network"][:, 1], drop_intermediate=False)
    best = cuts[1:][np.argmax((true - false)[1:])]
    assert youden(one.truth, one.models["network"], np.ones(N)) == best
    # a perfect classifier's lies where the second class begins
    told_apart = np.column_stack([1 - one.truth * 0.8, one.truth * 0.8])
    assert youden(one.truth, told_apart, np.ones(N)) == 0.8


def test_each_fold_is_judged_at_the_threshold_of_the_others() -> None:
    one = of_classes()
    p, folds = one.models["network"][:, 1], one.sample.folds
    called = np.zeros(N, bool)
    for fold in range(3):
        others = folds != fold
        cut = youden(one.truth[others], one.models["network"][others], np.ones(others.sum()))
        called[folds == fold] = p[folds == fold] >= cut
    every = fitted_rows(SEX, one, one, "cross-validation")
    rows = {row.metric: row for row in having(every, group="all")}
    assert {name: rows[name].value for name in by_hand(one.truth, called)} == pytest.approx(
        by_hand(one.truth, called)
    )
    assert rows["sensitivity_M"].n == (one.truth == 1).sum()
    assert rows["npv_M"].n == (~called).sum()
    assert {row.seed_sd for row in rows.values()} == {None}
    assert rows["threshold_M"].ci_low is None


def test_who_is_judged_moves_no_threshold_of_his_own() -> None:
    one = of_classes()
    judged = one.sample.folds == 0
    other = replace(one, truth=np.where(judged, 1 - one.truth, one.truth))
    said, changed = (fitted_to_others(SEX, each, each) for each in (one, other))
    assert (said[judged] == changed[judged]).all()
    assert (said[~judged, 1] != changed[~judged, 1]).any()


def test_test_subjects_are_judged_at_the_threshold_of_all_folds() -> None:
    known, test = of_classes(0), of_classes(1)
    test = trial(test.truth, test.models["network"], np.full(N, -1))
    said = fitted_to_others(SEX, test, known)
    assert (said[:, 0] == test.models["network"][:, 1]).all()
    cut = youden(known.truth, known.models["network"], np.ones(N))
    assert set(said[:, 1]) == {cut}


def test_a_sensitivity_has_wilson_s_interval_of_those_it_is_told_from() -> None:
    one = of_classes(folds=1)
    said = np.column_stack([one.models["network"][:, 1], np.full(N, 0.4)])
    made = estimate(SEX, one.sample, one.truth, said, {}, fitted=True)
    positive = one.truth == 1
    right = int((said[positive, 0] >= 0.4).sum())
    known = stats.binomtest(right, int(positive.sum())).proportion_ci(0.95, method="wilson")
    got = interval(made["sensitivity_M"])
    assert (got.low, got.high) == pytest.approx((known.low, known.high), abs=1e-12)


def test_a_subject_of_several_sessions_counts_once() -> None:
    subjects, truth = np.repeat([f"s{n}" for n in range(20)], 2), np.ones(40, int)
    said = np.column_stack([np.tile([0.9, 0.1], 20), np.full(40, 0.5)])
    made = estimate(SEX, HeldOut(subjects, np.zeros(40, int)), truth, said, {}, fitted=True)
    known = stats.binomtest(10, 20).proportion_ci(0.95, method="wilson")
    got = interval(made["sensitivity_M"])
    assert made["sensitivity_M"].value == 0.5
    # all subjects are alike: that their 40 sessions are, too, is known from 20
    assert (got.low, got.high) == pytest.approx((known.low, known.high))


@pytest.mark.parametrize("task", [SEX, AGE])
def test_what_other_folds_do_not_tell_is_said_in_words(task: Any) -> None:
    one = of_classes(folds=1)
    one = one if task is SEX else trial(np.arange(60.0), np.arange(60.0), np.zeros(60, int))
    rows = list(fitted_rows(task, one, one, "hold-out"))
    assert {row.metric for row in rows} == set(task.fitted_metrics)
    assert all(row.value is None and row.ci_low is None for row in rows)
    words = "other folds hold out fewer than 10 subjects to fit it to"
    assert {row.ci_method for row in rows} == {f"none: {words}"}
    assert fitted_words(rows, "").endswith(f": {words}.")


def test_a_class_that_no_other_fold_has_tells_no_threshold() -> None:
    one = of_classes(folds=2)
    one = replace(one, truth=np.where(one.sample.folds == 0, one.truth, 0))
    with pytest.raises(UnfittedError, match="of one class"):
        fitted_to_others(SEX, one, one)


def test_more_than_two_classes_have_no_threshold() -> None:
    task = Classification(("a", "b", "c"))
    assert task.fitted_metrics == ()
    assert list(fitted_rows(task, of_classes(), of_classes(), "cross-validation")) == []


def test_the_gap_is_corrected_by_the_line_through_the_other_folds() -> None:
    """Each fold's network has a line of its own: what is left of a fold is seen by the others'."""
    rng = np.random.default_rng(0)
    age, delta = rng.uniform(20, 80, N), rng.normal(0, 3, N)
    folds = np.arange(N) % 2
    said = np.where(folds == 0, 30 + 0.4 * age, 10 + 0.7 * age)
    both = trial(age, said, folds)
    corrected = fitted_to_others(AGE, both, both)
    first = folds == 0
    assert corrected[first] - age[first] == pytest.approx(20 - 0.3 * age[first])
    # of the test, by one line: deltas come back, whatever the age
    known = trial(age, 30 + 0.4 * age, folds)
    test = trial(age, 30 + 0.4 * age + delta, np.full(N, -1))
    rows = {row.metric: row for row in fitted_rows(AGE, test, known, "test")}
    assert rows["corrected_gap"].value == pytest.approx(np.abs(delta).mean())
    assert rows["corrected_gap_r"].value == pytest.approx(np.corrcoef(age, delta)[0, 1])


def test_the_same_age_in_all_other_folds_has_no_line() -> None:
    one = trial(np.full(N, 40.0), np.arange(60.0), np.arange(N) % 2)
    with pytest.raises(UnfittedError, match="the same in all"):
        fitted_to_others(AGE, one, one)


def test_it_is_said_in_words() -> None:
    def row(metric: str, *numbers: float | None) -> MetricRow:
        return MetricRow("network", metric, "all", "test", *numbers, "Wilson", 30, None)

    shares = {"sensitivity_M": 0.8, "specificity_M": 0.7, "ppv_M": 0.6, "npv_M": 0.9}
    rows = [row("threshold_M", 0.4321, None, None)]
    rows += [row(name, share, share - 0.1, share + 0.05) for name, share in shares.items()]
    said = fitted_words([*rows, replace(rows[0], model="mean", value=0.1)], "")
    assert said.startswith("At a threshold of about 0.43 on the probability of M")
    assert "sensitivity 0.800 [0.700, 0.850], specificity 0.700 [0.600, 0.750]" in said
    assert "(of single" not in said
    mean = [replace(one, model="ensemble") for one in rows]
    assert "(of single folds' networks; here the mean of all is judged)" in fitted_words(mean, "")
    gap = [row("corrected_gap", 4.0, 3.0, 5.5), row("corrected_gap_r", 0.01, -0.2, 0.2)]
    size = "mean absolute size of 4.00 [3.00, 5.50] years and r = 0.010 ["
    assert size in fitted_words(gap, "years")
    assert fitted_words([row("dice", 0.8, 0.7, 0.9)], "") == ""
