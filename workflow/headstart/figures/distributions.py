"""The cohort's scans on paper: shape, voxel size, field of view, intensity, similarity."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from headstart.cohort.flags import KINDS
from headstart.cohort.flags import Mark
from headstart.cohort.flags import find_marks
from headstart.cohort.flags import rejected_scans
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.common.keys import Key
from headstart.common.records import read_rows
from headstart.data.found_scans import RejectedRow
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import SKY
from headstart.figures.style import VERMILION
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import set_logarithmic
from headstart.imaging.scan_rows import CheckRow

# The axes of a head, by the letter that an orientation has for either end of each.
AXES = {"left-right": "LR", "back-front": "PA", "down-up": "IS"}
LOOKS = {"rejected": ("x", VERMILION), "outlier": ("^", BLACK), "near-duplicate": ("D", BLUE)}
BINS = 40
WIDE = 50.0  # a quantity that spans more than so many times its lowest value has a log scale


def plot(
    *,
    settings: CohortPlotSettings,
    stamp: Stamp,
    output: Path,
    rejected: Sequence[Path],
    summary: Path,
    pairs: Path,
    similarity: Path,
) -> None:
    """Draw how shape, voxel size, intensity and similarity are spread, the marked scans marked.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        rejected: rejected.csv of label and check.
        summary: `check/summary.csv`.
        pairs: `near-duplicates/pairs.csv`.
        similarity: `near-duplicates/similarity.csv`.
    """
    checked, similar = read_rows(summary, CheckRow), read_rows(similarity, SimilarityRow)
    found = {row.key for row in checked}
    away = rejected_scans([read_rows(path, RejectedRow) for path in rejected], found)
    marks = find_marks(away, checked, read_rows(pairs, PairRow), similar)
    study = settings.study
    with document(output, f"{study}: the scans", stamp) as pages:
        draw_distributions(pages, study=study, summary=checked, similarity=similar, marks=marks)


def draw_distributions(
    document: Document,
    *,
    study: str,
    summary: Sequence[CheckRow],
    similarity: Sequence[SimilarityRow],
    marks: Mapping[Key, Mark],
) -> None:
    """Draw how the scans' shape, voxel size, field of view, intensity and similarity are spread.

    Args:
        document: Where the page goes.
        study: Name of the study.
        summary: check/summary.csv.
        similarity: near-duplicates/similarity.csv.
        marks: The scans to mark.
    """
    read = [row for row in summary if row.shape]
    keys = [row.key for row in read]
    facts = _facts(read)
    similar = {scan.key: scan.similarity for scan in similarity}
    # None becomes NaN
    facts["similarity to nearest others"] = np.array([similar.get(key) for key in keys], float)
    facts, alike = _told_apart(facts)
    kinds = np.array([marks[key].kind if key in marks else "" for key in keys], dtype=object)
    note = (
        f"{len(read)} of {len(summary)} scans: those that could be read. Bars: all of them; marks: "
        "scans for a person to look at, named on the contact sheet. Shape and voxel size along the "
        "axes of the head, whatever order the file has. Intensity as stored, first channel. "
        "Similarity: median correlation, once aligned, with the five most similar scans of other "
        f"subjects.{alike}"
    )
    shown = [kind for kind in KINDS if (kinds == kind).any()]
    rows = max(1, -(-(len(facts) + bool(shown)) // 3))
    with document.page(f"{study}: the scans", height=30 + 33 * rows, note=note) as figure:
        grid = figure.subplots(rows, 3, squeeze=False)
        for axes, (name, values) in zip(grid.ravel(), facts.items(), strict=False):
            _histogram(axes, name, values, kinds)
        for axes in grid.ravel()[len(facts) :]:
            axes.set_axis_off()
        for row in grid if facts else ():
            row[0].set_ylabel("scans")
        for kind in shown:
            marker, colour = LOOKS[kind]
            label = f"{kind} ({(kinds == kind).sum()})"
            grid[-1, -1].plot([], [], marker, color=colour, mfc="none", label=label)
        if shown:
            grid[-1, -1].legend(loc="center left", title="marked", alignment="left")


def _told_apart(
    facts: Mapping[str, NDArray[np.float64]],
) -> tuple[dict[str, NDArray[np.float64]], str]:
    """Return the quantities by which scans differ, and in words those that are the same in all."""
    known = {name: values[np.isfinite(values)] for name, values in facts.items()}
    differ = {name: facts[name] for name, values in known.items() if len(np.unique(values)) > 1}
    alike = [f"{name} {v[0]:g}" for name, v in known.items() if len(v) and name not in differ]
    return differ, f" The same in all: {'; '.join(alike)}." if alike else ""


def _facts(read: Sequence[CheckRow]) -> dict[str, NDArray[np.float64]]:
    """Return each quantity's values, one per scan; NaN where unknown."""
    shape = np.array([_by_axis(row.shape, row.orientation) for row in read]).reshape(-1, 3)
    edges = np.array([_by_axis(row.voxel_size, row.orientation) for row in read]).reshape(-1, 3)
    facts = {f"voxels, {axis}": shape[:, n] for n, axis in enumerate(AXES)}
    facts |= {f"voxel size, {axis} (mm)": edges[:, n] for n, axis in enumerate(AXES)}
    facts |= {f"field of view, {axis} (mm)": (shape * edges)[:, n] for n, axis in enumerate(AXES)}
    facts["intensity, 1st percentile"] = np.array([row.p01 for row in read], float)
    facts["intensity, 50th percentile"] = np.array([row.p50 for row in read], float)
    facts["intensity, 99th percentile"] = np.array([row.p99 for row in read], float)
    return facts


def _by_axis(lengths: Sequence[float], orientation: str) -> list[float]:
    """Bring lengths along the axes of a file, such as PSR, in the order of the axes of the head."""
    axes = [[n for n, letter in enumerate(orientation) if letter in ends] for ends in AXES.values()]
    return [float(lengths[places[0]]) if places else np.nan for places in axes]


def _histogram(
    axes: Axes, name: str, values: NDArray[np.float64], kinds: NDArray[np.object_]
) -> None:
    axes.set_title(name, weight="normal", size=7.5)
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    number = min(BINS, 5 + len(known) // 3)
    if low > 0 and high > WIDE * low:
        set_logarithmic(axes, "x")
        bins = np.geomspace(low, high, number + 1)
    elif high - low < BINS and (known == np.rint(known)).all():
        bins = np.arange(low - 0.5, high + 1)
    else:
        bins = np.linspace(low, high, number + 1)
    axes.hist(known, bins.tolist(), color=SKY, ec="white", lw=0.3)
    top = axes.get_ylim()[1]
    for height, kind in zip((-0.08, -0.16, -0.24), KINDS, strict=True):
        marker, colour = LOOKS[kind]
        chosen = values[(kinds == kind) & np.isfinite(values)]
        axes.plot(
            chosen, np.full(len(chosen), height * top), marker, color=colour, mfc="none", ms=3
        )
    marked = (kinds != "").any()
    axes.set_ylim(-0.32 * top if marked else 0, top)
    if marked:
        axes.axhline(0, color=GREY, lw=0.5)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
    axes.grid(axis="y")
