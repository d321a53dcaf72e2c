"""Numbers of each voxel of a scan, read and written slab by slab: no memory has to hold them all.

A file of them is not mapped into memory, as `headstart.cohort.shards` says: a queue may count the
addresses, and whoever watches a job's memory counts mapped pages that were touched.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLANES = 16  # of a slab

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Slabs:
    """Numbers of each voxel.

    Attributes:
        shape: (channels, x, y, z).
        read: Returns the planes along x from one to another, (channels, planes, y, z).
    """

    shape: tuple[int, ...]
    read: Callable[[int, int], Numbers]

    @classmethod
    def of(cls, array: Numbers) -> Slabs:
        """Make them of an array (channels, x, y, z) in memory, which is not copied."""
        return cls(array.shape, lambda first, last: array[:, first:last])

    @classmethod
    def mean(cls, several: Sequence[Slabs]) -> Slabs:
        """Return the mean of several, computed when it is read."""

        def read(first: int, last: int) -> Numbers:
            total = sum(one.read(first, last) for one in several)
            return np.asarray(total / np.float32(len(several)))

        return several[0] if len(several) == 1 else cls(several[0].shape, read)

    @classmethod
    def image(cls, change: Callable[..., Numbers], *images: Slabs, reach: int = 0) -> Slabs:
        """Return an image that is computed of others, whenever it is read.

        Args:
            change: Makes planes (x, y, z) of the same planes of the first channel of each image.
            images: The others.
            reach: How many voxels away that lies which a voxel hangs on, at the most.
        """
        _, length, *plane = images[0].shape

        def read(first: int, last: int) -> Numbers:
            low, high = max(0, first - reach), min(length, last + reach)
            made = change(*(one.read(low, high)[0] for one in images))
            return made[None, first - low : last - low]

        return cls((1, length, *plane), read)

    def mapped(self, change: Callable[[Numbers], Numbers]) -> Slabs:
        """Return what comes of each voxel by itself, computed when it is read."""
        return Slabs(self.shape, lambda first, last: change(self.read(first, last)))

    def whole(self) -> Numbers:
        """Read all of them."""
        return self.read(0, self.shape[1])

    def part(self, box: Sequence[tuple[int, int]]) -> Numbers:
        """Read a part of them, (channels, x, y, z), in memory of its own.

        Args:
            box: First voxel along each axis, and the one after the last.
        """
        planes, *others = box
        y, z = (slice(*ends) for ends in others)
        return np.array(self.read(*planes)[:, :, y, z])

    def gathered(self) -> Numbers:
        """Read all of them slab by slab, where to compute them at once would take more memory."""
        whole: Numbers = np.empty(self.shape, self.read(0, 1).dtype)
        for first, slab in self.each():
            whole[:, first : first + slab.shape[1]] = slab
        return whole

    def each(self) -> Iterator[tuple[int, Numbers]]:
        """Yield the first plane of each slab, and the slab."""
        for first in range(0, self.shape[1], PLANES):
            yield first, self.read(first, min(first + PLANES, self.shape[1]))


class WrittenSlabs:
    """Sums for each voxel, float32, in memory or in a file that is gone with them.

    Args:
        shape: (channels, x, y, z).
        scratch: Whether they lie in a file, in the folder for temporary files.
    """

    def __init__(self, shape: tuple[int, ...], *, scratch: bool) -> None:
        self.shape = shape
        # it is closed, and gone, with the last who reads it
        self._file = tempfile.TemporaryFile(prefix="headstart-") if scratch else None  # noqa: SIM115
        if self._file is None:
            self._array = np.zeros(shape, np.float32)
        else:
            self._file.truncate(4 * math.prod(shape))  # of zeros

    def add(self, first: int, slab: NDArray[np.float32]) -> None:
        """Add to the planes along x from a first one on, (channels, planes, y, z)."""
        last = first + slab.shape[1]
        if self._file is None:
            self._array[:, first:last] += slab
            return
        total = self.read(first, last) + slab
        for place, channel in zip(self._places(first), total, strict=True):
            self._file.seek(place)
            self._file.write(channel.data)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Read planes along x, as `Slabs.read`."""
        if self._file is None:
            return self._array[:, first:last]
        self._file.flush()
        shape = (last - first, *self.shape[2:])
        result = np.empty((self.shape[0], *shape), np.float32)
        for place, channel in zip(self._places(first), result, strict=True):
            self._file.seek(place)
            self._file.readinto(channel.data)
        return result

    def _places(self, first: int) -> list[int]:
        """Return where the planes of each channel begin from a first one on, bytes."""
        plane, volume = math.prod(self.shape[2:]), math.prod(self.shape[1:])
        return [4 * (channel * volume + first * plane) for channel in range(self.shape[0])]
