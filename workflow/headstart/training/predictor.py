"""A network as it predicts: by tiles where it learnt from patches, and over mirror images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

from headstart.common.text import times
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.mirrors import flipped_axes
from headstart.training.receptive_field import receptive_field
from headstart.training.registry import NETWORKS
from headstart.training.tiles import margins
from headstart.training.tiles import padding
from headstart.training.tiles import tile_of
from headstart.training.tiles import tiles


def make_predictor(network: nn.Module, train: Train, predict: Predict) -> nn.Module:
    """Make of a network what takes whole scans, and says what is wanted of it.

    Args:
        network: The network.
        train: How it is trained.
        predict: How it predicts.

    Returns:
        The network itself where it takes whole scans as they are.
    """
    if train.patches is not None:
        ours, patch = NETWORKS.get(train.network), train.patches.patches
        steps = ours.multiples(train.network_arguments) if ours else _halved(patch)
        size = tile_of(patch, local=bool(ours and ours.local))
        network = Tiled(network, size, steps, predict.overlap)
    axes = flipped_axes(predict.flips, train.augment, train.swap)
    return Mirrored(network, axes) if axes else network


class Tiled(nn.Module):
    """A network that sees scans tile by tile, each voxel of its output written once.

    Args:
        network: The network; it answers for every voxel.
        size: Voxels of a tile, as the network has learnt from.
        steps: What the network halves, voxels along each axis: tiles begin at multiples of it.
        overlap: Least share of a tile that the next one has too, where margins can't be as wide as
            the network sees.
    """

    def __init__(
        self, network: nn.Module, size: Sequence[int], steps: Sequence[int], overlap: float
    ) -> None:
        super().__init__()
        self.network = network
        self._size, self._steps, self._overlap = tuple(size), tuple(steps), overlap
        self._margins: list[int] | None = None

    def forward(self, volumes: Tensor) -> Tensor:
        """Predict volumes (n, channels, x, y, z) of any size; beyond them there is no signal."""
        shape = volumes.shape[2:]
        axes = zip(shape, self._size, self._steps, strict=True)
        along = [(axis[0], *padding(*axis)) for axis in axes]
        whole = [before + n + behind for n, before, behind in along]
        inner = [slice(before, before + n) for n, before, _ in along]
        padded = volumes
        if whole != list(shape):
            padded = volumes.amin((2, 3, 4), keepdim=True).repeat(1, 1, *whole)
            _part(padded, inner)[...] = volumes
        if tuple(whole) == self._size:
            return _part(self.network(padded), inner).contiguous()
        if self._margins is None:
            self._margins = self._measured(volumes)
        written: list[Tensor] = []
        for tile in tiles(shape, self._size, self._margins, self._steps):
            output = _part(self.network(_part(padded, tile.seen)), tile.kept)
            if not written:
                written = [output.new_empty((*output.shape[:2], *shape))]
            _part(written[0], tile.written)[...] = output
        return written[0]

    def _measured(self, volumes: Tensor) -> list[int]:
        """Choose the margins by how far the network sees, and say what comes of it."""
        field = receptive_field(
            self.network, volumes.shape[1], self._size, self._steps, volumes.device
        )
        chosen, exact = margins(field, self._size, self._steps, self._overlap)
        said = "the same answer as for a whole scan at once"
        if not exact:
            said = (
                f"not the very answer as for a whole scan at once: {self._why(field)}; larger "
                "patches and predict.overlap bring it closer"
            )
        print(
            f"tiles of {times(self._size)} voxels with margins of {times(chosen)}: {said}",
            file=sys.stderr,
            flush=True,
        )
        return chosen

    def _why(self, field: Sequence[int | None]) -> str:
        """Say why a network answers otherwise for tiles."""
        for module in self.network.modules():
            if isinstance(module, _InstanceNorm | nn.GroupNorm):
                return f"the network normalises each tile by itself ({type(module).__name__})"
        axes = zip(field, self._size, self._steps, strict=True)
        far = [f"at least {(n - s) // 2}" if reach is None else str(reach) for reach, n, s in axes]
        return f"the network sees {', '.join(far)} voxels far along x, y and z"


class Mirrored(nn.Module):
    """The mean of a network's outputs for a scan and its mirror images.

    Args:
        network: The network.
        axes: Those along which the scan is mirrored, all combinations of them: 0 left-right,
            1 back-front, 2 down-up.
    """

    def __init__(self, network: nn.Module, axes: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self._images = [some for n in range(len(axes) + 1) for some in combinations(axes, n)]

    def forward(self, volumes: Tensor, *covariates: Tensor) -> Tensor:
        """Predict volumes (n, channels, x, y, z); what is said of voxels is mirrored back.

        Args:
            volumes: The volumes.
            *covariates: What the network sees beside them, which no mirror changes.
        """
        total = torch.zeros((), device=volumes.device)
        for axes in self._images:
            dims = [axis - 3 for axis in axes]
            output = self.network(volumes.flip(dims), *covariates)
            total = total + (output.flip(dims) if output.ndim == volumes.ndim else output)
        return total / len(self._images)


def _halved(size: Sequence[int]) -> list[int]:
    """Guess what a network of the user's own halves: four times at most, to 4 voxels or more."""
    steps = (2, 4, 8, 16)
    return [max((s for s in steps if n % s == 0 and n >= 4 * s), default=1) for n in size]


def _part(tensor: Tensor, box: Sequence[slice]) -> Tensor:
    """Return a view of a part of a tensor (n, channels, x, y, z)."""
    x, y, z = box
    return tensor[..., x, y, z]
