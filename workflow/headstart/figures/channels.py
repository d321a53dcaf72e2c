"""Channels that had grids of their own, as they lie on the first one, to be judged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.cohort.step_report import StepRow
from headstart.common.keys import Key
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.common.text import percent
from headstart.figures.mask_colours import outline
from headstart.figures.scan_pages import MOST
from headstart.figures.scan_pages import draw_scans
from headstart.figures.scan_pages import far_away
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.style import GREY
from headstart.figures.style import VERMILION
from headstart.figures.style import YELLOW
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import shortened
from headstart.imaging.geometry import extent
from headstart.imaging.geometry import head

SHOWN = 3  # channels of a scan, of those that were brought onto the first one the first two
TALL = 40.0  # mm: a scan's name, its planes and what was measured
HEIGHT = 0.7  # of the head, from below: a plane through brain, and above eyes and nose
BRIGHTEST = 99.0  # percentile that is white
THIN = 0.6  # points


def plot(
    *, settings: CohortPlotSettings, stamp: Stamp, output: Path, steps: Path, prepared: Path
) -> None:
    """Draw two planes of each channel of each scan, those first whose channels fit least.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        steps: `prepare/steps.csv`.
        prepared: Folder of the prepared shards.
    """
    rows = sorted(read_rows(steps, StepRow), key=_by_fit)
    cards = {path: ShardCard.read(path) for path in sorted(prepared.glob("shard-*.json"))}
    scans = {scan.key: scan_of(path, scan) for path, card in cards.items() for scan in card.scans}
    first = next(iter(cards.values()))
    names = [first.channels[0], *first.prepare.align][:SHOWN]
    places = {name: first.channels.index(name) for name in names}
    with document(output, f"{settings.study}: channels", stamp) as pages:
        draw_channels(pages, rows, scans, places, study=settings.study)


def _by_fit(row: StepRow) -> tuple[float, float]:
    """Order scans by how little their channels fit; those that lack them come last."""
    return math.inf if row.covered is None else row.covered, -row.distance


def draw_channels(
    document: Document,
    rows: Sequence[StepRow],
    scans: Mapping[Key, Scan],
    channels: Mapping[str, int],
    *,
    study: str,
) -> None:
    """Draw the channels of the first scans of a cohort.

    Args:
        document: Where the pages go.
        rows: What was found of each scan, in the order in which they are drawn.
        scans: The prepared scans.
        channels: Names of the channels that are drawn, and their places in the volumes.
        study: Name of the study.
    """
    far, shown = far_away(len(rows)), rows[:MOST]
    note = _note(shown, len(rows), next(iter(channels)))

    def draw(cell: SubFigure, row: StepRow) -> None:
        _draw_scan(cell, row, scans[row.key], channels, far)

    draw_scans(document, f"{study}: channels", note, shown, TALL, draw)


def _note(shown: Sequence[StepRow], scans: int, first: str) -> str:
    lacking = any(row.covered is None for row in shown)
    return (
        f"{len(shown)} of {counted(scans, 'scan')}, first those of which a channel covers least of "
        "the head, then those whose channels were moved farthest"
        f"{', last those that lack them' if lacking else ''}. Of each channel a coronal and an "
        f"axial plane; left is left. Yellow: the head's outline in {first}, which the others are "
        "to fill as well. Numbers: prepare/steps.csv."
    )


def _draw_scan(
    cell: SubFigure, row: StepRow, scan: Scan, channels: Mapping[str, int], far: float
) -> None:
    subject, session = row.key
    name = subject if session == "1" else f"{subject}, session {session}"
    cell.text(0.01, 0.99, shortened(name, 40), va="top", size=7, weight="bold")
    unusual = row.farthest.startswith("channels") and row.distance > far
    if row.covered is not None:
        cell.text(
            0.99,
            0.99,
            f"moved {row.moved:.1f} mm; {percent(row.covered)} of the head covered",
            va="top",
            ha="right",
            size=6.5,
            color=VERMILION if unusual else GREY,
        )
    volumes = scan.volume().astype(np.float32)
    inside = head(volumes[0])
    wide = 1 / (2 * len(channels))
    for place, (channel, number) in enumerate(channels.items()):
        middle = (2 * place + 1) * wide
        cell.text(middle, 0.02, channel, ha="center", size=6.5)
        if number in scan.lacking:
            cell.text(middle, 0.5, "missing", ha="center", va="center", size=6.5, color=GREY)
            continue
        for plane, (seen, marked) in enumerate(_planes(volumes[number], inside)):
            left = (2 * place + plane) * wide
            axes = cell.add_axes((left + 0.005, 0.1, wide - 0.01, 0.78))
            dark, white = np.percentile(volumes[number], (1, BRIGHTEST))
            axes.imshow(
                seen.T, origin="lower", cmap="gray", vmin=dark, vmax=max(white, dark + 1e-6)
            )
            axes.set_axis_off()
            outline(axes, marked, YELLOW, THIN)


def _planes(
    volume: NDArray[np.float32], inside: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield a coronal and an axial plane of a channel, with the head's part of it."""
    _, (front, back), (low, high) = extent(inside)
    coronal, axial = (front + back) // 2, int(low + HEIGHT * (high - 1 - low))
    for cut in ((slice(None), coronal), (slice(None), slice(None), axial)):
        yield volume[cut], inside[cut]
