"""Results of an experiment to draw: three subjects, and a baseline."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from headstart.evaluation.predictions import Pooled
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.figures.evaluation_result import Result
from headstart.tasks.base import Task
from headstart.tasks.classification import Classification

SEX = Classification(("F", "M"))


def result(task: Task, truth: list[Any], said: Any) -> Result:
    keys = tuple((f"s{n}", "1") for n in range(len(truth)))
    scans = {k: SimpleNamespace(target=str(t), test=True) for k, t in zip(keys, truth, strict=True)}
    rest = (("l", "1", 5), ("l", "2", 15), ("m", "1", 40))  # one of two sessions
    learnt = {(who, of): SimpleNamespace(target=t, test=False) for who, of, t in rest}
    rows, against = [], []
    of_all = {"ci_method": "", "n": len(truth)}
    metrics = ("mae", "auroc", "log_loss", "balanced_accuracy", "slope", "brier", "ece")
    for number, metric in enumerate(metrics):
        for model in ("network", "mean"):
            value = 1.0 + number + 5 * (model == "mean")
            ends = {"ci_low": value - 0.5, "ci_high": value + 0.25}
            rows.append(
                MetricRow(model, metric, "all", "test", value, **ends, **of_all, seed_sd=None)
            )
        against.append(DifferenceRow(metric, "test", "mean", -5.0, -5.5, -4.25, **of_all))
    return Result(
        title="exp",
        task=task,
        target="age",
        unit="years",
        classes={},
        data=Path("data"),
        primary=task.metrics[0],
        protocol="test",
        pooled=Pooled(keys, (0,) * len(keys), (said,), said),
        scans=scans | learnt,  # type: ignore[arg-type]
        sites=dict.fromkeys([*keys, *learnt], "A"),
        runs=[],
        metrics=rows,
        comparison=against,
    )
