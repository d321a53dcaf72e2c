"""Which patches a segmentation learns from where whole scans do not fit.

As nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z): the voxel size stays the scans'
own, and the patch is made as large as memory allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from headstart.common.schema import Window
from headstart.planning.fingerprint import Triple

MOST_HALVINGS = 4  # of what a segmentation's network sees
SMALLEST = 64  # voxels: a shorter side would see too little around, and be halved less often
FOREGROUND = 0.33  # share of the patches about a voxel of a class
EPOCHS = 50  # so often a training looks at whole validation scans, which takes its time


def halvings_of(window: Window) -> int:
    """Return how often a network halves what it sees: as nnU-Net, to 4 voxels at the shortest."""
    return min(MOST_HALVINGS, max(1, int(math.log2(min(window) / 4))))


def patch_sizes(window: Window, voxel_size: Triple) -> Iterator[Window]:
    """Yield the patches of a scan, the largest first, each less than the one before.

    The side that is the longest in mm is cut by what the network halves, so that a patch sees about
    as far along each axis; the network is the same for all of them.

    Args:
        window: Voxels of the whole scan, multiples of what its network halves.
        voxel_size: mm.
    """
    step = 2 ** halvings_of(window)
    patch = list(window)
    while longer := [axis for axis in range(3) if patch[axis] > SMALLEST]:
        longest = max(longer, key=lambda axis: patch[axis] * voxel_size[axis])
        patch[longest] -= step
        yield patch[0], patch[1], patch[2]


def patches_per_scan(patches: int, scans: int) -> int:
    """Return how many patches an epoch takes of each scan, for so many in all of a training."""
    return max(1, math.ceil(patches / (EPOCHS * scans)))
