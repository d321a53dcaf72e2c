"""Pictures of scans on paper: the contact sheet of a cohort, and what augmentation does."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.cohort.flags import KINDS
from headstart.cohort.flags import Mark
from headstart.cohort.prepared import Scan
from headstart.common.keys import Key
from headstart.common.text import counted
from headstart.figures.style import GREY
from headstart.figures.style import VERMILION
from headstart.figures.style import Document
from headstart.figures.style import shortened
from headstart.figures.style import show_slice

Picture = NDArray[np.float32]

COARSE = 4.0  # mm: scans are shown no finer, to protect faces
CROP, FINE = 80.0, 2.0  # mm: a window no longer than this holds no face, and is shown finer
AXIAL = 0.6  # height of the axial slice: above the eyes of a head that is centred
COLUMNS, ROWS = 6, 9
MOST = 5 * COLUMNS * ROWS  # tiles; a larger cohort is sampled
DRAWS = 4
TRANSFORMS_PER_PAGE = 6


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


# --- contact sheet ------------------------------------------------------------------------------


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
    coarse = _blocks(np.asarray(volume, dtype=np.float32), steps)
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


def _blocks(volume: Picture, steps: Sequence[int]) -> Picture:
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


# --- augmentation -------------------------------------------------------------------------------


def draw_augmentation(
    document: Document,
    scan: Scan,
    transforms: Sequence[Mapping[str, Mapping[str, Any]]],
    *,
    title: str,
    with_mask: bool,
) -> None:
    """Draw one training scan before and after each of TorchIO's transforms, and after all of them.

    Args:
        document: Where the pages go.
        scan: The scan.
        transforms: The entries of `train.augment`.
        title: The experiment in words.
        with_mask: Whether the mask, which is moved alike, is outlined.
    """
    # torch and TorchIO take seconds to import, and no other figure needs them
    import torch

    from headstart.training.augment import augment
    from headstart.training.augment import make_augmentation
    from headstart.training.data import load_volume
    from headstart.training.data import seed_of

    sets = [(next(iter(entry)), [entry]) for entry in transforms]
    if len(transforms) > 1:
        sets.append(("all of them", list(transforms)))
    volume = load_volume(scan)
    truth = torch.tensor(0)
    if with_mask:
        truth = torch.from_numpy(np.array(scan.mask()))[None]
    before = (volume[0].numpy(), truth[0].numpy() if with_mask else None)
    note = (
        f"Subject {scan.subject}, session {scan.session}, a training scan, first channel, one "
        "axial slice. Each row: one transform alone, with this experiment's arguments; each "
        "column: another random draw." + (" Lines: the mask, moved alike." if with_mask else "")
    )
    rows = []
    for name, chosen in sets:
        transform = make_augmentation(chosen)
        if transform is None:
            continue
        row = [before]
        for draw in range(DRAWS):
            seed = seed_of("gallery", name, draw)
            changed, moved = augment(transform, volume, truth, scan.affine, seed)
            row.append((changed[0].numpy(), moved[0].numpy() if with_mask else None))
        rows.append((name, row))
    for start in range(0, len(rows), TRANSFORMS_PER_PAGE):
        _augmentation_page(
            document, rows[start : start + TRANSFORMS_PER_PAGE], scan.affine, title, note
        )


def _augmentation_page(
    document: Document,
    rows: Sequence[tuple[str, Sequence[tuple[NDArray[Any], NDArray[Any] | None]]]],
    affine: NDArray[np.float64],
    title: str,
    note: str,
) -> None:
    image, mask = rows[0][1][0]
    size = np.linalg.norm(affine[:3, :3], axis=0)
    z = int(AXIAL * image.shape[2])
    if mask is not None and mask.any():
        z = int(np.argmax((mask > 0).sum(axis=(0, 1))))
    limits = tuple(np.percentile(image, [1, 99.5]))
    tall = 34 * min(image.shape[1] * size[1] / (image.shape[0] * size[0]), 1.3) + 3
    with document.page(
        f"{title}: augmentation, before and after", height=26 + tall * len(rows), note=note
    ) as figure:
        grid = figure.subplots(len(rows), 1 + DRAWS, squeeze=False)
        for line, (name, row) in zip(grid, rows, strict=True):
            for axes, (after, moved) in zip(line, row, strict=True):
                show_slice(axes, after[:, :, z], aspect=size[1] / size[0], limits=limits)
                if moved is not None:
                    _outline(axes, moved[:, :, z])
            line[0].set_axis_on()
            line[0].set_xticks([])
            line[0].set_yticks([])
            line[0].spines[:].set_visible(False)
            line[0].set_ylabel(name, size=7)
        grid[0, 0].set_title("before", weight="normal")
        for draw, axes in enumerate(grid[0, 1:], start=1):
            axes.set_title(f"after, draw {draw}", weight="normal")


def _outline(axes: Axes, mask: NDArray[Any]) -> None:
    inside = (mask > 0).T.astype(float)
    if inside.any() and not inside.all():
        axes.contour(inside, [0.5], colors="#F0E442", linewidths=0.7)
