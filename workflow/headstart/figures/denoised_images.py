"""Denoised images: their metrics, and pictures beside the noisy scan and the best filter."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.common.keys import Key
from headstart.evaluation import filters
from headstart.evaluation.baseline_rows import ROWS
from headstart.evaluation.predictions import read_image
from headstart.evaluation.results import having
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import halves
from headstart.figures.evaluation_result import numbers_of
from headstart.figures.style import Document
from headstart.figures.style import room
from headstart.figures.style import show_slice
from headstart.imaging.geometry import head
from headstart.imaging.geometry import to_canonical

SHOWN = 3  # scans
Image = NDArray[np.float32]


def draw_denoised_images(document: Document, result: Result) -> None:
    """Draw the metrics beside those of the filters, and what some scans became."""
    judged = any(row.value is not None for row in having(result.metrics, metric="psnr"))
    first, second = (result.primary, "ssim") if judged else ("edges", "removed")
    numbers, others = numbers_of(result, first), numbers_of(result, second)
    height = max(numbers.height, others.height) + room(result.note)
    with document.page(result.heading, height=height, note=result.note) as figure:
        left, right = halves(figure)
        numbers.draw(left)
        others.draw(right)
    _draw_pictures(document, result, _best_filter(result, first))


def _best_filter(result: Result, metric: str) -> str:
    """Name the filter that does best."""
    rows = having(result.metrics, metric=metric, group="all")
    known = [row for row in rows if row.model in filters.FILTERS and row.value is not None]
    sign = 1 if result.task.metric(metric).higher_is_better else -1
    return max(known, key=lambda row: sign * (row.value or 0)).model if known else ""


def _draw_pictures(document: Document, result: Result, best: str) -> None:
    """Show scans, a row each, on the axial slice with most of the head."""
    keys = result.pooled.keys[:SHOWN]
    note = (
        "The axial slice with most of the head, the first scans of the table; left is left. All "
        "images of a row on one grey scale; the residual, what the network removed, from minus to "
        f"plus four standard deviations of {'the noise' if best else 'itself'}: anatomy in it was "
        "lost."
    )
    folds = {result.scans[key].fold for key in keys} if best else set()
    strengths = {fold: _strength(result, fold, best) for fold in folds}
    height = 16 + 52 * len(keys)
    with document.page(f"{result.heading}, denoised", height=height, note=note) as figure:
        grid = figure.subplots(len(keys), 4 if best else 3, squeeze=False)
        for row, key in zip(grid, keys, strict=True):
            _draw_row(row, result, key, best, strengths)


def _strength(result: Result, fold: int | None, best: str) -> float:
    """Choose the best filter's strength as it was when it was judged: on the other folds."""
    known = [scan for scan in result.scans.values() if not scan.test and scan.fold != fold]
    return filters.chosen(known, result.noise)[best]


def _draw_row(
    row: Sequence[Axes], result: Result, key: Key, best: str, strengths: Mapping[int | None, float]
) -> None:
    scan = result.scans[key]
    noisy, image = scan.signal(), _answered(result, key)
    inside = head(noisy)
    z = int(inside.sum(axis=(0, 1)).argmax())
    limits = (0.0, float(np.percentile(noisy[inside], 99.5)))
    one = filters.Noisy.of(scan, result.noise) if best else None
    spread = 4 * (one.noise if one else float(np.std(noisy - image)))
    shown = {"noisy": (noisy, limits), "network": (image, limits)}
    shown["residual"] = (noisy - image, (-spread, spread))
    if one:
        strength = strengths[scan.fold]
        shown[ROWS[best].words] = (filters.filtered(best, strength, one), limits)
    edges = scan.grid.voxel_size
    for axes, (name, (volume, span)) in zip(row, shown.items(), strict=True):
        show_slice(axes, volume[:, :, z], aspect=edges[1] / edges[0], limits=span)
        axes.set_title(name, size=7.5)
    row[0].set_title(f"{key[0]}, session {key[1]}: noisy", size=7.5)


def _answered(result: Result, key: Key) -> Image:
    """Read the first network's answer onto the grid of the prepared scan."""
    for run in result.runs:
        found = read_image(run, key, result.task)
        if found is not None:
            return to_canonical(found.values(np.float32), found.affine)
    raise RuntimeError(f"no image of {key}")
