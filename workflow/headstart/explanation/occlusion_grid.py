"""Where the patches of an occlusion map lie; without torch, for a dry run tells their number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from headstart.cohort.shards import Box
from headstart.common.text import times
from headstart.explanation.config import Explain


@dataclass(frozen=True)
class OcclusionGrid:
    """Patches that cover a volume, evenly spaced along each axis.

    Attributes:
        size: Voxels of a patch, (x, y, z).
        starts: Their first voxels, along each axis.
        words: How large and how far apart they are, and whether that is what was asked for.
    """

    size: tuple[int, ...]
    starts: tuple[tuple[int, ...], ...]
    words: str

    def __len__(self) -> int:
        return math.prod(map(len, self.starts))

    def boxes(self) -> Iterator[Box]:
        """Yield each patch: first voxel along each axis, and the one after the last."""
        for corner in product(*self.starts):
            yield tuple((a, a + n) for a, n in zip(corner, self.size, strict=True))


def lay_out(window: Sequence[int], voxel_size: Sequence[float], asked: Explain) -> OcclusionGrid:
    """Cover a volume with patches, in no more passes than the settings allow.

    Where it would take more, the stride is widened by tenths, and with it the patch where it would
    leave gaps.

    Args:
        window: Voxels of the volume, (x, y, z).
        voxel_size: Their edges, mm.
        asked: The settings.
    """
    stride = asked.stride
    while len(found := _patches(window, voxel_size, max(asked.patch, stride), stride)) > (
        asked.passes
    ):
        stride *= 1.1
    if stride == asked.stride:
        return found
    return OcclusionGrid(
        found.size,
        found.starts,
        f"{found.words}, as more than {asked.passes} passes (explain.passes) are needed for the "
        f"{asked.stride:g} mm that were asked for",
    )


def _patches(
    window: Sequence[int], voxel_size: Sequence[float], patch: float, stride: float
) -> OcclusionGrid:
    size, starts, edges = [], [], []
    for length, edge in zip(window, voxel_size, strict=True):
        own = min(length, max(1, round(patch / edge)))
        step = max(1, min(own, round(stride / edge)))
        last = length - own
        count = math.ceil(last / step)
        size.append(own)
        starts.append(tuple(round(last * i / max(count, 1)) for i in range(count + 1)))
        edges.append((own * edge, step * edge))
    patch_edges, steps = zip(*edges, strict=True)
    words = f"patches of {times(patch_edges)} mm, at most {times(steps)} mm apart"
    return OcclusionGrid(tuple(size), tuple(starts), words)
