"""A scan without its head: what is left says nothing of the person in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def background_of(
    volume: NDArray[Any], voxel_size: Sequence[float], seed: int
) -> NDArray[np.float16]:
    """Fill the box around the head with voxels drawn from the background.

    Neither edge nor size of the head shows where the background is noise. Each channel is brought
    to mean 0 and standard deviation 1 of its own background: as the volume came, the level of air
    would tell of the head that it was normalised by.

    Args:
        volume: A prepared volume (channels, x, y, z), whose first channel shows the head.
        voxel_size: Edges of its voxels, mm.
        seed: Decides which voxels are drawn.

    Returns:
        As large; all 0 where the box leaves nothing, or nothing but one value.
    """
    # scipy takes a second to import, and few volumes are read without their heads
    from headstart.imaging.head_box import head_box

    numbers = np.asarray(volume, np.float32)
    inside = np.zeros(numbers.shape[1:], bool)
    inside[tuple(slice(*ends) for ends in head_box(numbers[0], voxel_size))] = True
    left = numbers[:, ~inside].astype(np.float64)
    if left.shape[1] == 0:
        return np.zeros(numbers.shape, np.float16)
    spread = left.std(axis=1, keepdims=True)
    left = (left - left.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    drawn = np.random.default_rng(seed).integers(left.shape[1], size=int(inside.sum()))
    seen = np.empty(numbers.shape, np.float16)
    seen[:, ~inside] = left
    seen[:, inside] = left[:, drawn]
    return seen
