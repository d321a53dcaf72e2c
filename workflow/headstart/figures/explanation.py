"""Where answers come from: the mean map and three cases, beside maps of shuffled networks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.common.keys import Key
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.explanation.config import SAME
from headstart.explanation.config import STEPS
from headstart.explanation.results import GROUPS
from headstart.explanation.results import ExplainedCase
from headstart.explanation.results import ExplainedGroup
from headstart.explanation.results import map_name
from headstart.explanation.results import read_map
from headstart.explanation.results import verdict
from headstart.figures.contact_sheet import COARSE
from headstart.figures.contact_sheet import CROP
from headstart.figures.contact_sheet import blocks
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import LINES
from headstart.figures.style import MARKERS
from headstart.figures.style import VERMILION
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import show_slice
from headstart.figures.style import with_unit
from headstart.imaging.geometry import head

PLANES = ("sagittal", "coronal", "axial")
# Perceptually uniform, and dark in the middle, where the scan is to be seen.
SIGNED, UNSIGNED = "berlin", "inferno"
DIM = 1.5  # times brighter than the scan is what would be white: colours show over it
Volume = NDArray[np.float32]


@dataclass(frozen=True)
class PictureRow:
    """One row of a page.

    Attributes:
        title: Whose it is.
        scan: Intensities, (x, y, z), coarse enough to show no face.
        map: What explains the answer, on the same grid.
        others: The same by shuffled networks, with its rank correlation, by how many layers.
    """

    title: str
    scan: Volume
    map: Volume
    others: Mapping[str, tuple[Volume, float]]

    @property
    def peak(self) -> tuple[int, ...]:
        """The voxel of the head in which the map's size is largest."""
        sizes = np.where(head(self.scan), np.abs(self.map), 0)
        place = np.unravel_index(int(sizes.argmax()), sizes.shape)
        return tuple(map(int, place))


def plot(
    *,
    settings: ExperimentPlotSettings,
    stamp: Stamp,
    output: Path,
    passed: Path,
    splits: Path,
    prepared: Path,
    explained: Path,
) -> None:
    """Draw a page for each method and class.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        explained: cases.csv of explain; groups.csv and the maps lie beside it.

    Raises:
        UserError: As `read_cohort`.
    """
    cohort = read_cohort(passed, splits, prepared, settings.target, settings.covariates)
    scans = {(scan.subject, scan.session): scan for scan in cohort.scans}
    cases = read_rows(explained, ExplainedCase)
    # of a scan that was laid onto the template, the voxels have another size in its own space
    size = cohort.prepare.usual_voxel_size
    with document(output, f"{settings.title}: where answers come from", stamp) as pages:
        for group in read_rows(explained.parent / GROUPS, ExplainedGroup):
            own = [one for one in cases if (one.method, one.group) == (group.method, group.group)]
            _draw(pages, settings, group, own, scans, explained.parent, size)


def _draw(
    document: Document,
    settings: ExperimentPlotSettings,
    group: ExplainedGroup,
    cases: Sequence[ExplainedCase],
    scans: Mapping[Key, Scan],
    folder: Path,
    voxel_size: Sequence[float],
) -> None:
    rows = [_mean(group, cases, scans, folder, voxel_size)]
    rows += [
        _case(one, settings, scans, folder, voxel_size)
        for one in cases
        if one.all_layers is not None
    ]
    of_class = f", {settings.target} {group.group}" * bool(group.group)
    heading = f"{settings.title}: where answers come from, {group.method}{of_class}"
    size = np.multiply(voxel_size, _steps(scans[cases[0].key].shape, voxel_size))
    extent = np.multiply(rows[0].scan.shape, size)
    widths = [extent[1], *[extent[0]] * 5]
    tall = 160 / sum(widths) * max(extent[1], extent[2])  # mm of a row's pictures
    note = _note(group)
    with document.page(heading, height=52 + (tall + 7) * len(rows), note=note) as figure:
        heights = [*[1.0] * len(rows), 0.09]
        grid = figure.add_gridspec(len(rows) + 1, 6, width_ratios=widths, height_ratios=heights)
        limit = max(float(np.abs(row.map).max()) for row in rows) or 1.0
        for number, row in enumerate(rows):
            panels = [figure.add_subplot(grid[number, column]) for column in range(3)]
            _draw_planes(panels, row, size, limit, signed=_is_signed(group))
            _head(panels, row.title)
            if not row.others:
                _draw_similarity(figure.add_subplot(grid[number, 3:]), cases, group)
            for column, (step, other) in enumerate(row.others.items(), start=3):
                panel = figure.add_subplot(grid[number, column])
                _draw_other(panel, row, *other, step, size, signed=_is_signed(group))
        _colour_bar(figure, figure.add_subplot(grid[-1, :3]), group, settings, limit)


def _mean(
    group: ExplainedGroup,
    cases: Sequence[ExplainedCase],
    scans: Mapping[Key, Scan],
    folder: Path,
    size: Sequence[float],
) -> PictureRow:
    total = np.mean([_first_channel(scans[case.key]) for case in cases], axis=0)
    title = f"mean of {counted(group.cases, 'scan')}"
    return PictureRow(title, _coarse(total, size), _coarse(read_map(folder / group.map), size), {})


def _case(
    one: ExplainedCase,
    settings: ExperimentPlotSettings,
    scans: Mapping[Key, Scan],
    folder: Path,
    size: Sequence[float],
) -> PictureRow:
    scan = scans[one.key]
    others = {
        step: (
            _coarse(read_map(folder / map_name(one.method, one, step)), size),
            getattr(one, step),
        )
        for step in STEPS
    }
    said = (
        f"{one.group} with probability {one.answer:.2f}"
        if one.group
        else f"true {float(one.target):.4g}, predicted {one.answer:.4g} {settings.unit}".strip()
    )
    title = f"{one.choice}: {one.subject}, session {one.session}, {said}"
    image, found = _first_channel(scan), read_map(folder / one.map)
    return PictureRow(title, _coarse(image, size), _coarse(found, size), others)


def _first_channel(scan: Scan) -> Volume:
    return np.asarray(scan.volume()[0], dtype=np.float32)


def _steps(shape: Sequence[int], size: Sequence[float]) -> list[int]:
    """Voxels that become one: the pictures are to show no face."""
    edge = 0.0 if np.multiply(shape, size).max() <= CROP else COARSE
    return [max(1, int(np.ceil(edge / length - 0.01))) for length in size]


def _coarse(volume: Volume, size: Sequence[float]) -> Volume:
    return blocks(volume, _steps(volume.shape, size))


def _is_signed(group: ExplainedGroup) -> bool:
    return group.method == "occlusion"


def _cut(volume: Volume, plane: str, peak: Sequence[int]) -> Volume:
    axis = PLANES.index(plane)
    return np.take(volume, peak[axis], axis=axis)


def _draw_planes(
    panels: Sequence[Axes],
    row: PictureRow,
    size: NDArray[np.float64],
    limit: float,
    *,
    signed: bool,
) -> None:
    for panel, plane in zip(panels, PLANES, strict=True):
        _draw_plane(panel, row, row.map, plane, size, limit, signed=signed)
        _label(panel, plane)
        panel.set_anchor("NW")


def _head(panels: Sequence[Axes], title: str) -> None:
    """Write a row's title over all its panels; the layout is to leave room above, not beside."""
    panels[2].set_title(" ", size=7)  # the tallest
    corner = panels[0].annotate(
        title,
        (0, 1),
        size=7,
        xycoords="axes fraction",
        xytext=(0, 3),
        textcoords="offset points",
    )
    corner.set_in_layout(False)


def _draw_plane(
    panel: Axes,
    row: PictureRow,
    shown: Volume,
    plane: str,
    size: NDArray[np.float64],
    limit: float,
    *,
    signed: bool,
) -> None:
    """Draw the scan in grey, and over it the map, the clearer the more it says."""
    across, up = (edge for axis, edge in enumerate(size) if axis != PLANES.index(plane))
    low, high = np.percentile(row.scan, [1, 99.5])
    picture = _cut(row.scan, plane, row.peak)
    show_slice(
        panel, picture, aspect=up / across, limits=(float(low), float(low + DIM * (high - low)))
    )
    values = _cut(shown, plane, row.peak).T / limit
    colours = colormaps[SIGNED](values / 2 + 0.5) if signed else colormaps[UNSIGNED](values)
    colours[..., 3] = 0.85 * np.clip(np.abs(values), 0, 1) ** 0.6
    panel.imshow(colours, origin="lower", aspect=panel.get_aspect())


def _draw_other(
    panel: Axes,
    row: PictureRow,
    other: Volume,
    alike: float,
    step: str,
    size: NDArray[np.float64],
    *,
    signed: bool,
) -> None:
    limit = float(np.abs(other).max()) or 1.0
    _draw_plane(panel, row, other, "axial", size, limit, signed=signed)
    _label(panel, f"{step.replace('_', ' ')}: {alike:.2f}")


def _label(panel: Axes, text: str) -> None:
    panel.text(0.03, 0.97, text, transform=panel.transAxes, color="white", size=6, va="top")


def _draw_similarity(axes: Axes, cases: Sequence[ExplainedCase], group: ExplainedGroup) -> None:
    """Draw how alike the checked maps stay as more layers are shuffled."""
    checked = [case for case in cases if case.all_layers is not None]
    names = ["none", *(step.replace("_", " ") for step in STEPS)]
    for number, case in enumerate(checked):
        values = [1.0, *(getattr(case, step) for step in STEPS)]
        style = {"ls": LINES[number], "marker": MARKERS[number], "label": case.choice}
        axes.plot(range(len(names)), values, color=BLUE, **style)
    axes.axhline(SAME, color=GREY, lw=0.8, ls=":")
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(-1.05 if min(axes.get_ylim()) < -0.1 else -0.15, 1.05)
    axes.legend(loc="best", ncols=len(checked))
    colour = BLACK if group.trusted else VERMILION
    axes.set_title("Rank correlation with the map", size=7)
    axes.set_xlabel(
        f"layers whose weights are shuffled\n{textwrap.fill(verdict(group), 80)}", color=colour
    )
    axes.grid(axis="y")


def _colour_bar(
    figure: Figure,
    axes: Axes,
    group: ExplainedGroup,
    settings: ExperimentPlotSettings,
    limit: float,
) -> None:
    signed = _is_signed(group)
    scale = Normalize(-limit if signed else 0, limit)
    mapped = ScalarMappable(scale, colormaps[SIGNED if signed else UNSIGNED])
    bar = figure.colorbar(mapped, cax=axes, orientation="horizontal")
    bar.outline.set_linewidth(0.4)
    if not signed:
        bar.set_label("where features raise the answer, relative to the most")
    elif group.group:
        bar.set_label(f"by how much the place raises the probability of {group.group}")
    else:
        bar.set_label(with_unit("by how much the place raises the prediction", settings.unit))


def _note(group: ExplainedGroup) -> str:
    of = f"the probability of {group.group}" if group.group else "the predicted number"
    how = (
        f"{of} for the scan minus that with a patch of air in this place"
        if _is_signed(group)
        else f"where features of a late layer raise {of}, relative to the largest value"
    )
    return (
        f"{group.method}: {how}; {group.detail}. Held-out scans, each by "
        f"{counted(group.networks, 'network')} that never saw its subject. Planes through the "
        "largest value in the head; left is left. Right: the axial plane by the same networks "
        "with shuffled weights, each on its own scale, and the rank correlation with the map "
        f"(Spearman, of sizes, in the head); {SAME:g}, dotted, is our limit. No map shows "
        "causes, what two places tell alike, or whether the answer is right."
    )
