"""A few rows of tests/benchmarks/coverage.py, with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import POPULATIONS
from simulated import SEX
from simulated import single
from simulated_folds import COHORTS
from simulated_folds import MANY
from simulated_folds import Cohort

from headstart.evaluation.estimates import estimate
from headstart.evaluation.intervals import difference
from headstart.evaluation.intervals import interval

STUDIES = 200
ERROR = 3 * np.sqrt(0.95 * 0.05 / STUDIES)  # three standard errors of a coverage of 95 %


@pytest.mark.parametrize(
    ("people", "metrics"),
    [
        ("normal errors", ("mae", "rmse", "r2", "r")),
        ("heavy tails (t4)", ("mae", "rmse")),
        ("AUROC .95", ("auroc", "log_loss", "balanced_accuracy", "accuracy")),
    ],
)
@pytest.mark.parametrize("sessions", [1, 3])
def test_intervals_from_thirty_subjects_hold_the_truth(people, metrics, sessions):
    population, rng = POPULATIONS[people], np.random.default_rng([30, sessions])
    true = population.truth(sessions)
    hits = dict.fromkeys(metrics, 0)
    for _ in range(STUDIES):
        made = population.estimates(rng, 30, sessions)
        for name in metrics:
            got = interval(made[name])
            hits[name] += got.low <= true[name] <= got.high
    for name, times in hits.items():
        assert times / STUDIES >= 0.95 - ERROR, name


def test_a_network_that_knows_no_more_is_found_better_in_less_than_one_of_twenty():
    """Two networks that are as good: either is found better in half of 5 %."""
    rng = np.random.default_rng(1)
    names, found = SEX.metrics, dict.fromkeys(SEX.metrics, 0)
    for _ in range(STUDIES):
        truth = (rng.random(30) < 0.5).astype(int)
        scores = truth + rng.normal(size=30) / 2 + rng.normal(size=(2, 30))
        p = 1 / (1 + np.exp(0.5 - scores))
        one, other = (estimate(SEX, single(30), truth, np.column_stack([1 - q, q]), {}) for q in p)
        for name in names:
            apart = difference(one[name], other[name])
            found[name] += apart.low > 0 or apart.high < 0
    for name, times in found.items():
        assert times / STUDIES <= 0.05 + ERROR, name


@pytest.mark.parametrize("name", ["ridge, no signal", "logistic, no signal"])
def test_over_folds_an_overfitted_network_without_signal_beats_nothing(name):
    cohort: Cohort = COHORTS[name]
    others, rng = cohort.draw(np.random.default_rng(5), MANY // 10), np.random.default_rng(2)
    constant = {"auroc": 0.5, "balanced_accuracy": 0.5} if cohort.task is SEX else {"r": np.nan}
    studies = 40
    beats, holds = dict.fromkeys(cohort.task.metrics, 0), dict.fromkeys(cohort.task.metrics, 0)
    for _ in range(studies):
        trial = cohort.trial(rng, 60, others)
        ours = estimate(cohort.task, trial.held_out, trial.truth, trial.prediction, {})
        theirs = estimate(cohort.task, trial.held_out, trial.truth, trial.constant, constant)
        for metric in cohort.task.metrics:
            made = ours[metric]
            apart, got = difference(made, theirs[metric]), interval(made)
            beats[metric] += apart.low > 0 if made.metric.higher_is_better else apart.high < 0
            holds[metric] += got.low <= trial.known[metric] <= got.high
    # three standard errors beside 5 % and 95 %
    error = 3 * np.sqrt(0.95 * 0.05 / studies)
    assert max(beats.values()) / studies <= 0.05 + error
    assert min(holds.values()) / studies >= 0.95 - error
