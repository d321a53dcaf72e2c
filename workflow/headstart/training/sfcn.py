"""SFCN, the Simple Fully Convolutional Network of Peng et al. 2021."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor
from torch import nn


class SFCN(nn.Module):
    """A light network for one answer per head scan (brain age, sex).

    Peng, Gong, Beckmann, Vedaldi, Smith 2021, Medical Image Analysis 68:101871,
    doi:10.1016/j.media.2020.101871. Where the paper pools a fixed 5x6x5 at the end, this one
    averages over all that is left, so that any window works that can be halved once per block.

    Args:
        in_channels: Image channels.
        out_channels: Answers: classes, or 1 for regression.
        channels: Width of each block; every block but the last halves the volume.
        dropout: Share of the features dropped before the last layer.

    Shape:
        Input (n, in_channels, x, y, z), output (n, out_channels).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int] = (32, 64, 128, 256, 256, 64),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        widths = (in_channels, *channels)
        halving = [_halving_block(a, b) for a, b in pairwise(widths[:-1])]
        self.features = nn.Sequential(*halving, _last_block(*widths[-2:]))
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool3d(1), nn.Dropout(dropout), nn.Conv3d(widths[-1], out_channels, 1)
        )

    def forward(self, volumes: Tensor) -> Tensor:
        """Map volumes to logits or values."""
        return self.head(self.features(volumes)).flatten(1)


def _halving_block(before: int, after: int) -> nn.Sequential:
    convolution = nn.Conv3d(before, after, 3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm3d(after), nn.MaxPool3d(2), nn.ReLU())


def _last_block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(before, after, 1), nn.BatchNorm3d(after), nn.ReLU())
