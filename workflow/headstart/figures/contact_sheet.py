"""The contact sheet: a small picture of every scan of a cohort."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from nibabel.affines import voxel_sizes
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
from headstart.figures.mask_colours import class_keys
from headstart.figures.mask_colours import colour_of
from headstart.figures.mask_colours import fill
from headstart.figures.mask_colours import show_class_keys
from headstart.figures.settings import CohortPlotSettings
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
MIDDLE = (0.5, AXIAL)  # the sagittal and the axial slice of a head, as shares of the scan
COLUMNS, ROWS = 6, 9
MOST = 5 * COLUMNS * ROWS  # tiles; a larger cohort is sampled


@dataclass(frozen=True)
class Tile:
    """One scan on the contact sheet.

    Attributes:
        key: Subject and session.
        picture: An axial and a sagittal slice side by side; None if the scan was not prepared.
        mark: Why it is marked; None for most.
        mask: The numbers of the mask's classes in these slices; None without a mask.
    """

    key: Key
    picture: Picture | None
    mark: Mark | None
    mask: NDArray[np.uint8] | None = None


def plot(
    *,
    settings: CohortPlotSettings,
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
        settings: The stage's.
        stamp: What the footer says.
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
    nothing = (None, None)
    tiles = [
        Tile(key, picture, marks.get(key), mask)
        for key in in_order
        for picture, mask in [pictures.get(key, nothing)]
    ]
    study = settings.study
    with document(output, f"{study}: contact sheet", stamp) as pages:
        draw_contact_sheet(pages, tiles, study=study, classes=tuple(settings.classes))


def _pictures(prepared: Path) -> dict[Key, tuple[Picture, NDArray[np.uint8] | None]]:
    """Return a small picture of each prepared scan, and of its mask."""
    pictures = {}
    for path in sorted(prepared.glob("shard-*.json")):
        card = ShardCard.read(path)
        for entry in card.scans:
            scan, at, mask = scan_of(path, entry), MIDDLE, None
            edges = voxel_sizes(scan.affine)
            if entry.mask_sha256:
                whole = scan.mask()
                at = largest_slices(whole)
                mask = mask_thumbnail(whole, edges, at)
            pictures[entry.key] = thumbnail(scan.volume()[0], edges, at), mask
    return pictures


def largest_slices(mask: NDArray[np.uint8]) -> tuple[float, float]:
    """Return where most of a mask is seen: a sagittal and an axial slice, as shares of the scan."""
    inside = mask > 0
    if not inside.any():
        return MIDDLE
    counts = inside.sum(axis=(1, 2)), inside.sum(axis=(0, 1))
    x, z = (float(np.argmax(count) + 0.5) / len(count) for count in counts)
    return x, z


def mask_thumbnail(
    mask: NDArray[np.uint8], voxel_size: Sequence[float], at: tuple[float, float]
) -> NDArray[np.uint8]:
    """Make a small picture of a mask, as `thumbnail` does, of the last class in each pixel.

    Args:
        mask: Numbers of classes (x, y, z), RAS.
        voxel_size: Edges of its voxels, mm.
        at: Where to look, as `largest_slices` has it.
    """
    return _side_by_side(_square(mask, voxel_size, np.max), at)


def thumbnail(
    volume: NDArray[Any], voxel_size: Sequence[float], at: tuple[float, float] = MIDDLE
) -> Picture:
    """Make a small picture of a prepared scan.

    Args:
        volume: Intensities (x, y, z), RAS.
        voxel_size: Edges of its voxels, mm.
        at: Where to look: a sagittal and an axial slice, as shares of the scan; without, the
            middle and a slice above the eyes.

    Returns:
        The axial and the sagittal slice side by side, pixels of 4 mm or more (2 mm for a window
        that holds no face), from 0 (1st percentile) to 1 (99.5th).
    """
    whole = np.asarray(volume, dtype=np.float32)
    picture = _side_by_side(_square(whole, voxel_size, np.mean), at)
    low, high = np.percentile(picture, [1, 99.5])
    scaled: Picture = np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    return scaled


def _square(
    volume: NDArray[Any], voxel_size: Sequence[float], of_block: Callable[..., NDArray[Any]]
) -> NDArray[Any]:
    """Sum up coarse blocks by one number each, then bring them to square pixels."""
    is_crop = np.multiply(volume.shape, voxel_size).max() <= CROP
    steps = [int(np.ceil((FINE if is_crop else COARSE) / edge)) for edge in voxel_size]
    coarse = blocks(volume, steps, of_block)
    edges = np.multiply(steps, voxel_size)
    pixels = [_nearest(n, edge, edges.max()) for n, edge in zip(coarse.shape, edges, strict=True)]
    return coarse[np.ix_(*pixels)]


def _side_by_side(square: NDArray[Any], at: tuple[float, float]) -> NDArray[Any]:
    """Put an axial and a sagittal slice side by side."""
    x, z = (int(share * n) for share, n in zip(at, (len(square), square.shape[2]), strict=True))
    slices = [square[:, :, z], square[x]]
    height = max(part.shape[1] for part in slices)
    return np.concatenate([_pad_height(part, height) for part in slices])


def draw_contact_sheet(
    document: Document, tiles: Sequence[Tile], *, study: str, classes: Sequence[str] = ()
) -> None:
    """Draw the cohort, marked scans first, then the least similar; a large one is sampled.

    Args:
        document: Where the pages go.
        tiles: All scans; within each kind they keep their order.
        study: Name of the study.
        classes: Names of the classes of its masks.
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
        "rejected (crossed out, with the reason)": rejected,
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
    has_masks = any(tile.mask is not None for tile in tiles)
    if has_masks:
        note += " In colour: the mask, in the slices that hold most of it."
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
            for number, (axes, tile) in enumerate(zip(grid, part, strict=False)):
                above = has_masks and number < COLUMNS  # a line for the legend
                _draw_tile(axes, tile, shape, above="\n" * above)
            for axes in grid[len(part) :]:
                axes.set_axis_off()
            if has_masks and classes:
                show_class_keys(grid[COLUMNS - 1], class_keys(classes), above=1.2)


def _draw_tile(axes: Axes, tile: Tile, shape: tuple[int, ...], above: str) -> None:
    subject, session = tile.key
    name = subject if session == "1" else f"{subject} / {session}"
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(tile.mark is not None)
    axes.spines[:].set(color=VERMILION, lw=1.2)
    picture = np.full(shape, 0.85) if tile.picture is None else tile.picture
    axes.imshow(picture.T, origin="lower", vmin=0, vmax=1)
    if tile.mask is not None:
        for number in filter(None, np.unique(tile.mask)):
            fill(axes, tile.mask == number, colour_of(int(number)))
    if tile.mark and tile.mark.kind == "rejected":
        for ends in ([0, 1], [1, 0]):
            axes.plot([0, 1], ends, color=GREY, lw=0.8, transform=axes.transAxes)
    axes.set_title(f"{above}{shortened(name, 20)}", size=6, weight="normal", pad=1.5)
    if tile.mark:
        axes.set_xlabel(shortened(tile.mark.remark, 22), size=5.5, color=VERMILION, labelpad=1.5)


def blocks(
    volume: NDArray[Any], steps: Sequence[int], of_block: Callable[..., NDArray[Any]] = np.mean
) -> NDArray[Any]:
    """Sum up blocks of voxels; what does not fill a block at the far side is left out."""
    counts = [length // step for length, step in zip(volume.shape, steps, strict=True)]
    cut = volume[tuple(slice(n * step) for n, step in zip(counts, steps, strict=True))]
    split = [part for pair in zip(counts, steps, strict=True) for part in pair]
    return of_block(cut.reshape(split), axis=(1, 3, 5))


def _nearest(n: int, edge: float, pixel: float) -> NDArray[np.int64]:
    """Return the voxels that lie under the centres of pixels of another size."""
    count = max(int(n * edge / pixel), 1)
    return np.minimum((np.arange(count) + 0.5) * pixel / edge, n - 1).astype(np.int64)


def _pad_height(plane: NDArray[Any], height: int) -> NDArray[Any]:
    below = (height - plane.shape[1]) // 2
    above = height - plane.shape[1] - below
    return np.pad(plane, ((0, 0), (below, above)), constant_values=plane.min())
