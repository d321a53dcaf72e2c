"""The cohort on paper: who came in, who was rejected and why, and how the rest was divided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.patches import Rectangle

from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import read_splits
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.data.rejection_words import in_words
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.style import BLACK
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document

REJECTED = {"label": "Left out before the check", "check": "Rejected by the check"}
MOST_FOLDS = 5  # boxes; more folds share one


def plot(
    *,
    settings: CohortPlotSettings,
    stamp: Stamp,
    output: Path,
    labels: Path,
    rejected: Sequence[Path],
    passed: Path,
    splits: Path,
) -> None:
    """Draw who came in, who was rejected, and how the rest was divided.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        labels: `label/labels.csv`.
        rejected: rejected.csv of label and check.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
    """
    study = settings.study
    tables = [read_rows(path, RejectedRow) for path in rejected]
    with document(output, f"{study}: data and exclusions", stamp) as pages:
        draw_flow(
            pages,
            study=study,
            labels=read_rows(labels, LabelRow),
            rejected=dict(zip(("label", "check"), tables, strict=True)),
            passed=read_rows(passed, LabelRow),
            splits=read_splits(splits),
        )


def draw_flow(
    document: Document,
    *,
    study: str,
    labels: Sequence[LabelRow],
    rejected: dict[str, list[RejectedRow]],
    passed: Sequence[LabelRow],
    splits: Sequence[SplitRow],
) -> None:
    """Draw the flow of scans with counts, after CONSORT's diagram (doi:10.1136/bmj.c332).

    Args:
        document: Where the page goes.
        study: Name of the study.
        labels: labels.csv.
        rejected: rejected.csv of the stages label and check, in this order.
        passed: passed.csv.
        splits: splits.csv.
    """
    found = len(labels) + len(rejected["label"])
    boxes = [
        f"Found: {found} scans or table rows\n{_by_source(labels)}",
        f"Checked: {_count(labels)}",
        f"Passed: {_count(passed)}",
    ]
    reasons = [_reasons(stage, table) for stage, table in rejected.items()]
    heights = [9 + 3.4 * box.count("\n") for box in boxes]
    gaps = [max(9.0, 8 + 3.4 * text.count("\n")) for text in reasons]
    total = sum(heights) + sum(gaps) + 12 + 14
    note = "Scan: one session of one subject. rejected.csv of label and check says more of each."
    if any(row.repeats for row in splits):
        note += " Folds: those of the first repeat of the split."
    with document.page(f"{study}: data and exclusions", height=total + 24, note=note) as figure:
        axes = figure.subplots()
        axes.set_xlim(0, 175)
        axes.set_ylim(-total - 1, 1)  # room for the lines of the boxes at the edges
        axes.set_axis_off()
        top = 0.0
        for number, (box, height) in enumerate(zip(boxes, heights, strict=True)):
            _box(axes, 20, top, 70, height, box)
            bottom = top - height
            if number < len(reasons):
                gap = gaps[number]
                _arrow(axes, (55, bottom), (55, bottom - gap))
                middle = bottom - gap / 2
                _arrow(axes, (55, middle), (104, middle))
                tall = gap - 2
                _box(axes, 104, middle + tall / 2, 66, tall, reasons[number], fill="#F2F2F2")
                top = bottom - gap
        _parts(axes, bottom, passed, splits)


def _parts(
    axes: Axes, bottom: float, passed: Sequence[LabelRow], splits: Sequence[SplitRow]
) -> None:
    texts = []
    held = [row for row in splits if row.test]
    if held:
        texts.append(f"Held-out test\n{_count(_of(passed, held))}")
    folds = sorted({row.fold for row in splits if row.fold is not None})
    tables = [_of(passed, [row for row in splits if row.fold == fold]) for fold in folds]
    if len(folds) > MOST_FOLDS:
        sizes = [len(_subjects(table)) for table in tables]
        texts.append(
            f"{len(folds)} folds of {min(sizes)} to {max(sizes)} subjects\n"
            f"{_count([row for table in tables for row in table])}"
        )
    else:
        texts += [
            f"Fold {fold}\n{_count(table)}" for fold, table in zip(folds, tables, strict=True)
        ]
    width = min(175 / len(texts) - 3, 44)
    centres = (np.arange(len(texts)) + 0.5) * 175 / len(texts)
    joint = bottom - 6
    axes.plot([55, 55], [bottom, joint], color=BLACK, lw=0.8)
    axes.plot([min(55, centres[0]), max(55, centres[-1])], [joint] * 2, color=BLACK, lw=0.8)
    for centre, text in zip(centres, texts, strict=True):
        _arrow(axes, (centre, joint), (centre, joint - 6))
        lines = text.replace(" of ", "\nof ", 1) if width < 36 else text
        _box(axes, centre - width / 2, joint - 6, width, 14, lines)


def _box(
    axes: Axes, left: float, top: float, width: float, height: float, text: str, fill: str = "white"
) -> None:
    axes.add_patch(Rectangle((left, top - height), width, height, fc=fill, ec=BLACK, lw=0.8))
    axes.text(
        left + width / 2, top - height / 2, text, ha="center", va="center", size=7, linespacing=1.3
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=6,
            lw=0.8,
            color=BLACK,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _count(table: Sequence[LabelRow]) -> str:
    return f"{counted(len(table), 'scan')} of {counted(len(_subjects(table)), 'subject')}"


def _subjects(table: Sequence[LabelRow]) -> set[str]:
    return {row.subject for row in table}


def _by_source(labels: Sequence[LabelRow]) -> str:
    counts = Counter(row.source for row in labels)
    return ", ".join(f"{source}: {n}" for source, n in counts.items())


def _reasons(stage: str, table: Sequence[RejectedRow]) -> str:
    counts = Counter(row.reason for row in table)
    lines = [f"{in_words(reason)}: {n}" for reason, n in counts.most_common()]
    shown = lines if len(lines) <= 7 else [*lines[:6], f"{len(lines) - 6} more reasons"]
    return "\n".join([f"{REJECTED[stage]}: {len(table)}", *shown])


def _of(passed: Sequence[LabelRow], splits: Sequence[SplitRow]) -> list[LabelRow]:
    subjects = {row.subject for row in splits}
    return [row for row in passed if row.subject in subjects]
