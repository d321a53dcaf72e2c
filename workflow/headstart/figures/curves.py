"""Learning curves on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from matplotlib.ticker import MaxNLocator
from matplotlib.ticker import NullFormatter

from headstart.common.run_id import RunId
from headstart.common.text import counted
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.settings import Keep
from headstart.figures.style import BLUE
from headstart.figures.style import LINES
from headstart.figures.style import VERMILION
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import metric_name
from headstart.figures.style import set_logarithmic
from headstart.training.history import History
from headstart.training.history import read_history

FOLDS_PER_PAGE = 10
KEPT = {
    "best": "the epoch whose weights were kept, as its validation metric was best",
    "last": "the last epoch, whose weights were kept",
    "ema": "the last epoch, at whose end the moving average of the weights was kept; this average "
    "is what was validated",
}
UNVALIDATED = {
    "last": "The weights of the last epoch were",
    "ema": "The moving average of the weights at the end of the last epoch was",
}
AS_LEARNT = (
    "Training metric: as it is learnt, from augmented batches (of masks, from some of them), with "
    "dropout and by the weights of that moment, not by those that were kept. "
)
TRAINING, VALIDATION = ("training", BLUE, LINES[0]), ("validation", VERMILION, LINES[1])
LOSSES = (("train_loss", *TRAINING), ("val_loss", *VALIDATION))


@dataclass(frozen=True)
class Curve:
    """The history of one training of an experiment.

    Attributes:
        run: Which one.
        history: What it wrote down.
    """

    run: RunId
    history: History


def plot(
    *, settings: ExperimentPlotSettings, stamp: Stamp, output: Path, histories: Sequence[Path]
) -> None:
    """Draw the learning curves of all folds and seeds of an experiment.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        histories: `.../fold-F/seed-S/history.csv`.

    Raises:
        UserError: If a history lies in a folder of another name, or was edited.
    """
    runs = [Curve(RunId.of(path), read_history(path)) for path in histories]
    title = settings.title
    with document(output, f"{title}: learning curves", stamp) as pages:
        draw_curves(pages, runs, title=title, unit=settings.unit, keep=settings.keep)


def draw_curves(
    document: Document,
    curves: Sequence[Curve],
    *,
    title: str,
    unit: str = "",
    keep: Keep = "best",
) -> None:
    """Draw all folds and seeds of an experiment on one page, and each fold by itself on the next.

    Args:
        document: Where the pages go.
        curves: The runs, of one task.
        title: The experiment in words.
        unit: Unit of the target, for metrics that carry it.
        keep: Which weights were kept.
    """
    histories = [curve.history for curve in curves]
    metric, validates = histories[0].key_metric, histories[0].validates
    name = metric_name(metric, unit)
    folds = sorted({curve.run.fold for curve in curves})
    seeds = {curve.run.seed for curve in curves}
    runs = f"{counted(len(folds), 'fold')} \u00d7 {counted(len(seeds), 'seed')}"
    many = len(histories) > 1
    learnt = histories[0].measures_training
    note = (
        ("Thin: one run each. Bold: mean over runs. " if many else "")
        + (
            f"Circles: {KEPT[keep]}. Validation: subjects of the training folds that the network "
            "does not learn from. "
            if validates
            else f"{UNVALIDATED[keep]} kept; nobody was set aside for validation. "
        )
        + AS_LEARNT * learnt
        + "Held-out subjects are not in this figure."
    )
    with document.page(f"{title}: learning curves of {runs}", height=84, note=note) as figure:
        left, *others = figure.subplots(1, 2 if validates or learnt else 1, squeeze=False)[0]
        for column, label, colour, line in _losses(histories):
            _lines(left, histories, column, label, colour, line)
        left.set_title("Loss")
        left.set_ylabel("loss")
        _scale(left, histories)
        left.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
        for right in others:  # of denoising without validation there is none
            if learnt:
                label, *style = TRAINING
                _lines(right, histories, f"train_{metric}", f"{label}, as it is learnt", *style)
            if validates:
                _lines(right, histories, f"val_{metric}", *VALIDATION)
            right.set_title("Metric")
            right.set_ylabel(name)
            right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
        for axes in (left, *others):
            _epochs(axes)
    for start in range(0, len(folds), FOLDS_PER_PAGE) if len(folds) > 1 else ():
        _small_multiples(document, curves, folds[start : start + FOLDS_PER_PAGE], title, name, keep)


def _small_multiples(
    document: Document,
    curves: Sequence[Curve],
    folds: Sequence[int],
    title: str,
    name: str,
    keep: Keep,
) -> None:
    histories = [curve.history for curve in curves]
    validates = histories[0].validates
    columns = min(5, len(folds))
    rows = -(-len(folds) // columns)
    note = (
        "Loss of training (solid) and validation (dashed), a pair of lines per seed. "
        f"Circles: {KEPT[keep]}. Above each panel: the validation {name} at that epoch."
        if validates
        else "Loss of training, a line per seed."
    )
    with document.page(
        f"{title}: learning curves by fold", height=22 + 53 * rows, note=note
    ) as figure:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, fold in zip(grid.ravel(), folds, strict=False):
            runs = [curve.history for curve in curves if curve.run.fold == fold]
            for column, _, colour, line in _losses(histories):
                for run in runs:
                    axes.plot(run.table["epoch"], run.table[column], color=colour, ls=line, lw=0.8)
            for run in runs if validates else ():
                _mark(axes, run, "val_loss", VERMILION)
            _scale(axes, histories)
            _epochs(axes)
            told = f"\n{_at_chosen(runs)}" if validates else ""
            axes.set_title(f"fold {fold}{told}", size=7, weight="normal")
        for axes in grid.ravel()[len(folds) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("loss")


def _losses(histories: Sequence[History]) -> list[tuple[str, str, str, Any]]:
    """Return the losses that were written down."""
    return [loss for loss in LOSSES if loss[0] in histories[0].table]


def _at_chosen(runs: Sequence[History]) -> str:
    """Return the metric at the kept epochs of the first seeds, a short line each."""
    parts = [f"{run.best:.3g} at epoch {run.chosen}" for run in runs]
    return "\n".join(parts[:2]) + (" …" if len(parts) > 2 else "")


def _lines(
    axes: Axes, histories: Sequence[History], column: str, label: str, colour: str, line: Any
) -> None:
    many = len(histories) > 1
    for history in histories:
        axes.plot(
            history.table["epoch"],
            history.table[column],
            color=colour,
            ls=line,
            lw=0.5 if many else 1.3,
            alpha=0.55 if many else 1,
            marker="." if len(history.table) == 1 else "",
            label=None if many else label,
        )
        if column.startswith("val_"):
            _mark(axes, history, column, colour)
    if many:
        mean = pd.concat([h.table.set_index("epoch")[column] for h in histories], axis=1)
        # the mean stops where the first run does: a mean over fewer runs would jump
        whole = mean.dropna().mean(axis=1)
        axes.plot(whole.index, whole, color=colour, ls=line, lw=1.6, label=label)


def _mark(axes: Axes, history: History, column: str, colour: str) -> None:
    row = history.table.iloc[history.chosen - 1]
    axes.plot(
        [row["epoch"]],
        [row[column]],
        "o",
        mfc="white",
        mec=colour,
        mew=0.9,
        ms=4,
        zorder=4,
    )


def _scale(axes: Axes, histories: Sequence[History]) -> None:
    """Show losses that fall by more than a factor of 20 on a logarithmic scale."""
    columns = [column for column, *_ in _losses(histories)]
    losses = np.concatenate([h.table[columns].to_numpy() for h in histories])
    lowest, highest = np.nanmin(losses), np.nanmax(losses)
    if lowest <= 0 or highest <= 20 * lowest:
        return
    set_logarithmic(axes, "y")
    if highest < 1000 * lowest:  # labels at 0.1 and 1 alone would be few
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.tick_params(labelbottom=True)
    axes.grid(axis="y")
    axes.margins(x=0.04)
    if axes.dataLim.width == 0:  # one epoch only: a point
        axes.set_xlim(0, 2)
