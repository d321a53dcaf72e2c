"""What the numbers of a prepared channel mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from headstart.common.schema import Section
from headstart.common.schema import is_none


class ChannelScale(Section):
    """How a prepared channel's numbers are to be read.

    Attributes:
        mean: What was subtracted from the raw intensities: these are prepared * scale + mean.
        scale: What they were divided by.
        air: The level of no signal, which fills what lies outside the scan.
        there: Of an optional channel, whether the scan has it; None of one that each scan has.
    """

    mean: float
    scale: float
    air: float
    # of a channel that each scan has nothing is written, as before there were others
    there: bool | None = Field(None, exclude_if=is_none)

    def restored(self, prepared: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return prepared numbers as raw intensities; what was 0 is 0 again, without rounding."""
        raw = prepared.astype(np.float32)
        raw *= np.float32(self.scale)
        raw += np.float32(self.mean)
        if prepared.dtype == np.float16:
            zero = (np.float32(0) - np.float32(self.mean)) / np.float32(self.scale)
            raw[prepared == zero.astype(np.float16)] = 0
        return raw


LACKING = ChannelScale(mean=0.0, scale=1.0, air=0.0, there=False)  # 0 wherever one looks
