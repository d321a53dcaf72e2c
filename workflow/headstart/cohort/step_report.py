"""What the steps of preparation found in each scan, and how unlike the cohort that is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.outliers import robust_distance
from headstart.cohort.shards import ShardScan
from headstart.common.keys import OfScan


@dataclass(frozen=True)
class StepRow(OfScan):
    """A row of prepare/steps.csv; empty where a step was not asked for.

    The columns between `brain_ml` and `distance` are described in `imaging/step_figures.py`.

    Attributes:
        brain_ml: Volume of the brain in its mask.
        distance: The largest distance of any of the figures from what is usual in the cohort, in
            robust standard deviations; a figure that is better than usual is at no distance.
        farthest: The figure that has it, as `FIGURES` names it; "" where none is known.
    """

    brain_ml: float | None
    stripped: bool | None
    brain_at_edge: int | None
    brain_cut: float | None
    field_low: float | None
    field_high: float | None
    correlation: float | None
    overlap: float | None
    translation: float | None
    rotation: float | None
    moved: float | None
    covered: float | None
    distance: Annotated[float, ".2f"] = 0.0
    farthest: str = ""

    @property
    def field_range(self) -> float | None:
        """How many times as sensitive the coils are at the brightest as at the darkest place."""
        if self.field_low is None or self.field_high is None:
            return None
        return self.field_high / self.field_low


@dataclass(frozen=True)
class _Figure:
    """A figure by which scans are compared.

    Attributes:
        of: The column or property that holds it.
        worse: 1 if more is worse, -1 if less is; 0 if both are.
        least: Spread, in its unit, that even a cohort of the like has.
    """

    of: str
    worse: int
    least: float


FIGURES = {
    "brain volume": _Figure("brain_ml", 0, 50.0),
    "brain at the scan's edge": _Figure("brain_at_edge", 1, 50.0),
    "brain cut off": _Figure("brain_cut", 1, 0.002),
    "bias field": _Figure("field_range", 1, 0.1),
    "correlation": _Figure("correlation", -1, 0.02),
    "overlap": _Figure("overlap", -1, 0.01),
    "shift": _Figure("translation", 1, 10.0),
    "turn": _Figure("rotation", 1, 5.0),
    "channels moved": _Figure("moved", 1, 1.0),
    "channels covering the head": _Figure("covered", -1, 0.02),
}


def tabulate_steps(scans: Iterable[ShardScan]) -> list[StepRow]:
    """List the scans for which a step was asked for, each with its distance from the others."""
    rows = [
        StepRow(*scan.key, scan.brain_ml, **scan.steps.model_dump()) for scan in scans if scan.steps
    ]
    if not rows:
        return []
    distances = np.stack([_distances(rows, figure) for figure in FIGURES.values()])
    worst = zip(rows, distances.max(axis=0), distances.argmax(axis=0), strict=True)
    names = list(FIGURES)
    return [
        replace(row, distance=float(away), farthest=names[number] if away > 0 else "")
        for row, away, number in worst
    ]


def _distances(rows: Sequence[StepRow], figure: _Figure) -> NDArray[np.float64]:
    """How far each scan is from the cohort's median, in robust standard deviations."""
    cells = [getattr(row, figure.of) for row in rows]
    values = np.array([math.nan if cell is None else cell for cell in cells], float)
    known = values[~np.isnan(values)]
    if not known.size:
        return np.zeros(len(rows))
    away = robust_distance(values, known, figure.least)
    away = np.maximum(figure.worse * away, 0) if figure.worse else np.abs(away)
    return np.asarray(np.nan_to_num(away))
