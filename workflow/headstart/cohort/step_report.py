"""What the steps of preparation found in each scan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.cohort.shards import ShardScan
from headstart.common.keys import OfScan


@dataclass(frozen=True)
class StepRow(OfScan):
    """A row of prepare/steps.csv; empty where a step was not asked for.

    The columns after `brain_ml` are described in `imaging/step_figures.py`.

    Attributes:
        brain_ml: Volume of the brain in its mask.
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


def tabulate_steps(scans: Iterable[ShardScan]) -> list[StepRow]:
    """List the scans for which a step was asked for."""
    return [
        StepRow(*scan.key, scan.brain_ml, **scan.steps.model_dump()) for scan in scans if scan.steps
    ]
