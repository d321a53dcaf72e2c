from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated import Study
from evaluated import make_study

from headstart.cli import main

TARGETS = {"regression": "age", "classification": "sex", "segmentation": "mask"}


def evaluate(study: Study, task: str, *, test: bool = True) -> int:
    settings = {
        "experiment": "exp",
        "task": task,
        "target": TARGETS[task],
        "classes": {"1": "rim", "2": "core"} if task == "segmentation" else {},
        "test": test,
    }
    words = ["evaluate", "--settings", json.dumps(settings), *study.tables]
    words += ["--predictions", *map(str, study.predictions)]
    return main([*words, "--output", str(study.root / "evaluate/exp")])


def tables(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = study.root / "evaluate/exp"
    return pd.read_csv(folder / "metrics.csv"), pd.read_csv(folder / "comparison.csv")


@pytest.fixture(scope="module", params=sorted(TARGETS))
def judged(request, tmp_path_factory) -> tuple[str, Study]:
    task = request.param
    study = make_study(tmp_path_factory.mktemp(task), task=task)
    assert evaluate(study, task) == 0
    return task, study


def test_every_model_has_the_very_same_rows(judged):
    metrics, _ = tables(judged[1])
    keys = ["metric", "group", "protocol"]
    of_model = {m: set(rows[keys].itertuples(index=False)) for m, rows in metrics.groupby("model")}
    assert len(of_model) >= 3
    assert all(rows == of_model["network"] for rows in of_model.values())


def test_columns_and_protocols_are_as_promised(judged):
    metrics, comparison = tables(judged[1])
    assert list(metrics) == [
        *("model", "metric", "group", "protocol", "value", "ci_low", "ci_high"),
        *("ci_method", "n", "seed_sd"),
    ]
    assert list(comparison) == [
        *("metric", "protocol", "baseline", "difference", "ci_low", "ci_high", "ci_method", "n")
    ]
    assert set(metrics["protocol"]) == {"cross-validation", "test"}
    assert {"all", "site=Guys", "site=HH"} >= set(metrics["group"]) >= {"all"}


def test_n_counts_subjects_not_scans(judged):
    metrics, _ = tables(judged[1])
    n = metrics[metrics["group"] == "all"].groupby("protocol")["n"].unique()
    assert n["cross-validation"].tolist() == [30]
    assert n["test"].tolist() == [10]


def test_intervals_hold_the_value_and_seeds_have_a_spread(judged):
    metrics, comparison = tables(judged[1])
    known = metrics.dropna(subset=["value", "ci_low"])
    assert (known["ci_low"] <= known["ci_high"]).all()
    network = known[(known["model"] == "network") & (known["group"] == "all")]
    assert (
        (network["ci_low"] <= network["value"]) & (network["value"] <= network["ci_high"])
    ).all()
    assert (network["seed_sd"] > 0).any()
    assert metrics.loc[metrics["model"] != "network", "seed_sd"].isna().all()
    value = metrics[metrics["group"] == "all"].set_index(["protocol", "metric", "model"])["value"]
    for row in comparison.dropna(subset=["difference"]).itertuples():
        expected = value[row.protocol, row.metric, "network"]
        expected -= value[row.protocol, row.metric, row.baseline]
        assert row.difference == pytest.approx(expected, abs=1e-4)


def test_the_same_files_give_the_same_bytes(judged):
    task, study = judged
    paths = [study.root / "evaluate/exp" / name for name in ("metrics.csv", "comparison.csv")]
    before = [path.read_bytes() for path in paths]
    assert evaluate(study, task) == 0
    assert [path.read_bytes() for path in paths] == before


def test_the_mean_error_is_that_of_the_mean_over_seeds(tmp_path: Path):
    study = make_study(tmp_path, subjects=24)
    assert evaluate(study, "regression", test=False) == 0
    metrics, _ = tables(study)
    assert set(metrics["protocol"]) == {"cross-validation"}
    runs = pd.concat([pd.read_csv(path) for path in study.predictions])
    runs = runs[runs["part"] == "fold"].groupby(["subject", "session"])
    scans = runs[["target", "prediction"]].mean()
    error = (scans["prediction"] - scans["target"]).abs().groupby("subject").mean()
    row = metrics[(metrics["model"] == "network") & (metrics["metric"] == "mae")].iloc[0]
    assert row["value"] == pytest.approx(error.mean(), rel=1e-5)


def test_baselines_never_see_the_held_out_fold(tmp_path: Path):
    study = make_study(tmp_path, subjects=24, folds=(0,), seeds=(0,))
    assert evaluate(study, "regression", test=False) == 0
    before, _ = tables(study)
    passed = pd.read_csv(study.root / "check/passed.csv")
    splits = pd.read_csv(study.root / "split/splits.csv").set_index("subject")
    known = passed[passed["subject"].map(splits["fold"]) == 1]
    mean = known.groupby("subject")["age"].mean().mean()
    held = passed[passed["subject"].map(splits["fold"]) == 0]
    expected = (held["age"] - mean).abs().groupby(held["subject"]).mean().mean()
    row = before[(before["model"] == "mean") & (before["metric"] == "mae")].iloc[0]
    assert row["value"] == pytest.approx(expected, rel=1e-5)


def test_a_constant_is_not_said_to_rank_anyone(tmp_path: Path):
    study = make_study(tmp_path, task="classification")
    assert evaluate(study, "classification") == 0
    metrics, _ = tables(study)
    majority = metrics[metrics["model"] == "majority"].set_index(["protocol", "group", "metric"])
    assert majority.loc[("cross-validation", "all", "auroc"), "value"] == 0.5
    assert majority.loc[("cross-validation", "all", "balanced_accuracy"), "value"] == 0.5


def test_a_network_that_knows_beats_the_baselines_and_one_that_guesses_does_not(tmp_path: Path):
    good = make_study(tmp_path / "good", subjects=60, noise=3)
    bad = make_study(tmp_path / "bad", subjects=60, noise=60)
    for study in (good, bad):
        assert evaluate(study, "regression") == 0
    high = {}
    for name, study in (("good", good), ("bad", bad)):
        comparison = tables(study)[1]
        mae = comparison[(comparison["metric"] == "mae") & (comparison["protocol"] == "test")]
        high[name] = mae["ci_high"].max()
    assert high["good"] < 0 < high["bad"]


def test_a_scan_of_another_fold_is_an_error_with_a_mend(tmp_path: Path, capsys):
    study = make_study(tmp_path, subjects=24)
    splits = study.root / "split/splits.csv"
    table = pd.read_csv(splits, dtype=str, keep_default_na=False)
    table["fold"] = table["fold"].replace({"0": "1", "1": "0"})
    table.to_csv(splits, index=False)
    assert evaluate(study, "regression") == 2
    assert "run the stage predict again" in capsys.readouterr().err
    assert not (study.root / "evaluate").exists()


def test_a_missing_target_is_left_out(tmp_path: Path):
    study = make_study(tmp_path, subjects=24)
    passed = study.root / "check/passed.csv"
    table = pd.read_csv(passed, dtype=str, keep_default_na=False)
    table.loc[table["subject"] == "sub-000", "age"] = ""
    table.to_csv(passed, index=False)
    assert evaluate(study, "regression") == 0
    metrics, _ = tables(study)
    everyone = metrics[(metrics["group"] == "all") & (metrics["protocol"] == "cross-validation")]
    assert everyone["n"].unique().tolist() == [17]
    assert np.isfinite(everyone.loc[everyone["metric"] == "mae", "value"]).all()
