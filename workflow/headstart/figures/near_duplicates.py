"""Near-duplicates on paper: how alike strangers are, and the pairs that stand out side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from headstart.cohort.near_duplicates import CERTAIN
from headstart.cohort.near_duplicates import LISTED
from headstart.cohort.pairs import Kind
from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import OfRescans
from headstart.cohort.rates import Rates
from headstart.common.records import read_rows
from headstart.common.text import counted
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
from headstart.figures.style import shortened

Picture = NDArray[np.float16]

PER_PAGE = 6
ROW, TOP = 33.0, 58.0  # mm: a pair, and the first page's histogram
LONGEST = 38  # characters of a name, above three slices
LEAST = 0.001  # pairs expected by chance: no tail is known so well that it tells fewer
SLICES = (0.5, 0.5, 0.6)  # of the volume: sagittal, coronal, axial
KINDS: dict[tuple[Kind, bool], str] = {
    ("near-duplicate", True): "beyond doubt",
    ("near-duplicate", False): "doubtful",
    ("numbering", True): "numbered as one person's two scans",
    ("sessions-differ", False): "one subject, unlike",
}


def plot(
    *,
    settings: CohortPlotSettings,
    stamp: Stamp,
    output: Path,
    pairs: Path,
    pictures: Path,
    rates: Path,
) -> None:
    """Draw how alike strangers are, and the pairs that stand out side by side.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        pairs: `near-duplicates/pairs.csv`.
        pictures: `near-duplicates/pictures.npy`.
        rates: `near-duplicates/rates.json`.
    """
    study = settings.study
    with document(output, f"{study}: near-duplicates", stamp) as pages:
        draw_near_duplicates(
            pages,
            study=study,
            pairs=read_rows(pairs, PairRow),
            pictures=np.load(pictures),
            rates=Rates.read(rates),
        )


def draw_near_duplicates(
    document: Document,
    *,
    study: str,
    pairs: Sequence[PairRow],
    pictures: Picture,
    rates: Rates,
) -> None:
    """Draw the similarity of strangers, of simulated re-scans and of the pairs, then the pairs.

    Args:
        document: Where the pages go.
        study: Name of the study.
        pairs: near-duplicates/pairs.csv.
        pictures: The first of them in one position, (pairs, 2, x, y, z).
        rates: near-duplicates/rates.json.
    """
    first, rest = pairs[: PER_PAGE - 1], range(PER_PAGE - 1, len(pictures), PER_PAGE)
    number = 1 + len(rest)
    title = f"{study}: near-duplicates"
    with document.page(
        f"{title}, page 1 of {number}" if len(rest) else title,
        height=26 + TOP + ROW * len(first),
        note=_note(rates, len(pairs), len(pictures)),
    ) as figure:
        heights = [TOP, *[ROW] * len(first)]
        top, *below = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        _histogram(top.subplots(), pairs, rates)
        _draw_pairs(below, first, pictures)
    for page, start in enumerate(rest, start=2):
        shown = pairs[start : min(start + PER_PAGE, len(pictures))]
        with document.page(
            f"{title}, page {page} of {number}",
            height=20 + ROW * len(shown),
            note="As on page 1.",
        ) as figure:
            parts = figure.subfigures(len(shown), 1, squeeze=False)[:, 0]
            _draw_pairs(list(parts), shown, pictures[start:])


def _note(rates: Rates, listed: int, shown: int) -> str:
    if rates.search is None:
        return f"No comparison: {rates.unknown}."
    note = (
        f"Is one person here under two names? Compared: {counted(rates.search.pairs, 'pair')} of "
        "scans of different subjects, aligned. Similarity: correlation of the two scans without "
        "what all scans of the cohort have in common. Expected by chance: how many pairs of "
        "different people in a cohort like this would be at least as similar; a pair is shown "
        f"below {LISTED:g}, and is beyond doubt below {CERTAIN:g} if it is also at least half as "
        f"similar as second scans of one person. {tell_simulated(rates.search.simulated)}"
    )
    if shown:
        note += (
            " Below: two scans in one position, sagittal, coronal and axial, and their difference; "
            "coarse, to protect faces."
        )
    if shown < listed:
        note += f" The first {shown} of {listed} pairs are shown."
    return note + (f" Not known: {rates.unknown}." if rates.unknown else "")


def tell_simulated(simulated: OfRescans) -> str:
    """Tell how well second scans of one person would be found, as simulation shows.

    Args:
        simulated: What the search makes of simulated ones.
    """
    every = simulated.certain == simulated.listed
    certain = "all" if every else simulated.certain or "none"
    found = (
        f"{simulated.listed} of {simulated.scans}, {certain} of them beyond doubt"
        if simulated.listed
        else "none"
    )
    return (
        "As a test of this search, second scans of one person were simulated (copies of "
        f"{counted(simulated.scans, 'scan')}, rotated, shifted, shaded, mirrored or cropped): it "
        f"found {found}."
    )


def _histogram(axes: Axes, pairs: Sequence[PairRow], rates: Rates) -> None:
    if rates.histogram is None:
        axes.set_axis_off()
        return
    edges, counts = rates.histogram.edges, rates.histogram.strangers
    axes.stairs(counts, edges, fill=True, color=SKY, label="scans of different subjects")
    set_logarithmic(axes, "y")
    top = 3 * max(counts)
    axes.set_ylim(0.5, top)
    axes.set_xlim(min(-0.5, edges[int(np.argmax(np.array(counts) > 0))]), 1)
    axes.set_xlabel("similarity")
    axes.set_ylabel("pairs")
    simulated = rates.histogram.simulated
    if simulated:
        places = np.full(len(simulated), top / 2)
        axes.plot(simulated, places, "|", color=GREY, ms=7, label="simulated second scans")
    for (kind, certain), name in KINDS.items():
        chosen = [p.similarity for p in pairs if (p.kind, p.certain) == (kind, certain)]
        if chosen:
            look = ("D", VERMILION) if certain else ("o", BLUE)
            marker, colour = look if kind == "near-duplicate" else ("^", BLACK)
            places = np.full(len(chosen), 0.8)
            label = f"{name} ({len(chosen)})"
            axes.plot(chosen, places, marker, color=colour, mfc="none", ms=4, label=label)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=4)


def _draw_pairs(parts: Sequence[SubFigure], pairs: Sequence[PairRow], pictures: Picture) -> None:
    for part, pair, (one, other) in zip(parts, pairs, pictures, strict=False):
        _draw_pair(part, pair, one.astype(np.float32), other.astype(np.float32))


def _draw_pair(
    part: SubFigure,
    pair: PairRow,
    one: NDArray[np.float32],
    other: NDArray[np.float32],
) -> None:
    planes = [_planes(one), _planes(other), _planes(_matched(other, one) - one)]
    widths = [plane.shape[0] for plane in planes[0]]
    grid = part.subplots(1, 9, width_ratios=widths * 3)
    limits = np.percentile(one, (1, 99.5))
    span = float(limits[1] - limits[0]) / 2
    for group in range(3):
        for column, plane in enumerate(planes[group]):
            axes = grid[3 * group + column]
            low, high = (-span, span) if group == 2 else limits
            axes.imshow(plane.T, origin="lower", vmin=low, vmax=high)
            axes.set_axis_off()
            axes.set_anchor("N")
    colour = VERMILION if pair.certain else BLUE
    mirrored = " (mirrored)" if pair.mirrored else ""
    names = [_name(*pair.key, LONGEST), _name(*pair.other, LONGEST - len(mirrored)) + mirrored]
    names += ["difference"]
    for axes, name in zip(grid[::3], names, strict=True):
        # a name is wider than its slice: as a title it would push the slices apart
        axes.set_title(" ", size=7)
        axes.text(0, 1.05, name, size=7, transform=axes.transAxes).set_in_layout(False)
    part.suptitle(
        f"{KINDS[pair.kind, pair.certain]}: similarity {pair.similarity:.3f}, "
        f"{_expected(pair.expected)} expected by chance",
        x=0.005,
        ha="left",
        size=7,
        color=colour,
    )


def _planes(volume: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    x, y, z = (int(share * n) for share, n in zip(SLICES, volume.shape, strict=True))
    return [volume[x], volume[:, y], volume[:, :, z]]


def _matched(volume: NDArray[np.float32], to: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring intensities to another volume's mean and standard deviation."""
    scaled: NDArray[np.float32] = (volume - volume.mean()) / max(float(volume.std()), 1e-6)
    return scaled * to.std() + to.mean()


def _name(subject: str, session: str, longest: int) -> str:
    return shortened(subject if session == "1" else f"{subject} / {session}", longest)


def _expected(pairs: float) -> str:
    return f"{pairs:g}" if pairs >= LEAST else f"fewer than {LEAST:g}"
