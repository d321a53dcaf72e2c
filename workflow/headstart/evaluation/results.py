"""What the stage evaluate writes: a row for each metric of a model, and for each difference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True)
class MetricRow:
    """A metric of one model, in metrics.csv.

    Attributes:
        model: `network`, or a baseline.
        metric: Its name.
        group: `all`, or `site=SITE`.
        protocol: cross-validation or test.
        value: The metric; None where it is not defined.
        ci_low: Lower end of its interval; None where there is none.
        ci_high: Upper end.
        ci_method: How the interval came about.
        n: Subjects.
        seed_sd: Its standard deviation over seeds; None for one seed, and of a baseline.
    """

    model: str
    metric: str
    group: str
    protocol: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n: int
    seed_sd: float | None


@dataclass(frozen=True)
class DifferenceRow:
    """How far the network is from a baseline, in comparison.csv.

    Attributes:
        metric: The metric that differs.
        protocol: cross-validation or test.
        baseline: The baseline.
        difference: Network minus baseline; None where it is not defined.
        ci_low: Lower end of its interval; None where there is none.
        ci_high: Upper end.
        ci_method: How the interval came about.
        n: Subjects.
    """

    metric: str
    protocol: str
    baseline: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n: int


def defined(number: float) -> float | None:
    """Return a number as a cell; None if it is not one."""
    return None if math.isnan(number) else number


def having(rows: Iterable[Row], **values: str) -> list[Row]:
    """Return the rows that have these values."""
    return [row for row in rows if all(getattr(row, name) == v for name, v in values.items())]
