"""Which voxels of a head are its brain: found by deepbet's networks, or seen where it is stripped.

Fisch et al. 2024, deepbet, https://doi.org/10.1016/j.compbiomed.2024.108845. Its two networks, in
TorchScript, are run by torch alone.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.imaging.deepbet_weights import deepbet_weights
from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Mask
from headstart.imaging.one_thread import one_thread

if TYPE_CHECKING:
    from torch import Tensor

# ml: of grown people's; every mask that had failed, and none of the good ones, was outside.
PLAUSIBLE = (700.0, 2200.0)
COARSE, FINE = (128, 128, 128), (256, 256, 256)  # voxels that the networks look at
RANGE = (0.005, 0.995)  # quantiles to which intensities are clipped
MARGIN = 0.1  # of the brain's box, on each side


class NoBrainError(ValueError):
    """A scan in which no brain is found."""


def find_brain(array: Array) -> Mask:
    """Find the brain with the fluid around it, nearly what lies within the skull.

    The mask is the same on any number of threads; one is used, which costs the least.

    Args:
        array: Intensities of a whole head (x, y, z), axes nearest to RAS.

    Returns:
        1 in the brain, else 0.

    Raises:
        NoBrainError: If nothing in it looks like one.
    """
    import torch
    from torch.nn.functional import interpolate

    def sized(volume: Tensor, shape: tuple[int, ...]) -> Tensor:
        return interpolate(volume[None, None], shape, mode="nearest-exact")[0, 0]

    with one_thread(), torch.inference_mode():
        where, which = _networks()
        scan = torch.from_numpy(np.ascontiguousarray(array))
        small = sized(scan, COARSE)
        low, high = small.quantile(torch.tensor(RANGE))
        coarse = _largest((where(_scaled(small, low, high))[0, 1] > 0.5).numpy())
        box = _box(coarse, array.shape)
        share = which(_scaled(sized(scan[box], FINE), low, high))[0, 1]
        inside = sized(share, tuple(scan[box].shape)).numpy() > 0.5
    mask = np.zeros(array.shape, np.uint8)
    mask[box] = ndimage.binary_fill_holes(_largest(inside))
    return mask


def stripped_brain(array: Array, voxel_ml: float) -> Mask | None:
    """Return the brain of a scan that was stripped already; None of a whole head.

    Nothing but a brain is left of it where all corners have one value, and what has another one is
    as large as a brain.

    Args:
        array: Intensities (x, y, z).
        voxel_ml: Volume of a voxel, ml.
    """
    corners = array[:: max(1, array.shape[0] - 1), :: max(1, array.shape[1] - 1)]
    corners = corners[:, :, :: max(1, array.shape[2] - 1)]
    if np.ptp(corners) > 0:
        return None
    marked = array != corners.flat[0]
    if not PLAUSIBLE[0] <= np.count_nonzero(marked) * voxel_ml <= PLAUSIBLE[1]:
        return None
    return ndimage.binary_fill_holes(_largest(marked)).astype(np.uint8)


def at_edge(mask: Mask) -> int:
    """Count the voxels of a mask at the faces of the scan: more than 0 where the brain is cut."""
    inner = mask[1:-1, 1:-1, 1:-1]
    return int(np.count_nonzero(mask) - np.count_nonzero(inner))


@cache
def _networks() -> tuple[Any, Any]:
    """Load the networks, once per process."""
    import torch

    with warnings.catch_warnings():
        # torch will give up TorchScript one day; until then the weights are taken as they come
        warnings.simplefilter("ignore", DeprecationWarning)
        first, second = (torch.jit.load(path, "cpu").eval() for path in deepbet_weights())
    return first, second


def _scaled(volume: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Scale intensities as in the networks' training; (1, 1, x, y, z)."""
    shown = volume.sub(low).div_(high - low).clamp_(0, 1)
    mean, spread = shown.mean(), shown.std()
    return shown.sub_(mean).mul_(0.226).div_(spread).add_(0.449)[None, None]


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest part of a mask whose voxels touch, be it at corners."""
    parts, found = ndimage.label(mask, np.ones((3, 3, 3)))
    if not found:
        raise NoBrainError("no brain is found")
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1)


def _box(coarse: NDArray[np.bool_], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the box of a brain with its margin, in voxels of the scan.

    Args:
        coarse: The brain as the first network sees it.
        shape: Voxels of the scan.
    """
    box = []
    for axis, length in enumerate(shape):
        filled = coarse.mean(axis=tuple({0, 1, 2} - {axis})) > 0.02
        places = np.flatnonzero(filled)
        if not len(places):
            raise NoBrainError("no brain is found")
        edge = length / coarse.shape[axis]
        middle = round(edge * (places[0] + places[-1] + 1) / 2)
        size = round((1 + 2 * MARGIN) * edge * (places[-1] + 1 - places[0]))
        box.append(slice(max(0, int(middle - size / 2)), min(length, int(middle + size / 2))))
    if any(side.start >= side.stop for side in box):  # of a slice or two
        raise NoBrainError("no brain is found")
    return tuple(box)
