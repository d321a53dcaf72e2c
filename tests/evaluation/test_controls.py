"""What an experiment's controls are found to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import single

from headstart.evaluation.controls import Finding
from headstart.evaluation.controls import control_rows
from headstart.evaluation.controls import curve_of
from headstart.evaluation.controls import findings
from headstart.evaluation.estimates import estimate
from headstart.evaluation.intervals import interval
from headstart.evaluation.results import MetricRow
from headstart.tasks import TASKS

AGE, SEX = TASKS["regression"], TASKS["classification"]
TASK = SEX.from_config((), ())
Point = tuple[float, float | None, float | None]


def metrics(
    metric: str, network: Point, constant: float | None, protocol: str = "test"
) -> list[MetricRow]:
    """A metrics.csv with one network and its constant, on everyone and in one site."""
    name = "mean" if metric in ("mae", "r") else "majority"
    return [
        MetricRow(model, metric, group, protocol, *point, "by a method", 60, None)
        for group in ("site=A", "all")
        for model, point in (("network", network), (name, (constant, None, None)))
    ]


def found(**controls: Point) -> dict[str, Finding]:
    """What controls of an age say, by their errors."""
    rows = control_rows(
        AGE,
        "mae",
        metrics("mae", (8, 7, 9), 13),
        {name: metrics("mae", point, 13) for name, point in controls.items()},
    )
    return {one.control: one for one in findings(rows, "years")}


def background(r: Point, own: Point = (0.8, 0.7, 0.9)) -> Finding:
    """What a network of the background says, by its correlation with the age."""
    control = {"background": metrics("r", r, None)}
    (one,) = findings(control_rows(AGE, "mae", metrics("r", own, None), control), "years")
    return one


def test_labels_that_were_permuted_warn_where_the_whole_interval_beats_the_constant() -> None:
    told = found(shuffled=(13.5, 11.9, 15))["shuffled"]
    assert not told.warns
    assert "as it should be" in told.words
    told = found(shuffled=(10, 8.8, 12.9))["shuffled"]
    assert told.warns
    assert "10.0 [8.8, 12.9] beside 13.0" in told.words
    # so much worse than the constant that it lies beside its interval
    assert not found(shuffled=(20, 18, 22))["shuffled"].warns


def test_a_background_that_is_related_to_the_truth_warns_however_large_its_errors() -> None:
    told = background((0.3, 0.05, 0.52))
    assert told.warns
    assert "0.300 [0.050, 0.520] beside 0.000" in told.words
    assert not background((0.2, -0.05, 0.4)).warns
    assert not background((-0.3, -0.5, -0.1)).warns


@pytest.mark.parametrize(
    ("metric", "ends", "constant", "size", "warns"),
    [
        ("auroc", (0.634, 0.868), 0.5, 0.762, False),  # of the demo
        ("auroc", (0.8, 0.95), 0.5, 0.762, True),
        ("auroc", (0.55, 0.75), 0.5, 0.4, True),  # the size says nothing
        ("r", (0.1, 0.5), None, 0.3, False),
        ("r", (0.4, 0.7), None, 0.3, True),
    ],
)
def test_a_background_may_say_what_the_size_of_the_head_does(
    metric: str, ends: tuple[float, float], constant: float | None, size: float, warns: bool
) -> None:
    """How large the head is shows in the box that is filled in: that is no shortcut."""
    own = metrics(metric, (0.96, 0.88, 0.99), constant)
    own += [replace(own[-1], model="head-size", value=size)]
    control = metrics(metric, (sum(ends) / 2, *ends), constant)
    task = SEX if metric == "auroc" else AGE
    rows = control_rows(task, task.metrics[0], own, {"background": control})
    assert [row.value for row in rows if row.control == "size"] == [size]
    (told,) = findings(rows, "")
    assert told.warns == warns
    beyond = size > (constant or 0)
    assert ("the head's size alone" in told.words) == beyond
    assert f"beside {size if beyond else constant:.3f}" in told.words


def test_permuted_labels_are_not_compared_with_the_size_of_the_head() -> None:
    own = metrics("mae", (8, 7, 9), 13)
    own += [replace(own[-1], model="head-size", value=9.0)]
    rows = control_rows(AGE, "mae", own, {"shuffled": metrics("mae", (10, 8.8, 12.9), 13)})
    (told,) = findings(rows, "years")
    assert told.warns
    assert "beside 13.0" in told.words


def linear(random: np.random.Generator, *, shuffled: bool) -> tuple[np.ndarray, ...]:
    """Teach a linear model on 400 people, and ask it of 100 others.

    It sees three numbers, of which one tells most of the class: labels that are permuted, least
    related to the truth as they may be, make of it what is related by chance, with either sign.
    A background's numbers tell nothing.
    """
    hidden = random.standard_normal(500)
    seen = random.standard_normal((500, 3))
    seen[:, 0] = 0.7 * hidden * shuffled + 0.7 * seen[:, 0]
    truth = (hidden > 0).astype(int)
    learnt = truth[:400] - truth[:400].mean()
    if shuffled:
        orders = [random.permutation(400) for _ in range(200)]
        learnt = learnt[min(orders, key=lambda order: abs(learnt @ learnt[order]))]
    weights = np.linalg.lstsq(seen[:400], learnt, rcond=None)[0]
    return truth[400:], 0.5 + seen[400:] @ weights


@pytest.mark.parametrize(("control", "metric"), [("shuffled", "brier"), ("background", "auroc")])
def test_who_could_learn_nothing_is_a_warning_in_one_of_forty_at_most(
    control: str, metric: str
) -> None:
    random = np.random.default_rng(4)
    own = metrics(metric, (0.5, 0.4, 0.6), 0.25 if metric == "brier" else 0.5)
    warned = 0
    for _ in range(120):
        truth, said = linear(random, shuffled=control == "shuffled")
        p = np.clip(said, 0, 1)
        of = estimate(TASK, single(len(truth)), truth, np.column_stack([1 - p, p]), {})[metric]
        ends = interval(of)
        theirs = metrics(metric, (of.value, ends.low, ends.high), own[-1].value)
        theirs = [replace(row, n=100) for row in theirs]
        (one,) = findings(control_rows(SEX, "log_loss", own, {control: theirs}), "")
        warned += one.warns
    assert warned <= 8  # 3 expected at the most; more than 8 in one of a hundred


def test_of_an_area_more_is_better() -> None:
    for ends, warns in (((0.52, 0.9), True), ((0.48, 0.9), False), ((0.2, 0.45), False)):
        own = metrics("auroc", (0.9, 0.8, 0.95), 0.5)
        control = metrics("auroc", (sum(ends) / 2, *ends), 0.5)
        (told,) = findings(control_rows(SEX, "log_loss", own, {"background": control}), "")
        assert told.warns == warns


def test_without_an_interval_nothing_is_told() -> None:
    told = found(shuffled=(10, None, None))["shuffled"]
    assert not told.warns
    assert "can't be told" in told.words


def test_a_network_that_fails_itself_makes_a_control_of_little_worth() -> None:
    own = metrics("mae", (12, 10, 14), 13)
    rows = control_rows(AGE, "mae", own, {"shuffled": metrics("mae", (13, 11, 15), 13)})
    (told,) = findings(rows, "years")
    assert "says little" in told.words


def test_the_test_subjects_are_told_of_once_they_are_open() -> None:
    def both(point: Point) -> list[MetricRow]:
        return [*metrics("mae", point, 13, "hold-out"), *metrics("mae", (1, 0, 2), 13)]

    rows = control_rows(AGE, "mae", both((8, 7, 9)), {"shuffled": both((13, 11, 15))})
    assert {row.protocol for row in rows} == {"test"}
    assert [row.value for row in rows if row.control == "shuffled"] == [1]
    closed = metrics("mae", (8, 7, 9), 13, "hold-out")
    (row, *_) = control_rows(AGE, "mae", closed, {"shuffled": closed})
    assert row.protocol == "hold-out"


@pytest.mark.parametrize(
    ("half", "said"),
    [
        ((10, 9, 11), "would probably help"),  # 8 [7, 9] is all better than 10
        ((8.5, 7.5, 9.5), "may help"),
        ((7.9, 7, 9), "nothing that shows; a gain of up to 0.900 years may be hidden"),
    ],
)
def test_the_learning_curve_says_no_more_than_its_intervals(half: Point, said: str) -> None:
    told = found(quarter=(11, 10, 12), half=half)["learning-curve"]
    assert said in told.words
    assert "8.0 [7.0, 9.0] with all of the training subjects" in told.words


@pytest.mark.parametrize(
    ("quarter", "half", "whole"),
    [
        ((11, None, None), (7.9, None, None), (8, None, None)),  # nothing gained
        ((11, None, None), (10, None, None), (8, None, None)),
        ((8, 7, 9), (8, 7, 9), (8, 7, 9)),
    ],
)
def test_a_curve_that_tells_nothing_promises_nothing(
    quarter: Point, half: Point, whole: Point
) -> None:
    of = {name: metrics("mae", point, 13) for name, point in (("quarter", quarter), ("half", half))}
    (told,) = findings(control_rows(AGE, "mae", metrics("mae", whole, 13), of), "years")
    assert "can't be told" in told.words
    assert "promise" not in told.words


def test_points_of_the_curve_are_in_order_and_by_the_first_metric() -> None:
    def both(area: float, loss: float) -> list[MetricRow]:
        ends = (area - 0.1, area + 0.05)
        return [
            *metrics("brier", (0.2, 0.1, 0.3), 0.25),
            *metrics("auroc", (area, *ends), 0.5),
            *metrics("log_loss", (loss, loss - 0.1, loss + 0.1), 0.69),
        ]

    controls = {"half": both(0.8, 0.5), "quarter": both(0.7, 0.6), "shuffled": both(0.5, 0.7)}
    rows = control_rows(SEX, "log_loss", both(0.9, 0.4), controls)
    assert [(row.control, row.value) for row in curve_of(rows)] == [
        ("quarter", 0.6),
        ("half", 0.5),
        ("none", 0.4),
    ]
    alone = {"shuffled": both(0.5, 0.7)}
    assert curve_of(control_rows(SEX, "log_loss", both(0.9, 0.4), alone)) == []
