"""A scan that is seen otherwise than it was prepared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.imaging.slabs import Slabs


@dataclass(frozen=True, kw_only=True)
class SeenScan(Scan):
    """A scan whose first channel was changed; as for the others, and for its place, it is the same.

    Attributes:
        seen: The first channel as it is seen, in raw intensities, (x, y, z).
    """

    seen: NDArray[np.float32]

    @classmethod
    def of(cls, scan: Scan, seen: NDArray[np.float32]) -> SeenScan:
        """Change what is seen of a scan, or of a part of it."""
        return cls(**vars(scan), seen=seen)

    def volume(self) -> NDArray[np.float16]:
        """See `Scan.volume`."""
        volume, scale = super().volume().copy(), self.intensities[0]
        volume[0] = (self.seen - np.float32(scale.mean)) / np.float32(scale.scale)
        return volume

    def slabs(self) -> Slabs:
        """See `Scan.slabs`; what is seen is in memory."""
        return Slabs.of(self.volume())
