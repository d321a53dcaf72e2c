"""Predicted classes: ROC curves, confusion and calibration."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.common.text import capital
from headstart.common.text import number_with_interval
from headstart.common.text import percent
from headstart.evaluation.bootstrap import subject_weights
from headstart.evaluation.fitted_words import fitted_words
from headstart.evaluation.results import OURS
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.evaluation.session_weights import session_weights
from headstart.figures.evaluation_result import Panel
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import above_and_below
from headstart.figures.evaluation_result import halves
from headstart.figures.evaluation_result import numbers_of
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import COLOURS
from headstart.figures.style import GREY
from headstart.figures.style import LINES
from headstart.figures.style import LONGEST_NAME
from headstart.figures.style import Document
from headstart.figures.style import room
from headstart.figures.style import shortened
from headstart.tasks.class_metrics import calibration_curve
from headstart.tasks.class_metrics import roc
from headstart.tasks.metrics import DECISIONS
from headstart.tasks.metrics import METRICS

LOWER = "Log loss and Brier score: lower is better."
QUARTERS = [0, 0.25, 0.5, 0.75, 1]
ACROSS = 48  # characters of all classes that fit side by side


def draw_predicted_classes(document: Document, result: Result) -> None:
    """Draw ROC curves, the confusion of classes, and the metrics, on two pages or three."""
    truth = result.truth
    band = "Band: bootstrap of subjects, point by point. " if _has_band(result) else ""
    curve = "ROC curve: of all folds' scans together. " * (result.protocol == "cross-validation")
    note = f"{result.note(result.primary)} {curve}{band}{LOWER}"
    numbers = numbers_of(result, result.primary)
    rows = max(0, len(result.names) - 2)  # of the legend below, and of the confusion
    height = max(128 + 8 * rows, numbers.height + room(note))
    with document.page(result.heading, height=height, note=note) as figure:
        left, right = halves(figure)
        top, bottom = left.subplots(2, 1, height_ratios=[1.9, 1 + 0.1 * rows])
        _roc(top, result, truth)
        _confusion(bottom, result, truth)
        numbers.draw(right)
    told, decided = _told_besides(result.primary), _decisions(result)
    note = (
        f"{result.note(*told)} {LOWER} Calibration: a circle per tenth of the "
        "probabilities that has scans, its area their number; on the diagonal, what is predicted "
        f"with 70 % comes true in 70 %. {'' if decided else fitted_words(result.metrics, '')}"
    ).rstrip()
    _draw_probabilities(document, result, truth, note, told)
    if decided:
        _draw_decisions(document, result, decided)


def _draw_probabilities(
    document: Document,
    result: Result,
    truth: NDArray[np.int64],
    note: str,
    told: tuple[str, str, str],
) -> None:
    """Draw the calibration and what further metrics say, without the sites."""
    first, brier, last = (numbers_of(result, name, by_site=False) for name in told)
    heights = (first.height, max(brier.height, last.height))
    title = f"{result.heading}, probabilities and decisions"
    with document.page(title, height=sum(heights) + room(note), note=note) as figure:
        left, right = halves(figure)
        top, bottom = above_and_below(left, heights)
        _calibration(top.subplots(), result, truth)
        brier.draw(bottom)
        top, bottom = above_and_below(right, heights)
        first.draw(top)
        last.draw(bottom)


def _told_besides(primary: str) -> tuple[str, str, str]:
    """Name three metrics that are told besides the primary one."""
    first = "log_loss" if primary == "auroc" else "auroc"
    return first, "brier", "log_loss" if primary == "balanced_accuracy" else "balanced_accuracy"


def _decisions(result: Result) -> dict[str, MetricRow]:
    """Return how two classes are told apart at a threshold; {} where there is none."""
    ours = [row for row in having(result.metrics, group="all") if row.model in OURS]
    positive = result.names[1]
    rows = {name: row for name in DECISIONS for row in having(ours, metric=f"{name}_{positive}")}
    return rows if any(row.value is not None for row in rows.values()) else {}


def _draw_decisions(document: Document, result: Result, rows: Mapping[str, MetricRow]) -> None:
    """Draw how two classes are told apart at a threshold, on a page of its own."""
    positive, negative = result.names[1], result.names[0]
    of = {
        "sensitivity": f"of {positive}",
        "specificity": f"of {negative}",
        "ppv": f"of those called {positive}",
        "npv": f"of those called {negative}",
    }
    panel = Panel(
        title="",
        labels=[
            f"{capital(METRICS[name].words)}, {of[name]} (n = {row.n})"
            for name, row in rows.items()
        ],
        rows=[*rows.values()],
        values=[row.value for row in rows.values()],
        colours=[BLUE] * len(rows),
    )
    heading = f"{result.heading}, at a threshold"
    note = f"{result.told_of(*DECISIONS)} {fitted_words(result.metrics, '')}"
    with document.page(heading, height=62 + room(note) - room(""), note=note) as figure:
        axes = figure.subplots()
        panel.draw(axes, decimals=3)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel(f"share that is right ({positive} counts as positive)")


def _has_band(result: Result) -> bool:
    """Whether the curve has a band: one of classes told apart without a fault would be a line."""
    area = [row for row in having(result.metrics, metric="auroc", group="all") if row.model in OURS]
    known = any(row.ci_low is not None and row.value != 1 for row in area)
    return len(result.names) == 2 and known


def _roc(axes: Axes, result: Result, truth: NDArray[np.int64]) -> None:
    probability = result.pooled.mean
    weights = subject_weights(result.subjects, f"{result.title}/roc")
    grid = np.linspace(0, 1, 101)
    two, band = len(result.names) == 2, _has_band(result)
    for number, index in enumerate([1] if two else range(len(result.names))):
        positive, score = truth == index, probability[:, index]
        style = {"color": COLOURS[number % len(COLOURS)], "ls": LINES[number % len(LINES)]}
        name = shortened(result.names[index], LONGEST_NAME)
        label = f"{name} (positive)" if two else f"{name} against the rest"
        if band:
            curves = zip(*roc(positive, score, weights[1:]), strict=True)
            on_grid = [np.interp(grid, *curve) for curve in curves]
            low, high = np.nanpercentile(on_grid, [2.5, 97.5], axis=0)
            axes.fill_between(grid, low, high, color=style["color"], alpha=0.18, lw=0)
        (false,), (true,) = roc(positive, score, weights[:1])
        axes.plot(false, true, lw=1.3, label=label, **style)
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.7, ls=LINES[2], label="chance")
    axes.set_aspect("equal")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(QUARTERS)
    axes.set_yticks(QUARTERS)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_title("ROC curve" + (", 95 % band" if band else ""))
    # curves of several classes leave no corner free
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.18)}
    axes.legend(**({"loc": "lower right"} if two else below))


def _calibration(axes: Axes, result: Result, truth: NDArray[np.int64]) -> None:
    """Draw how often what is predicted comes true."""
    weights = session_weights(np.array(result.subjects))
    said, happened, people = calibration_curve(truth, result.pooled.mean, weights)
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.7, ls=LINES[2])
    axes.plot(said, happened, color=COLOURS[0], lw=1)
    axes.scatter(said, happened, s=80 * people / people.max(), color=COLOURS[0], alpha=0.6, lw=0)
    two = len(result.names) == 2
    of = f"probability of {result.names[1]}" if two else "probability of the most probable class"
    share = f"share of {result.names[1]}" if two else "share of scans that it is right for"
    axes.set_aspect("equal")
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.04, 1.04)
    axes.set_xticks(QUARTERS)
    axes.set_yticks(QUARTERS)
    axes.set_xlabel(f"mean predicted {of}")
    axes.set_ylabel(f"observed {share}")
    rows = having(result.metrics, metric="ece", group="all")
    error = next(row.value for row in rows if row.model in OURS)
    axes.set_title(f"Calibration, expected error {number_with_interval(error, None, None)}")


def _confusion(axes: Axes, result: Result, truth: NDArray[np.int64]) -> None:
    """Draw how many subjects of each class are taken for each; sessions share theirs."""
    n = len(result.names)
    decided = np.argmax(result.pooled.mean, axis=1)
    weights = session_weights(np.array(result.subjects))
    counts = np.bincount(truth * n + decided, weights, minlength=n * n).reshape(n, n)
    of_class = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, of_class, out=np.zeros_like(counts), where=of_class > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column,
            row,
            f"{round(count, 1):g}\n{percent(share[row, column])}",
            ha="center",
            va="center",
            size=7,
            color="white" if share[row, column] > 0.6 else BLACK,
        )
    axes.set_xticks(range(n), _wrapped(result.names, ACROSS // n))
    axes.set_yticks(range(n), _wrapped(result.names, LONGEST_NAME // 2))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"{result.target}, predicted (most probable)")
    axes.set_ylabel(f"{result.target}, true")
    axes.set_title("Confusion: subjects, % of row")


def _wrapped(names: Sequence[str], width: int) -> list[str]:
    return [textwrap.fill(shortened(name, LONGEST_NAME), width) for name in names]
