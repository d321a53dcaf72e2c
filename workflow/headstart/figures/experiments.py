"""Experiments against each other on paper: a forest plot of their paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from headstart.common.records import read_rows
from headstart.common.text import capital
from headstart.common.text import decimals_of
from headstart.evaluation.experiment_words import explanation
from headstart.evaluation.experiment_words import p_words
from headstart.evaluation.experiment_words import primary_families
from headstart.evaluation.experiment_words import title
from headstart.evaluation.results import ExperimentRow
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import intervals_plot
from headstart.figures.style import metric_name
from headstart.figures.style import shortened
from headstart.tasks.metrics import METRICS

LONGEST_LABEL = 56
P_COLUMN = 98  # of the p values: points right of the panel, beside the numbers
BAND = "#E6E6E6"


def plot(*, settings: CohortPlotSettings, stamp: Stamp, output: Path, experiments: Path) -> None:
    """Draw the differences in the primary metric, a page for each target and protocol.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        experiments: experiments.csv.
    """
    rows = read_rows(experiments, ExperimentRow)
    with document(output, f"{settings.study}: experiments against each other", stamp) as pages:
        families = primary_families(rows)
        for family in families:
            draw_family(pages, family)
        if not families:
            note = "No two of them answer for the same scans, as each sees covariates of its own."
            with pages.page("Experiments against each other", height=20, note=note):
                pass


def draw_family(document: Document, family: Sequence[ExperimentRow]) -> None:
    """Draw the pairs that were corrected together, one row each."""
    first = family[0]
    heading = f"{capital(title(first))}: experiments against each other"
    colours = "Blue: told apart; grey: not. "
    seeds = any(row.seed_margin is not None for row in family)
    band = "Bands: what seeds alone explain. " if seeds else ""
    note = f"{colours}{band}{explanation(family)}"
    with document.page(heading, height=36 + 6 * len(family), note=note) as figure:
        axes = figure.subplots()
        _bands(axes, family)
        intervals_plot(
            axes,
            [_label(row) for row in family],
            [row.difference for row in family],
            [row.ci_low for row in family],
            [row.ci_high for row in family],
            colours=[BLUE if row.better else GREY for row in family],
            decimals=decimals_of(*(row.difference for row in family)),
        )
        _p_values(axes, family)
        axes.axvline(0, color=BLACK, lw=0.6)
        axes.set_xlabel(_direction(first))


def _bands(axes: Axes, family: Sequence[ExperimentRow]) -> None:
    for place, row in zip(range(len(family))[::-1], family, strict=True):
        if row.seed_margin:
            axes.barh(place, 2 * row.seed_margin, left=-row.seed_margin, height=0.6, color=BAND)


def _p_values(axes: Axes, family: Sequence[ExperimentRow]) -> None:
    for place, row in zip(range(len(family))[::-1], family, strict=True):
        axes.annotate(
            "" if row.p_holm is None else p_words(row.p_holm),
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(P_COLUMN, 0),
            textcoords="offset points",
            va="center",
            size=6.5,
            color=BLUE if row.better else GREY,
        )


def _label(row: ExperimentRow) -> str:
    return shortened(f"{row.experiment} \u2212 {row.other}", LONGEST_LABEL)


def _direction(row: ExperimentRow) -> str:
    side = "right" if METRICS[row.metric].higher_is_better else "left"
    name = metric_name(row.metric, row.unit)
    return f"difference in {name}; {side} of 0 the first one is better"
