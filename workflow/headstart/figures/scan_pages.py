"""Pages of scans in two columns, as the pages of preparation and of channels are."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import TypeVar

from matplotlib.figure import SubFigure

from headstart.cohort.outliers import FAR
from headstart.cohort.outliers import FEW
from headstart.figures.style import Document

COLUMNS, ROWS = 2, 5  # scans on a page
Row = TypeVar("Row")
MOST = 4 * COLUMNS * ROWS  # scans; of a larger cohort, those that are least like the others


def draw_scans(
    document: Document,
    title: str,
    note: str,
    rows: Sequence[Row],
    tall: float,
    draw: Callable[[SubFigure, Row], None],
) -> None:
    """Draw scans, in the order that they are given in.

    Args:
        document: Where the pages go.
        title: What each page is called, before its number.
        note: What stands below each.
        rows: What was found of each scan.
        tall: Height of a scan, mm.
        draw: Draws one of them.
    """
    per_page = COLUMNS * ROWS
    pages = range(0, max(len(rows), 1), per_page)
    for page, start in enumerate(pages, start=1):
        part = rows[start : start + per_page]
        high = max(1, -(-len(part) // COLUMNS))
        said = f"{title}, page {page} of {len(pages)}"
        with document.page(said, height=30 + tall * high, note=note) as figure:
            cells = figure.subfigures(high, COLUMNS, squeeze=False, wspace=0.02).ravel()
            for cell, row in zip(cells, part, strict=False):
                draw(cell, row)


def far_away(scans: int) -> float:
    """Return from which distance on a scan is marked; of few scans none tells what is usual."""
    return FAR if scans >= FEW else math.inf
