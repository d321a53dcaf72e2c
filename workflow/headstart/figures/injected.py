"""How far answers move with each dose of a known change that was injected into held-out scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.text import counted
from headstart.evaluation.injected import InjectedRow
from headstart.evaluation.injected import Response
from headstart.evaluation.injected import changes
from headstart.evaluation.injected import in_groups
from headstart.evaluation.injected import injection_of
from headstart.evaluation.injected import responses
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import as_numbers
from headstart.figures.style import document
from headstart.figures.style import shortened
from headstart.figures.style import with_unit
from headstart.tasks import TASKS
from headstart.tasks.base import Task

COLUMNS, ROWS = 3, 2  # panels of a page
LETTERS = 30  # of a panel's title
NOTE = (
    "Held-out scans, each by networks that never saw its subject. Grey: each subject. Blue: their "
    "mean{interval}. {meaning}"
)
INTERVAL = ", with its interval (95 %) over subjects, for these networks"
OF_HEADS = (
    "Of the head's voxels those nearest to its centre become air, in all channels. A network whose "
    "answers do not move does not look there; one whose answers move need not read it rightly."
)
OF_MASKS = (
    "Each structure is drawn towards the mean of what lies within two voxels of it, at 1 wholly. A "
    "network that finds it by what it looks like labels less and less; one that goes by its place "
    "labels it as before."
)


def plot(*, settings: ExperimentPlotSettings, stamp: Stamp, output: Path, injected: Path) -> None:
    """Draw a panel for each answer, and write the numbers as a table.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF; the table is beside it, as .csv.
        injected: responses.csv of inject.
    """
    rows = read_rows(injected, InjectedRow)
    write_rows(output.with_suffix(".csv"), Response, responses(rows))
    with document(output, f"{settings.title}: a known change, injected", stamp) as pages:
        draw_injected(pages, rows, TASKS[settings.task], title=settings.title, unit=settings.unit)


def draw_injected(
    document: Document,
    rows: Sequence[InjectedRow],
    task: type[Task],
    *,
    title: str,
    unit: str = "",
) -> None:
    """Draw a panel for each answer.

    Args:
        document: Where the pages go.
        rows: responses.csv of inject.
        task: The experiment's task.
        title: The experiment in words.
        unit: Unit of the target, if it is a number.
    """
    groups = in_groups(rows)
    people = counted(len({row.subject for row in rows}), "held-out subject")
    heading = f"{title}: a known change, injected into scans of {people}"
    known = any(one.ci_low is not None for one in responses(rows))
    note = NOTE.format(
        interval=INTERVAL if known else "", meaning=OF_MASKS if task.per_voxel else OF_HEADS
    )
    of_page = COLUMNS * ROWS
    for start in range(0, len(groups), of_page):
        names = list(groups)[start : start + of_page]
        columns = min(len(names), COLUMNS)
        tall = -(-len(names) // columns)
        with document.page(heading, height=14 + 62 * tall, note=note) as figure:
            panels = figure.subplots(tall, columns, squeeze=False, sharey=True)
            for panel in panels.flat[len(names) :]:
                panel.set_visible(False)
            for place, (panel, name) in enumerate(zip(panels.flat, names, strict=False)):
                _draw(panel, groups[name])
                panel.set_title(shortened(name, LETTERS))
                if place + columns >= len(names):  # nothing stands below
                    panel.set_xlabel(injection_of(task).axis)
            for first in panels[:, 0]:
                first.set_ylabel(f"change of the {_answer(task, unit)}")


def _draw(axes: Axes, rows: Sequence[InjectedRow]) -> None:
    doses, moved = changes(rows)
    for subject in moved:
        axes.plot([0, *doses], [0, *subject], color=GREY, lw=0.5, alpha=0.6)
    means = [one for one in responses(rows) if one.dose is not None]
    for dose, one in zip(doses, means, strict=True):
        low, high = as_numbers(one.ci_low, one.ci_high)
        axes.plot([dose, dose], [low, high], color=BLUE, lw=1.6, solid_capstyle="butt")
    axes.plot([0, *doses], [0, *(one.change for one in means)], "o-", color=BLUE, ms=4, lw=1)
    axes.axhline(0, color=GREY, lw=0.8, ls="--", zorder=0)
    axes.set_xticks([0, *doses])
    axes.grid(axis="y")


def _answer(task: type[Task], unit: str) -> str:
    if task.per_voxel:
        return "share that is labelled"
    return with_unit("prediction", unit) if task.target_kind == "number" else "probability"
