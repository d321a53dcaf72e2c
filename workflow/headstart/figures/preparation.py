"""What preparation made of each scan: its brain and the template's in outline, to be judged."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import SubFigure

from headstart.cohort.outliers import FAR
from headstart.cohort.outliers import FEW
from headstart.cohort.shards import RefusedScan
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
from headstart.figures.settings import PlotSettings
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
from headstart.imaging.steps import REGISTRATION

TALL = 44.0  # mm: a scan's name, its planes and what was measured
LOW, HIGH = 0.23, 0.66  # of that: where the planes begin, and how high they are
THIN = 0.6  # points: two outlines lie side by side
WIDE = 84  # characters below the planes
Shown = StepRow | RefusedScan
COLOURS = {IN_TEMPLATE: SKY, IN_BRAIN: YELLOW}


def plot(
    *,
    settings: PlotSettings,
    stamp: Stamp,
    output: Path,
    steps: Path,
    prepared: Path,
    refused: Sequence[RefusedScan] = (),
) -> None:
    """Draw three planes of each scan, those first whose figures are farthest from the others'.

    Before these come the scans that were refused: what a person may accept is decided by eye.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        steps: `prepare/steps.csv`.
        prepared: Folder of the prepared shards.
        refused: The scans that were refused, in their order. The shards' may be excluded by now.
    """
    rows = sorted(read_rows(steps, StepRow), key=lambda row: -row.distance)
    cards = {path: ShardCard.read(path) for path in sorted(prepared.glob("shard-*.json"))}
    both: list[Shown] = [*refused, *rows]
    shown = both[:MOST]
    study = settings.study
    with document(output, f"{study}: preparation", stamp) as pages:
        draw_preparation(pages, shown, _planes(cards, shown), study=study, scans=len(rows))


def _planes(cards: Mapping[Path, ShardCard], rows: Sequence[Shown]) -> dict[Key, Planes]:
    """Read the planes of some scans: of those refused, where there are any."""
    asked, found = {row.key for row in rows}, {}
    for path, card in cards.items():
        stored = np.load(planes_of(path), mmap_mode="r")
        places = {scan.key: scan.index for scan in card.scans}
        for key, index in (places | {scan.key: scan.index for scan in card.refused}).items():
            if key in asked and index is not None:
                found[key] = np.array(stored[index])
    return found


def draw_preparation(
    document: Document,
    rows: Sequence[Shown],
    planes: Mapping[Key, Planes],
    *,
    study: str,
    scans: int,
) -> None:
    """Draw planes and figures of each scan, in the order that they are given in.

    Args:
        document: Where the pages go.
        rows: What was found of each scan, or why it was refused.
        planes: Three planes of each, see `imaging.planes`; of those refused, where there are any.
        study: Name of the study.
        scans: How many scans the cohort has, without those refused.
    """
    kept = [row for row in rows if isinstance(row, StepRow)]
    refused = [row for row in rows if isinstance(row, RefusedScan)]
    placed = any(row.overlap is not None for row in kept) or any(
        row.code == REGISTRATION for row in refused
    )
    note = _on_refused(refused) + _note(len(kept), scans, placed=placed)
    far = far_away(scans)

    def draw(cell: SubFigure, row: Shown) -> None:
        if isinstance(row, RefusedScan):
            _draw_refused(cell, row, planes.get(row.key))
        else:
            _draw_scan(cell, row, planes[row.key], far)

    draw_scans(document, f"{study}: preparation", note, rows, TALL, draw)


def _on_refused(refused: Sequence[RefusedScan]) -> str:
    if not refused:
        return ""
    codes = sorted({row.code for row in refused if row.code})
    decide = "exclude them in check.exclude"
    if codes:
        decide += f", or where the outlines are right accept {' or '.join(codes)} in check.accept"
    first = f"First {counted(len(refused), 'scan')} that prepare refused: {decide}"
    return f"{first}; where an outline is wrong, a face may be seen. Then "


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
    farthest = f"{row.farthest}: {row.distance:.1f} SD" if row.farthest else ""
    _write(cell, row.key, farthest, VERMILION if row.distance > far else GREY, _said(row))
    _draw_planes(cell, planes)


def _draw_refused(cell: SubFigure, row: RefusedScan, planes: Planes | None) -> None:
    reason = row.detail.partition(": ")[2] or row.detail  # without its file
    lines = textwrap.wrap(reason, WIDE, max_lines=3, placeholder=" …")
    said = f"refused: {row.code}" if row.code else "refused"
    _write(cell, row.key, said, VERMILION, lines)
    if planes is not None:
        _draw_planes(cell, planes)


def _write(cell: SubFigure, scan: Key, right: str, colour: str, lines: Iterable[str]) -> None:
    """Write what stands above the planes, left and right, and below them."""
    subject, session = scan
    name = subject if session == "1" else f"{subject}, session {session}"
    cell.text(0.01, 0.99, shortened(name, 40), va="top", size=7, weight="bold")
    cell.text(0.99, 0.99, right, va="top", ha="right", size=6.5, color=colour)
    cell.text(0.01, LOW - 0.02, "\n".join(lines), va="top", size=6, linespacing=1.3)


def _draw_planes(cell: SubFigure, planes: Planes) -> None:
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
