"""A volume as its file holds it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np

from headstart.imaging.geometry import Grid

# Labels stored as scaled floats come back as 2.99999: this far from an integer is one still.
INTEGER_TOLERANCE = 1e-3
# Quantiles are taken of about so many voxels, evenly spread: exact ones cost more than the reading.
QUANTILE_VOXELS = 1_000_000


@dataclass(frozen=True)
class Volume:
    """A volume as its file holds it.

    Attributes:
        stored: The numbers in the file, shape (x, y, z), of a series (x, y, z, t), in the file's
            own voxel order.
        slope: Intensity = stored * slope + intercept.
        intercept: See `slope`.
        affine: 4x4, from voxel indices to mm.
        header: The file's header.
        extensions: Bytes between header and voxels, the first MiB of them.
        surplus: Bytes in the file beyond those that the header declares.
        digest: sha256 of the voxels' bytes, the shape and the type.
    """

    stored: np.ndarray
    slope: float
    intercept: float
    affine: np.ndarray
    header: Any
    extensions: bytes
    surplus: int
    digest: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis of space."""
        return self.stored.shape[:3]

    @property
    def length(self) -> int:
        """Volumes in time; 1 for a volume that is no series."""
        return math.prod(self.stored.shape[3:])

    def at(self, time: int) -> Volume:
        """Return one volume of a series."""
        return replace(self, stored=self.stored[..., time])

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid(self.shape, self.affine)

    @property
    def voxel_size(self) -> tuple[float, ...]:
        """Edges of a voxel along each axis, mm."""
        return tuple(float(edge) for edge in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def orientation(self) -> str:
        """Where each axis points to, e.g. PSR: posterior, superior, right."""
        return "".join(code or "?" for code in nib.orientations.aff2axcodes(self.affine))

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """Lowest and highest intensity; not finite where any voxel is not."""
        # a negative slope turns them round
        low, high = sorted(self._scale(np.array([self.stored.min(), self.stored.max()])))
        return float(low), float(high)

    @property
    def finite(self) -> bool:
        """Whether every intensity is a finite number."""
        return all(math.isfinite(value) for value in self.extremes)

    @property
    def constant(self) -> bool:
        """Whether all voxels have one intensity."""
        low, high = self.extremes
        return low == high

    @cached_property
    def quantiles(self) -> tuple[float, ...]:
        """Return the 1st, 50th and 99th percentile of intensity; NaN where any is not finite."""
        if not self.finite:
            return (math.nan,) * 3
        voxels = self.stored.ravel(order="K")
        sample = voxels[:: max(1, voxels.size // QUANTILE_VOXELS)]
        # scaling keeps the order, or with a negative slope turns it round
        return tuple(sorted(float(q) for q in self._scale(np.percentile(sample, (1, 50, 99)))))

    def integers(self) -> set[int] | None:
        """Return the set of values, or None where one is farther than 0.001 from an integer."""
        values = self._scale(np.unique(self.stored))
        nearest = np.rint(values)
        if np.abs(values - nearest).max() > INTEGER_TOLERANCE:
            return None
        return {int(value) for value in nearest}

    def values(self, kind: type[np.floating[Any]]) -> np.ndarray:
        """Return the intensities, or a mask's values, in the file's own order of voxels.

        Args:
            kind: Type of the numbers.
        """
        array = self.stored.astype(kind)
        if self.slope != 1:
            array *= kind(self.slope)
        if self.intercept != 0:
            array += kind(self.intercept)
        return array

    def without_voxels(self) -> Volume:
        """Return what is known of the volume, once its voxels were taken and may leave the memory.

        `stored` is the first voxel all over, as large as one; extremes and quantiles are the
        volume's.
        """
        known = {"extremes": self.extremes, "quantiles": self.quantiles}
        light = replace(self, stored=np.broadcast_to(self.stored[0, 0, 0], self.shape))
        vars(light).update(known)
        return light

    @property
    def content(self) -> str:
        """Digest of all that a study takes from the file: voxels, their scale and their places."""
        digest = hashlib.sha256(self.digest.encode())
        digest.update(np.array([self.slope, self.intercept, *self.affine.ravel()]).tobytes())
        return digest.hexdigest()

    def _scale(self, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float64) * self.slope + self.intercept
