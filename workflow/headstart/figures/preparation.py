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
from headstart.figures.scan_pages import MOST
from headstart.figures.scan_pages import draw_scans
from headstart.figures.scan_pages import far_away
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

TALL = 44.0  # mm: a scan's name, its planes and what was measured
LOW, HIGH = 0.23, 0.66  # of that: where the planes begin, and how high they are
THIN = 0.6  # points: two outlines lie side by side
COLOURS = {IN_TEMPLATE: SKY, IN_BRAIN: YELLOW}


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
    far = far_away(scans)

    def draw(cell: SubFigure, row: StepRow) -> None:
        _draw_scan(cell, row, planes[row.key], far)

    draw_scans(document, f"{study}: preparation", note, rows, TALL, draw)


def _note(shown: int, scans: int, *, placed: bool) -> str:
    where = "of the template's brain, along its axes" if placed else "of the brain"
    lines = "Yellow: the brain that was found"
    lines += "; blue: the template's." if placed else "."
    red = f", in red beyond {FAR:g}" if scans >= FEW else f"; fewer than {FEW} scans tell little"
    return (
        f"{shown} of {counted(scans, 'scan')}, the least like the others first: by the figure that "
        "is worst, in robust standard deviations (SD) from the cohort's median"
        f"{red}. Sagittal (front to the right), coronal and axial plane through the middle "
        f"{where}; left is left. {lines} Nothing is shown farther than {NEAR:g} mm from there, "
        "to protect faces. Numbers: prepare/steps.csv."
    )


def _draw_scan(cell: SubFigure, row: StepRow, planes: Planes, far: float) -> None:
    subject, session = row.key
    name = subject if session == "1" else f"{subject}, session {session}"
    cell.text(0.01, 0.99, shortened(name, 40), va="top", size=7, weight="bold")
    if row.farthest:
        colour = VERMILION if row.distance > far else GREY
        farthest = f"{row.farthest}: {row.distance:.1f} SD"
        cell.text(0.99, 0.99, farthest, va="top", ha="right", size=6.5, color=colour)
    cell.text(0.01, LOW - 0.02, "\n".join(_said(row)), va="top", size=6, linespacing=1.3)
    for number, (seen, marks) in enumerate(planes):
        axes = cell.add_axes((0.01 + 0.33 * number, LOW, 0.32, HIGH))
        axes.imshow(seen.T, origin="lower", vmin=0, vmax=255)
        axes.set_axis_off()
        for bit, colour in COLOURS.items():
            outline(axes, (marks & bit) > 0, colour, THIN)


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
            f"template: overlap {row.overlap:.2f} (Dice), correlation {row.correlation:.2f}, moved "
            f"{row.translation:.0f} mm, turned {row.rotation:.0f}°"
        )
