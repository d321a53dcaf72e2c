"""Learning curves in the terminal, in braille dots: 2 x 4 to a character."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.common.errors import UserError
from headstart.common.run_id import IDENTITY
from headstart.common.run_id import RunId
from headstart.training.history import History
from headstart.training.history import read_history

ROWS = 10  # characters of height of each plot
COLOURS = ("34", "33")  # blue and yellow of the terminal's own palette
# Bit of each of the eight dots of a braille character, [row][column]
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
Line = tuple[History, str, str]  # a training, a column of its history, what the line is called


def plot_in_terminal(histories: Sequence[Path]) -> str:
    """Draw the learning curves of one run, or of two overlaid, as text.

    Args:
        histories: One or two history.csv, finished or live.

    Raises:
        UserError: If there are more than two, or one is missing, empty or edited.
    """
    if len(histories) > 2:
        raise UserError(f"plot: one or two trainings, not {len(histories)}")
    runs = []
    for path in histories:
        if not path.is_file():
            raise UserError(f"{path}: is not there; give a history.csv of the stage train")
        runs.append(read_history(path))
        if not runs[-1].epochs:
            raise UserError(f"{path}: has no epoch yet; try again when the first one is done")
    if len({(run.key_metric, run.validates) for run in runs}) > 1:
        raise UserError(
            "plot: the two runs are of different tasks, or one of them validates and the other "
            "does not; show them one by one"
        )
    width = min(shutil.get_terminal_size().columns, 120)
    names = [_name(path) for path in histories]
    return terminal_curves(runs, names, width=width, colour=sys.stdout.isatty())


def _name(history: Path) -> str:
    """Name a training as a person types it; by its path, if it lies outside a study."""
    store = history.parent.parent
    if (store / IDENTITY).is_file():
        return RunId.stored(store).name
    try:
        return RunId.of(history).name
    except UserError:
        return str(history)


def terminal_curves(
    histories: Sequence[History], names: Sequence[str], *, width: int, colour: bool
) -> str:
    """Draw one run's losses and key metric, or two runs overlaid.

    Args:
        histories: One or two runs of one task.
        names: What to call each.
        width: Columns of the terminal.
        colour: Whether the terminal understands colours; without, the second line has gaps.

    Returns:
        The plots as lines of text.
    """
    metric = histories[0].key_metric
    named = list(zip(histories, names, strict=True))
    if not histories[0].validates:
        plots = {"training loss": [(history, "train_loss", name) for history, name in named]}
    elif len(histories) > 1:
        plots = _validated(named, "loss", metric)
    elif histories[0].measures_training:
        plots = _learnt_and_validated(histories[0], "loss", metric)
    else:
        of_metric = _validated([(histories[0], "validation")], metric)
        plots = _learnt_and_validated(histories[0], "loss") | of_metric
    return "\n".join(_plot(title, lines, width, colour) for title, lines in plots.items())


def _learnt_and_validated(history: History, *measures: str) -> dict[str, list[Line]]:
    """Name a plot of training and validation for each of these measures."""
    return {
        f"{measure}: training, validation (with gaps)": [
            (history, f"train_{measure}", "training"),
            (history, f"val_{measure}", "validation"),
        ]
        for measure in measures
    }


def _validated(named: Sequence[tuple[History, str]], *measures: str) -> dict[str, list[Line]]:
    """Name a plot of validation alone for each of these measures."""
    return {
        f"validation {measure}": [(history, f"val_{measure}", name) for history, name in named]
        for measure in measures
    }


def _plot(title: str, lines: Sequence[Line], width: int, colour: bool) -> str:
    values = np.concatenate([history.table[column] for history, column, _ in lines])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    last = max(int(history.table["epoch"].max()) for history, _, _ in lines)
    columns = max(20, width - 12)
    layers = [
        _dots(history, column, columns, (low, high), last, gaps=number > 0)
        for number, (history, column, _) in enumerate(lines)
    ]
    text = [title]
    for row in range(ROWS):
        label = {0: f"{high:9.4g}", ROWS - 1: f"{low:9.4g}"}.get(row, " " * 9)
        text.append(f"{label} ┤{_characters([layer[row] for layer in layers], colour)}")
    text.append(f"{'':9} └{'─' * columns}")
    text.append(f"{'':11}1{'epoch':^{columns - 1 - len(str(last))}}{last}")
    text += [_summary(number, *line, colour) for number, line in enumerate(lines)]
    return "\n".join(text) + "\n"


def _dots(
    history: History,
    column: str,
    columns: int,
    limits: tuple[float, float],
    last: int,
    *,
    gaps: bool,
) -> NDArray[np.uint8]:
    """Return the braille bits (ROWS, columns) of one line."""
    low, high = limits
    table = history.table.dropna(subset=[column])
    xs = np.arange(2 * columns)
    epochs = 1 + xs * (last - 1) / max(2 * columns - 1, 1)
    ys = np.interp(epochs, table["epoch"], table[column], left=np.nan, right=np.nan)
    heights = np.rint((ys - low) / ((high - low) or 1) * (4 * ROWS - 1))
    bits = np.zeros((ROWS, columns), np.uint8)
    before = None
    for x, height in zip(xs, heights, strict=True):
        if np.isnan(height) or (gaps and x % 6 >= 3):
            before = None
            continue
        start = height if before is None else before
        before = height
        for y in range(int(min(start, height)), int(max(start, height)) + 1):
            down = 4 * ROWS - 1 - y
            bits[down // 4, x // 2] |= DOTS[down % 4][x % 2]
    return bits


def _characters(layers: Sequence[NDArray[np.uint8]], colour: bool) -> str:
    """Overlay the layers of a row; a character has the colour of the last line that is in it."""
    text = []
    for bits in zip(*layers, strict=True):
        character = chr(0x2800 + int(np.bitwise_or.reduce(bits)))
        if colour and any(bits):
            top = max(number for number, bit in enumerate(bits) if bit)
            character = f"\033[{COLOURS[top]}m{character}\033[0m"
        text.append(character)
    return "".join(text).rstrip("\u2800")


def _summary(number: int, history: History, column: str, name: str, colour: bool) -> str:
    table = history.table
    sample = "⠤⠤⠤⠤" if number == 0 else "⠤ ⠤ "
    if colour:
        sample = f"\033[{COLOURS[number]}m{sample}\033[0m"
    last, kept = table[column].iloc[-1], table[column].iloc[history.chosen - 1]
    return (
        f"{'':11}{sample} {name}: {last:.4g} at epoch {len(table)}, "
        f"kept: {kept:.4g} at epoch {history.chosen}"
    )
