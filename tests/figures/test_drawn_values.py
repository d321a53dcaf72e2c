"""The numbers in the figures: what lines and marks hold, not how they look."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from drawn import Kept
from drawn import drawn
from drawn import lines_of

from headstart.common.run_id import RunId
from headstart.evaluation.bootstrap import subject_weights
from headstart.evaluation.predictions import Pooled
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.figures.curves import Curve
from headstart.figures.curves import draw_curves
from headstart.figures.evaluation import draw_evaluation
from headstart.figures.evaluation_result import Result
from headstart.tasks.base import Task
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.training.history import Epoch
from headstart.training.history import History

SEX = Classification(("F", "M"))


def curve(fold: int, seed: int, chosen: int) -> Curve:
    rng = np.random.default_rng(10 * fold + seed)
    values = rng.uniform(1, 9, (4, 3)).tolist()
    epochs = [
        Epoch(number, 0.1, train, val, {"mae": mae})
        for number, (train, val, mae) in enumerate(values, start=1)
    ]
    return Curve(RunId("exp", fold, seed), History("mae", tuple(epochs), chosen))


def test_curves_are_the_history_with_a_circle_at_the_chosen_epoch():
    curves = [curve(0, 0, chosen=3), curve(0, 1, chosen=2)]
    document = Kept()
    draw_curves(document, curves, title="age", unit="years")
    left, right = document.axes("Loss"), document.axes("Validation metric")
    shown = [
        (left, "train_loss", [[one.train_loss for one in c.history.epochs] for c in curves]),
        (left, "val_loss", [[one.val_loss for one in c.history.epochs] for c in curves]),
        (right, "val_mae", [[one.metrics["mae"] for one in c.history.epochs] for c in curves]),
    ]
    for axes, column, values in shown:
        for one, curve_, chosen in zip(values, curves, (3, 2), strict=True):
            assert curve_.history.table[column].tolist() == one
            assert drawn(axes, [1, 2, 3, 4], one)
            assert drawn(axes, chosen, one[chosen - 1]) == (column != "train_loss")
        assert drawn(axes, [1, 2, 3, 4], np.mean(values, axis=0))


def result(task: Task, truth: list[Any], said: Any) -> Result:
    keys = tuple((f"s{n}", "1") for n in range(len(truth)))
    scans = {k: SimpleNamespace(target=str(t), test=True) for k, t in zip(keys, truth, strict=True)}
    learnt = {("l", str(n)): SimpleNamespace(target=t, test=False) for n, t in enumerate((10, 40))}
    rows, against = [], []
    rest = {"ci_method": "", "n": len(truth)}
    for number, metric in enumerate(("mae", "auroc", "log_loss", "balanced_accuracy")):
        for model in ("network", "mean"):
            value = 1.0 + number + 5 * (model == "mean")
            ends = {"ci_low": value - 0.5, "ci_high": value + 0.25}
            rows.append(
                MetricRow(model, metric, "all", "test", value, **ends, **rest, seed_sd=None)
            )
        against.append(DifferenceRow(metric, "test", "mean", -5.0, -5.5, -4.25, **rest))
    return Result(
        title="exp",
        task=task,
        target="age",
        unit="years",
        classes={},
        primary=task.metrics[0],
        protocol="test",
        pooled=Pooled(keys, (said,), said),
        scans=scans | learnt,  # type: ignore[arg-type]
        sites=dict.fromkeys([*keys, *learnt], "A"),
        runs=[],
        metrics=rows,
        comparison=against,
    )


def test_scatter_has_every_scan_and_the_mean_of_those_that_were_learnt_from():
    truth, said = [20.0, 30.0, 70.0], np.array([25.0, 28.0, 60.0])
    document = Kept()
    draw_evaluation(document, result(Regression(), truth, said))
    axes = document.axes("Predicted against true")
    assert drawn(axes, truth, said)
    identity, mean = lines_of(axes)[:2]
    assert (identity[:, 0] == identity[:, 1]).all()
    assert mean[:, 1].tolist() == [25.0, 25.0]


def test_intervals_are_those_of_the_tables():
    document = Kept()
    draw_evaluation(document, result(Regression(), [20.0, 30.0], np.array([21.0, 33.0])))
    (numbers,) = [a for p in document.pages for a in p.axes if "ean absolute" in a.get_title()]
    ends = sorted(
        tuple(x[0] for x in path)
        for collection in numbers.collections
        for path in collection.get_segments()
    ) or sorted((xy[:, 0].min(), xy[:, 0].max()) for xy in lines_of(numbers) if len(xy) == 2)
    assert (0.5, 1.25) in ends
    assert (5.5, 6.25) in ends


def test_nothing_speaks_of_intervals_where_there_is_none():
    """From one subject there is none: not in the note, not about the curve."""
    alone = result(SEX, ["F"], np.array([[0.8, 0.2]]))
    without = [replace(row, ci_low=None, ci_high=None) for row in alone.metrics]
    alone = replace(alone, metrics=without)
    assert "95 %" not in alone.note
    document = Kept()
    draw_evaluation(document, alone)
    assert not document.axes("ROC curve").collections


def test_roc_goes_through_its_rates_inside_a_band_of_95_per_cent():
    rng = np.random.default_rng(0)
    truth = ["F", "M"] * 20
    score = np.clip(rng.normal(np.array([0.4, 0.6] * 20), 0.2), 0.01, 0.99)
    document = Kept()
    draw_evaluation(document, result(SEX, truth, np.column_stack([1 - score, score])))
    axes = document.axes("ROC curve, 95 % band")
    positive = np.array(truth) == "M"
    cuts = [np.inf, *sorted(score, reverse=True)]
    rates = [[(score[of] >= cut).mean() for cut in cuts] for of in (~positive, positive)]
    assert drawn(axes, *rates)
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    weights = subject_weights([f"s{n}" for n in range(40)], "exp/roc")[1:]
    at = 0.5  # of the false positive rate
    true = []
    for row in weights:
        order = np.argsort(-score)
        x = np.cumsum((row * ~positive)[order]) / (row * ~positive).sum()
        y = np.cumsum((row * positive)[order]) / (row * positive).sum()
        true.append(np.interp(at, np.append(0, x), np.append(0, y)))
    band_at = sorted(corners[np.isclose(corners[:, 0], at), 1])
    assert band_at[0] == pytest.approx(np.percentile(true, 2.5))
    assert band_at[-1] == pytest.approx(np.percentile(true, 97.5))


def test_confusion_counts_scans_by_their_most_probable_class():
    truth = ["F", "F", "F", "M", "M"]
    p_male = np.array([0.1, 0.2, 0.9, 0.8, 0.6])
    document = Kept()
    draw_evaluation(document, result(SEX, truth, np.column_stack([1 - p_male, p_male])))
    axes = document.axes("Confusion: scans, % of the true class")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): "2\n67 %", (1, 0): "1\n33 %", (0, 1): "0\n0 %", (1, 1): "2\n100 %"}
