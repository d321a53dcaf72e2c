"""Predicted numbers over the true ones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import draw_numbers
from headstart.figures.evaluation_result import halves
from headstart.figures.style import BLACK
from headstart.figures.style import COLOURS
from headstart.figures.style import GREY
from headstart.figures.style import LINES
from headstart.figures.style import MARKERS
from headstart.figures.style import Document
from headstart.figures.style import with_unit


def draw_predicted_numbers(document: Document, result: Result) -> None:
    """Draw predicted numbers over the true ones, and their errors."""
    truth = result.truth
    with document.page(result.heading, height=104, note=result.note) as figure:
        left, right = halves(figure)
        _scatter(left.subplots(), result, truth)
        draw_numbers(right, result, result.primary)


def _scatter(axes: Axes, result: Result, truth: NDArray[np.float64]) -> None:
    predicted = result.pooled.mean
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    edge = 0.04 * (high - low)
    ends = (low - edge, high + edge)
    axes.plot(ends, ends, color=BLACK, lw=0.8, label="identity")
    known = [float(s.target) for s in result.scans.values() if not s.test]
    axes.axhline(
        float(np.mean(known)),
        color=GREY,
        lw=0.9,
        ls=LINES[1],
        label="mean of the training subjects",
    )
    sites = np.array([result.sites[key] for key in result.pooled.keys])
    levels = [str(site) for site in np.unique(sites)]
    # more sites than markers are not told apart
    if len(levels) > len(MARKERS) or len(levels) < 2:
        levels, sites = [""], np.full(len(truth), "")
    for number, site in enumerate(levels):
        axes.plot(
            truth[sites == site],
            predicted[sites == site],
            MARKERS[number],
            color=COLOURS[number],
            ms=3,
            alpha=0.75,
            mew=0,
            label=site or None,
        )
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel(with_unit(f"{result.target}, true", result.unit))
    axes.set_ylabel(with_unit(f"{result.target}, predicted", result.unit))
    axes.set_title("Predicted against true")
    axes.legend(loc="upper left", handlelength=1.8, labelspacing=0.3)
