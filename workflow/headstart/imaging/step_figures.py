"""What the steps of preparation found in a scan."""

from __future__ import annotations

from pydantic import Field

from headstart.common.schema import Section


class StepFigures(Section):
    """Figures of one scan; None of a step that was not asked for.

    Attributes:
        field_low: First percentile of the first channel's bias field, whose mean is 1.
        field_high: The 99th.
    """

    field_low: float | None = Field(None)
    field_high: float | None = Field(None)
