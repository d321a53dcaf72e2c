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

from headstart.parts.figures import BLUE
from headstart.parts.figures import LINES
from headstart.parts.figures import VERMILION
from headstart.parts.figures import Document
from headstart.parts.figures import metric_name

FOLDS_PER_PAGE = 10
LOSSES = (("train_loss", "training", BLUE, LINES[0]), ("inner_loss", "inner", VERMILION, LINES[1]))


@dataclass(frozen=True)
class History:
    """What a training wrote down, epoch by epoch.

    Attributes:
        fold: The fold that it held out.
        seed: Its random seed.
        table: history.csv as numbers.
    """

    fold: int
    seed: int
    table: pd.DataFrame

    @property
    def chosen(self) -> int | None:
        """Row of the epoch whose weights were kept; None while the training goes on."""
        if "chosen" not in self.table or not self.table["chosen"].any():
            return None
        return int(np.argmax(self.table["chosen"]))


def read_history(path: Path, fold: int, seed: int) -> History:
    """Read a history.csv."""
    return History(fold, seed, pd.read_csv(path))


def key_column(history: History) -> str:
    """Return the column of the metric that chooses the epoch: the first after the losses."""
    columns = list(history.table.columns)
    return str(columns[columns.index("inner_loss") + 1])


def draw_curves(
    document: Document, histories: Sequence[History], *, title: str, unit: str = ""
) -> None:
    """Draw all folds and seeds of an experiment on one page, and each fold by itself on the next.

    Args:
        document: Where the pages go.
        histories: The runs, of one task.
        title: The experiment in words.
        unit: Unit of the target, for metrics that carry it.
    """
    key = key_column(histories[0])
    name = metric_name(key.removeprefix("inner_"), unit)
    folds = sorted({history.fold for history in histories})
    seeds = {history.seed for history in histories}
    runs = f"{_count(len(folds), 'fold')} \u00d7 {_count(len(seeds), 'seed')}"
    many = len(histories) > 1
    note = (
        ("Thin: one run each. Bold: mean over runs. " if many else "")
        + "Circles: the epoch whose weights were kept. Inner: subjects of the training fold who "
        "choose the epoch and are not learnt from. Held-out subjects are not in this figure."
    )
    with document.page(f"{title}: learning curves of {runs}", height=84, note=note) as figure:
        left, right = figure.subplots(1, 2)
        for column, label, colour, line in LOSSES:
            _lines(left, histories, column, label, colour, line)
        left.set_title("Loss")
        left.set_ylabel("loss")
        _scale(left, histories)
        left.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
        _lines(right, histories, key, "inner", VERMILION, LINES[1])
        right.set_title("Metric that chooses the epoch")
        right.set_ylabel(f"{name}, inner")
        for axes in (left, right):
            _epochs(axes)
    for start in range(0, len(folds), FOLDS_PER_PAGE) if len(folds) > 1 else ():
        _small_multiples(
            document, histories, folds[start : start + FOLDS_PER_PAGE], title, key, name
        )


def _small_multiples(
    document: Document,
    histories: Sequence[History],
    folds: Sequence[int],
    title: str,
    key: str,
    name: str,
) -> None:
    columns = min(5, len(folds))
    rows = -(-len(folds) // columns)
    note = (
        "Loss of training (solid) and inner part (dashed), a pair of lines per seed. Circles: the "
        f"epoch whose weights were kept. Above each panel: the inner {name} at that epoch."
    )
    with document.page(
        f"{title}: learning curves by fold", height=22 + 50 * rows, note=note
    ) as figure:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, fold in zip(grid.ravel(), folds, strict=False):
            runs = [history for history in histories if history.fold == fold]
            for column, _, colour, line in LOSSES:
                for run in runs:
                    axes.plot(run.table["epoch"], run.table[column], color=colour, ls=line, lw=0.8)
            for run in runs:
                _mark(axes, run, "inner_loss", VERMILION)
            _scale(axes, histories)
            _epochs(axes)
            axes.set_title(f"fold {fold}\n{_at_chosen(runs, key)}", size=7, weight="normal")
        for axes in grid.ravel()[len(folds) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("loss")


def _at_chosen(runs: Sequence[History], key: str) -> str:
    """Return the metric at the kept epochs of all seeds, as a short line."""
    parts = []
    for run in runs:
        if run.chosen is not None:
            row = run.table.iloc[run.chosen]
            parts.append(f"{row[key]:.3g} at epoch {row['epoch']:.0f}")
    return ", ".join(parts[:2]) + (", …" if len(parts) > 2 else "") or "not finished"


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
        if column != "train_loss":
            _mark(axes, history, column, colour)
    if many:
        mean = pd.concat([h.table.set_index("epoch")[column] for h in histories], axis=1)
        # the mean stops where the first run does: a mean over fewer runs would jump
        whole = mean.dropna().mean(axis=1)
        axes.plot(whole.index, whole, color=colour, ls=line, lw=1.6, label=label)


def _mark(axes: Axes, history: History, column: str, colour: str) -> None:
    if history.chosen is None:
        return
    row = history.table.iloc[history.chosen]
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
    losses = np.concatenate([h.table[["train_loss", "inner_loss"]].to_numpy() for h in histories])
    lowest, highest = np.nanmin(losses), np.nanmax(losses)
    if lowest <= 0 or highest <= 20 * lowest:
        return
    axes.set_yscale("log")
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


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("s" if n != 1 else "")
