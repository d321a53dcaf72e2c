"""Predicted numbers over the true ones."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.common.text import number_with_interval
from headstart.evaluation.fitted_words import fitted_words
from headstart.evaluation.results import OURS
from headstart.evaluation.results import having
from headstart.evaluation.session_weights import session_weights
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import halves
from headstart.figures.evaluation_result import numbers_of
from headstart.figures.style import BLACK
from headstart.figures.style import COLOURS
from headstart.figures.style import GREY
from headstart.figures.style import LINES
from headstart.figures.style import LONGEST_NAME
from headstart.figures.style import MARKERS
from headstart.figures.style import Document
from headstart.figures.style import room
from headstart.figures.style import shortened
from headstart.figures.style import with_unit

KEYS_ACROSS = 2  # of the legend below the scatter


def draw_predicted_numbers(document: Document, result: Result) -> None:
    """Draw predicted numbers and their errors over the true ones, beside the metrics."""
    truth = result.truth
    fitted = fitted_words(result.metrics, result.unit)
    note = f"{result.note(result.primary, 'r', 'r2')} {_range(result, truth)} {fitted}"
    numbers = numbers_of(result, result.primary)
    height = max(140 + 4 * _rows_below(result, truth), numbers.height + room(note))
    with document.page(result.heading, height=height, note=note) as figure:
        left, right = halves(figure)
        top, bottom = left.subplots(2, 1, height_ratios=[1.9, 1])
        _scatter(top, result, truth)
        _errors(bottom, result, truth)
        numbers.draw(right)


def _range(result: Result, truth: NDArray[np.float64]) -> str:
    """Say what r, R² and errors depend on."""
    unit = f" {result.unit}" if result.unit else ""
    subjects = np.array(result.subjects)
    people = [truth[subjects == subject].mean() for subject in np.unique(subjects)]
    spread = f" (standard deviation {np.std(people, ddof=1):.3g}{unit})" if len(people) > 1 else ""
    return (
        f"The true {result.target} is from {truth.min():g} to {truth.max():g}{unit}{spread}; r, R² "
        "and errors depend on how far it is spread."
    )


def _scatter(axes: Axes, result: Result, truth: NDArray[np.float64]) -> None:
    predicted = result.pooled.mean
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    edge = 0.04 * (high - low)
    ends = (low - edge, high + edge)
    axes.plot(ends, ends, color=BLACK, lw=0.8, label="identity")
    known = {key: float(s.target) for key, s in result.scans.items() if not s.test}
    mean = np.average([*known.values()], weights=session_weights([subject for subject, _ in known]))
    label = "mean of all but the test"
    axes.axhline(float(mean), color=GREY, lw=0.9, ls=LINES[1], label=label)
    _dots(axes, result, truth, predicted)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel(with_unit(f"{result.target}, true", result.unit))
    axes.set_ylabel(with_unit(f"{result.target}, predicted", result.unit))
    axes.set_title("Predicted against true")
    fit, keys = _fit(result), partial(axes.legend, handlelength=1.8, labelspacing=0.3)
    if _rows_below(result, truth):
        below = partial(keys, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=KEYS_ACROSS)
        below(title=fit, title_fontsize=7)
    else:
        axes.text(0.98, 0.03, fit, transform=axes.transAxes, ha="right", va="bottom", size=7)
        keys(loc="upper left")


def _rows_below(result: Result, truth: NDArray[np.float64]) -> int:
    """Return the lines of text below the scatter; 0 where they fit into corners without a dot.

    These are the upper left one, of who is predicted far too old, and the lower right one.
    """
    predicted, levels = result.pooled.mean, _levels(result)
    low = min(truth.min(), predicted.min())
    span = max(truth.max(), predicted.max()) - low
    right, up = truth - low, predicted - low
    above, under = (right < 0.55 * span) & (up > 0.6 * span), (right > 0.4 * span) & (up < span / 4)
    taken = bool((above | under).any())
    short = len(levels) <= 3 and max(map(len, levels)) <= 16
    return 0 if short and not taken else 2 - (-(2 + len(levels)) // KEYS_ACROSS)


def _levels(result: Result) -> list[str]:
    """Return the sites that dots tell apart; none of them has a name where there are others."""
    levels = [str(site) for site in np.unique([result.sites[key] for key in result.pooled.keys])]
    # more sites than markers are not told apart
    return levels if 1 < len(levels) <= len(MARKERS) else [""]


def _dots(axes: Axes, result: Result, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Draw a dot per scan, sites apart."""
    sites = np.array([result.sites[key] for key in result.pooled.keys])
    levels = _levels(result)
    for number, site in enumerate(levels):
        inside = sites == site if len(levels) > 1 else slice(None)
        axes.plot(
            x[inside],
            y[inside],
            MARKERS[number],
            color=COLOURS[number],
            ms=3,
            alpha=0.75,
            mew=0,
            label=shortened(site, LONGEST_NAME) or None,
        )


def _fit(result: Result) -> str:
    """Say how closely predictions follow the truth: r and R2 with their intervals."""
    ours = [row for row in having(result.metrics, group="all") if row.model in OURS]
    return "\n".join(
        f"{name} = {number_with_interval(row.value, row.ci_low, row.ci_high)}"
        for metric, name in (("r", "r"), ("r2", "R\u00b2"))
        for row in having(ours, metric=metric)
    )


def _errors(axes: Axes, result: Result, truth: NDArray[np.float64]) -> None:
    """Draw errors over the truth: a slope is a bias, towards the mean where it falls."""
    errors = result.pooled.mean - truth
    axes.axhline(0, color=BLACK, lw=0.8)
    if len(np.unique(truth)) > 2:
        slope, level = np.polyfit(truth, errors, 1)
        ends = np.array([truth.min(), truth.max()])
        label = f"linear fit, slope {slope:+.2f}".replace("-", "\u2212")
        axes.plot(ends, level + slope * ends, color=GREY, lw=0.9, ls=LINES[1], label=label)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
    _dots(axes, result, truth, errors)
    axes.set_xlabel(with_unit(f"{result.target}, true", result.unit))
    axes.set_ylabel(with_unit("predicted \u2212 true", result.unit))
    axes.set_title("Error against true")
