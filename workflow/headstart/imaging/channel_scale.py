"""What the numbers of a prepared channel mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.common.schema import Section


class ChannelScale(Section):
    """How a prepared channel's numbers are to be read.

    Attributes:
        mean: What was subtracted from the raw intensities: these are prepared * scale + mean.
        scale: What they were divided by.
        air: The level of no signal, which fills what lies outside the scan.
    """

    mean: float
    scale: float
    air: float

    def restored(self, prepared: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return prepared numbers as raw intensities; what was 0 is 0 again, without rounding."""
        raw = prepared.astype(np.float32) * np.float32(self.scale) + np.float32(self.mean)
        if prepared.dtype == np.float16:
            zero = (np.float32(0) - np.float32(self.mean)) / np.float32(self.scale)
            raw[prepared == zero.astype(np.float16)] = 0
        return raw
