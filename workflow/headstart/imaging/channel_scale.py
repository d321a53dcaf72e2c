"""What the numbers of a prepared channel mean."""

from __future__ import annotations

from headstart.common.schema import Section


class ChannelScale(Section):
    """How a prepared channel's numbers are to be read.

    Attributes:
        mean: What was subtracted from the raw intensities: these are prepared * scale + mean.
        scale: What they were divided by.
        lowest: The least: the level of no signal, which fills what lies outside the scan.
    """

    mean: float
    scale: float
    lowest: float
