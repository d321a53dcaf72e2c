"""The contact sheet: a small picture of every scan of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.cohort.flags import KINDS
from headstart.cohort.flags import Mark
from headstart.cohort.flags import find_marks
from headstart.cohort.flags import rejected_scans
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.figures.style import AXIAL
from headstart.figures.style import GREY
from headstart.figures.style import VERMILION
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import shortened
from headstart.imaging.scan_rows import CheckRow

Picture = NDArray[np.float32]

COARSE = 4.0  # mm: scans are shown no finer, to protect faces
CROP, FINE = 80.0, 2.0  # mm: a window no longer than this holds no face, and is shown finer
COLUMNS, ROWS = 6, 9
MOST = 5 * COLUMNS * ROWS  # tiles; a larger cohort is sampled


@dataclass(frozen=True)
class Tile:
    """One scan on the contact sheet.

    Attributes:
        key: Subject and session.
        picture: An axial and a sagittal slice side by side; None if the scan was not prepared.
        mark: Why it is marked; None for most.
    """

    key: Key
    picture: Picture | None
    mark: Mark | None


def plot(
    *,
    stamp: Stamp,
    output: Path,
    labels: Path,
    rejected: Sequence[Path],
    passed: Path,
    summary: Path,
    prepared: Path,
    pairs: Path,
    similarity: Path,
) -> None:
    """Draw a small picture of every scan, those rejected or marked ones first.

    Args:
        stamp: What the footer says, and of which study.
        output: The PDF.
        labels: `label/labels.csv`.
        rejected: rejected.csv of label and check.
        passed: `check/passed.csv`.
        summary: `check/summary.csv`.
        prepared: Folder of the prepared shards.
        pairs: `near-duplicates/pairs.csv`.
        similarity: `near-duplicates/similarity.csv`.

    Raises:
        UserError: If a scan neither passed nor was rejected, or has no volume.
    """
    keys = dict.fromkeys(row.key for row in read_rows(labels, LabelRow))
    away = rejected_scans([read_rows(path, RejectedRow) for path in rejected], keys.keys())
    bad = {row.key for row in away}
    keys |= dict.fromkeys(row.key for row in away)
    similar = read_rows(similarity, SimilarityRow)
    marks = find_marks(away, read_rows(summary, CheckRow), read_rows(pairs, PairRow), similar)
    pictures = _pictures(prepared)
    good = {row.key for row in read_rows(passed, LabelRow)}
    if bad | good != set(keys) or bad & good or good - pictures.keys():
        raise UserError(
            f"{passed}: {len(good)} scans passed and {len(bad)} were rejected, but {len(keys)} "
            f"were found and {len(pictures)} prepared; run check and prepare again"
        )
    distance = {scan.key: scan.distance for scan in similar}
    in_order = sorted(keys, key=lambda key: -distance.get(key, 0.0))
    tiles = [Tile(key, pictures.get(key), marks.get(key)) for key in in_order]
    study = stamp.study
    with document(output, f"{study}: contact sheet", stamp) as pages:
        draw_contact_sheet(pages, tiles, study=study)


def _pictures(prepared: Path) -> dict[Key, Any]:
    """Return a small picture of each prepared scan."""
    pictures = {}
    for path in sorted(prepared.glob("shard-*.json")):
        card = ShardCard.read(path)
        for scan in card.scans:
            volume = scan_of(path, scan).volume()
            pictures[scan.key] = thumbnail(volume[0], card.prepare.voxel_size)
    return pictures


def thumbnail(volume: NDArray[Any], voxel_size: Sequence[float]) -> Picture:
    """Make a small picture of a prepared scan.

    Args:
        volume: Intensities (x, y, z), RAS.
        voxel_size: Edges of its voxels, mm.

    Returns:
        An axial slice above the eyes and the middle sagittal slice, side by side, pixels of 4 mm
        or more (2 mm for a window that holds no face), from 0 (1st percentile) to 1 (99.5th).
    """
    is_crop = np.multiply(volume.shape, voxel_size).max() <= CROP
    steps = [int(np.ceil((FINE if is_crop else COARSE) / edge)) for edge in voxel_size]
    # averaged over coarse blocks, then brought to square pixels
    coarse = blocks(np.asarray(volume, dtype=np.float32), steps)
    edges = np.multiply(steps, voxel_size)
    pixels = [_nearest(n, edge, edges.max()) for n, edge in zip(coarse.shape, edges, strict=True)]
    square = coarse[np.ix_(*pixels)]
    slices = [square[:, :, int(AXIAL * square.shape[2])], square[square.shape[0] // 2]]
    height = max(part.shape[1] for part in slices)
    picture = np.concatenate([_pad_height(part, height) for part in slices])
    low, high = np.percentile(picture, [1, 99.5])
    scaled: Picture = np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    return scaled


def draw_contact_sheet(document: Document, tiles: Sequence[Tile], *, study: str) -> None:
    """Draw the cohort, marked scans first, then the least similar; a large one is sampled.

    Args:
        document: Where the pages go.
        tiles: All scans; within each kind they keep their order.
        study: Name of the study.
    """
    kinds = [[t for t in tiles if t.mark and t.mark.kind == kind] for kind in KINDS]
    rejected, outliers, duplicates = map(len, kinds)
    marked = [tile for part in kinds for tile in part]
    plain = [tile for tile in tiles if not tile.mark]
    room = max(MOST - len(marked), COLUMNS * ROWS)
    if len(plain) > room:
        plain = [plain[i] for i in np.linspace(0, len(plain) - 1, room).astype(int)]
    shown = [*marked, *plain]
    marks = {
        "rejected (crossed out, with the code)": rejected,
        "unlike the others (with the distance in robust standard deviations)": outliers,
        "perhaps the same person as another (framed: for you to judge)": duplicates,
    }
    which = (
        ". First the marked ones: "
        + "; ".join(f"{count} {what}" for what, count in marks.items() if count)
        + ". Then the others, the least similar first"
        if marked
        else ", none of them marked, the least similar first"
    )
    sampled = ", at even steps" if len(shown) < len(tiles) else ""
    note = (
        f"{len(shown)} of {counted(len(tiles), 'scan')}{which}{sampled}. An axial and a "
        "sagittal slice, coarse, to protect faces."
    )
    pictures = [tile.picture for tile in tiles if tile.picture is not None]
    shape = pictures[0].shape if pictures else (2, 1)
    tall = 28 * shape[1] / shape[0] + 8  # mm: the picture, its name and a remark
    pages = range(0, max(len(shown), 1), COLUMNS * ROWS)
    for page, start in enumerate(pages, start=1):
        title = f"{study}: contact sheet, page {page} of {len(pages)}"
        part = shown[start : start + COLUMNS * ROWS]
        rows = max(2, -(-len(part) // COLUMNS))
        with document.page(title, height=20 + tall * rows, note=note) as figure:
            grid = figure.subplots(rows, COLUMNS).ravel()
            for axes, tile in zip(grid, part, strict=False):
                _draw_tile(axes, tile, shape)
            for axes in grid[len(part) :]:
                axes.set_axis_off()


def _draw_tile(axes: Axes, tile: Tile, shape: tuple[int, ...]) -> None:
    subject, session = tile.key
    name = subject if session == "1" else f"{subject} / {session}"
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(tile.mark is not None)
    axes.spines[:].set(color=VERMILION, lw=1.2)
    picture = np.full(shape, 0.85) if tile.picture is None else tile.picture
    axes.imshow(picture.T, origin="lower", vmin=0, vmax=1)
    if tile.mark and tile.mark.kind == "rejected":
        for ends in ([0, 1], [1, 0]):
            axes.plot([0, 1], ends, color=GREY, lw=0.8, transform=axes.transAxes)
    axes.set_title(shortened(name, 20), size=6, weight="normal", pad=1.5)
    if tile.mark:
        axes.set_xlabel(shortened(tile.mark.remark, 22), size=5.5, color=VERMILION, labelpad=1.5)


def blocks(volume: Picture, steps: Sequence[int]) -> Picture:
    """Average blocks of voxels; what does not fill a block at the far side is left out."""
    counts = [length // step for length, step in zip(volume.shape, steps, strict=True)]
    cut = volume[tuple(slice(n * step) for n, step in zip(counts, steps, strict=True))]
    split = [part for pair in zip(counts, steps, strict=True) for part in pair]
    blocks: Picture = cut.reshape(split).mean(axis=(1, 3, 5))
    return blocks


def _nearest(n: int, edge: float, pixel: float) -> NDArray[np.int64]:
    """Return the voxels that lie under the centres of pixels of another size."""
    count = max(int(n * edge / pixel), 1)
    return np.minimum((np.arange(count) + 0.5) * pixel / edge, n - 1).astype(np.int64)


def _pad_height(plane: Picture, height: int) -> Picture:
    below = (height - plane.shape[1]) // 2
    above = height - plane.shape[1] - below
    return np.pad(plane, ((0, 0), (below, above)), constant_values=float(plane.min()))
