"""What the steps of preparation found in each scan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.cohort.shards import ShardScan
from headstart.common.keys import OfScan


@dataclass(frozen=True)
class StepRow(OfScan):
    """A row of prepare/steps.csv; empty where a step was not asked for.

    Attributes:
        field_low: First percentile of the first channel's bias field, whose mean is 1.
        field_high: The 99th.
    """

    field_low: float | None
    field_high: float | None


def tabulate_steps(scans: Iterable[ShardScan]) -> list[StepRow]:
    """List the scans for which a step was asked for."""
    return [StepRow(*scan.key, **scan.steps.model_dump()) for scan in scans if scan.steps]
