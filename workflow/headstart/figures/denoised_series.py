"""Denoised series: their metrics, and maps of what changed over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from headstart.common.keys import Key
from headstart.evaluation.predictions import read_image
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import halves
from headstart.figures.evaluation_result import numbers_of
from headstart.figures.style import Document
from headstart.figures.style import room
from headstart.figures.style import show_slice
from headstart.imaging.geometry import head
from headstart.imaging.geometry import to_canonical
from headstart.tasks.series_quality import SeriesQuality

SHOWN = 3  # scans
NOTE = (
    "The axial slice with most of the head, the first scans of the table; left is left. The "
    "temporal signal-to-noise ratios of a row on one grey scale; what was removed, root mean "
    "square over time, from 0 to twice its median: anatomy in it was lost, and noise alone has "
    "none."
)


def draw_denoised_series(document: Document, result: Result) -> None:
    """Draw the metrics beside those of what needs no network, and maps of some scans."""
    second = "edges" if result.primary == "tsnr_gain" else "tsnr_gain"
    numbers, others = numbers_of(result, result.primary), numbers_of(result, second)
    note = result.note(result.primary, second)
    height = max(numbers.height, others.height) + room(note)
    with document.page(result.heading, height=height, note=note) as figure:
        left, right = halves(figure)
        numbers.draw(left)
        others.draw(right)
    keys = result.pooled.keys[:SHOWN]
    height = 16 + 52 * len(keys)
    with document.page(f"{result.heading}, denoised", height=height, note=NOTE) as figure:
        for row, key in zip(figure.subplots(len(keys), 4, squeeze=False), keys, strict=True):
            _draw_row(row, result, key)


def _draw_row(row: Sequence[Axes], result: Result, key: Key) -> None:
    found, edges = _measured(result, key), result.scans[key].grid.voxel_size
    inside = head(found.mean.astype(np.float32))
    z = int(inside.sum(axis=(0, 1)).argmax())
    before, after = found.tsnr
    most = float(np.nanpercentile(after[inside], 95))
    shown = {
        "mean": (found.mean, float(np.percentile(found.mean[inside], 99.5))),
        "tSNR": (before, most),
        "tSNR, network": (after, most),
        "removed": (found.removed, 2 * float(np.median(found.removed[inside]))),
    }
    for axes, (name, (volume, high)) in zip(row, shown.items(), strict=True):
        show_slice(axes, volume[:, :, z], aspect=edges[1] / edges[0], limits=(0, high))
        axes.set_title(name, size=7.5)
    row[0].set_title(f"{key[0]}, session {key[1]}: mean", size=7.5)


def _measured(result: Result, key: Key) -> SeriesQuality:
    """Measure the first network's answer again, by the volumes that it was judged by."""
    scan, neighbours = result.scans[key], result.neighbours
    if neighbours is None:
        raise RuntimeError("series, but no neighbours that tell their volumes")
    quality = SeriesQuality(scan)
    for run in result.runs:
        found = read_image(run, key, result.task, series=True)
        if found is None:
            continue
        (cells,) = (row.answer for row in run.rows if row.key == key)
        for time in neighbours.inner(scan.length):
            volume = found.at(time - int(cells["first_volume"])).values(np.float32)
            quality.add(time, to_canonical(volume, found.affine))
        return quality
    raise RuntimeError(f"no image of {key}")
