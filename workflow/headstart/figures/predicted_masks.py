"""Predicted masks: the primary metric by class, surfaces, volumes, and outlines over the scans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.common.keys import Key
from headstart.common.text import capital
from headstart.common.text import counted
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.cases import in_order
from headstart.evaluation.predictions import NetworkPredictions
from headstart.evaluation.predictions import read_image
from headstart.evaluation.results import OURS
from headstart.evaluation.results import having
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import above_and_below
from headstart.figures.evaluation_result import halves
from headstart.figures.evaluation_result import numbers_of
from headstart.figures.mask_colours import class_keys
from headstart.figures.mask_colours import colour_of
from headstart.figures.mask_colours import fill
from headstart.figures.mask_colours import outline
from headstart.figures.mask_colours import show_class_keys
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import COLOURS
from headstart.figures.style import GREY
from headstart.figures.style import LINES
from headstart.figures.style import MARKERS
from headstart.figures.style import Document
from headstart.figures.style import as_numbers
from headstart.figures.style import metric_name
from headstart.figures.style import room
from headstart.figures.style import show_slice
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_values import numbered
from headstart.tasks.base import Task
from headstart.tasks.mask_metrics import MEASURES

DOTS = (
    "Left: a dot per scan, with median, quartiles and whiskers of 1.5 times their distance. "
    "Networks and baselines are judged on each scan's own grid."
)
BESIDE_TITLE = 3  # classes whose names have room there
CONTEXT = 15.0  # mm shown around a mask


def draw_predicted_masks(document: Document, result: Result) -> None:
    """Draw the metric of each class, surfaces and volumes, and outlines over the scans."""
    note = f"{result.note(result.primary)} {DOTS}"
    numbers = numbers_of(result, result.primary)
    height = max(100, numbers.height + room(note))
    with document.page(result.heading, height=height, note=note) as figure:
        left, right = halves(figure)
        _by_class(left.subplots(), result)
        numbers.draw(right)
    note = (
        f"{result.note('nsd', 'volume_error')} Lines: mean difference, and limits of "
        "agreement (1.96 standard deviations), of each class. Where a class is in one mask alone, "
        "NSD is 0, and the distance is the diagonal of the image; where it is in neither, there "
        "is none: "
        f"{_empty(result)}."
    )
    nsd, volume = (numbers_of(result, name, by_site=False) for name in ("nsd", "volume_error"))
    height = nsd.height + volume.height + room(note)
    title = f"{result.heading}, surfaces and volumes"
    with document.page(title, height=height, note=note) as figure:
        left, right = halves(figure)
        _volumes(left.subplots(), result)
        top, bottom = above_and_below(right, (nsd.height, volume.height))
        nsd.draw(top)
        volume.draw(bottom)
    _draw_overlays(document, result)


def _measured(result: Result, kind: str) -> NDArray[np.float64]:
    """What is measured of each scan and class, (n, classes)."""
    first = MEASURES.index(kind) * len(result.names)
    return result.pooled.mean[:, first : first + len(result.names)]


def _empty(result: Result) -> str:
    """Count the scans that lack a class in one of the masks, or in both."""
    found, there = (_measured(result, kind) > 0 for kind in ("volume", "true_volume"))
    counts = {
        "missed": ~found & there,
        "marked though not there": found & ~there,
        "rightly not marked": ~found & ~there,
    }
    each = [
        f"{name} {words} in {counted(int(column.sum()), 'scan')}"
        for words, scans in counts.items()
        for name, column in zip(result.names, scans.T, strict=True)
        if column.any()
    ]
    return ", ".join(each) or "here, every class is in both masks of every scan"


def _volumes(axes: Axes, result: Result) -> None:
    """Draw the difference of predicted and true volumes over their mean (Bland and Altman)."""
    rows = {row.metric: row for row in having(result.metrics, group="all") if row.model in OURS}
    found, true = (_measured(result, kind) for kind in ("volume", "true_volume"))
    axes.axhline(0, color=GREY, lw=0.7)
    for number, name in enumerate(result.names):
        one, other = found[:, number], true[:, number]
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        middle = (one + other) / 2
        axes.plot(middle, one - other, marker, color=colour, ms=3, mew=0, alpha=0.7, label=name)
        for kind, line in (("bias", LINES[0]), ("low", LINES[1]), ("high", LINES[1])):
            value = rows[f"volume_{kind}_{name}"].value
            if value is not None:
                axes.axhline(value, lw=0.9, ls=line, color=colour)
    axes.set_xlabel("mean of predicted and true volume (ml)")
    axes.set_ylabel("predicted \u2212 true volume (ml)")
    axes.set_title("Volumes")
    if len(result.names) <= BESIDE_TITLE:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.02, 1.0),
            borderpad=0,
            ncols=len(result.names),
            columnspacing=1.2,
            handletextpad=0.2,
        )
    else:
        axes.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none")


def _by_class(axes: Axes, result: Result) -> None:
    """Draw the primary metric of each scan and class, beside that of the mean mask."""
    primary, several = result.primary, len(result.names) > 1
    alone = np.eye(len(result.pooled.keys))
    of_scans = result.task.evaluate(result.truth, result.pooled.mean, alone)
    rows = having(result.metrics, group="all", model="mean-mask")
    mean_mask = {row.metric: row for row in rows}
    spread = np.random.Generator(np.random.PCG64(0))  # sideways, so that dots do not hide others
    columns = [f"{primary}_{name}" for name in result.names] if several else [primary]
    has_intervals = any(mean_mask[column].ci_low is not None for column in columns)
    label = f"{in_words('mean-mask')}: mean" + ", interval" * has_intervals
    for number, column in enumerate(columns):
        values = of_scans[column]
        values = values[~np.isnan(values)]
        aside = number - 0.12 + spread.uniform(-0.14, 0.14, len(values))
        axes.plot(aside, values, "o", color=BLUE, ms=2, mew=0, alpha=0.45)
        axes.boxplot(
            values,
            positions=[number - 0.12],
            widths=0.36,
            showfliers=False,
            medianprops={"color": BLACK, "lw": 1.4},
            boxprops={"lw": 0.8},
            whiskerprops={"lw": 0.8},
            capprops={"lw": 0.8},
        )
        row = mean_mask[column]
        value, *ends = as_numbers(row.value, row.ci_low, row.ci_high)
        axes.plot([number + 0.28] * 2, ends, color=GREY, lw=1.4)
        axes.plot(
            number + 0.28,
            value,
            MARKERS[2],
            color=GREY,
            ms=4,
            label=None if number else label,
        )
    axes.set_xticks(range(len(result.names)), result.names)
    axes.set_xlim(-0.6, len(result.names) - 0.4)
    axes.set_ylim(top=1.0)
    axes.set_ylabel(metric_name(primary))
    axes.set_title(capital(metric_name(primary)) + " by class" * several)
    axes.grid(axis="y")
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1.0), borderpad=0)


def _draw_overlays(document: Document, result: Result) -> None:
    """Show the best, the median and the worst scan that has a score, on three slices each."""
    cases = in_order(
        result.task, result.pooled.keys, result.truth, result.pooled.mean, result.primary
    )[::-1]
    if not cases:  # every scan is rightly without a mask
        return
    places = {"best": cases[0], "median": cases[len(cases) // 2], "worst": cases[-1]}
    name = metric_name(cases[0].metric)
    note = (
        "Three axial slices through the mask; left is left. Filled: true. Line: predicted by the "
        f"first network. Order by the {name}{', mean over classes' * (len(result.names) > 1)}."
    )
    with document.page(
        f"{result.heading}, best, median and worst", height=172, note=note
    ) as figure:
        grid = figure.subplots(3, 3)
        for row, (word, case) in zip(grid, places.items(), strict=True):
            subject, session = case.key
            remark = _overlay(row, result, case.key)
            row[0].set_title(
                f"{word}: {subject}, session {session}, {name} {case.score:.3f}{remark}",
                weight="normal",
                size=7.5,
            )
        line = Line2D([], [], color=BLACK, lw=1, label="predicted")
        show_class_keys(grid[0, -1], [*class_keys(result.names), line], above=1.0)


def _overlay(row: Sequence[Axes], result: Result, key: Key) -> str:
    """Draw a scan's slices; return what is to be said where one of the masks is in none."""
    scan = result.scans[key]
    image = np.asarray(scan.volume()[0], dtype=np.float32)
    true = np.asarray(scan.mask())
    predicted = predicted_mask(result.runs, scan, result.task, result.classes)
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    # where there is nothing to find, what was found is shown
    marked = true > 0 if true.any() else predicted > 0
    across = box_around(marked, np.ceil(CONTEXT / size).astype(int))[:2]
    box = (*across, slice(None))
    image, true, predicted = image[box], true[box], predicted[box]
    limits = tuple(np.percentile(image, [1, 99.5]))
    mass = np.cumsum(marked.sum(axis=(0, 1)))
    slices = [int(np.searchsorted(mass, share * mass[-1])) for share in (0.25, 0.5, 0.75)]
    for axes, z in zip(row, slices, strict=True):
        show_slice(axes, image[:, :, z], aspect=size[1] / size[0], limits=limits)
        for value in range(1, len(result.names) + 1):
            fill(axes, true[:, :, z] == value, colour_of(value))
            outline(axes, predicted[:, :, z] == value, colour_of(value))
    shown = {"true": true[:, :, slices].any(), "predicted": predicted[:, :, slices].any()}
    return "".join(f"; none {what} here" for what, there in shown.items() if not there)


def predicted_mask(
    runs: Sequence[NetworkPredictions], scan: Scan, task: Task, classes: Classes
) -> NDArray[np.uint8]:
    """Return the first network's mask of a scan, as numbers of classes, on the prepared grid."""
    key = (scan.subject, scan.session)
    written = next(one for run in runs if (one := read_image(run, key, task)) is not None)
    source = numbered(written.values(np.float64), classes)
    mask = np.zeros(scan.mask().shape, np.uint8)
    to_source = np.linalg.inv(written.affine) @ scan.affine
    voxels = np.indices((1, *mask.shape[1:])).reshape(3, -1)
    # plane by plane: the places of a whole scan's voxels would fill much memory
    for x, plane in enumerate(mask.reshape(len(mask), -1)):
        voxels[0] = x
        index = np.rint(to_source[:3, :3] @ voxels + to_source[:3, 3:]).astype(int)
        inside = ((index >= 0) & (index < np.array(source.shape)[:, None])).all(axis=0)
        plane[inside] = source[tuple(index[:, inside])]
    return mask


def box_around(inside: NDArray[np.bool_], margin: NDArray[np.int64]) -> tuple[slice, slice, slice]:
    """Return the part of the volume around what is marked; all of it if nothing is."""
    marked = np.argwhere(inside)
    if len(marked) == 0:
        return slice(None), slice(None), slice(None)
    low = np.maximum(marked.min(axis=0) - margin, 0)
    high = marked.max(axis=0) + margin + 1
    x, y, z = (slice(first, last) for first, last in zip(low, high, strict=True))
    return x, y, z
