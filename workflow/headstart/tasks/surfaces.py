"""How far the surfaces of two masks are apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDING = 1e-6  # mm


def surface_scores(
    truth: Flags, prediction: Flags, spacing: ArrayLike, tolerance: float
) -> tuple[float, float, float]:
    """Compare the surfaces of a class in one scan.

    A surface is the voxels of the mask that have one of six neighbours outside it, or none there.
    NSD is the share of both surfaces that is within the tolerance of the other (Nikolov and others
    2021, doi:10.2196/26151); HD95 the larger of the 95th percentiles of the distances from one to
    the other; ASSD their mean, both surfaces taken together. So does MONAI.

    Args:
        truth: Voxels of the class, (x, y, z).
        prediction: Those that are predicted.
        spacing: Size of a voxel, mm.
        tolerance: How far surfaces may be apart, mm.

    Returns:
        NSD; HD95 and ASSD, mm. Where the class is in one mask alone, NSD is 0 and the distances
        are the diagonal of the image, which nothing in it exceeds; where it is in neither, all
        are NaN.
    """
    if not truth.any() and not prediction.any():
        return np.nan, np.nan, np.nan
    if not truth.any() or not prediction.any():
        diagonal = float(np.linalg.norm(np.multiply(truth.shape, spacing)))
        return 0.0, diagonal, diagonal
    there, back = _distances(_surface(truth, spacing), _surface(prediction, spacing))
    both = np.concatenate([there, back])
    farthest = max(np.percentile(there, 95), np.percentile(back, 95))
    near = both <= tolerance + ROUNDING
    return float(near.mean()), float(farthest), float(both.mean())


def _surface(inside: Flags, spacing: ArrayLike) -> Array:
    """Where the surface's voxels are, (m, 3), mm."""
    box = tuple(
        slice(*(np.flatnonzero(inside.any(axis=others))[[0, -1]] + (0, 1)))
        for others in ((1, 2), (0, 2), (0, 1))
    )
    padded = np.pad(inside[box], 1)
    within = padded.copy()
    for axis in range(3):
        for step in (-1, 1):
            within &= np.roll(padded, step, axis)
    first = np.array([side.start - 1 for side in box])
    return (np.argwhere(padded & ~within) + first) * np.asarray(spacing, dtype=float)


def _distances(one: Array, other: Array) -> tuple[Array, Array]:
    """Distances from each point of a surface to the nearest one of the other, and back."""
    from scipy.spatial import cKDTree

    there, _ = cKDTree(other).query(one)
    back, _ = cKDTree(one).query(other)
    return there, back
