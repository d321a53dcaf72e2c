"""Learning to denoise from noisy scans alone: each voxel is told from its neighbours.

Noise2Void (Krull et al. 2019, doi:10.1109/CVPR.2019.00223). What neighbours tell of a voxel of a
head scan is less than what the voxel itself says: it is put back afterwards, with the weight that
both have (Laine et al. 2019, arXiv:1901.10277, have it for a noise model that is learnt).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

HIDDEN = 0.03  # share of the voxels
AROUND = 5  # voxels: edge of the cube that a hidden voxel's stand-in is drawn from
LOCAL = 1.5  # voxels: width of the kernel over which it is measured how well neighbours tell
REACH = 6  # voxels that this kernel reaches: four times its width


def hide(volumes: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Hide voxels of the first channel, each behind one of its neighbours.

    Args:
        volumes: (n, channels, x, y, z).
        seeds: Decides which, for each volume.

    Returns:
        The volumes, and what was hidden, (n, 1, x, y, z), NaN where nothing was.
    """
    import torch

    hidden = volumes.clone(memory_format=torch.contiguous_format)
    shape = (len(volumes), 1, *volumes.shape[2:])
    truth = torch.full(shape, torch.nan, device=volumes.device)
    for volume, left, whole, seed in zip(hidden, truth, volumes, seeds, strict=True):
        places, others = _drawn(tuple(whole.shape[1:]), np.random.default_rng(seed))
        here, there = (torch.from_numpy(one).to(whole.device) for one in (places, others))
        left.view(-1)[here] = whole[0].reshape(-1)[here]
        volume[0].view(-1)[here] = whole[0].reshape(-1)[there]
    return hidden, truth


def _drawn(
    shape: tuple[int, ...], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw voxels and a neighbour of each, as places in the volume's voxels in a row."""
    size = int(np.prod(shape))
    places = random.choice(size, max(1, round(HIDDEN * size)), replace=False)
    voxels = np.stack(np.unravel_index(places, shape))
    numbers = random.integers(AROUND**3 - 1, size=len(places))
    numbers += numbers >= AROUND**3 // 2  # never the voxel itself
    steps = np.stack(np.unravel_index(numbers, (AROUND,) * 3)) - AROUND // 2
    ends = np.array(shape)[:, None]
    inside = (voxels + steps >= 0) & (voxels + steps < ends)
    others = np.clip(np.where(inside, voxels + steps, voxels - steps), 0, ends - 1)
    return places, np.ravel_multi_index(tuple(others), shape)


def put_back(
    measured: NDArray[np.float32], told: NDArray[np.float32], noise: float
) -> NDArray[np.float32]:
    """Weigh what was measured against what neighbours tell, by how far each is off.

    Their squared distance is, on average, the noise's variance and the neighbours' error: what is
    more than the noise alone is theirs. It is measured around each voxel.

    Args:
        measured: The noisy scan, (x, y, z).
        told: What the network says of it.
        noise: Standard deviation of the noise, in their unit.
    """
    from scipy import ndimage

    off = ndimage.gaussian_filter((told - measured) ** 2, LOCAL, radius=REACH)
    error = np.maximum(off - np.float32(noise**2), 0)
    weight = error / (error + np.float32(noise**2))
    return told + weight * (measured - told)
