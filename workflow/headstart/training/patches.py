"""Where the patches lie that training draws of its scans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.common.keys import Key
from headstart.imaging.geometry import about_centre
from headstart.training.config import Patches

# Voxels of a class in a scan that patches are centred on, at even steps; nnU-Net takes as many.
MOST = 10_000


class PatchPlaces:
    """Places of patches, each decided by a seed and its scan alone.

    Most lie anywhere inside the scan. A share is centred on a voxel of the mask, as far as the scan
    allows: small lesions would hardly be seen otherwise (Isensee et al. 2021, nnU-Net,
    doi:10.1038/s41592-020-01008-z).

    Args:
        settings: `train.sampling`.
        masks: Whether the scans have masks; without, all patches lie anywhere.
    """

    def __init__(self, settings: Patches, *, masks: bool) -> None:
        self._settings = settings
        self._foreground = settings.foreground if masks else 0.0
        self._voxels: dict[Key, list[NDArray[np.int64]]] = {}

    def draw(self, scan: Scan, seed: int) -> list[tuple[int, int]]:
        """Draw a patch of a scan.

        Args:
            scan: The scan.
            seed: Decides it.

        Returns:
            First voxel along each axis, and the one after the last. Where the scan is shorter than
            the patch, it lies in the middle.
        """
        random = np.random.default_rng(seed)
        lengths = self._settings.patches
        classes = self._classes(scan) if random.random() < self._foreground else []
        middle = about_centre(scan.shape, lengths)
        room = np.maximum(np.subtract(scan.shape, lengths), 0)
        if classes:
            voxels = classes[int(random.integers(len(classes)))]
            place = np.unravel_index(random.choice(voxels), scan.shape)
            firsts = np.clip(np.subtract(place, np.floor_divide(lengths, 2)), 0, room)
        else:
            firsts = random.integers(room, endpoint=True)
        firsts = np.where(room > 0, firsts, [first for first, _ in middle])
        return [(int(a), int(a) + n) for a, n in zip(firsts, lengths, strict=True)]

    def _classes(self, scan: Scan) -> Sequence[NDArray[np.int64]]:
        """Return voxels of each class that the scan's mask has, remembered from the first time."""
        key = scan.subject, scan.session
        if key not in self._voxels:
            mask = scan.mask().ravel()
            marked = np.flatnonzero(mask)
            values = mask[marked]
            found = [marked[values == value] for value in np.unique(values)]
            self._voxels[key] = [voxels[:: -(-len(voxels) // MOST)] for voxels in found]
        return self._voxels[key]
