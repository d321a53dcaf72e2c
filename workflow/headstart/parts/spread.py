"""The cohort's scans on paper: shape, voxel size, field of view, intensity, likeness."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from headstart.parts.figures import BLACK
from headstart.parts.figures import BLUE
from headstart.parts.figures import GREY
from headstart.parts.figures import SKY
from headstart.parts.figures import VERMILION
from headstart.parts.figures import Document
from headstart.parts.marks import KINDS
from headstart.parts.marks import Mark
from headstart.parts.predictions import Key

# The axes of a head, by the letter that an orientation has for either end of each.
AXES = {"left-right": "LR", "back-front": "PA", "down-up": "IS"}
LOOKS = {"rejected": ("x", VERMILION), "odd": ("^", BLACK), "alike": ("D", BLUE)}
NAMES = {"rejected": "turned away", "odd": "unlike the others", "alike": "looks like another"}
BINS = 40
WIDE = 50.0  # a quantity that spans more than so many times its lowest value has a log scale


def draw_distributions(
    document: Document,
    *,
    study: str,
    summary: pd.DataFrame,
    likeness: pd.DataFrame,
    marks: Mapping[Key, Mark],
) -> None:
    """Draw how the scans' shape, voxel size, field of view, intensity and likeness are spread.

    Args:
        document: Where the page goes.
        study: Name of the study.
        summary: check/summary.csv.
        likeness: prepare/likeness.csv.
        marks: The scans to mark.
    """
    read = summary[summary["shape"] != ""]
    keys = list(zip(read["subject"], read["session"], strict=True))
    facts = _facts(read)
    likes = {
        (row["subject"], row["session"]): float(row["likeness"])
        for row in likeness.to_dict("records")
    }
    facts["likeness to the most similar"] = np.array([likes.get(key, np.nan) for key in keys])
    kinds = np.array([marks[key].kind if key in marks else "" for key in keys], dtype=object)
    note = (
        f"{len(read)} of {len(summary)} scans: those that could be read. Bars: all of them; marks: "
        "scans for a person to look at, named on the contact sheet. Shape and voxel size along the "
        "axes of the head, whatever order the file has. Intensity as stored, first channel. "
        "Likeness: mean correlation with the five most similar scans of other subjects."
    )
    with document.page(f"{study}: the scans", height=190, note=note) as figure:
        grid = figure.subplots(5, 3)
        for axes, (name, values) in zip(grid.ravel(), facts.items(), strict=False):
            _histogram(axes, name, values, kinds)
        for axes in grid.ravel()[len(facts) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_ylabel("scans")
        shown = [kind for kind in KINDS if (kinds == kind).any()]
        for kind in shown:
            marker, colour = LOOKS[kind]
            label = f"{NAMES[kind]} ({(kinds == kind).sum()})"
            grid[-1, -1].plot([], [], marker, color=colour, mfc="none", label=label)
        if shown:
            grid[-1, -1].legend(loc="center left", title="marked", alignment="left")


def _facts(read: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return each quantity's values, one per scan; NaN where unknown."""
    shape = _by_axis(read["shape"], read["orientation"])
    edges = _by_axis(read["voxel_size"], read["orientation"])
    facts = {f"voxels, {axis}": shape[:, n] for n, axis in enumerate(AXES)}
    facts |= {f"voxel size, {axis} (mm)": edges[:, n] for n, axis in enumerate(AXES)}
    facts |= {f"field of view, {axis} (mm)": (shape * edges)[:, n] for n, axis in enumerate(AXES)}
    for column, name in (("p01", "1st"), ("p50", "50th"), ("p99", "99th")):
        facts[f"intensity, {name} percentile"] = np.array([float(text) for text in read[column]])
    return facts


def _by_axis(texts: pd.Series, orientations: pd.Series) -> NDArray[np.float64]:
    """Turn `120x120x90` and `PSR` into numbers by the axes of the head, (scans, 3)."""
    values = np.full((len(texts), 3), np.nan)
    for row, (text, orientation) in enumerate(zip(texts, orientations, strict=True)):
        lengths = text.split("x")
        for column, ends in enumerate(AXES.values()):
            place = [n for n, letter in enumerate(orientation) if letter in ends]
            if place:
                values[row, column] = float(lengths[place[0]])
    return values


def _histogram(
    axes: Axes, name: str, values: NDArray[np.float64], kinds: NDArray[np.object_]
) -> None:
    axes.set_title(name, weight="normal", size=7.5)
    known = values[np.isfinite(values)]
    if not len(known):
        axes.set_axis_off()
        return
    low, high = float(known.min()), float(known.max())
    number = min(BINS, 5 + len(known) // 3)
    if low > 0 and high > WIDE * low:
        axes.set_xscale("log")
        bins = np.geomspace(low, high, number + 1)
    elif low == high:
        # one value: a bar as narrow as the others'
        bins = low + max(abs(low), 1.0) * np.array([-0.25, -0.01, 0.01, 0.25])
        axes.set_xticks([low], [f"all {low:g}"])
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
