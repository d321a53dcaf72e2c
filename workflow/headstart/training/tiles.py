"""The arithmetic of tiles: how volumes are put to a network piece by piece.

Each tile is seen with a margin, and of what the network says of it the inner part alone is kept, so
that every voxel is written once. Where no output depends on an input further away than the margin,
that is what the network would say of the whole volume; a weighted mean of overlapping windows is
not, as each still has a say on its rim.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """A tile along one axis.

    Attributes:
        seen: Its first voxel.
        first: The first voxel that it writes.
        last: The one after the last.
    """

    seen: int
    first: int
    last: int


@dataclass(frozen=True)
class TileBox:
    """A tile of a volume.

    Attributes:
        seen: What the network sees of the padded volume, along x, y and z.
        kept: What is kept of its output.
        written: Where that lies in the volume.
    """

    seen: tuple[slice, ...]
    kept: tuple[slice, ...]
    written: tuple[slice, ...]


# Wider margins than a quarter of a tile on each side take eight times the network's work or more.
WIDEST = 0.25


def tile_of(patch: Sequence[int], *, local: bool) -> tuple[int, int, int]:
    """Choose the size of tiles, voxels.

    Args:
        patch: Voxels of the patches that the network learns from.
        local: Whether its answer for a voxel hangs on its surroundings alone: the larger a tile,
            the less of it is margin.
    """
    x, y, z = patch
    return (2 * x, 2 * y, 2 * z) if local else (x, y, z)


def margins(
    reach: Sequence[int | None],
    size: Sequence[int],
    steps: Sequence[int],
    overlap: float,
    widest: float = WIDEST,
) -> tuple[list[int], bool]:
    """Choose the margins of tiles.

    Args:
        reach: How far an input reaches in the output, voxels; None if to the end of any tile.
        size: Voxels of a tile.
        steps: What a tile's first voxel is a multiple of.
        overlap: Least share of a tile that the next one has too, where they can't be so wide.
        widest: Share of a tile that they may take at each end.

    Returns:
        Voxels along each axis, and whether they are as wide as the reach along all of them.
    """
    chosen, exact = [], True
    for far, length, step in zip(reach, size, steps, strict=True):
        usual = math.ceil(overlap * length / 2)
        most = (length - step) // 2
        enough = far is not None and far <= min(most, max(usual, widest * length))
        chosen.append(far if far is not None and enough else min(usual, most))
        exact = exact and enough
    return chosen, exact


def padding(length: int, size: int, step: int) -> tuple[int, int]:
    """Say how many voxels are added along an axis, before and behind.

    A volume shorter than a tile lies in its middle, as in training; a longer one is filled up to
    what the network can halve.

    Args:
        length: Voxels of the volume.
        size: Voxels of a tile, of the largest that may be taken.
        step: What a tile's first voxel is a multiple of.
    """
    if length < size:
        before = (size - length + 1) // 2
        return before, size - length - before
    return 0, -length % step


def spans(length: int, size: int, margin: int, step: int, largest: int = 0) -> list[Span]:
    """Lay tiles along an axis: at even distances, with margins as wide as that leaves.

    Args:
        length: Voxels of the volume.
        size: Voxels of a tile, a multiple of the step.
        margin: Least distance between what a tile writes and its ends, but at the volume's own
            ends; at most (size - step) / 2.
        step: What a tile's first voxel is a multiple of.
        largest: Voxels of the largest tile that may be taken, if that is another one: in smaller
            ones, too, the volume lies as in that one.

    Returns:
        The tiles; places of what they see are those of the padded volume.
    """
    before, behind = padding(length, largest or size, step)
    steps = (length + before + behind - size) // step  # of the last tile
    longest = max(1, (size - 2 * margin) // step)
    count = -(-steps // longest)  # tiles after the first
    firsts = [step * (steps * number // max(count, 1)) for number in range(count + 1)]
    # each border lies in the middle of what both neighbours see
    borders = [(one + size + other) // 2 for one, other in itertools.pairwise(firsts)]
    ends = [0, *(min(max(border - before, 0), length) for border in borders), length]
    return [
        Span(seen, first, last)
        for seen, (first, last) in zip(firsts, itertools.pairwise(ends), strict=True)
        if first < last
    ]


def tiles(
    shape: Sequence[int],
    size: Sequence[int],
    margin: Sequence[int],
    steps: Sequence[int],
    largest: Sequence[int] | None = None,
) -> Iterator[TileBox]:
    """Yield the tiles of a volume; arguments as for `spans`, along x, y and z."""
    largest = largest or size
    befores = [padding(*axis)[0] for axis in zip(shape, largest, steps, strict=True)]
    axes = [spans(*axis) for axis in zip(shape, size, margin, steps, largest, strict=True)]
    for chosen in itertools.product(*axes):
        along = list(zip(chosen, size, befores, strict=True))
        yield TileBox(
            tuple(slice(span.seen, span.seen + length) for span, length, _ in along),
            tuple(
                slice(span.first + before - span.seen, span.last + before - span.seen)
                for span, _, before in along
            ),
            tuple(slice(span.first, span.last) for span, _, _ in along),
        )
