"""A small U-Net whose answer for a voxel hangs on its surroundings alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional


class PlainUNet(nn.Module):
    """A U-Net without normalisation, with a skip at each resolution, the full one included.

    Nothing ties a voxel to what else is seen, and no fine detail passes through a coarse layer, as
    denoising asks for. With three resolutions a voxel is told from 18 voxels around it at most,
    so that tiles with such margins give what the whole scan would.

    Args:
        in_channels: Image channels.
        out_channels: Values for each voxel.
        channels: Channels at each resolution, the full one first.
    """

    def __init__(
        self, in_channels: int, out_channels: int, channels: Sequence[int] = (16, 32, 64)
    ) -> None:
        super().__init__()
        *upper, lowest = channels
        above = [in_channels, *upper]
        self.down = nn.ModuleList(map(_block, above, upper))
        self.bottom = _block(above[-1], lowest, layers=1)
        below = [*upper[1:], lowest]
        self.up = nn.ModuleList(
            _block(own + under, own) for own, under in reversed([*zip(upper, below, strict=True)])
        )
        self.last = nn.Conv3d(upper[0], out_channels, 1)

    def forward(self, volumes: Tensor) -> Tensor:
        """Answer for every voxel.

        Args:
            volumes: (n, in_channels, x, y, z).

        Returns:
            (n, out_channels, x, y, z).
        """
        kept = []
        for block in self.down:
            volumes = block(volumes)
            kept.append(volumes)
            volumes = functional.avg_pool3d(volumes, 2)
        volumes = self.bottom(volumes)
        for block, skip in zip(self.up, reversed(kept), strict=True):
            volumes = functional.interpolate(volumes, scale_factor=2, mode="nearest")
            volumes = block(torch.cat([skip, volumes], dim=1))
        answer: Tensor = self.last(volumes)
        return answer


def _block(before: int, after: int, layers: int = 2) -> nn.Sequential:
    """Convolutions, each followed by a leaky rectifier."""
    widths = [before, *[after] * layers]
    pairs = itertools.pairwise(widths)
    parts = [(nn.Conv3d(a, b, 3, padding=1), nn.LeakyReLU(0.1)) for a, b in pairs]
    return nn.Sequential(*(layer for pair in parts for layer in pair))
