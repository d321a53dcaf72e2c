"""What preparation made of each scan: its brain and the template's in outline, to be judged."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import SubFigure

from headstart.cohort.outliers import FAR
from headstart.cohort.outliers import FEW
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import planes_of
from headstart.cohort.step_report import StepRow
from headstart.common.keys import Key
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.figures.mask_colours import outline
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.style import GREY
from headstart.figures.style import SKY
from headstart.figures.style import VERMILION
from headstart.figures.style import YELLOW
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import shortened
from headstart.imaging.planes import IN_BRAIN
from headstart.imaging.planes import IN_TEMPLATE
from headstart.imaging.planes import NEAR
from headstart.imaging.planes import Planes

COLUMNS, ROWS = 2, 5  # scans on a page
MOST = 8 * COLUMNS * ROWS  # scans; of a larger cohort, those that are least like the others
TALL = 43.0  # mm: a scan's planes, its name and what was measured
COLOURS = {IN_BRAIN: YELLOW, IN_TEMPLATE: SKY}


def plot(
    *, settings: CohortPlotSettings, stamp: Stamp, output: Path, steps: Path, prepared: Path
) -> None:
    """Draw three planes of each scan, those first whose figures are farthest from the others'.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        steps: `prepare/steps.csv`.
        prepared: Folder of the prepared shards.
    """
    rows = sorted(read_rows(steps, StepRow), key=lambda row: -row.distance)
    shown = rows[:MOST]
    study = settings.study
    with document(output, f"{study}: preparation", stamp) as pages:
        draw_preparation(pages, shown, _planes(prepared, shown), study=study, scans=len(rows))


def _planes(prepared: Path, rows: Sequence[StepRow]) -> dict[Key, Planes]:
    """Read the planes of some scans."""
    asked, found = {row.key for row in rows}, {}
    for path in sorted(prepared.glob("shard-*.json")):
        stored = np.load(planes_of(path), mmap_mode="r")
        for scan in ShardCard.read(path).scans:
            if scan.key in asked:
                found[scan.key] = np.array(stored[scan.index])
    return found


def draw_preparation(
    document: Document,
    rows: Sequence[StepRow],
    planes: Mapping[Key, Planes],
    *,
    study: str,
    scans: int,
) -> None:
    """Draw planes and figures of each scan, in the order that they are given in.

    Args:
        document: Where the pages go.
        rows: What was found of each scan.
        planes: Three planes of each, see `imaging.planes`.
        study: Name of the study.
        scans: How many scans the cohort has.
    """
    placed = any(row.overlap is not None for row in rows)
    note = _note(len(rows), scans, placed=placed)
    per_page = COLUMNS * ROWS
    pages = range(0, max(len(rows), 1), per_page)
    for page, start in enumerate(pages, start=1):
        part = rows[start : start + per_page]
        tall = max(1, -(-len(part) // COLUMNS))
        title = f"{study}: preparation, page {page} of {len(pages)}"
        with document.page(title, height=30 + TALL * tall, note=note) as figure:
            cells = figure.subfigures(tall, COLUMNS, squeeze=False, wspace=0.02).ravel()
            for cell, row in zip(cells, part, strict=False):
                _draw_scan(cell, row, planes[row.key])


def _note(shown: int, scans: int, *, placed: bool) -> str:
    where = "of the template's brain, along its axes" if placed else "of the brain"
    lines = "Yellow: the brain that was found"
    lines += "; blue: the template's." if placed else "."
    few = f" Of fewer than {FEW} scans none tells what is usual." if scans < FEW else ""
    return (
        f"{shown} of {counted(scans, 'scan')}, the least like the others first: by the figure that "
        "is worst, in robust standard deviations (SD) from the cohort's median, in red beyond "
        f"{FAR:g}.{few} Sagittal (front to the right), coronal and axial plane through the middle "
        f"{where}; left is left. {lines} Nothing is shown farther than {NEAR:g} mm from them, to "
        "protect faces. Numbers: prepare/steps.csv."
    )


def _draw_scan(cell: SubFigure, row: StepRow, planes: Planes) -> None:
    subject, session = row.key
    name = subject if session == "1" else f"{subject}, session {session}"
    axes = cell.subplots(1, 3)
    for one, (seen, marks) in zip(axes, planes, strict=True):
        one.imshow(seen.T, origin="lower", vmin=0, vmax=255)
        one.set_axis_off()
        for bit, colour in COLOURS.items():
            outline(one, (marks & bit) > 0, colour)
    axes[0].set_title(shortened(name, 40), size=7)
    far = row.distance > FAR
    if row.farthest:
        said = f"{row.farthest}: {row.distance:.1f} SD"
        axes[2].set_title(
            said, size=6.5, loc="right", weight="normal", color=VERMILION if far else GREY
        )
    axes[0].text(
        0,
        -0.05,
        "\n".join(_said(row)),
        transform=axes[0].transAxes,
        va="top",
        size=6,
        linespacing=1.3,
    )


def _said(row: StepRow) -> Iterator[str]:
    """Yield what was found of a scan, in words and units."""
    brain = [
        *([f"brain {row.brain_ml:.0f} ml"] if row.brain_ml is not None else []),
        *(["stripped before"] if row.stripped else []),
        *([f"{100 * row.brain_cut:.2g} % of it outside the window"] if row.brain_cut else []),
        *([f"{row.brain_at_edge} voxels at the scan's edge"] if row.brain_at_edge else []),
    ]
    yield ", ".join(brain)
    if row.field_low is not None and row.field_high is not None:
        yield f"bias field {row.field_low:.2f} to {row.field_high:.2f} of its mean (1 to 99 %)"
    if row.overlap is not None and row.correlation is not None:
        yield (
            f"overlap with the template {row.overlap:.2f} (Dice), correlation "
            f"{row.correlation:.2f}, moved {row.translation:.0f} mm, turned {row.rotation:.0f}°"
        )
