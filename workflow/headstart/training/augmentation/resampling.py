"""One map for all spatial transforms that a scan drew in a row, and one interpolation.

Images are interpolated linearly, masks by the nearest voxel. What lies outside the scan gets the
fill value; as in ITK, up to half a voxel beyond the centre of the outermost voxel counts as inside
and has its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from headstart.training.augmentation.base import Array
from headstart.training.augmentation.base import Images
from headstart.training.augmentation.base import send
from headstart.training.augmentation.spatial import MINIMUM
from headstart.training.augmentation.spatial import RAS_TO_LPS
from headstart.training.augmentation.spatial import Box
from headstart.training.augmentation.spatial import Fill
from headstart.training.augmentation.spatial import Flip
from headstart.training.augmentation.spatial import Spatial

EDGE = 1 / 8  # voxels by which ITK makes the box of a B-spline larger, on each side


def move(batch: Images, chains: Sequence[Sequence[Spatial]], fill: Fill) -> Images:
    """Move scans and their masks.

    Args:
        batch: The scans.
        chains: What was drawn for each, at least one transform, in order.
        fill: What fills places outside, in images and in masks.

    Returns:
        The batch, moved.
    """
    mirrored = [n for n, chain in enumerate(chains) if all(type(t) is Flip for t in chain)]
    resampled = [n for n in range(len(chains)) if n not in mirrored]
    for row in mirrored:
        batch = batch.updated([row], _mirror(batch.only([row]), chains[row]))
    if resampled:
        part = _resample(batch.only(resampled), [chains[n] for n in resampled], fill)
        batch = batch.updated(resampled, part)
    return batch


def regular_grid(matrices: Sequence[Array], shape: Sequence[int], device: torch.device) -> Tensor:
    """Map every voxel of a volume.

    Returns:
        Where each is read, -1 to 1 in the order z, y, x as torch has it, (n, 3, x, y, z).
    """
    x, y, z, shift = send(np.stack(matrices)[:, [2, 1, 0]], device).unbind(-1)  # (n, 3) each
    places = [torch.arange(1, 2 * n, 2, device=device) / n - 1 for n in shape]
    plane = places[0][:, None] * x[:, :, None, None] + places[1] * y[:, :, None, None]
    plane = plane + shift[:, :, None, None]
    return plane[..., None] + (places[2] * z[:, :, None])[:, :, None, None]


def read_at(volumes: Tensor, grid: Tensor, fill: Tensor | float) -> Tensor:
    """Read images at the places of a grid.

    Args:
        volumes: (n, channels, x, y, z), float32.
        grid: See `regular_grid`.
        fill: Value outside.
    """
    places = grid.permute(0, 2, 3, 4, 1)
    read = functional.grid_sample(volumes, places, "bilinear", "border", align_corners=False)
    outside = grid.abs().amax(1, keepdim=True) > 1
    return torch.where(outside, fill, read)


def _read_labels(masks: Tensor, grid: Tensor, fill: float) -> Tensor:
    """Read masks at the nearest voxel."""
    places = grid.permute(0, 2, 3, 4, 1)
    # 0 is what torch has outside
    shifted = masks.float() - fill
    read = functional.grid_sample(shifted, places, "nearest", "zeros", align_corners=False)
    return (read + fill).to(masks.dtype)


def _mirror(batch: Images, chain: Sequence[Spatial]) -> Images:
    signs = reduce(np.matmul, [flip.matrix(_box(batch, 0)) for flip in chain]).diagonal()
    axes = [axis - 3 for axis in range(3) if signs[axis] < 0]
    masks = None if batch.masks is None else batch.masks.flip(axes)
    return Images(batch.volumes.flip(axes), masks, batch.origins, batch.affines)


def _resample(batch: Images, chains: Sequence[Sequence[Spatial]], fill: Fill) -> Images:
    shape, device = batch.volumes.shape[2:], batch.volumes.device
    boxes = [_box(batch, row) for row in range(len(chains))]
    # the first transform is the last step on the way from augmented to original places
    matrices = [
        reduce(np.matmul, [transform.matrix(box) for transform in chain])
        for chain, box in zip(chains, boxes, strict=True)
    ]
    grid = regular_grid(matrices, shape, device)
    for row, (chain, box) in enumerate(zip(chains, boxes, strict=True)):
        points = chain[-1].bend(box)
        if points is not None:
            grid[row] += _dense(points @ matrices[row][:3, :3].T, box, device)
    images, labels = fill
    lowest = batch.volumes.amin((2, 3, 4), keepdim=True) if images == MINIMUM else float(images)
    masks = None if batch.masks is None else _read_labels(batch.masks, grid, labels)
    return Images(read_at(batch.volumes, grid, lowest), masks, batch.origins, batch.affines)


def _box(batch: Images, row: int) -> Box:
    return Box(tuple(batch.volumes.shape[2:]), batch.affines[row])


def _dense(points: Array, box: Box, device: torch.device) -> Tensor:
    """Interpolate displacements (i, j, k, 3) at every voxel: (3, x, y, z) in the order z, y, x."""
    # ITK's control points run along L, P and S, whichever way the voxels do
    along = np.diag(RAS_TO_LPS @ box.affine)[:3]
    x, y, z = (
        send(_spline(length, count)[:: 1 if step > 0 else -1], device)
        for length, count, step in zip(box.shape, points.shape, along, strict=False)
    )
    field = send(np.moveaxis(points[..., ::-1], -1, 0), device)
    field = (x @ field.flatten(2)).unflatten(2, points.shape[1:3])
    return y @ field @ z.T


@cache
def _spline(length: int, count: int) -> Array:
    """Weights of the control points at each voxel of an axis, (length, count); cubic B-splines."""
    places = (np.arange(length) + 0.5 + EDGE) / (length + 2 * EDGE) * (count - 3)
    first = np.minimum(places.astype(int), count - 4)
    t = places - first
    four = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = np.zeros((length, count))
    for offset, weight in enumerate(four):
        weights[np.arange(length), first + offset] = weight / 6
    return weights
