"""What augmentation does to a training scan: before and after, by transform."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.data.label_table import MASK
from headstart.figures.mask_colours import colour_of
from headstart.figures.mask_colours import outline
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import AXIAL
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import show_slice

DRAWS = 4
TRANSFORMS_PER_PAGE = 6


def plot(
    *,
    settings: ExperimentPlotSettings,
    stamp: Stamp,
    output: Path,
    passed: Path,
    splits: Path,
    prepared: Path,
) -> None:
    """Draw what augmentation does to one training scan.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.

    Raises:
        UserError: As `read_cohort` and `Augmentation`.
    """
    cohort = read_cohort(passed, splits, prepared, settings.target, settings.covariates)
    title = settings.title
    with document(output, f"{title}: augmentation", stamp) as pages:
        draw_augmentation(
            pages,
            cohort.training(fold=0)[0],
            settings.augment,
            title=title,
            with_mask=settings.target == MASK,
        )


def draw_augmentation(
    document: Document,
    scan: Scan,
    transforms: Sequence[Mapping[str, Mapping[str, Any]]],
    *,
    title: str,
    with_mask: bool,
) -> None:
    """Draw one training scan before and after each transform, and after all of them.

    Args:
        document: Where the pages go.
        scan: The scan.
        transforms: The entries of `train.augment`.
        title: The experiment in words.
        with_mask: Whether the mask, which is moved alike, is outlined.
    """
    # torch and TorchIO take seconds to import, and no other figure needs them
    import torch

    from headstart.training.augmentation.augmentation import Augmentation
    from headstart.training.data import seed_of

    sets: list[tuple[str, list[Any]]] = [
        (_row_name(entry), [always(entry)]) for entry in transforms
    ]
    if len(transforms) > 1:
        sets.append(("all of them,\nas trained", list(transforms)))
    volume = torch.from_numpy(scan.volume()).float()
    truth = torch.tensor(0)
    if with_mask:
        truth = torch.from_numpy(np.array(scan.mask()))[None]
    before = (volume[0].numpy(), truth[0].numpy() if with_mask else None)
    note = (
        f"Subject {scan.subject}, session {scan.session}, a training scan, first channel, one "
        "axial slice. Each row: one transform alone, with this experiment's arguments but drawn "
        "every time (in training with the probability p); each column: another random draw."
        + (" Lines: the mask, moved alike." if with_mask else "")
    )
    rows = []
    for name, chosen in sets:
        augmentation, row = Augmentation(chosen), [before]
        for draw in range(DRAWS):
            seed = seed_of("gallery", name, draw)
            drawn = [augmentation.draw(seed, len(volume))]
            changed, moved = augmentation.apply(volume[None], truth[None], drawn, [scan.affine])
            row.append((changed[0, 0].numpy(), moved[0, 0].numpy() if with_mask else None))
        rows.append((name, row))
    for start in range(0, len(rows), TRANSFORMS_PER_PAGE):
        _augmentation_page(
            document, rows[start : start + TRANSFORMS_PER_PAGE], scan.affine, title, note
        )


def always(entry: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return an entry of `train.augment` with a transform that happens each time."""
    ((name, arguments),) = entry.items()
    sure = {"p": 1} if "p" in arguments else {}
    certain = {"flip_probability": 1} if name == "RandomFlip" else {}
    return {name: {**arguments, **sure, **certain}}


def _row_name(entry: Mapping[str, Mapping[str, Any]]) -> str:
    ((name, arguments),) = entry.items()
    return f"{name}, p = {arguments['p']:g}" if "p" in arguments else name


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
                    plane = moved[:, :, z]
                    for number in filter(None, np.unique(plane)):
                        outline(axes, plane == number, colour_of(int(number)))
            line[0].set_axis_on()
            line[0].set_xticks([])
            line[0].set_yticks([])
            line[0].spines[:].set_visible(False)
            line[0].set_ylabel(name, size=7)
        grid[0, 0].set_title("before", weight="normal")
        for draw, axes in enumerate(grid[0, 1:], start=1):
            axes.set_title(f"after, draw {draw}", weight="normal")
