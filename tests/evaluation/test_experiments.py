"""Experiments against each other: known differences, families, and what seeds explain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated import Study
from evaluated import make_study

from headstart.cohort.prepared import read_cohort
from headstart.common.run_id import RunId
from headstart.evaluation.experiment_words import sentence
from headstart.evaluation.experiments import compare
from headstart.evaluation.predictions import read_run
from headstart.evaluation.predictions import write_predictions
from headstart.evaluation.results import ExperimentRow
from headstart.evaluation.results import having
from headstart.evaluation.settings import Comparable
from headstart.evaluation.settings import CompareSettings
from headstart.tasks.metrics import METRICS

NAMES = ("good", "same", "bad")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"), subjects=60, experiments=NAMES)


def run(study: Study, **changes: Any) -> list[ExperimentRow]:
    asked = {"protocol": "test", "folds": (), "task": "regression", "target": "age"}
    asked |= {"unit": "years", "primary": "mae", "experiments": NAMES} | changes
    return compare(
        settings=CompareSettings(classes={}, groups=(Comparable(**asked),)),
        passed=study.root / "check/passed.csv",
        splits=study.root / "split/splits.csv",
        prepared=study.root / "prepare",
        predictions=[
            p for p in study.predictions if RunId.of(p).experiment in asked["experiments"]
        ],
    )


def mae(study: Study, name: str) -> float:
    """Mean over subjects, whose sessions share their weight, of the error of the networks' mean."""
    said: dict[Any, list[float]] = {}
    for path in study.predictions:
        for row in read_run(path).rows:
            if RunId.of(path).experiment == name and row.part == "test":
                said.setdefault(row.key, []).append(float(row.answer["prediction"]))
    tables = (study.root / "check/passed.csv", study.root / "split/splits.csv")
    errors: dict[str, list[float]] = {}
    for scan in read_cohort(*tables, study.root / "prepare", "age").test():
        error = np.mean(said[scan.subject, scan.session]) - float(scan.target)
        errors.setdefault(scan.subject, []).append(abs(error))
    return float(np.mean([np.mean(several) for several in errors.values()]))


def test_every_pair_is_compared_by_every_metric_on_the_same_subjects(study: Study) -> None:
    rows = run(study)
    first = having(rows, role="primary")
    assert [(row.experiment, row.other) for row in first] == [
        ("good", "same"),
        ("good", "bad"),
        ("same", "bad"),
    ]
    assert {row.metric for row in first} == {"mae"}
    assert {row.n for row in rows} == {15}
    assert len(rows) == 3 * len({row.metric for row in rows})
    for row in first:
        known = mae(study, row.experiment) - mae(study, row.other)
        assert row.difference == pytest.approx(known)
        assert row.p_holm is not None
        assert row.p is not None
        assert row.p <= row.p_holm <= 3 * row.p
        assert (row.p < 0.05) == (not (row.ci_low or 0) <= 0 <= (row.ci_high or 0))


def test_a_pair_alone_is_not_corrected(study: Study) -> None:
    (row,) = having(run(study, experiments=("good", "bad")), role="primary")
    assert row.p_holm == row.p


def test_seeds_have_a_say(study: Study) -> None:
    """A clear difference counts only beyond what the seeds' own spread explains."""
    (row,) = having(run(study, experiments=("good", "bad")), role="primary")
    errors = {}
    for name in ("good", "bad"):
        by_seed = []
        for seed in (0, 1):
            paths = [p for p in study.predictions if RunId.of(p)[::2] == (name, seed)]
            by_seed.append(mae(Study(study.root, paths, []), name))
        errors[name] = by_seed
    typical = np.median([np.std(each, ddof=1) for each in errors.values()])
    widths = [max(np.std(each, ddof=1), typical) for each in errors.values()]
    # Student's t of 2 degrees of freedom, as two seeds hardly tell a spread
    assert row.seed_margin == pytest.approx(4.30265 * np.hypot(*widths) / np.sqrt(2))


def test_an_experiment_of_one_seed_is_held_against_the_spread_of_the_others(study: Study) -> None:
    few = [p for p in study.predictions if RunId.of(p)[::2] != ("bad", 1)]
    (row,) = having(run(Study(study.root, few, []), experiments=("good", "bad")), role="primary")
    by_seed = []
    for seed in (0, 1):
        paths = [p for p in few if RunId.of(p)[::2] == ("good", seed)]
        by_seed.append(mae(Study(study.root, paths, []), "good"))
    spread = np.std(by_seed, ddof=1)
    # of 1 degree of freedom
    assert row.seed_margin == pytest.approx(12.7062 * spread * np.hypot(1 / np.sqrt(2), 1))


def test_by_a_metric_that_is_best_in_between_none_is_said_to_be_better(tmp_path: Path) -> None:
    names = ("good", "high")
    made = make_study(tmp_path, subjects=60, seeds=(0,), noise=1.0, experiments=names)
    for path in made.predictions:
        if RunId.of(path).experiment == "high":
            rows = [
                replace(row, answer={"prediction": str(float(row.answer["prediction"]) + 20)})
                for row in read_run(path).rows
            ]
            write_predictions(path, rows, weights="0" * 64)
    rows = run(made, experiments=names)
    (bias,), (error,) = (having(rows, metric=name) for name in ("bias", "mae"))
    assert bias.p_holm is not None
    assert bias.p_holm < 0.001
    assert bias.better == ""
    assert error.better == "good"


def test_experiments_without_a_scan_in_common_are_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_study(tmp_path, subjects=24, seeds=(0,), experiments=("good", "bad"))
    for path in made.predictions:
        first = RunId.of(path).experiment == "good"
        own = [row for row in read_run(path).rows if first == (int(row.subject[-3:]) % 8 < 4)]
        write_predictions(path, own, weights="0" * 64)
    assert run(made, experiments=("good", "bad")) == []
    assert "good, bad answer for no scan in common" in capsys.readouterr().err


def test_one_seed_has_no_margin(tmp_path: Path) -> None:
    names = ("good", "a", "b", "c", "bad")  # the last errs five times as much as the first
    one = make_study(tmp_path, subjects=60, seeds=(0,), noise=3.0, experiments=names)
    rows = run(one, experiments=("good", "bad"))
    for row in rows:
        assert row.seed_margin is None
        decided = row.p_holm is not None and row.p_holm < 0.05
        assert bool(row.better) == (decided and not METRICS[row.metric].in_between)
    (row,), (r,) = (having(rows, metric=name) for name in ("mae", "r"))
    assert row.better == "good"
    assert row.difference is not None
    assert row.difference < 0
    assert sentence(row).startswith("good beats bad by ")
    assert r.difference is not None
    assert r.difference > 0
    assert r.unit == ""


def test_by_folds_the_variance_is_larger(study: Study) -> None:
    (row,) = having(
        run(study, protocol="cross-validation", folds=(0, 1), experiments=("good", "bad")),
        role="primary",
    )
    assert "for folds" in row.ci_method
    assert row.folds == ("0", "1")
    assert row.n == 45
