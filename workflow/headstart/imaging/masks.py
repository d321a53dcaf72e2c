"""A mask on other voxels: each structure keeps its volume, however few voxels that are."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import Affine
from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Box
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import Mask
from headstart.imaging.geometry import cut
from headstart.imaging.geometry import extent
from headstart.imaging.geometry import interpolate
from headstart.imaging.geometry import smoothing
from headstart.imaging.geometry import within
from headstart.imaging.slabs import PLANES
from headstart.imaging.slabs import Slabs

# Voxels that touch by a corner are of one structure.
TOUCHING = np.ones((3, 3, 3))
# A structure below this many new voxels has none of its own: it counts with its class's others.
CRUMB = 0.5


@dataclass(frozen=True)
class _Structure:
    """A connected part of a class, or all crumbs of one.

    Attributes:
        value: The class.
        voxels: How many new voxels it is worth.
        box: Where it lies in the mask.
        inside: Which voxels of the box are it.
    """

    value: int
    voxels: float
    box: Box
    inside: NDArray[np.bool_]


def resample_mask(mask: Mask, source: Grid, target: Grid) -> Mask:
    """Give each structure as many voxels as it is large: those of which it fills the most.

    The smallest structures choose first, for the larger ones have other voxels to choose from. If
    the largest share in each voxel won instead, all that is some voxels small would shrink or
    vanish: hippocampi at 4 mm to .8 of their volume, balls of 1.5 mm at 2 mm to nothing. A class
    that lies on the target at all keeps at least one voxel.

    Args:
        mask: Classes, (x, y, z) on `source`; 0 is background, as is all beyond it.
        source: Grid of the mask.
        target: Any other grid.

    Returns:
        Classes on `target`; the mask itself where both grids are one.
    """
    step = np.linalg.inv(target.affine) @ source.affine
    if source.shape == target.shape and np.allclose(step, np.eye(4), atol=1e-4):
        return mask
    result = np.zeros(target.shape, np.uint8)
    structures = _structures(_within(mask, source, target), abs(np.linalg.det(step[:3, :3])))
    reach = _reach(source, target)
    for one in sorted(structures, key=lambda one: one.voxels):
        seen = _grown(one.box, reach)
        share = np.pad(one.inside.astype(np.float32), [(n, n) for n in reach])
        box = _box(seen, step, target.shape)
        share = interpolate(share, source.cropped(seen), target.cropped(box), fill=0)
        free = result[tuple(slice(*side) for side in box)]
        share[free > 0] = 0
        most = np.argsort(-share, axis=None, kind="stable")[: round(one.voxels)]
        chosen = np.unravel_index(most[share.ravel()[most] > 0], share.shape)
        free[chosen] = one.value
    return result


def decide_mask(probabilities: Array, source: Grid, target: Grid) -> Mask:
    """Give each voxel of another grid the class that is most probable there.

    The probabilities are interpolated linearly, and only then it is decided: a surface lies where
    they cross, and not on the edges of large voxels.

    Args:
        probabilities: Of the background and each class, (classes, x, y, z) on `source`.
        source: Their grid.
        target: Any other grid, such as that of the scan's own file; beyond `source` there is
            background.

    Returns:
        Classes on `target`.
    """
    step = np.linalg.inv(target.affine) @ source.affine
    reach = _reach(source, target)
    result = np.zeros(target.shape, np.uint8)
    # where a class is less probable all around, another one is more so
    possible = {
        value: _grown(extent(probability >= 1 / len(probabilities)), reach)
        for value, probability in enumerate(probabilities)
        if value > 0 and (probability >= 1 / len(probabilities)).any()
    }
    if not possible:
        return result

    def moved(probability: Array, box: Box) -> tuple[tuple[slice, ...], Array]:
        part, there = _grown(box, reach), _box(box, step, target.shape)
        known = cut(probability, part, 0)
        share = interpolate(known, source.cropped(part), target.cropped(there), fill=0)
        return tuple(slice(*side) for side in there), share

    highest = np.ones(target.shape, np.float32)
    for box in possible.values():
        where, foreground = moved(1 - probabilities[0], box)
        highest[where] = 1 - foreground
    for value, box in possible.items():
        where, share = moved(probabilities[value], box)
        wins = share > highest[where]
        result[where][wins], highest[where][wins] = value, share[wins]
    return result


def decide_by_slabs(probabilities: Slabs, source: Grid, target: Grid) -> Mask:
    """Decide as `decide_mask` does, slab by slab, so that no more is in memory than one needs."""
    step = np.linalg.inv(target.affine) @ source.affine
    back = np.linalg.inv(source.affine) @ target.affine
    along = int(np.abs(step[:3, 0]).argmax())  # the axis of the target that planes follow
    reach = _reach(source, target)[0]
    result = np.zeros(target.shape, np.uint8)
    for first in range(0, target.shape[along], PLANES):
        slab = [(0, length) for length in target.shape]
        slab[along] = (first, min(first + PLANES, target.shape[along]))
        (low, high), *_ = _box(slab, back, source.shape)
        low, high = max(low - reach, 0), min(high + reach, source.shape[0])
        if low < high:
            part = source.cropped([(low, high), *((0, length) for length in source.shape[1:])])
            decided = decide_mask(probabilities.read(low, high), part, target.cropped(slab))
            result[tuple(slice(*side) for side in slab)] = decided
    return result


def _within(mask: Mask, source: Grid, target: Grid) -> Mask:
    """Return a mask without the voxels that lie beyond the target."""
    beyond = ~within(mask, source, target)
    if not beyond.any():
        return mask
    left = mask.copy()
    left[tuple(axis[beyond] for axis in np.nonzero(mask))] = 0
    return left


def _structures(mask: Mask, worth: float) -> Iterator[_Structure]:
    """Find each structure of each class; a voxel of the mask is worth so many new ones."""
    from scipy import ndimage

    for value, where in enumerate(ndimage.find_objects(mask), start=1):
        if where is None:
            continue
        parts, _ = ndimage.label(mask[where] == value, TOUCHING)
        voxels = np.bincount(parts.ravel())[1:] * worth
        for number, own in enumerate(ndimage.find_objects(parts), start=1):
            if voxels[number - 1] >= CRUMB:
                box = [
                    (a.start + b.start, a.start + b.stop) for a, b in zip(where, own, strict=True)
                ]
                yield _Structure(value, voxels[number - 1], box, parts[own] == number)
        small = voxels < CRUMB
        if small.any():
            crumbs = np.concatenate([[False], small])[parts]
            least = 1.0 if small.all() else 0.0
            box = [(side.start, side.stop) for side in where]
            yield _Structure(value, max(least, float(voxels[small].sum())), box, crumbs)


def _grown(box: Box, by: Sequence[int]) -> Box:
    return [(first - n, end + n) for (first, end), n in zip(box, by, strict=True)]


def _box(box: Box, step: Affine, shape: Sequence[int]) -> Box:
    """Return the part of the target that a box of the source reaches; `step` leads there."""
    corners = np.array([[x, y, z] for x in box[0] for y in box[1] for z in box[2]]) - 0.5
    there = corners @ step[:3, :3].T + step[:3, 3]
    firsts, ends = np.floor(there.min(axis=0)), np.ceil(there.max(axis=0)) + 1
    sides = zip(firsts.astype(int), ends.astype(int), shape, strict=True)
    return [(min(max(0, int(a)), n), max(0, min(int(b), n))) for a, b, n in sides]


def _reach(source: Grid, target: Grid) -> list[int]:
    """Return how many voxels of the source away one of them is seen on the target, by axis."""
    widths = zip(smoothing(source, target), source.shape, strict=True)
    return [min(int(4 * width + 2), length) for width, length in widths]
