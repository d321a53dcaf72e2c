"""How far an input reaches in a network's output, measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

# Of the largest change: what changes less is rounding.
LEAST = 1e-6


def receptive_field(
    network: nn.Module,
    channels: int,
    size: Sequence[int],
    steps: Sequence[int],
    place: torch.device,
) -> list[int | None]:
    """Change noise in the middle of a tile, and see how far around it the output changes.

    A network that halves its input is the same in every place that is a multiple of some step away
    only: a block of that length is changed.

    Args:
        network: The network, in evaluation mode; it answers for every voxel.
        channels: Image channels.
        size: Voxels of the tile along each axis.
        steps: What the network halves, voxels along each axis.
        place: Where it computes.

    Returns:
        Voxels along each axis; None where the change reaches an end of the tile, as under instance
        norm, which ties each voxel to all others.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, channels, *size), generator=generator)
    blocks = [
        (start := length // step // 2 * step, start + step)
        for length, step in zip(size, steps, strict=True)
    ]
    x, y, z = (slice(*block) for block in blocks)
    changed = noise.clone()
    changed[..., x, y, z] = 3 * torch.randn(changed[..., x, y, z].shape, generator=generator)
    with torch.inference_mode():
        difference = (network(changed.to(place)) - network(noise.to(place))).abs().amax((0, 1))
    touched = (difference > LEAST * difference.max()).nonzero()
    if len(touched) == 0:
        return [0, 0, 0]
    ends = zip(touched.amin(0).tolist(), touched.amax(0).tolist(), blocks, size, strict=True)
    return [
        None if low == 0 or high == length - 1 else max(start - low, high - (stop - 1), 0)
        for low, high, (start, stop), length in ends
    ]
