"""Weights of networks whose number of layers is an argument, and the numbers that a step keeps.

Counted by hand, as the classes of MONAI make their layers: a study is planned, and a dry run made,
without torch. A test holds the weights against those of the built networks.
"""

from __future__ import annotations

from typing import NamedTuple

from headstart.training.network_arguments import Arguments
from headstart.training.network_arguments import per_resolution


class Size(NamedTuple):
    """How large a network of one channel and one answer is, in 3-D.

    Attributes:
        kept: Numbers that a step keeps of each voxel that it sees, roughly.
        weights: Its weights.
    """

    kept: float
    weights: int


def densenet_size(given: Arguments) -> Size:
    """Count a DenseNet, which halves its volumes four times and more; norms are counted as kept."""
    blocks = per_resolution(given, "block_config", (6, 12, 24, 16))
    channels, growth = given.get("init_features", 64), given.get("growth_rate", 32)
    narrow = given.get("bn_size", 4) * growth
    weights = (7**3 + 2) * channels
    # the first convolution, its norm and their gradients at half of the resolution, then a maximum
    kept = 6 * channels / 8 + 3 * channels / 64
    for number, layers in enumerate(blocks):
        voxels = 1 / 8 ** (number + 2)
        for _ in range(layers):
            weights += channels * (2 + narrow) + narrow * (2 + 27 * growth)
            kept += 2 * (channels + narrow + growth) * voxels
            channels += growth
        weights += 2 * channels
        if number < len(blocks) - 1:
            weights += channels * (channels // 2)
            channels //= 2
    return Size(kept, weights + channels + 1)


def segresnet_size(given: Arguments) -> Size:
    """Count a SegResNet, which halves its volumes once less than it has numbers of blocks."""
    first = given.get("init_filters", 8)
    down = per_resolution(given, "blocks_down", (1, 2, 2, 4))
    up = per_resolution(given, "blocks_up", (1, 1, 1))
    weights, kept = 27 * first + 3 * first + 1, 3 * first
    for level, blocks in enumerate(down):
        channels = first * 2**level
        halving = 27 * channels * channels // 2 if level else 0
        weights += halving + blocks * _block(channels)
        kept += (4 * blocks + bool(level)) * channels / 8**level
    for level, blocks in enumerate(reversed(up)):
        channels = first * 2**level
        weights += 2 * channels * channels + blocks * _block(channels)
        kept += (4 * blocks + 2 + 1 / 8) * channels / 8**level
    return Size(kept, weights)


def _block(channels: int) -> int:
    """Weights of two convolutions and their norms."""
    return 2 * (27 * channels**2 + 2 * channels)
