"""How alike scans look: small thumbnails on one grid, and who resembles whom.

A thumbnail is centred on the head, so that another position in the scanner matters little, and
has mean 0 and standard deviation 1, so that another scale of intensity does not matter at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.parts.volumes import head

SIDE = 20  # voxels of a thumbnail along each axis
# Thumbnails that span the space in which candidates are searched; more would cost, and find no more
BASIS_SCANS = 500
BASIS_SIZE = 20
BLOCK = 1000  # scans that are compared at once
FEW = 10  # scans: too few to say what is usual
NEAREST = 5  # scans of other subjects that tell whether a scan has its like
SEARCHED = 20  # candidates for these
ODD = 5.0  # robust standard deviations from the cohort's usual likeness
HIGHEST = 0.9999  # likeness, for the logarithm of 1 - likeness
SMALLEST = 0.1  # standard deviation of that logarithm: a cohort of copies still has some

Thumbnails = NDArray[np.float16]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """Two scans under different subjects that look alike.

    Attributes:
        first: Number of the scan that comes first.
        second: Number of the other.
        correlation: Of their thumbnails.
        flipped: Whether one had to be mirrored left to right.
    """

    first: int
    second: int
    correlation: float
    flipped: bool


def thumbnail(volume: NDArray[Any]) -> Thumbnails:
    """Average a prepared volume over 20 x 20 x 20 blocks about the middle of the head.

    Args:
        volume: Intensities (x, y, z), RAS.

    Returns:
        float16, (20, 20, 20), mean 0 and standard deviation 1; all 0 for a constant volume.
    """
    array: NDArray[Any] = np.asarray(volume, np.float32)
    if array.min() == array.max():
        return np.zeros((SIDE,) * 3, np.float16)
    inside = head(array)
    for axis in range(3):
        profile = inside.sum(axis=tuple(other for other in range(3) if other != axis))
        centre = ((np.arange(len(profile)) + 0.5) * profile).sum() / profile.sum()
        array = _averaged(array, axis, centre)
    array = array - array.mean()
    small: Thumbnails = (array / array.std()).astype(np.float16)
    return small


def _averaged(array: NDArray[Any], axis: int, centre: float) -> NDArray[np.float64]:
    """Average over blocks that lie about `centre`; beyond the edge, its voxels go on."""
    length = array.shape[axis]
    edges = centre + (np.arange(SIDE + 1) / SIDE - 0.5) * length
    # the integral up to a place between two voxels' edges is a straight line between them
    sums = np.cumsum(np.moveaxis(array, axis, -1), axis=-1, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
    whole = np.clip(np.floor(edges).astype(int), 0, length - 1)
    part = edges - whole  # negative or above 1 beyond the edge: the line goes on
    slope = sums[..., whole + 1] - sums[..., whole]
    integral = sums[..., whole] + part * slope
    averages: NDArray[np.float64] = np.diff(integral, axis=-1) * (SIDE / length)
    return np.moveaxis(averages, -1, axis)


def unit_vectors(thumbnails: Thumbnails) -> Vectors:
    """Return one row per thumbnail, of length 1 and mean 0: products of rows are correlations."""
    rows: Vectors = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.where(length > 0, length, 1)[:, None]
    return rows


def lookalikes(thumbnails: Thumbnails, subjects: Sequence[str], least: float) -> list[Pair]:
    """Find scans of different subjects that correlate, as they are or mirrored left to right.

    Not every scan is compared with every other: rows of length 1 that correlate by `least` lie
    within a distance of sqrt(2 - 2 * least), and no projection makes it longer. So a tree of
    the rows' projections onto a few directions gives all candidates, whose correlations are then
    computed. No pair is missed.

    Args:
        thumbnails: (n, side, side, side).
        subjects: Whose scan each is.
        least: Lowest correlation of a pair, below 1.

    Returns:
        The pairs in the order of the scans, each once: with the higher of its two correlations.
    """
    from scipy.spatial import KDTree

    if len(thumbnails) < 2:
        return []
    rows = unit_vectors(thumbnails)
    person = np.unique(np.asarray(subjects), return_inverse=True)[1]
    basis = _basis(rows)
    tree = KDTree(rows @ basis)
    reach = np.sqrt(2 - 2 * least) + 1e-4
    found: dict[tuple[int, int], Pair] = {}
    for start in range(0, len(rows), BLOCK):
        part = thumbnails[start : start + BLOCK]
        for flipped, block in ((False, unit_vectors(part)), (True, unit_vectors(part[:, ::-1]))):
            near = tree.query_ball_point(block @ basis, reach, return_sorted=True)
            for offset, candidates in enumerate(near):
                one = start + offset
                # mirroring the one or the other gives the same correlation
                more = np.array([n for n in candidates if n > one and person[n] != person[one]])
                if not len(more):
                    continue
                for two, value in zip(more, rows[more] @ block[offset], strict=True):
                    pair = Pair(one, int(two), float(value), flipped)
                    best = found.get((one, pair.second))
                    if value >= least and (best is None or value > best.correlation):
                        found[one, pair.second] = pair
    return [found[key] for key in sorted(found)]


def _basis(rows: Vectors) -> Vectors:
    """Return a few orthonormal columns along which the rows differ most."""
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), BASIS_SCANS)).astype(int)]
    _, _, directions = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)
    return directions[:BASIS_SIZE].T


def neighbours(
    thumbnails: Thumbnails, subjects: Sequence[str], *, flipped: bool = False
) -> list[list[Pair]]:
    """Find the scans of other subjects that each scan resembles most.

    They are searched among few candidates, those nearest in the space of `lookalikes`.

    Args:
        thumbnails: (n, side, side, side).
        subjects: Whose scan each is.
        flipped: Whether to look for the likes of the mirrored scan.

    Returns:
        For each scan, up to five pairs with it as the first, the most similar first; none where
        there is one subject only.
    """
    from scipy.spatial import KDTree

    if len(thumbnails) < 2:
        return [[] for _ in thumbnails]
    person = np.unique(np.asarray(subjects), return_inverse=True)[1]
    rows = unit_vectors(thumbnails)
    asking = unit_vectors(thumbnails[:, ::-1]) if flipped else rows
    basis = _basis(rows)
    number = min(len(rows), SEARCHED + int(np.bincount(person).max()))
    _, near = KDTree(rows @ basis).query(asking @ basis, k=number)
    found = []
    for one, candidates in enumerate(near):
        others = candidates[person[candidates] != person[one]]
        values = rows[others] @ asking[one]
        best = np.argsort(-values, kind="stable")[:NEAREST]
        found.append([Pair(one, int(others[n]), float(values[n]), flipped) for n in best])
    return found


def oddness(nearest: Sequence[Sequence[Pair]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tell how far each scan is from the scans of other subjects that it resembles most.

    A rare anatomy has its like in a cohort; a scan that was turned over, shuffled or cut has none.

    Args:
        nearest: For each scan, its `neighbours`.

    Returns:
        For each scan, the likeness: its mean correlation with these; and the distance: by how many
        robust standard deviations (1.4826 times the median absolute deviation) the logarithm of
        1 - likeness lies above its median; 0 where there are fewer than 10 scans.
    """
    likeness = np.array(
        [np.mean([pair.correlation for pair in pairs]) if pairs else 1.0 for pairs in nearest]
    )
    if len(likeness) < FEW:
        return likeness, np.zeros(len(likeness))
    scaled = np.log(np.maximum(1 - likeness, 1 - HIGHEST))
    above = scaled - np.median(scaled)
    return likeness, above / max(1.4826 * float(np.median(np.abs(above))), SMALLEST)


def numbered_in_twos(nearest: Sequence[Pair], names: Sequence[str]) -> list[Pair]:
    """Find the sign that two scans of one person are numbered as two: 1 and 2, 3 and 4.

    Two sides or two sessions need not look more alike than any two people do. But where many a
    scan resembles its partner in number more than all others, and hardly any the neighbour on the
    other side, the numbering shows whose they are.

    Args:
        nearest: The pair of each scan with the one that it resembles most.
        names: A name of each scan that ends in its number.

    Returns:
        The pairs of partners of which one is the other's most similar scan. None if these are
        fewer than 10 or than a twentieth of all scans, or if the other numbering (2 and 3, 4 and
        5) gives more than a third as many.
    """
    numbers = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    partners: dict[int, dict[tuple[int, int], Pair]] = {0: {}, 1: {}}
    for pair in nearest:
        one, two = numbers[pair.first], numbers[pair.second]
        if one and two and one[1] == two[1] and abs(int(one[2]) - int(two[2])) == 1:
            lower = min(int(one[2]), int(two[2])) % 2
            key = (min(pair.first, pair.second), max(pair.first, pair.second))
            partners[lower][key] = pair
    few, many = sorted(partners.values(), key=len)
    if len(many) < max(FEW, len(names) / 20) or len(few) > len(many) / 3:
        return []
    return [Pair(*key, many[key].correlation, many[key].flipped) for key in sorted(many)]
