"""No word of an evaluation's pages lies on another, however many baselines and sites there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_results import SEX
from drawn_results import result
from words_on_pages import on_another
from words_on_pages import words_of

from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.figures.evaluation import draw_evaluation
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.tasks.regression import Regression

BASELINES = ("majority", "site", "head-size", "brain-size", "mask-volumes", "voxels", "covariates")
METRICS = ("mae", "auroc", "log_loss", "balanced_accuracy", "brier")


def rows(sites: int) -> tuple[list[MetricRow], list[DifferenceRow]]:
    of = {"ci_method": "", "n": 40, "ci_low": 0.1, "ci_high": 0.9}
    groups = ["all", *(f"site=Hospital {number}" for number in range(sites))]
    metrics = [
        MetricRow(model, metric, group, "test", 0.5, **of, seed_sd=None)
        for metric in METRICS
        for group in groups
        for model in ("network", *BASELINES)
        if group == "all" or model == "network"
    ]
    differences = [
        DifferenceRow(metric, "test", name, 0.5, **of) for metric in METRICS for name in BASELINES
    ]
    return metrics, differences


@pytest.mark.parametrize("sites", [0, 12])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_words_lie_beside_each_other(tmp_path: Path, task: str, sites: int) -> None:
    of_task = (
        result(Regression(), [20.0, 30.0, 70.0], np.array([25.0, 28.0, 60.0]))
        if task == "regression"
        else result(SEX, ["F", "M", "M"], np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]))
    )
    metrics, differences = rows(sites)
    kept = [row for row in of_task.metrics if row.metric not in METRICS]
    with document(tmp_path / "page.pdf", "page", Stamp("s", "d", "c", synthetic=True)) as pages:
        draw_evaluation(pages, replace(of_task, metrics=[*kept, *metrics], comparison=differences))
    read = words_of(tmp_path / "page.pdf")
    assert any("volumes" in word for page in read for word in page)
    assert not any(map(on_another, read))
