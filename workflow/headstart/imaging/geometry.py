"""One volume: canonical orientation, voxel size, window, intensity; and the way back for an image.

In native space the axes of the array stay: a volume is flipped and permuted to the nearest of
right-anterior-superior (RAS), resampled along its own axes and cropped or padded to a window. So an
oblique scan is never interpolated twice, and every prepared voxel knows, by its affine, where it
lay in the scanner.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import TypeVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from headstart.imaging.slabs import PLANES

PIECE = 1 << 20  # values that are added up at once
Array = NDArray[np.float32]
Mask = NDArray[np.uint8]
Affine = NDArray[np.float64]
Box = list[tuple[int, int]]  # first voxel along each axis, and the one after the last
Kind = TypeVar("Kind", bound=np.generic)

# Percentiles that intensities are clipped to where their moments are taken: what is rarer, such as
# vessels, fat and wild voxels, has no say in the scale of all others.
CLIPPED = (0.5, 99.5)
# Voxel sizes that differ by less are equal: headers hold 0.9999998 for 1 mm.
SAME_SIZE = 1e-4


@dataclass(frozen=True)
class Grid:
    """Where a volume's voxels lie.

    Attributes:
        shape: Voxels along each axis.
        affine: 4x4, from voxel indices to mm.
    """

    shape: tuple[int, ...]
    affine: Affine

    @property
    def voxel_size(self) -> Affine:
        """Edges of a voxel along each axis, mm."""
        return nib.affines.voxel_sizes(self.affine)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, ml."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000

    def canonical(self) -> Grid:
        """Return the grid with its axes flipped and permuted to the nearest of RAS."""
        turn = nib.io_orientation(self.affine)
        lengths = [0, 0, 0]
        for axis, (target, _) in enumerate(turn):
            lengths[int(target)] = self.shape[axis]
        return Grid(tuple(lengths), self.affine @ nib.orientations.inv_ornt_aff(turn, self.shape))

    def resampled(self, voxel_size: Sequence[float] | Literal["own"]) -> Grid:
        """Return the grid of another voxel size that has the same axes and the same centre.

        Args:
            voxel_size: Edges of the new voxels along each axis, mm; own: these voxels.
        """
        if voxel_size == "own":
            return self
        ratios = [
            1.0 if abs(new / old - 1) < SAME_SIZE else new / old
            for new, old in zip(voxel_size, self.voxel_size, strict=True)
        ]
        shape = tuple(
            max(1, round(length / ratio)) for length, ratio in zip(self.shape, ratios, strict=True)
        )
        affine = self.affine @ np.diag([*ratios, 1.0])
        return Grid(shape, _on_centre(affine, shape, self))

    def windowed(self, window: Sequence[int]) -> Grid:
        """Return the grid cropped or padded about its centre to so many voxels."""
        return self.cropped(about_centre(self.shape, window))

    def cropped(self, box: Sequence[tuple[int, int]]) -> Grid:
        """Return a part of the grid: first voxel along each axis, and the one after the last."""
        affine = self.affine.copy()
        affine[:3, 3] = nib.affines.apply_affine(self.affine, [first for first, _ in box])
        return Grid(tuple(last - first for first, last in box), affine)


def _on_centre(affine: Affine, shape: tuple[int, ...], other: Grid) -> Affine:
    centred = affine.copy()
    middle = nib.affines.apply_affine(other.affine, (np.array(other.shape) - 1) / 2)
    centred[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return centred


def to_canonical(array: np.ndarray, affine: Affine) -> np.ndarray:
    """Flip and permute an array's axes to the nearest of RAS: a view, nothing is copied.

    Args:
        array: (x, y, z) in any orientation.
        affine: 4x4, from its voxel indices to mm.
    """
    return nib.apply_orientation(array, nib.io_orientation(affine))


def resample(array: Array, source: Grid, target: Grid) -> Array:
    """Interpolate linearly, one axis after the other, onto a grid with the same axes.

    Where voxels grow, the linear kernel grows with them, so that fine detail is averaged rather
    than folded into coarse patterns (aliasing). Beyond the edge there is nothing: weights are
    those of the voxels that exist.

    Args:
        array: (x, y, z) on `source`.
        source: Grid of the array.
        target: Grid that `source.resampled` gave.

    Returns:
        (x, y, z) on `target`; the array itself where both grids are one.
    """
    ratios = target.voxel_size / source.voxel_size
    # the axis that shrinks most goes first: less is left for the others
    for axis in sorted(range(3), key=lambda a: -ratios[a]):
        if ratios[axis] != 1 and abs(ratios[axis] - 1) >= SAME_SIZE:
            array = _resample_axis(array, axis, target.shape[axis], float(ratios[axis]))
    return array


def _resample_axis(array: Array, axis: int, length: int, ratio: float) -> Array:
    """Weigh each new voxel's neighbours on one axis; `ratio` is new voxel size over old."""
    old = array.shape[axis]
    centres = (np.arange(length) - (length - 1) / 2) * ratio + (old - 1) / 2
    reach = max(1.0, ratio)
    first = np.floor(centres - reach).astype(int) + 1
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)))
    weights = np.clip(1 - np.abs(taps - centres[:, None]) / reach, 0, None)
    weights[(taps < 0) | (taps >= old)] = 0
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    taps = np.clip(taps, 0, old - 1)

    along = [1, 1, 1]
    along[axis] = length
    shape = [length if one == axis else array.shape[one] for one in range(3)]
    result = np.zeros(shape, np.float32)
    # slab by slab along another axis: terms of the whole would take three times its memory
    across = 1 if axis == 0 else 0
    for first in range(0, shape[across], PLANES):
        slab = (slice(None),) * across + (slice(first, first + PLANES),)
        part, total = array[slab], result[slab]
        for tap in range(taps.shape[1]):
            total += np.take(part, taps[:, tap], axis) * weights[:, tap].reshape(along)
    return result


def interpolate(array: Array, source: Grid, target: Grid, fill: float) -> Array:
    """Interpolate linearly onto a grid at any angle.

    Where voxels grow, the volume is smoothed first, by the Gaussian as wide as the kernel of
    `resample` is wider than the linear one.

    Args:
        array: (x, y, z) on `source`.
        source: Grid of the array.
        target: Any other grid.
        fill: Value beyond the array.

    Returns:
        (x, y, z) on `target`.
    """
    from scipy import ndimage

    widths = smoothing(source, target)
    smooth = ndimage.gaussian_filter(array, widths, mode="nearest") if widths.any() else array
    return sampled(smooth, source, target, fill)


def smoothing(source: Grid, target: Grid) -> Affine:
    """Return how wide the Gaussian of `interpolate` is along each axis, voxels of the source."""
    step = np.linalg.inv(source.affine) @ target.affine
    growth = np.linalg.norm(step[:3, :3], axis=1)  # voxels of the source that a new one is long
    widths: Affine = np.sqrt(np.maximum(growth**2 - 1, 0) / 6)  # a triangle of half-width w: w²/6
    return widths


def sampled(array: Array, source: Grid, target: Grid, fill: float) -> Array:
    """Interpolate as `interpolate` does, without smoothing: where nobody measures the result."""
    from scipy import ndimage

    step = np.linalg.inv(source.affine) @ target.affine
    moved: Array = ndimage.affine_transform(
        array, step[:3, :3], step[:3, 3], target.shape, np.float32, order=1, cval=fill
    )
    return moved


def within(marked: NDArray[Any], source: Grid, target: Grid) -> NDArray[np.bool_]:
    """Say of each marked voxel of a grid, in the order of `np.nonzero`, if another one holds it."""
    step = np.linalg.inv(target.affine) @ source.affine
    there = step[:3, :3] @ np.array(np.nonzero(marked)) + step[:3, 3:]
    ends = np.array(target.shape)[:, None] - 0.5
    return np.asarray(((there >= -0.5) & (there < ends)).all(axis=0))


def crop_or_pad(array: np.ndarray, window: Sequence[int], fill: float) -> np.ndarray:
    """Crop or pad about the centre.

    Args:
        array: (x, y, z).
        window: Voxels that are wanted along each axis.
        fill: Value of the voxels that are added.
    """
    return cut(array, about_centre(array.shape, window), fill)


def cut(array: np.ndarray, box: Sequence[tuple[int, int]], fill: float) -> np.ndarray:
    """Cut a box out of an array, which may reach beyond it.

    Args:
        array: (x, y, z).
        box: First voxel along each axis, negative before the array, and the one after the last.
        fill: Value of the voxels that are added.
    """
    result = np.full([last - first for first, last in box], fill, array.dtype)
    theirs, ours = shared(array.shape, box)
    result[ours] = array[theirs]
    return result


def shared(
    shape: Sequence[int], box: Sequence[tuple[int, int]]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return what an array and a box have in common: its place in the array, and in the box.

    Args:
        shape: The array's, (x, y, z).
        box: First voxel along each axis, negative before the array, and the one after the last.
    """
    sides = list(zip(box, shape, strict=True))
    inside = [(min(max(a, 0), n), min(max(b, 0), n)) for (a, b), n in sides]
    moved = [(a - first, b - first) for (a, b), (first, _) in zip(inside, box, strict=True)]
    # beside the array, both are empty
    moved = [(a, b) if a < b else (0, 0) for a, b in moved]
    return tuple(slice(*one) for one in inside), tuple(slice(*one) for one in moved)


def about_centre(shape: Sequence[int], window: Sequence[int]) -> list[tuple[int, int]]:
    """Return the box of a window about a volume's centre; negative where it pads.

    Args:
        shape: Voxels of the volume along each axis.
        window: Voxels of the window.
    """
    return about([(0, length) for length in shape], window)


def about(box: Sequence[tuple[int, int]], window: Sequence[int]) -> list[tuple[int, int]]:
    """Return the box of a window about another box's centre.

    Args:
        box: First voxel along each axis, and the one after the last.
        window: Voxels of the window.
    """
    firsts = [(a + b - wanted) // 2 for (a, b), wanted in zip(box, window, strict=True)]
    return [(first, first + wanted) for first, wanted in zip(firsts, window, strict=True)]


def centroid(array: NDArray[Any], grid: Grid) -> NDArray[np.float64]:
    """Return the mean place of the voxels that are not 0, mm; at least one is not."""
    places = np.array([one.mean() for one in np.nonzero(array)])
    return np.asarray(grid.affine[:3, :3] @ places + grid.affine[:3, 3])


def extent(mask: NDArray[Any]) -> list[tuple[int, int]]:
    """Return the box of all that is marked: first voxel along each axis, one after the last."""
    others = [tuple({0, 1, 2} - {axis}) for axis in range(3)]
    filled = [np.flatnonzero(mask.any(axis=across)) for across in others]
    return [(int(at[0]), int(at[-1]) + 1) for at in filled]


def normalisation(
    array: Array, method: str, brain: NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """Find what brings intensities of different scanners onto one scale.

    Args:
        array: Intensities of the whole volume, in any unit, all finite.
        method: `zscore`: mean 0 and standard deviation 1 over the brain mask, or without one over
            the head, both of intensities clipped to their 0.5th and 99.5th percentile;
            `percentile`: 1st percentile to 0 and 99th to 1, not clipped, over the brain mask or
            without one the whole; `none`.
        brain: Brain mask.

    Returns:
        What to subtract, and what to divide by.
    """
    if method == "none":
        return 0.0, 1.0
    if method == "percentile":
        low, high = np.percentile(array if brain is None else array[brain], (1, 99))
        return float(low), float(high - low or 1)
    inside = array[head(array) if brain is None else brain]
    ends = np.percentile(inside, CLIPPED).astype(np.float64)
    mean = _sum(inside, lambda part: np.clip(part, *ends)) / len(inside)
    squares = _sum(inside, lambda part: (np.clip(part, *ends) - mean) ** 2)
    deviation = np.sqrt(squares / len(inside)) or inside.std(dtype=np.float64)
    return float(mean), float(deviation or 1)


def _sum(values: Array, change: Callable[[Array], NDArray[Any]]) -> float:
    """Add up what values become, piece by piece: all at once would take four times their memory.

    Pieces are cut where numpy's own pairwise summation cuts: the sum is numpy's, to the last bit.
    """
    if len(values) <= PIECE:
        return float(np.sum(change(values)))
    half = len(values) // 2
    half -= half % 8
    return _sum(values[:half], change) + _sum(values[half:], change)


def rescaled(array: Array, mean: float, scale: float, out: Array | None = None) -> Array:
    """Subtract a mean and divide by a scale; the array itself where that changes nothing.

    Args:
        array: Intensities.
        mean: What to subtract.
        scale: What to divide by.
        out: Where the result is written, such as the array itself; a new one by default.
    """
    if (mean, scale) == (0, 1):
        return array
    result: Array = np.subtract(array, np.float32(mean), out=out)
    result /= np.float32(scale)
    return result


def head(array: Array) -> NDArray[np.bool_]:
    """Separate head from air: above a tenth of the way from the 2nd to the 98th percentile.

    The threshold is that of the Brain Extraction Tool (Smith 2002, doi:10.1002/hbm.10062): single
    bright or dark voxels don't move it.
    """
    return array > head_threshold(array)


def head_threshold(array: Array, *, overwrite: bool = False) -> float:
    """Return the threshold of `head`, below all where there is one intensity alone.

    Args:
        array: Intensities of the whole volume.
        overwrite: Whether they may be left in another order, which saves a copy.
    """
    low, high = np.percentile(array, (2, 98), overwrite_input=overwrite)
    return low + 0.1 * (high - low) if high > low else -np.inf


def air(array: Array) -> float:
    """Return the level of air, the 2nd percentile, as `head` takes it.

    Args:
        array: Intensities of the whole volume, in any unit. Single wild voxels don't matter.
    """
    return float(np.percentile(array, 2))


def to_source_grid(
    array: NDArray[Kind],
    prepared_affine: Affine,
    source_affine: Affine,
    source_shape: Sequence[int],
) -> NDArray[Kind]:
    """Resample an image that was predicted onto the voxels of the scan that it belongs to.

    Along the scan's own axes, every voxel of it takes the value of the nearest prepared voxel;
    where the prepared ones were turned, values are interpolated linearly. 0 outside the window.

    Args:
        array: On the prepared grid, (x, y, z).
        prepared_affine: 4x4, from prepared voxel indices to mm.
        source_affine: 4x4, from the scan's voxel indices to mm.
        source_shape: The scan's voxels along each axis.

    Returns:
        The same on the scan's grid; a view where its voxels are the prepared ones, turned.
    """
    step = np.linalg.inv(prepared_affine) @ source_affine
    if _turned(step):
        grids = Grid(array.shape, prepared_affine), Grid(tuple(source_shape), source_affine)
        return interpolate(array.astype(np.float32), *grids, fill=0).astype(array.dtype)
    # both grids have the same axes, so each axis of the scan runs along one prepared axis
    runs_along = np.abs(step[:3, :3]).argmax(axis=0)
    nearest = []
    for axis, prepared in enumerate(runs_along):
        places = step[prepared, axis] * np.arange(source_shape[axis]) + step[prepared, 3]
        nearest.append(np.floor(places + 0.5 + 1e-6).astype(int))
    turned = array.transpose(runs_along)
    ways = [_way(places, length) for places, length in zip(nearest, turned.shape, strict=True)]
    if all(ways):
        return turned[tuple(slice(None, None, way) for way in ways)]
    # one voxel of 0 around the array: all places beyond the window fall there
    pairs = zip(nearest, turned.shape, strict=True)
    around = [np.clip(places, -1, beyond) + 1 for places, beyond in pairs]
    return np.pad(turned, 1)[np.ix_(*around)]


def _way(places: NDArray[np.int64], length: int) -> int:
    """Say whether places run through an axis from end to end: 1, or back -1; else 0."""
    straight = np.arange(length)
    return next((w for w in (1, -1) if np.array_equal(places, straight[::w])), 0)


def _turned(step: Affine) -> bool:
    """Whether a map between voxels has an axis that runs along no other one."""
    sizes = np.abs(step[:3, :3])
    return bool((sizes.sum(axis=0) - sizes.max(axis=0) > 1e-3 * sizes.max(axis=0)).any())
