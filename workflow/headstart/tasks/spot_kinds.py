"""Which spots are planted in scans."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SpotKind:
    """A kind of spot.

    Attributes:
        radius: Voxels at which it has half of its contrast; it has all of it half a voxel further
            in, and none half a voxel further out.
        contrast: Its signal over that around it, minus 1.
    """

    radius: float
    contrast: float

    @property
    def metric(self) -> str:
        """Name of the metric that says how much of its contrast is left."""
        return f"spots_{self.radius:g}_{abs(self.contrast):.0%}".removesuffix("%")

    @property
    def words(self) -> str:
        """What it is."""
        voxels = "voxel" if self.radius == 1 else "voxels"
        return f"radius {self.radius:g} {voxels}, \N{MINUS SIGN}{abs(self.contrast):.0%}"

    @property
    def shape(self) -> NDArray[np.float32]:
        """Share of its contrast that each voxel around its centre has, (x, y, z)."""
        reach = int(self.radius + 0.5)
        distance = np.linalg.norm(np.mgrid[(slice(-reach, reach + 1),) * 3], axis=0)
        return np.clip(self.radius + 0.5 - distance, 0, 1).astype(np.float32)


KINDS = tuple(itertools.starmap(SpotKind, itertools.product((1.0, 2.0), (-0.10, -0.25))))
