"""What the steps of preparation found in a scan."""

from __future__ import annotations

from headstart.common.schema import Section


class StepFigures(Section):
    """Figures of one scan; None of a step that was not asked for.

    Attributes:
        stripped: Whether nothing but the brain was left of the scan before.
        brain_at_edge: Voxels of the brain at the faces of the raw scan, which may cut it.
        brain_cut: Share of the brain that the window cuts off.
        field_low: First percentile of the first channel's bias field, whose mean is 1.
        field_high: The 99th.
        correlation: Squared local correlation with the template, 0 to 1.
        overlap: Dice of the brain and the template's.
        translation: How far the brain lay from the template's, mm.
        rotation: By how many degrees it was turned.
        moved: How far further channels were moved onto the first one at the most, mm.
        covered: Share of the head that lies in each channel with a grid of its own; the least.
    """

    stripped: bool | None = None
    brain_at_edge: int | None = None
    brain_cut: float | None = None
    field_low: float | None = None
    field_high: float | None = None
    correlation: float | None = None
    overlap: float | None = None
    translation: float | None = None
    rotation: float | None = None
    moved: float | None = None
    covered: float | None = None
