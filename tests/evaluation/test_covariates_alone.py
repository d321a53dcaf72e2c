"""The baseline of covariates alone."""

from __future__ import annotations

import pytest
from evaluated import make_study

from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.settings import EvaluateSettings


@pytest.mark.parametrize(("task", "target"), [("regression", "age"), ("classification", "sex")])
def test_they_stand_beside_the_network_and_the_other_baselines(tmp_path, task, target):
    study = make_study(tmp_path, task=task, subjects=48)

    def run(*covariates):
        return evaluate(
            settings=EvaluateSettings(
                experiment="exp",
                task=task,
                target=target,
                classes={},
                covariates=covariates,
                primary="",
                test=True,
                folds=(0, 1),
                seeds=(0, 1),
            ),
            passed=study.root / "check/passed.csv",
            splits=study.root / "split/splits.csv",
            prepared=study.root / "prepare",
            predictions=study.predictions,
        )

    metrics, differences, _ = run("site")
    before, others, _ = run()
    assert [row for row in metrics if row.model != "covariates"] == before
    assert [row for row in differences if row.baseline != "covariates"] == others
    ours = [row for row in metrics if row.model == "covariates"]
    assert {row.protocol for row in ours} == {"test", "cross-validation"}
    key = {"regression": "mae", "classification": "log_loss"}[task]
    value = {
        row.model: row.value
        for row in metrics
        if (row.metric, row.protocol, row.group) == (key, "cross-validation", "all")
    }
    (difference,) = (
        row.difference
        for row in differences
        if (row.metric, row.protocol, row.baseline) == (key, "cross-validation", "covariates")
    )
    assert difference == pytest.approx(value["ensemble"] - value["covariates"])
    # where the site is known nothing else tells as much here as the site alone does
    best = min(
        value["mean" if task == "regression" else "majority"],
        value["site-mean" if task == "regression" else "site"],
    )
    assert value["covariates"] == pytest.approx(best, rel=0.15)
