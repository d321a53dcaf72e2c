"""Known changes that are injected into prepared volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import head

AROUND = 2  # voxels about a structure that are its surroundings
Volume = NDArray[np.float32]


def with_hole(
    volume: Volume, air: Sequence[float], voxel_size: Sequence[float], percent: float
) -> Volume:
    """Take the signal away from the middle of the head.

    Args:
        volume: (channels, x, y, z); the head is that of the first channel.
        air: The level of no signal of each channel.
        voxel_size: Edges of a voxel, mm.
        percent: How much of the head's voxels, those nearest to its centre of mass.
    """
    inside = head(volume[0])
    places = np.argwhere(inside)
    millimetres = (places - places.mean(axis=0)) * voxel_size
    nearest = np.argsort((millimetres**2).sum(axis=1), kind="stable")
    taken = places[nearest[: round(percent / 100 * len(places))]]
    made = volume.copy()
    made[:, *taken.T] = np.reshape(air, (-1, 1))
    return made


def faded(volume: Volume, mask: NDArray[np.uint8], share: float) -> Volume:
    """Let structures fade into their surroundings, whose mean each becomes in the end.

    Args:
        volume: (channels, x, y, z).
        mask: (x, y, z), with a value for each structure; 0 is the background.
        share: How far, from 0 to 1.
    """
    from scipy.ndimage import binary_dilation

    made = volume.copy()
    for value in np.unique(mask[mask > 0]):
        structure = mask == value
        around = binary_dilation(structure, iterations=AROUND) & (mask == 0)
        if around.any():
            surroundings = volume[:, around].mean(axis=1, keepdims=True)
            made[:, structure] += share * (surroundings - made[:, structure])
    return made
