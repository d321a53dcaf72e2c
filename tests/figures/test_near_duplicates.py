"""Pairs side by side on paper: whatever the scans are called, the slices stand as they stand."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np

from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import Rates
from headstart.figures.near_duplicates import draw_near_duplicates
from headstart.figures.style import STYLE
from headstart.figures.style import Document
from headstart.figures.style import Stamp

LONG = "OAS1_0006_MR1_mpr_n4_anon_sbj_111"


class Laid:
    """A file that keeps where each page's slices and texts lie."""

    def __init__(self) -> None:
        self.slices: list[tuple[float, ...]] = []
        self.texts: list[str] = []

    def savefig(self, figure: Any, **_: Any) -> None:
        figure.draw_without_rendering()
        shown = [axes for axes in figure.axes if axes.images]
        self.slices += [tuple(axes.get_position().bounds) for axes in shown]
        self.texts += [text.get_text() for axes in shown for text in axes.texts]


def drawn(subject: str, session: str) -> Laid:
    """Draw one pair."""
    other = (f"{subject}2", session)
    pair = PairRow(subject, session, *other, "near-duplicate", True, 0.9, True, 2e-9)
    pictures = np.random.default_rng(0).random((1, 2, 12, 14, 12)).astype(np.float16)
    laid = Laid()
    rates = Rates(scans=1, unknown="fewer than two subjects")
    with mpl.rc_context(STYLE):
        draw_near_duplicates(
            Document(laid, Stamp("x", "12345678", "12345678", False)),  # type: ignore[arg-type]
            study="x",
            pairs=[pair],
            pictures=pictures,
            rates=rates,
        )
    return laid


def test_long_names_do_not_push_the_slices_apart() -> None:
    short, long = drawn("s1", "1"), drawn(LONG, "2019-03-06_baseline")
    assert len(short.slices) == 9
    np.testing.assert_allclose(short.slices, long.slices)
    assert short.texts == ["s1", "s12 (mirrored)", "difference"]
    assert long.texts[0].startswith(LONG[:12])
    assert long.texts[0].endswith("_baseline")
    assert max(map(len, long.texts)) <= 38
