"""A sweep on paper: its experiments ranked on validation, and what each setting does."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.common.text import counted
from headstart.common.text import decimals_of
from headstart.common.text import setting_in_words
from headstart.evaluation.ranking import RankedRow
from headstart.evaluation.ranking import rank
from headstart.evaluation.ranking import verdict
from headstart.figures.settings import SweepPlotSettings
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import COLOURS
from headstart.figures.style import GREY
from headstart.figures.style import LINES
from headstart.figures.style import MARKERS
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import metric_name
from headstart.figures.style import shortened
from headstart.training.history import read_history

Scores = Mapping[str, NDArray[np.float64]]
LONGEST_LABEL = 64
TITLE_WIDTH = 50  # characters of a line: what the ranking and its numbers have room for
COLUMNS = (6, 60)  # of the numbers: points right of the ranking


def plot(
    *, settings: SweepPlotSettings, stamp: Stamp, output: Path, histories: Sequence[Path]
) -> None:
    """Rank the experiments of a sweep on validation; draw it, and write it as a table.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF; the table is beside it, as .csv.
        histories: `EXPERIMENT/…/fold-F/seed-S/history.csv`, of all experiments, folds and seeds.

    Raises:
        UserError: If a history lies in a folder of another name, was edited, or has no validation.
    """
    metric, scores = _read(histories)
    values = {
        name: dict(zip(settings.settings, words, strict=True))
        for name, words in settings.variants.items()
    }
    rows = rank(metric, scores, values)
    write_rows(output.with_suffix(".csv"), RankedRow, rows)
    with document(output, f"{settings.title}: sweep", stamp) as pages:
        draw_sweep(pages, rows, scores, title=settings.title, unit=settings.unit)


def draw_sweep(
    document: Document, rows: Sequence[RankedRow], scores: Scores, *, title: str, unit: str = ""
) -> None:
    """Draw a sweep's experiments in their order, and, of one or two settings, what they do.

    Args:
        document: Where the page goes.
        rows: The experiments, ranked.
        scores: The validation metric of each training, (folds, seeds), by experiment.
        title: The sweep in words.
        unit: Unit of the target, for metrics that carry it.
    """
    settings = list(rows[0].settings)
    swept = " \u00d7 ".join(map(setting_in_words, settings))
    name = metric_name(rows[0].metric, unit)
    few = len(settings) <= 2
    with document.page(
        f"{title}: sweep of {swept}", height=max(40 + 4.6 * len(rows), 86), note=_note(rows)
    ) as figure:
        panels = figure.subplots(1, 2, width_ratios=(1, 0.9), squeeze=False) if few else None
        ranking = figure.subplots() if panels is None else panels[0, 0]
        _ranking(ranking, rows, scores)
        ranking.set_xlabel(f"{name}, validation")
        if panels is not None:
            _effects(panels[0, 1], rows, settings)
            panels[0, 1].set_ylabel(name)


def _read(histories: Sequence[Path]) -> tuple[str, dict[str, NDArray[np.float64]]]:
    """Return the metric's name, and its value in each training, (folds, seeds), by experiment."""
    found: dict[str, dict[RunId, float]] = {}
    metric = ""
    for path in histories:
        run, history = RunId.of(path), read_history(path)
        if not history.validates:
            raise UserError(
                f"{path}: has no validation metric, so that nothing can be compared; put subjects "
                "aside for validation (the column validation of your split.file)"
            )
        metric = history.key_metric
        found.setdefault(run.experiment, {})[run] = history.best
    return metric, {
        name: np.array(
            [
                [runs[RunId(name, fold, seed)] for seed in sorted({run.seed for run in runs})]
                for fold in sorted({run.fold for run in runs})
            ]
        )
        for name, runs in found.items()
    }


def _note(rows: Sequence[RankedRow]) -> str:
    first = rows[0]
    runs = f"{counted(first.folds, 'fold')} and {counted(first.seeds, 'seed')}"
    spread = (
        "Small dots: seeds; whiskers: their standard deviation (SD). A difference is told from "
        "chance where it exceeds what seeds alone explain in 95 of 100 such sweeps (Tukey's "
        "studentized range): open circles. "
        if first.seeds > 1
        else "Train with several seeds, e.g. `seeds: [0, 1, 2]` in the sweep, to see how much is "
        "chance. "
    )
    return (
        f"Means over {runs} of the validation metric at the epoch whose weights "
        f"were kept. {spread}Held-out subjects are not in this figure, and the best of several is "
        "flattered by the choice: to evaluate one on held-out subjects, name it in the study file, "
        f"e.g. `final: [{first.experiment}]`, and type the same snakemake command."
    )


def _ranking(axes: Axes, rows: Sequence[RankedRow], scores: Scores) -> None:
    places = range(len(rows))[::-1]
    decimals = decimals_of(*(row.value for row in rows))
    for place, row in zip(places, rows, strict=True):
        colour = GREY if row.apart else BLUE
        if row.value is not None:
            seeds = scores[row.experiment].mean(axis=0)
            if row.seed_sd is not None:
                ends = [row.value - row.seed_sd, row.value + row.seed_sd]
                axes.plot(ends, [place, place], color=colour, lw=1.2, solid_capstyle="butt")
                axes.plot(seeds, np.full(len(seeds), place), ".", color=BLACK, ms=2, zorder=5)
            face = "white" if row.apart else colour
            axes.plot([row.value], [place], "o", color=colour, mfc=face, ms=4.5, zorder=4)
        for x, text in zip(COLUMNS, _numbers(row, decimals), strict=True):
            axes.annotate(
                text,
                (1, place),
                xycoords=("axes fraction", "data"),
                xytext=(x, 0),
                textcoords="offset points",
                va="center",
                size=6.5,
                color=colour,
            )
    sd, by = (" \u00b1 SD", " \u00b1 chance") if rows[0].seeds > 1 else ("", "")
    for x, text in zip(COLUMNS, (f"mean{sd}", f"minus the first{by}"), strict=True):
        _head(axes, (1, 1), (x, 5), text)
    settings = " \u00b7 ".join(map(setting_in_words, rows[0].settings))
    _head(axes, (0, 1), (-4, 5), settings, ha="right")
    labels = [_label(row) for row in rows]
    axes.set_yticks(list(places), labels)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    # the legend of the panel beside it is as high
    axes.set_title(textwrap.fill(verdict(rows), TITLE_WIDTH), pad=14)


def _head(
    axes: Axes, corner: tuple[int, int], points: tuple[int, int], text: str, ha: str = "left"
) -> None:
    """Write the head of a column, so many points from a corner of the ranking."""
    axes.annotate(
        text,
        corner,
        xycoords="axes fraction",
        xytext=points,
        textcoords="offset points",
        ha=ha,
        size=6.5,
        weight="bold",
    )


def _label(row: RankedRow) -> str:
    return shortened(f"{row.rank}.  " + " \u00b7 ".join(row.settings.values()), LONGEST_LABEL)


def _numbers(row: RankedRow, decimals: int) -> tuple[str, str]:
    if row.value is None:
        return "not defined", ""
    mean = f"{row.value:.{decimals}f}"
    if row.seed_sd is not None:
        mean += f" \u00b1 {row.seed_sd:.{decimals}f}"
    if row.rank == 1 or row.difference is None:
        return mean, ""
    difference = f"{row.difference:+.{decimals + 1}f}"
    if row.margin is not None:
        difference += f" \u00b1 {row.margin:.{decimals + 1}f}"
    return mean, difference.replace("-", "\u2212")


def _effects(axes: Axes, rows: Sequence[RankedRow], settings: Sequence[str]) -> None:
    """Draw the metric over the values of a setting, a line for each value of the other one."""
    along, *other = sorted(settings, key=lambda key: -len({row.settings[key] for row in rows}))
    ticks = _levels(rows, along)
    groups = _levels(rows, other[0]) if other else [""]
    for number, group in enumerate(groups):
        own = [row for row in rows if not other or row.settings[other[0]] == group]
        own = [row for row in own if row.value is not None]
        own.sort(key=lambda row: ticks.index(row.settings[along]))
        shift = 0.06 * (number - (len(groups) - 1) / 2)
        axes.errorbar(
            [ticks.index(row.settings[along]) + shift for row in own],
            [row.value or 0 for row in own],
            [row.seed_sd or 0 for row in own],
            color=COLOURS[number % len(COLOURS)],
            ls=LINES[number % len(LINES)],
            marker=MARKERS[number % len(MARKERS)],
            elinewidth=0.7,
            label=group,
        )
    axes.set_xticks(range(len(ticks)), [shortened(tick, 18) for tick in ticks])
    axes.set_xlim(-0.5, len(ticks) - 0.5)
    axes.set_xlabel(setting_in_words(along))
    axes.grid(axis="y")
    if other:
        axes.legend(
            title=setting_in_words(other[0]),
            title_fontsize=7,
            alignment="left",
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=4,
            borderpad=0,
        )


def _levels(rows: Sequence[RankedRow], setting: str) -> list[str]:
    """Return the values of a setting: numbers in their order, words as they come."""
    found = list(dict.fromkeys(row.settings[setting] for row in rows))
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found)
