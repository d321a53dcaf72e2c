"""Objects of predicted masks: how many are found, by their size, and which are missed or false."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy.spatial import KDTree

from headstart.cohort.prepared import Scan
from headstart.cohort.true_mask import true_ids
from headstart.common.keys import Key
from headstart.common.text import counted
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import above_and_below
from headstart.figures.evaluation_result import halves
from headstart.figures.evaluation_result import numbers_of
from headstart.figures.mask_colours import outline
from headstart.figures.predicted_masks import box_around
from headstart.figures.predicted_masks import draw_predicted_masks
from headstart.figures.predicted_masks import predicted_mask
from headstart.figures.style import COLOURS
from headstart.figures.style import MARKERS
from headstart.figures.style import SKY
from headstart.figures.style import VERMILION
from headstart.figures.style import YELLOW
from headstart.figures.style import Document
from headstart.figures.style import room
from headstart.figures.style import set_logarithmic
from headstart.figures.style import shortened
from headstart.figures.style import show_slice
from headstart.tasks.objects import Objects

KINDS = {"found": SKY, "missed": VERMILION, "false": YELLOW}
SHOWN = 3  # missed objects, and as many false ones
CONTEXT = 30.0  # mm shown around an object
LEGEND, PICTURE = 6.0, 66.0  # mm that the legend and a row of pictures take
LONGEST = 38  # characters of a picture's title
MOST_BINS, OF_A_BIN = 5, 8  # of volumes, and how many objects each has at least


@dataclass(frozen=True)
class Seen:
    """An object of a scan.

    Attributes:
        key: Subject and session.
        value: Number of its class.
        kind: One of `KINDS`; what is found or missed is true.
        number: Its number in the scan's `Objects` of that class.
        ml: Its volume.
    """

    key: Key
    value: int
    kind: str
    number: int
    ml: float


def draw_predicted_objects(document: Document, result: Result) -> None:
    """Draw what is drawn of masks, and how many of their objects are found, and which are not."""
    draw_predicted_masks(document, result)
    seen = [one for key in result.pooled.keys for one in _seen(result, key)]
    told = [name for name in result.task.metrics if name != result.primary]
    numbers = [numbers_of(result, name, by_site=False) for name in told]
    heights = numbers[0].height, numbers[1].height
    note = (
        f"{result.note(*told)} {result.task.matching} Left: those of the first network's masks on "
        "the prepared grid; a tick per object, found above and missed below. "
        f"{_of_points(seen, result.names)}{_counts(seen, result)}"
    )
    title = f"{result.heading}, objects"
    with document.page(title, height=sum(heights) + room(note), note=note) as figure:
        left, right = halves(figure)
        _found_by_volume(left.subplots(), seen, result.names)
        for part, number in zip(above_and_below(right, heights), numbers, strict=True):
            number.draw(part)
    _draw_cases(document, result, seen)


def _counts(seen: Sequence[Seen], result: Result) -> str:
    kinds = [one.kind for one in seen]
    true = counted(len(kinds) - kinds.count("false"), "true object")
    without = len(set(result.pooled.keys) - {one.key for one in seen})
    return (
        f"{true}, {kinds.count('missed')} missed, {kinds.count('false')} false; "
        f"{counted(without, 'scan')} without any, true or predicted."
    )


def _objects(result: Result, key: Key) -> dict[int, Objects]:
    """Find the objects of each class in a scan, on the prepared grid."""
    scan = result.scans[key]
    predicted = predicted_mask(result.runs, scan, result.task, result.classes)
    if result.task.figure == "ids":
        return {1: Objects.of_ids(_prepared_ids(result, scan), predicted == 1)}
    true = scan.mask()
    values = range(1, len(result.names) + 1)
    return {value: Objects.of(true == value, predicted == value) for value in values}


def _prepared_ids(result: Result, scan: Scan) -> NDArray[np.int32]:
    """Give each voxel of the prepared mask the id of the raw mask's voxel that is nearest."""
    raw = true_ids(scan, result.data, result.classes)
    inside, own = scan.mask() > 0, raw > 0
    ids = np.zeros(inside.shape, np.int32)
    if inside.any():
        known = KDTree(apply_affine(scan.source.affine, np.argwhere(own)))
        _, nearest = known.query(apply_affine(scan.affine, np.argwhere(inside)))
        ids[inside] = raw[own][nearest]
    return ids


def _by_kind(objects: Objects) -> dict[str, NDArray[np.int64]]:
    """Numbers of the objects of each kind."""
    found, right = objects.matched().T
    every, said = (np.arange(1, len(of) + 1) for of in (objects.true_sizes, objects.sizes))
    return {
        "found": found,
        "missed": np.setdiff1d(every, found),
        "false": np.setdiff1d(said, right),
    }


def _seen(result: Result, key: Key) -> Iterator[Seen]:
    ml = result.scans[key].grid.voxel_ml
    for value, objects in _objects(result, key).items():
        for kind, numbers in _by_kind(objects).items():
            sizes = objects.sizes if kind == "false" else objects.true_sizes
            for number in numbers.tolist():
                yield Seen(key, value, kind, number, float(sizes[number - 1]) * ml)


def _bins(seen: Sequence[Seen], value: int) -> list[list[Seen]]:
    """Divide the true objects of a class by their volume, the smallest first."""
    true = sorted(
        (one for one in seen if one.value == value and one.kind != "false"), key=lambda one: one.ml
    )
    parts = np.array_split(np.arange(len(true)), np.clip(len(true) // OF_A_BIN, 1, MOST_BINS))
    return [[true[place] for place in part] for part in parts if len(part)]


def _of_points(seen: Sequence[Seen], names: Sequence[str]) -> str:
    """Say how many objects each point is of."""
    each = [
        f"{name} {', '.join(str(len(part)) for part in bins)}"
        for value, name in enumerate(names, start=1)
        if (bins := _bins(seen, value))
    ]
    return f"True objects of the points, smallest first: {'; '.join(each)}. " if each else ""


def _found_by_volume(axes: Axes, seen: Sequence[Seen], names: Sequence[str]) -> None:
    for value, name in enumerate(names, start=1):
        bins = _bins(seen, value)
        if not bins:
            continue
        colour, marker = COLOURS[(value - 1) % len(COLOURS)], MARKERS[(value - 1) % len(MARKERS)]
        true = [one for part in bins for one in part]
        level = [1.06 if one.kind == "found" else -0.06 for one in true]
        axes.plot([one.ml for one in true], level, "|", color=colour, ms=4, mew=0.6, alpha=0.6)
        middles = [float(np.exp(np.mean([np.log(one.ml) for one in part]))) for part in bins]
        shares = [float(np.mean([one.kind == "found" for one in part])) for part in bins]
        axes.plot(middles, shares, color=colour, marker=marker, ms=4, lw=0.9, label=name)
    axes.set_ylim(-0.12, 1.12)
    axes.set_xlabel("volume of the true object (ml)")
    axes.set_ylabel("share that is found")
    axes.set_title("Found objects, by volume")
    axes.grid(axis="y")
    if axes.lines:
        set_logarithmic(axes, "x")
        axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1.0), borderpad=0)


def _draw_cases(document: Document, result: Result, seen: Sequence[Seen]) -> None:
    """Show the largest objects that are missed, and the largest that are false."""
    rows = {kind: _largest(seen, kind) for kind in ("missed", "false")}
    shown = {kind: cases for kind, cases in rows.items() if cases}
    if not shown:
        return
    note = (
        f"The largest objects that are {' (above) and '.join(shown)}, one of a scan at most, each "
        "in the axial slice in which it is largest, with a thick outline; left is left. Outlined "
        "are true objects that are found or missed, and predicted ones that are false, by the "
        "first network."
    )
    title = f"{result.heading}, missed and false objects"
    heights = LEGEND, PICTURE * len(shown)
    with document.page(title, height=sum(heights) + room(note), note=note) as figure:
        top, pictures = above_and_below(figure, heights)
        keys = [Line2D([], [], color=colour, lw=1.5, label=kind) for kind, colour in KINDS.items()]
        top.legend(handles=keys, loc="center right", ncols=len(keys))
        grid = pictures.subplots(len(shown), SHOWN, squeeze=False)
        for row, cases in zip(grid, shown.values(), strict=True):
            for axes in row:
                axes.set_axis_off()
            for axes, case in zip(row, cases, strict=False):
                _draw_case(axes, result, case)


def _largest(seen: Sequence[Seen], kind: str) -> list[Seen]:
    """The largest objects of a kind, of different scans."""
    largest: dict[Key, Seen] = {}
    for one in sorted(seen, key=lambda one: -one.ml):
        if one.kind == kind:
            largest.setdefault(one.key, one)
    return list(largest.values())[:SHOWN]


def _draw_case(axes: Axes, result: Result, case: Seen) -> None:
    """Draw the slice of a scan in which an object is largest, with all objects in it."""
    scan, by_class = result.scans[case.key], _objects(result, case.key)
    own = by_class[case.value]
    inside = (own.found if case.kind == "false" else own.true) == case.number
    z = int(inside.sum(axis=(0, 1)).argmax())
    size = scan.grid.voxel_size
    x, y, _ = box_around(inside, np.ceil(CONTEXT / size).astype(int))
    image = np.asarray(scan.volume()[0], dtype=np.float32)
    limits = tuple(np.percentile(image, [1, 99.5]))
    show_slice(axes, image[x, y, z], aspect=size[1] / size[0], limits=limits)
    outline(axes, inside[x, y, z], KINDS[case.kind], 2.0)
    for objects in by_class.values():
        for kind, numbers in _by_kind(objects).items():
            labels = objects.found if kind == "false" else objects.true
            outline(axes, np.isin(labels[x, y, z], numbers), KINDS[kind])
    subject, session = case.key
    volume = float(f"{case.ml:.2g}")
    what = f"{case.kind}: {result.names[case.value - 1]}, {volume:g} ml"
    lines = [shortened(line, LONGEST) for line in (f"{subject}, session {session}", what)]
    axes.set_title("\n".join(lines), weight="normal", size=7.5)
