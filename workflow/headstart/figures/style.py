"""Pages made for print: one style, a footer that says what was drawn from what, stable bytes."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation

from headstart import __version__
from headstart.common import files
from headstart.common.text import number_with_interval
from headstart.figures.screen import ScreenPage
from headstart.figures.screen import lean
from headstart.figures.screen import stack
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import of_class

# Okabe and Ito's palette for all kinds of colour vision, in an order of falling contrast. Line
# styles and markers differ too, for those who print in grey.
BLACK, BLUE, VERMILION, GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE, YELLOW = "#E69F00", "#56B4E9", "#CC79A7", "#F0E442"
GREY, PALE = "#6E6E6E", "#D9D9D9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
MARKERS = ("o", "^", "s", "D", "v", "P", "X")

WIDTH = 183.0  # mm: two columns of a journal page
TITLE = 7.5  # mm that a page's title takes
LONGEST_NAME = 24  # characters of a class or a site in a legend, or beside a small panel
NOTE_WIDTH = 138  # characters of small print that fit into it
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "text.parse_math": False,  # names of classes, sites and units are the user's, and may hold $
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.formatter.min_exponent": 4,  # a logarithmic axis says 0.01 and 100, but 10⁴
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "image.interpolation": "nearest",
    "image.cmap": "gray",
    "pdf.fonttype": 42,  # text stays text: it can be searched, and edited by a journal
    "svg.hashsalt": "headstart",  # else its names are drawn by lot
}

UNSAID = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # what an SVG says of its making
AXIAL = 0.6  # height of an axial slice: above the eyes of a head that is centred

# Labels of a logarithmic axis beside powers of ten: where its ends are more than this factor apart,
# 2 and 5 alone have one; where they are more powers of ten apart, none has.
CROWDED, SEEN_APART = 4.0, 1.3
REACH = 3.0  # times the largest value: further no interval is drawn
SUPERSCRIPT = str.maketrans("-\N{MINUS SIGN}0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Stamp:
    """What stands at the foot of every page.

    Attributes:
        study: Name of the study.
        data: Digest of the cohort's table, 8 hex digits.
        code: Identity of the code that draws.
        synthetic: Whether the scans are made up.
    """

    study: str
    data: str
    code: str
    synthetic: bool

    @property
    def text(self) -> str:
        """The footer."""
        return f"study {self.study} · data {self.data} · headstart {__version__}, code {self.code}"


class Document:
    """A PDF in the making, and the same drawings for the screen.

    Attributes:
        screen: The pages for the screen so far: what was drawn, without title, note and foot.
    """

    def __init__(self, pages: PdfPages, stamp: Stamp) -> None:
        self._pages = pages
        self._stamp = stamp
        self.screen: list[ScreenPage] = []

    @contextmanager
    def page(self, title: str, *, height: float, note: str = "") -> Iterator[Figure]:
        """Give an empty page, and add it to the document when it was drawn on.

        Args:
            title: What it shows, top left.
            height: Height in mm, title and foot included.
            note: How to read it, in small print above the foot; it is wrapped.

        Yields:
            A figure with a constrained layout between title and foot.
        """
        inch = 25.4
        note = _wrapped(note)
        top, foot = TITLE / height, _foot(note) / height
        layout = ConstrainedLayoutEngine(
            rect=(0.012, foot, 0.976, 1 - top - foot), w_pad=0.04, h_pad=0.04, wspace=0.03
        )
        figure = Figure(figsize=(WIDTH / inch, height / inch), layout=layout)
        yield figure
        drawn = (1 - top - foot) * height  # mm
        words = list(self._words(figure, title, height, note))
        self._pages.savefig(figure)  # type: ignore[no-untyped-call]
        for word in words:
            word.remove()
        figure.set_size_inches(WIDTH / inch, drawn / inch)
        layout.set(rect=(0, 0, 1, 1))
        self.screen.append(ScreenPage(title, " ".join(note.split()), _svg(figure)))

    def _words(self, figure: Figure, title: str, height: float, note: str) -> Iterator[Text]:
        """Write what stands around the drawing."""
        yield figure.text(0.015, 1 - 2 / height, title, va="top", size=9, weight="bold")
        if note:
            yield figure.text(
                0.015, 5.2 / height, note, va="bottom", size=6.5, color=GREY, linespacing=1.25
            )
        yield figure.text(0.015, 1.8 / height, self._stamp.text, va="bottom", size=6, color=GREY)
        if self._stamp.synthetic:
            yield figure.text(
                0.985,
                1 - 2 / height,
                "SYNTHETIC",
                va="top",
                ha="right",
                size=8,
                weight="bold",
                color=VERMILION,
                bbox={"boxstyle": "square,pad=0.25", "fc": "none", "ec": VERMILION, "lw": 0.8},
            )


def room(note: str) -> float:
    """Return what a page's title, small print and foot take of its height, mm."""
    return TITLE + _foot(_wrapped(note))


def _wrapped(note: str) -> str:
    return "\n".join(textwrap.wrap(note, NOTE_WIDTH))


def _foot(wrapped: str) -> float:
    lines = wrapped.count("\n") + 1 if wrapped else 0
    return 6.5 + 3.2 * lines


def _svg(figure: Figure) -> str:
    """Draw a figure as SVG, its characters as outlines: it looks the same without our fonts."""
    for image in figure.findobj(AxesImage):
        image.set_interpolation("none")  # its own pixels, which the browser makes larger
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata=UNSAID)
    return lean(drawn.getvalue())


@contextmanager
def document(path: Path, title: str, stamp: Stamp) -> Iterator[Document]:
    """Write a PDF, whole or not at all; the same pages always give the same bytes.

    Beside it comes NAME.svg, with the same drawings for the screen, see `figures.screen`.

    Args:
        path: Its final name.
        title: Its title in the PDF's own data.
        stamp: What stands at the foot of every page.

    Yields:
        The document, to which pages are added.
    """
    matplotlib.use("agg")
    metadata = {"Title": title, "Subject": stamp.text, "CreationDate": None}
    with (
        matplotlib.rc_context(STYLE),
        files.temporary(path) as draft,
        PdfPages(draft, metadata=metadata) as pages,
    ):
        drawn = Document(pages, stamp)
        yield drawn
        files.write_text(path.with_suffix(".svg"), stack(drawn.screen))


class PowersOfTen(LogFormatterSciNotation):
    """Labels of a logarithmic axis in plain characters: 0.01, 100, 10⁴."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick."""
        low, high = self.axis.get_view_interval()  # type: ignore[union-attr]  # it has one by now
        if high > CROWDED * low and f"{x:.0e}"[0] not in "125":
            return ""
        label = super().__call__(x, pos)
        for tex, plain in (
            ("$", ""),
            (r"\mathdefault", ""),
            (r"\times", "\N{MULTIPLICATION SIGN}"),
        ):
            label = label.replace(tex, plain)
        label = re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(SUPERSCRIPT), label)
        return label.strip("{}")


def set_logarithmic(axes: Axes, axis: str) -> None:
    """Make an axis, `x` or `y`, logarithmic."""
    axes.set(**{f"{axis}scale": "log"})
    chosen: Axis = getattr(axes, f"{axis}axis")
    chosen.set_major_formatter(PowersOfTen())
    few = PowersOfTen(labelOnlyBase=False, minor_thresholds=(SEEN_APART, SEEN_APART))
    chosen.set_minor_formatter(few)


def with_unit(name: str, unit: str) -> str:
    """Return a quantity with its unit in brackets, if it has one."""
    return f"{name} ({unit})" if unit else name


def metric_name(metric: str, unit: str = "") -> str:
    """Return the metric in words; errors carry the target's unit."""
    name, of = of_class(metric)
    named = METRICS[name]
    words = f"{named.words}, {of}" if of else named.words
    return with_unit(words, unit if named.in_unit else "")


def shortened(text: str, most: int) -> str:
    """Return a name of at most so many characters: of a longer one, its beginning and its end."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half + 1 :]}"


def as_numbers(*cells: float | None) -> list[float]:
    """Return numbers of a table, NaN where there is none."""
    return [math.nan if cell is None else cell for cell in cells]


def show_slice(axes: Axes, plane: Any, *, aspect: float, limits: tuple[float, float]) -> None:
    """Show a slice (first axis to the right, second up), without axes.

    Args:
        axes: Where to draw.
        plane: Intensities, 2-D.
        aspect: Height of a voxel over its width.
        limits: Intensities shown as black and white.
    """
    axes.imshow(plane.T, origin="lower", aspect=aspect, vmin=limits[0], vmax=limits[1])
    axes.set_axis_off()


def furthest(values: Sequence[float | None]) -> float:
    """Return how far intervals of values from 0 upwards are drawn, lest one hide all others.

    None is cut below 1, where shares end.
    """
    known = [value for value in values if value is not None]
    return max(1.0, REACH * max(known)) if known and min(known) >= 0 else math.inf


def intervals_plot(
    axes: Axes,
    labels: Sequence[str],
    values: Sequence[float | None],
    lows: Sequence[float | None],
    highs: Sequence[float | None],
    *,
    colours: Sequence[str],
    decimals: int,
    most: float = math.inf,
) -> None:
    """Draw dots with their intervals, one row each, from the top, with the numbers beside them.

    What reaches beyond `most` is cut there, and ends in an arrow.
    """
    rows = range(len(labels))[::-1]
    for row, colour, *cells in zip(rows, colours, values, lows, highs, strict=True):
        value, low, high = as_numbers(*cells)
        end = min(high, most)
        axes.plot([low, end], [row, row], color=colour, lw=1.4, solid_capstyle="butt")
        if high > most:
            axes.plot(most, row, ">", color=colour, ms=4, mew=0)
        marker = MARKERS[0 if colour == BLUE else 2]
        axes.plot(value, row, marker, color=colour, ms=4, clip_on=False)
        axes.annotate(
            number_with_interval(value, low, high, decimals),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            size=6.5,
            color=colour,
        )
    axes.set_yticks(list(rows), labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0, pad=5)  # beside a mark at the very end
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
