"""Which scans the figures of the steps set apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headstart.cohort.step_report import tabulate_steps
from headstart.imaging.step_figures import StepFigures


class Scan:
    def __init__(self, number: int, brain_ml: float | None, **found: Any) -> None:
        self.key = (f"s{number}", "1")
        self.brain_ml = brain_ml
        self.steps = StepFigures(**found)


def cohort(**last: Any) -> list[Any]:
    """Return fifteen scans that differ a little, and one as asked."""
    rng = np.random.default_rng(0)
    scans = [
        Scan(n, 1400 + 100 * rng.normal(), overlap=0.96 + 0.005 * rng.normal(), rotation=5.0)
        for n in range(15)
    ]
    usual = {"brain_ml": 1400.0, "overlap": 0.96, "rotation": 5.0}
    return [*scans, Scan(15, **usual | last)]


@pytest.mark.parametrize(
    ("last", "farthest"),
    [({"overlap": 0.5}, "overlap"), ({"brain_ml": 600.0}, "brain volume"),
     ({"brain_ml": 2300.0}, "brain volume"), ({"rotation": 60.0}, "turn")],
)  # fmt: skip
def test_the_scan_that_failed_is_the_farthest_and_it_is_said_by_what(
    last: dict[str, float], farthest: str
) -> None:
    rows = tabulate_steps(cohort(**last))
    worst = max(rows, key=lambda row: row.distance)
    assert (worst.subject, worst.farthest) == ("s15", farthest)
    assert worst.distance > 3.5
    assert sorted(row.distance for row in rows)[-2] < 3.5


def test_better_than_usual_is_not_far() -> None:
    row = tabulate_steps(cohort(overlap=1.0, rotation=0.0))[-1]
    assert row.distance < 1


def test_of_nothing_known_nothing_is_said() -> None:
    (row,) = tabulate_steps([Scan(0, None)])
    assert (row.distance, row.farthest) == (0, "")
    assert tabulate_steps([]) == []
