"""No word of an evaluation's pages lies on another, however many baselines and sites there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compared_rows import APART
from drawn import Kept
from drawn_results import SEX
from drawn_results import result
from rows import label_rows
from words_on_pages import on_another
from words_on_pages import words_of

from headstart.cohort.balance import balance
from headstart.cohort.splits import SplitRow
from headstart.common.run_id import RunId
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.figures.balance import draw_balance
from headstart.figures.balance import draw_sites
from headstart.figures.curves import Curve
from headstart.figures.curves import draw_curves
from headstart.figures.evaluation import draw_evaluation
from headstart.figures.experiments import draw_family
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.training.history import Epoch
from headstart.training.history import History

BASELINES = ("majority", "site", "head-size", "brain-size", "mask-volumes", "voxels", "covariates")
STAMP = Stamp("s", "d", "c", synthetic=False)
LONG = (
    "Alzheimer's disease",
    "Mild cognitive impairment",
    "behavioural variant of frontotemporal dementia",
    "control",
)
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


def test_classes_of_long_names_lie_beside_each_other(tmp_path: Path) -> None:
    said = np.random.default_rng(0).dirichlet(np.ones(4), 8)
    of_task = result(Classification(LONG), [LONG[n % 4] for n in range(8)], said)
    metrics, differences = rows(4)
    kept = [row for row in of_task.metrics if row.metric not in METRICS]
    scans = dict.fromkeys(of_task.scans)
    with document(tmp_path / "page.pdf", "page", STAMP) as pages:
        draw_evaluation(
            pages,
            replace(
                of_task,
                metrics=[*kept, *metrics],
                comparison=differences,
                sites=dict.fromkeys(scans, "A"),
            ),
        )
    assert not any(map(on_another, words_of(tmp_path / "page.pdf")))


def test_labels_and_sites_of_long_names_lie_beside_each_other(tmp_path: Path) -> None:
    sites = ["University Hospital of Somewhere / Neuroradiology, Room 3.12 (Prisma_fit)", "Y" * 40]
    people = [f"s{n}" for n in range(24)]
    table = pd.DataFrame(
        {
            "subject": people,
            "session": "1",
            "site": [sites[n % 2] for n in range(24)],
            "diagnosis": [("", *LONG)[n % 5] for n in range(24)],
            "Geschlecht": [("m\u00e4nnlich", "weiblich")[n % 3 > 0] for n in range(24)],
            "t1": [f"{n}.nii.gz" for n in people],
        }
    )
    passed = label_rows(table, "t1")
    splits = [
        SplitRow(who, n % 4 == 3, None if n % 4 == 3 else n % 4, validation=False)
        for n, who in enumerate(people)
    ]
    shares = balance(splits=splits, passed=passed, stratify=[])
    with document(tmp_path / "page.pdf", "page", STAMP) as pages:
        draw_balance(pages, shares, study="study")
        draw_sites(pages, passed, study="study")
    assert not any(map(on_another, words_of(tmp_path / "page.pdf")))


def test_what_came_out_of_seeds_stands_above_its_own_fold(tmp_path: Path) -> None:
    epochs = tuple(Epoch(n, 0.1, 9.5, 12.345, {"mae": 12.345}) for n in range(1, 121))
    curves = [
        Curve(RunId("e", f, s), History("mae", epochs, 120)) for f in range(5) for s in (0, 1)
    ]
    with document(tmp_path / "page.pdf", "page", STAMP) as pages:
        draw_curves(pages, curves, title="age")
    assert not any(map(on_another, words_of(tmp_path / "page.pdf")))


@pytest.mark.parametrize("said", [[68.0, 69.0, 60.0], [40.0, 45.0, 22.0]])
def test_no_dot_lies_under_the_words_of_a_scatter(said: list[float]) -> None:
    """Of few scans the dots may lie anywhere, and names of sites are long."""
    truth = [20.0, 30.0, 70.0]
    of_task = result(Regression(), truth, np.array(said))
    sites = {
        key: ("D\u00fcsseldorf/Neuroradiologie-Prisma", "B")[n % 2]
        for n, key in enumerate(of_task.scans)
    }
    drawing = Kept()
    draw_evaluation(drawing, replace(of_task, sites=sites))  # type: ignore[arg-type]
    axes = drawing.axes("Predicted against true")
    axes.figure.get_figure(root=True).draw_without_rendering()
    boxes = [one.get_window_extent() for one in (axes.get_legend(), *axes.texts)]
    dots = axes.transData.transform(np.column_stack([truth, said]))
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_p_values_stand_beside_the_numbers(tmp_path: Path) -> None:
    row = replace(APART, difference=-0.249, ci_low=-0.412, ci_high=-0.086, p_holm=0.0061)
    with document(tmp_path / "page.pdf", "page", STAMP) as pages:
        draw_family(pages, [row])
    (words,) = words_of(tmp_path / "page.pdf")
    (number,) = (word for word in words if word[4] == "\u22120.086]")
    (p,) = (word for word in words if word[4] == "p" and abs(word[1] - number[1]) < 3)
    assert p[0] - number[2] > 3
