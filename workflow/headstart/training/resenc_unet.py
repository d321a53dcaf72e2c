"""The residual-encoder U-Net of nnU-Net."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch import nn

Stride = int | tuple[int, int, int]
SLOPE = 0.01  # of the leaky rectifier, where its input is negative


class ResEncUNet(nn.Module):
    """A U-Net whose encoder is a residual network, and whose decoder is as light as it can be.

    Isensee, Wald, Ulrich, Baumgartner, Roy, Maier-Hein, Jäger 2024, nnU-Net Revisited,
    doi:10.48550/arXiv.2404.09556: ResEnc. As in nnU-Net, blocks are those of ResNet-D (He and
    others 2019, doi:10.1109/CVPR.2019.00065), and a block begins as the identity. Written anew, as
    nnU-Net's own package brings timm and torchvision along; its numbers are the same.

    Args:
        in_channels: Image channels.
        out_channels: Classes, with the background.
        channels: Width at each resolution.
        blocks: Residual blocks of the encoder at each resolution.
        strides: How many times coarser each resolution is than the one before, a number or one for
            each axis; the first is usually 1.
        deep_supervision: Whether it answers at several resolutions while it is trained: at all but
            the two lowest, or of three at all but the lowest.

    Shape:
        Input (n, in_channels, x, y, z), output (n, out_channels, x, y, z), or a list of them from
        the full resolution down.

    Raises:
        ValueError: If channels, blocks and strides are not of the same number, two at least, and
            three with deep supervision.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        blocks: Sequence[int],
        strides: Sequence[int | Sequence[int]],
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        if not len(channels) == len(blocks) == len(strides) >= 2 + deep_supervision:
            raise ValueError(
                f"channels, blocks and strides need one entry for each of {2 + deep_supervision} "
                "resolutions or more"
            )
        steps = [_stride(step) for step in strides]
        self.deep_supervision = deep_supervision
        self.stem = _convolution(in_channels, channels[0])
        self.encoder = nn.ModuleList(
            _stage(*widths, number, step)
            for widths, number, step in zip(
                pairwise((channels[0], *channels)), blocks, steps, strict=True
            )
        )
        # from the lowest resolution up
        up = list(zip(pairwise(channels), steps[1:], strict=True))[::-1]
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose3d(low, high, step, step) for (high, low), step in up
        )
        self.decoder = nn.ModuleList(_convolution(2 * high, high) for (high, _), _ in up)
        heads = max(2, len(channels) - 2) if deep_supervision else 1
        self.heads = nn.ModuleList(nn.Conv3d(width, out_channels, 1) for width in channels[:heads])
        self.apply(_begin)

    def forward(self, volumes: Tensor) -> Tensor | list[Tensor]:
        """Map volumes to logits."""
        features = self.stem(volumes)
        skipped = []
        for stage in self.encoder:
            features = stage(features)
            skipped.append(features)
        features = skipped.pop()
        decoded: list[Tensor] = []
        for enlarge, merge in zip(self.enlarge, self.decoder, strict=True):
            features = merge(torch.cat((enlarge(features), skipped.pop()), dim=1))
            decoded.insert(0, features)
        if self.training and self.deep_supervision:
            scales = decoded[: len(self.heads)]
            return [head(scale) for head, scale in zip(self.heads, scales, strict=True)]
        return self.heads[0](features)


class ResidualBlock(nn.Module):
    """Two convolutions, and what they add to their input."""

    def __init__(self, before: int, after: int, stride: Stride) -> None:
        super().__init__()
        self.first = _convolution(before, after, stride)
        self.second = nn.Sequential(nn.Conv3d(after, after, 3, padding=1), _norm(after))
        self.shortcut = nn.Sequential()
        if stride not in (1, (1, 1, 1)):
            self.shortcut.append(nn.AvgPool3d(stride, stride))
        if before != after:
            self.shortcut.append(nn.Conv3d(before, after, 1, bias=False))
            self.shortcut.append(_norm(after))
        self.rectify = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, before, x, y, z) to (n, after, …)."""
        return self.rectify(self.second(self.first(features)) + self.shortcut(features))


class Convolution(nn.Sequential):
    """A convolution, instance norm, and a leaky rectifier."""


def _convolution(before: int, after: int, stride: Stride = 1) -> Convolution:
    convolution = nn.Conv3d(before, after, 3, stride, padding=1)
    return Convolution(convolution, _norm(after), nn.LeakyReLU(SLOPE, inplace=True))


def _norm(channels: int) -> nn.InstanceNorm3d:
    return nn.InstanceNorm3d(channels, affine=True)


def _stage(before: int, after: int, blocks: int, stride: Stride) -> nn.Sequential:
    rest = (ResidualBlock(after, after, 1) for _ in range(blocks - 1))
    return nn.Sequential(ResidualBlock(before, after, stride), *rest)


def _stride(step: int | Sequence[int]) -> Stride:
    if isinstance(step, int):
        return step
    x, y, z = step
    return x, y, z


def _begin(module: nn.Module) -> None:
    """Set the weights that a module starts with, as nnU-Net does."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, ResidualBlock):
        nn.init.zeros_(module.second.get_parameter("1.weight"))
