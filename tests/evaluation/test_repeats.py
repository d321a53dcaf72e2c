"""Repeats of a cross-validation: means over them, told from no more subjects than there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated import Study
from evaluated import make_study
from evaluated import reject
from simulated import AGE
from simulated import SEX

from headstart.cohort.prepared import read_cohort
from headstart.common.run_id import RunId
from headstart.evaluation.bench import Bench
from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.estimates import estimate
from headstart.evaluation.estimates import inflation
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.fitted import fitted_to_others
from headstart.evaluation.intervals import interval
from headstart.evaluation.predictions import of_one_repeat
from headstart.evaluation.predictions import read_run
from headstart.evaluation.settings import EvaluateSettings
from headstart.tasks.base import Task

N, FOLDS, REPEATS = 40, 4, 2


def repeated(
    truth: np.ndarray, said: np.ndarray, task: Task, repeats: int = REPEATS
) -> dict[str, tuple[float, float, float]]:
    """Value and interval of each metric, of answers that are the same in each repeat."""
    folds = np.concatenate([np.arange(N) % FOLDS + FOLDS * r for r in range(repeats)])
    by = inflation([10] * FOLDS * repeats, [30] * FOLDS * repeats, repeats)
    sample = HeldOut(np.tile(np.arange(N).astype(str), repeats), folds, by)
    answers = np.concatenate([said] * repeats)
    made = estimate(task, sample, np.tile(truth, repeats), answers, {})
    ends = {name: interval(one) for name, one in made.items()}
    return {name: (made[name].value, one.low, one.high) for name, one in ends.items()}


@pytest.mark.parametrize("task", [AGE, SEX], ids=["age", "sex"])
def test_the_same_answers_again_tell_nothing_new(task: Task) -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(50, 15, N) if task is AGE else rng.integers(0, 2, N)
    said = truth + rng.normal(0, 6, N)
    if task is SEX:
        p = 1 / (1 + np.exp(-rng.normal(2 * truth - 1, 1)))
        said = np.column_stack([1 - p, p])
    once, again = (repeated(truth, said, task, repeats) for repeats in (1, REPEATS))
    for name, numbers in once.items():
        assert again[name] == pytest.approx(numbers, rel=1e-6, nan_ok=True), name


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("repeats")
    return make_study(root, folds=tuple(range(2 * REPEATS)), seeds=(0,), repeats=REPEATS)


def inputs(study: Study) -> dict[str, Path]:
    return {
        "passed": study.root / "check/passed.csv",
        "splits": study.root / "split/splits.csv",
        "prepared": study.root / "prepare",
    }


def test_a_metric_is_the_mean_over_repeats_and_a_subject_counts_once(study: Study) -> None:
    settings = EvaluateSettings(
        **{"experiment": "exp", "task": "regression", "target": "age", "classes": {}},
        **{"primary": "mae", "test": True, "folds": tuple(range(2 * REPEATS)), "seeds": (0,)},
    )
    metrics, comparison, answers = evaluate(
        settings=settings, predictions=study.predictions, **inputs(study)
    )
    (mae,) = [
        row
        for row in metrics
        if (row.model, row.metric, row.group) == ("network", "mae", "all")
        and row.protocol == "cross-validation"
    ]
    held_out = [
        (RunId.of(path).fold // 2, row.subject, row.session, float(row.answer["prediction"]))
        for path in study.predictions
        for row in read_run(path).rows
        if row.part == "fold"
    ]
    table = pd.DataFrame(held_out, columns=["repeat", "subject", "session", "prediction"])
    own = {(row.subject, row.session): row for row in answers if row.fold}
    keys = [*zip(table["subject"], table["session"], strict=True)]
    table = table[[key in own for key in keys]]
    target = [float(own[key].target) for key in keys if key in own]
    table["error"] = (table["prediction"] - target).abs()
    by_repeat = table.groupby(["repeat", "subject"])["error"].mean().groupby("repeat").mean()
    assert by_repeat.nunique() == REPEATS
    assert mae.value == pytest.approx(by_repeat.mean())
    assert mae.n == table["subject"].nunique()
    # a t test over answers.csv counts nobody twice: a scan has one row, the mean over repeats
    assert len(own) == sum(row.protocol == "cross-validation" for row in answers)
    assert all(len(row.fold) == row.repeats == REPEATS for row in own.values())
    means = table.groupby(["subject", "session"])["prediction"].mean()
    for key, row in own.items():
        assert float(row.answer["prediction"]) == pytest.approx(means[key])
        assert float(row.answer["gap"]) == pytest.approx(means[key] - float(row.target))
    # half of the subjects are held out by each of two folds, however often that is done
    assert mae.ci_method.endswith("; variance x 3 for folds, mean of 2 repeats")
    assert {row.ci_method for row in metrics if "repeats" in row.ci_method}
    assert all("repeats" not in row.ci_method for row in comparison if row.protocol == "test")


def test_baselines_and_corrections_have_not_seen_whom_they_answer_for(study: Study) -> None:
    files = inputs(study)
    cohort = read_cohort(files["passed"], files["splits"], files["prepared"], "age")
    task = AGE.from_cohort(cohort, ())
    sites = {scan.key: "" for scan in cohort.scans}
    bench = Bench(task, cohort, sites, data=study.root, classes={}, tolerance=1.0)
    trial = bench.trial([read_run(path) for path in study.predictions], "fold")
    fitted = fitted_to_others(task, trial, trial)
    for fold in range(2 * REPEATS):
        inside = trial.sample.folds == fold
        held_out = {scan.subject for scan in cohort.held_out(fold)}
        assert set(trial.sample.subjects[inside]) == held_out
        assert not held_out & {scan.subject for scan in cohort.training(fold)}
        others = [s for s in cohort.scans if s.target and not s.test and s.subject not in held_out]
        weights = [1 / sum(o.subject == s.subject for o in others) for s in others]
        mean = np.average([float(scan.target) for scan in others], weights=weights)
        assert trial.models["mean"][inside] == pytest.approx(mean)
        known = np.isin(trial.sample.subjects, [scan.subject for scan in others])
        known &= trial.sample.folds != fold
        share = 1 / pd.Series(trial.sample.subjects[known]).map(
            pd.Series(trial.sample.subjects[known]).value_counts()
        )
        said = trial.models["network"]
        line = np.polyfit(trial.truth[known], said[known], 1, w=np.sqrt(share))
        gap = said[inside] - np.polyval(line, trial.truth[inside])
        assert fitted[inside] - trial.truth[inside] == pytest.approx(gap)


def test_what_shows_each_scan_once_shows_the_first_repeat_that_was_trained(study: Study) -> None:
    files = inputs(study)
    cohort = read_cohort(files["passed"], files["splits"], files["prepared"], "age")
    scans = {scan.key: scan for scan in cohort.scans}
    runs = [read_run(path) for path in study.predictions]
    left, seen = of_one_repeat(runs[3:], scans)
    assert {run.fold for run in left} == {3}
    assert {scan.fold for scan in seen.values()} == {2, 3, None}
    left, _ = of_one_repeat(runs, scans)
    assert {run.fold for run in left} == {0, 1}


def test_a_scan_without_a_prediction_is_of_the_repeats_that_were_trained(tmp_path: Path) -> None:
    study = make_study(tmp_path, folds=(0, 1), seeds=(0,), repeats=REPEATS)
    settings = EvaluateSettings(
        **{"experiment": "exp", "task": "regression", "target": "age", "classes": {}},
        **{"primary": "mae", "test": True, "folds": (0, 1), "seeds": (0,)},
    )
    key = next(row.key for row in read_run(study.predictions[0]).rows if row.part == "fold")
    reject(study.predictions[0], key, "not finite")
    answers = evaluate(settings=settings, predictions=study.predictions, **inputs(study))[2]
    (row,) = [row for row in answers if row.rejected]
    assert (row.fold, row.repeats) == (("0",), 1)
