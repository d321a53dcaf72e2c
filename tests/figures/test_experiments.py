"""Experiments against each other on paper: the numbers that are drawn, and what is said of none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from compared_rows import APART
from drawn import Kept
from drawn import drawn

from headstart.common.records import write_rows
from headstart.evaluation.results import ExperimentRow
from headstart.figures import experiments
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import Stamp

BETTER = replace(APART, experiment="good", other="bad", better="good")
ALIKE = replace(
    BETTER, other="same", difference=0.25, ci_low=-0.5, ci_high=1.0, p=0.3, p_holm=0.3, better=""
)


def test_each_pair_has_its_difference_its_band_and_its_corrected_p_value() -> None:
    document = Kept()
    experiments.draw_family(document, [BETTER, ALIKE])  # type: ignore[arg-type]
    (axes,) = document.pages[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "good \u2212 bad",
        "good \u2212 same",
    ]
    for place, row in ((1, BETTER), (0, ALIKE)):
        assert drawn(axes, row.difference, place)
        assert drawn(axes, [row.ci_low, row.ci_high], [place, place])
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(-0.5, 1.0)] * 2
    p_values = [
        (text.get_text(), text.get_color()) for text in axes.texts if "p " in text.get_text()
    ]
    assert p_values == [("p < 0.001", BLUE), ("p = 0.30", GREY)]
    assert axes.get_xlabel() == (
        "difference in mean absolute error (years); left of 0 the first one is better"
    )


@pytest.mark.parametrize("rows", [[], [BETTER]])
def test_where_no_two_are_compared_a_page_says_so(
    tmp_path: Path, rows: list[ExperimentRow]
) -> None:
    table = tmp_path / "experiments.csv"
    write_rows(table, ExperimentRow, rows)
    experiments.plot(
        settings=CohortPlotSettings(study="s", units={}, classes={}),
        stamp=Stamp("s", "data", "code", synthetic=False),
        output=tmp_path / "experiments.pdf",
        experiments=table,
    )
    assert (tmp_path / "experiments.pdf").read_bytes().startswith(b"%PDF")
    said = (tmp_path / "experiments.svg").read_text()
    assert ("No two of them answer" in said) == (not rows)
