"""Denoised images: their metrics, and pictures beside the noisy scan and the best filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.common.keys import Key
from headstart.evaluation import filters
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.predictions import image_path
from headstart.evaluation.predictions import read_image
from headstart.evaluation.results import having
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import halves
from headstart.figures.evaluation_result import numbers_of
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import ORANGE
from headstart.figures.style import VERMILION
from headstart.figures.style import Document
from headstart.figures.style import room
from headstart.figures.style import show_slice
from headstart.imaging.geometry import to_canonical
from headstart.imaging.slabs import Slabs
from headstart.tasks.denoising import ZOOMS
from headstart.tasks.denoising import noise_of
from headstart.tasks.denoising import planting_of
from headstart.tasks.image_quality import noisy_head
from headstart.tasks.planted_spots import ZOOM
from headstart.tasks.spot_kinds import KINDS

SHOWN = 3  # scans
REACH = 8  # voxels on either side of a spot that its line shows
ROW, BELOW = 34.0, 11.0  # mm: spots of a kind, and what the lines' axis and legend need
STEPS, SEEN = np.arange(ZOOM) - ZOOM // 2, slice(ZOOM // 2 - REACH, ZOOM // 2 + REACH + 1)
WITH, WITHOUT = "noisy, with spot", "without"
Image = NDArray[np.float32]
COLOURS = {"noisy": GREY, "reference": BLACK, "network": BLUE}  # the filter: vermilion


def draw_denoised_images(document: Document, result: Result) -> None:
    """Draw the metrics beside those of the filters, and what some scans became."""
    first, second = _told(result)
    numbers, others = numbers_of(result, first), numbers_of(result, second)
    note = result.note(first, second)
    height = max(numbers.height, others.height) + room(note)
    with document.page(result.heading, height=height, note=note) as figure:
        left, right = halves(figure)
        numbers.draw(left)
        others.draw(right)
    if _is_known(result, "spots"):
        _draw_kinds(document, result)
    error = second if result.task.metric(first).idle_is_best else first
    pictures = _Pictures(result, _best_filter(result, error))
    pictures.draw_scans(document)
    pictures.draw_intensities(document)
    if (zooms := pictures.zooms()) is not None:
        pictures.draw_zooms(document, zooms)


def _told(result: Result) -> tuple[str, str]:
    """Name the metric that the result is told by, and the one that stands beside it."""
    first = result.primary if _is_known(result, result.primary) else "sure"
    asked = result.task.told_beside(first)
    return first, next((name for name in asked if _is_known(result, name)), "edges")


def _is_known(result: Result, metric: str) -> bool:
    return any(row.value is not None for row in having(result.metrics, metric=metric))


def _best_filter(result: Result, metric: str) -> str:
    """Name the filter that does best; "" if none is known."""
    rows = having(result.metrics, metric=metric, group="all")
    known = [row for row in rows if row.model in filters.FILTERS and row.value is not None]
    sign = 1 if result.task.metric(metric).higher_is_better else -1
    return max(known, key=lambda row: sign * (row.value or 0)).model if known else ""


def _draw_kinds(document: Document, result: Result) -> None:
    """Draw how much is kept of planted spots, by their size and contrast."""
    note = (
        "Soft-edged balls, planted deep in the head where it is bright and even; the share of "
        "their contrast that is left, as the difference between the answers with and without them. "
        "1: kept whole, as by the noisy scan itself; 0: gone. "
    )
    note += (
        "Planted before the noise, whose phase was drawn."
        if any(scan.clean for scan in result.scans.values())
        else "Added to the magnitude: up to 3 % more than a scanner would show of them."
    )
    panels = [numbers_of(result, kind.metric, by_site=False).panels[0] for kind in KINDS]
    height = 2 * panels[0].height + room(note)
    with document.page(f"{result.heading}, planted spots", height=height, note=note) as figure:
        for axes, panel in zip(figure.subplots(2, 2).flat, panels, strict=True):
            panel.draw(axes, 2)
            axes.axvline(1, color=BLACK, lw=0.6)
            axes.set_xlim(min(0.0, axes.get_xlim()[0]), max(1.05, axes.get_xlim()[1]))


@dataclass(frozen=True)
class _Pictures:
    """Pictures of some scans, beside those of the best filter."""

    result: Result
    best: str

    @cached_property
    def _strengths(self) -> dict[int | None, float]:
        """The best filter's strength by fold, as it was when it was judged: of the other folds."""
        scans, found = self.result.scans, {}
        for fold in {scans[key].fold for key in self.keys}:
            known = [scan for scan in scans.values() if scan.folds and fold not in scan.folds]
            found[fold] = filters.chosen(known, self.result.noise)[self.best]
        return found

    @property
    def keys(self) -> Sequence[Key]:
        return self.result.pooled.keys[:SHOWN]

    @property
    def words(self) -> str:
        """What the filter is called."""
        return in_words(self.best)

    def _images(self, scan: Scan) -> dict[str, Image]:
        """What is there of a scan, by its name."""
        found = {"noisy": scan.signal(), "network": _answered(self.result, scan.key)}
        if self.best:
            found[self.words] = self._filtered(scan, found["noisy"])
        return found

    def _filtered(self, scan: Scan, noisy: Image) -> Image:
        """Denoise a scan, or a part of it, by the best filter."""
        denoise = filters.denoiser(self.best, self._strengths[scan.fold], self._noise(scan))
        return filters.filtered(denoise, Slabs.of(noisy[None])).whole()[0]

    def _noise(self, scan: Scan) -> float:
        return noise_of(scan, self.result.noise)

    def draw_scans(self, document: Document) -> None:
        """Show scans, a row each, on the axial slice with most of the head."""
        note = (
            "The axial slice with most of the head, the first scans of the table; left is left. "
            "All images of a row on one grey scale; the residual, what the network removed, from "
            "minus to plus four standard deviations of the noise: anatomy in it was lost."
        )
        height, title = 16 + 52 * len(self.keys), f"{self.result.heading}, denoised"
        with document.page(title, height=height, note=note) as figure:
            grid = figure.subplots(len(self.keys), 4 if self.best else 3, squeeze=False)
            for row, key in zip(grid, self.keys, strict=True):
                self._draw_scan(row, self.result.scans[key])

    def _draw_scan(self, row: Sequence[Axes], scan: Scan) -> None:
        images = self._images(scan)
        noisy, spread = images["noisy"], 4 * self._noise(scan)
        inside = noisy_head(Slabs.of(noisy[None]))
        z = _widest(inside)
        limits = (0.0, float(np.percentile(noisy[inside], 99.5)))
        shown = {name: (image, limits) for name, image in images.items()}
        shown["residual"] = (noisy - images["network"], (-spread, spread))
        edges = scan.grid.voxel_size
        for axes, (name, (volume, span)) in zip(row, shown.items(), strict=True):
            show_slice(axes, volume[:, :, z], aspect=edges[1] / edges[0], limits=span)
            axes.set_title(name, size=7.5)
        row[0].set_title(f"{scan.subject}, session {scan.session}: noisy", size=7.5)

    def draw_intensities(self, document: Document) -> None:
        """Draw the first scan's intensities: how many of each, and along a line."""
        scan = self.result.scans[self.keys[0]]
        images, reference = self._images(scan), scan.reference()
        images |= {} if reference is None else {"reference": reference}
        inside = noisy_head(Slabs.of(images["noisy"][None]))
        z = _widest(inside)
        y = int(inside[:, :, z].sum(axis=0).argmax())
        note = (
            f"{scan.subject}, session {scan.session}. Left: intensities in the head; peaks of "
            "tissues get narrower as noise goes, and none may move. Right: along the line from "
            "left to right through the widest part of the slice above; a step that got lower or "
            "wider was blurred."
        )
        top = float(np.percentile(images["noisy"][inside], 99.9))
        title = f"{self.result.heading}, intensities"
        with document.page(title, height=66 + room(note), note=note) as figure:
            left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
            for name, image in images.items():
                colour = COLOURS.get(name, VERMILION)
                count, ends = np.histogram(image[inside], np.linspace(0, top, 81))
                left.stairs(count / inside.sum(), ends, color=colour, label=name)
                right.plot(image[:, y, z], color=colour, lw=0.7, label=name)
            left.set(xlabel="intensity", ylabel="share of voxels")
            right.set(xlabel="voxel, from left to right", ylabel="intensity")
            # above the panels: peaks may stand anywhere, and as high
            right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(images), borderpad=0)

    def zooms(self) -> Image | None:
        """Read what the first network made of the first scan's spots; None if it has none."""
        for run in self.result.runs:
            path = image_path(run, self.keys[0], self.result.task)
            beside = path and path.with_name(path.name.removesuffix(".nii.gz") + ZOOMS)
            if beside and beside.is_file():
                found: Image = np.load(beside)
                return found
        return None

    def draw_zooms(self, document: Document, zooms: Image) -> None:
        """Show a spot of each kind, and what became of it."""
        scan = self.result.scans[self.keys[0]]
        planting = planting_of(scan, self._noise(scan))
        note = (
            f"{scan.subject}, session {scan.session}: the first planted spot of each kind, in the "
            f"middle of each picture, {ZOOM} voxels wide. All of a row on one grey scale; the "
            "residual, noisy minus network, within four standard deviations of the noise: a spot "
            "in it was lost. Right: along the row through the spot."
        )
        colours = {WITH: GREY, WITHOUT: ORANGE, self.words: VERMILION, "network": BLUE}
        planted = {WITH: planting.planted, WITHOUT: planting.noisy}
        if self.best:
            planted[self.words] = self._filtered(scan, planting.planted)
        heights = [ROW] * len(KINDS)
        heights[-1] += BELOW
        height, title = sum(heights) + room(note), f"{self.result.heading}, planted spots close"
        with document.page(title, height=height, note=note) as figure:
            parts = figure.subfigures(len(KINDS), 1, squeeze=False, height_ratios=heights)[:, 0]
            for number, (part, kind) in enumerate(zip(parts, KINDS, strict=True)):
                rows = {name: planting.zoom(image, number) for name, image in planted.items()}
                rows["network"] = zooms[number]
                *pictures, line = part.subplots(
                    1, len(rows) + 2, width_ratios=[*[1] * (len(rows) + 1), 1.9]
                )
                _draw_zoom(pictures, rows, 4 * planting.noise, scan.grid.voxel_size)
                for name, image in rows.items():
                    line.plot(STEPS, image[:, ZOOM // 2], color=colours[name], lw=0.9, label=name)
                near = np.array([image[SEEN, ZOOM // 2] for image in rows.values()])
                line.set(xlim=(-REACH, REACH), ylim=(near.min() * 0.95, near.max() * 1.05))
                line.set_title(kind.words, size=7)
                line.set_ylabel("intensity")
            line.set_xlabel("voxels from the spot, left to right")
            part.legend(*line.get_legend_handles_labels(), ncols=4, loc="outside lower right")


def _draw_zoom(
    pictures: Sequence[Axes],
    images: dict[str, Image],
    spread: float,
    edges: NDArray[np.float64],
) -> None:
    noisy = images[WITH]
    limits = (float(noisy.min()), float(noisy.max()))
    shown = {name: (image, limits) for name, image in images.items()}
    shown["residual"] = (noisy - images["network"], (-spread, spread))
    for axes, (name, (image, span)) in zip(pictures, shown.items(), strict=True):
        show_slice(axes, image, aspect=edges[1] / edges[0], limits=span)
        axes.set_title(name, size=7)


def _widest(inside: NDArray[np.bool_]) -> int:
    """Choose the axial slice with most of the head."""
    return int(inside.sum(axis=(0, 1)).argmax())


def _answered(result: Result, key: Key) -> Image:
    """Read the first network's answer onto the grid of the prepared scan."""
    for run in result.runs:
        found = read_image(run, key, result.task)
        if found is not None:
            return to_canonical(found.values(np.float32), found.affine)
    raise RuntimeError(f"no image of {key}")
