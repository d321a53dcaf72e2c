"""A network as it predicts: by tiles where it learnt from patches, and over mirror images."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from itertools import groupby
from math import inf
from math import prod
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

from headstart.common.text import times
from headstart.imaging.slabs import Slabs
from headstart.imaging.slabs import WrittenSlabs
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.mirrors import flipped_axes
from headstart.training.receptive_field import receptive_field
from headstart.training.registry import NETWORKS
from headstart.training.tiles import WIDEST
from headstart.training.tiles import margins
from headstart.training.tiles import padding
from headstart.training.tiles import spans
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
        network = Tiled(network, size, steps, predict.overlap, patch)
    axes = flipped_axes(predict.flips, train.augment, train.swap)
    return Mirrored(network, axes) if axes else network


class Tiled(nn.Module):
    """A network that sees scans tile by tile, each voxel of its output written once.

    Args:
        network: The network; it answers for every voxel.
        size: Voxels of a tile.
        steps: What the network halves, voxels along each axis: tiles begin at multiples of it.
        overlap: Least share of a tile that the next one has too, where margins can't be as wide as
            the network sees.
        learnt: Voxels of what the network has learnt from, which tiles need not be larger than.

    Attributes:
        size: Voxels of a tile.
        learnt: Those of what the network has learnt from.
    """

    def __init__(
        self,
        network: nn.Module,
        size: Sequence[int],
        steps: Sequence[int],
        overlap: float,
        learnt: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._steps, self._overlap = tuple(steps), overlap
        self._largest = tuple(size)
        self.learnt = tuple(learnt or size)
        # of each size of tiles that was taken, or looked at
        self._margins: dict[Sequence[int], list[int]] = {}
        self._reach: dict[Sequence[int], list[int | None]] = {}
        self.resize(size)

    def times_as_long(
        self, size: Sequence[int], shape: Sequence[int], channels: int, place: torch.device
    ) -> float:
        """Say how many times as long tiles of a size take, however much of them is margin.

        Args:
            size: Voxels of a tile.
            shape: Voxels of what is predicted.
            channels: Image channels.
            place: Where the network computes.

        Returns:
            The voxels that it sees, over those of the tiles as they are now; infinity where the
            answer would not be the one for the whole.
        """
        field = self._field(size, channels, place)
        chosen, exact = margins(field, size, self._steps, self._overlap, widest=1)
        now, _ = margins(field, self.size, self._steps, self._overlap, self._widest)
        return self._seen(shape, size, chosen) / self._seen(shape, self.size, now) if exact else inf

    def _seen(self, shape: Sequence[int], size: Sequence[int], margin: Sequence[int]) -> int:
        """Count the voxels that the network sees of all tiles of a shape."""
        axes = zip(shape, size, margin, self._steps, self._largest, strict=True)
        return prod(len(spans(*axis)) for axis in axes) * prod(size)

    def resize(self, size: Sequence[int], widest: float = WIDEST) -> None:
        """Take smaller tiles, or the first ones, of which margins may be a share at each end."""
        self.size, self._widest = tuple(size), widest

    def see_tile(self, channels: int, place: torch.device) -> None:
        """Let the network see one tile."""
        with torch.inference_mode():
            self.network(torch.zeros((1, channels, *self.size), device=place))

    def forward(self, volumes: Tensor) -> Tensor:
        """Predict volumes (n, channels, x, y, z) of any size; beyond them there is no signal."""
        least = volumes.amin((2, 3, 4), keepdim=True)
        shape, written = volumes.shape[2:], None
        for first, slab in self.slabs(shape, lambda a, b: volumes[:, :, a:b], least):
            if written is None:
                written = slab.new_empty((*slab.shape[:2], *shape))
            written[:, :, first : first + slab.shape[2]] = slab
        return cast(Tensor, written)

    def slabs(
        self, shape: Sequence[int], read: Callable[[int, int], Tensor], least: Tensor
    ) -> Iterator[tuple[int, Tensor]]:
        """Predict volumes of any size, of which no more is in memory than a row of tiles sees.

        Args:
            shape: Voxels along x, y and z.
            read: Returns their planes along x from one to another, (n, channels, planes, y, z).
            least: The lowest number of each channel, (n, channels, 1, 1, 1).

        Yields:
            The first plane of each slab, and what is said of it, (n, channels, planes, y, z).
        """
        axes = list(zip(shape, self._largest, self._steps, strict=True))
        along = [(axis[0], *padding(*axis)) for axis in axes]
        whole = [before + n + behind for n, before, behind in along]
        inner = [slice(before, before + n) for n, before, _ in along]
        if self.size not in self._margins and whole != list(self.size):
            self._margins[self.size] = self._measured(least.shape[1], least.device)
        margin = self._margins.get(self.size, (0, 0, 0))
        boxes = tiles(shape, self.size, margin, self._steps, self._largest)
        for written, row in groupby(boxes, key=lambda tile: tile.written[0]):
            in_row = list(row)
            seen = _row(read, shape[0], in_row[0].seen[0], inner, whole, least)
            slab = None
            for tile in in_row:
                output = _part(self.network(_part(seen, (slice(None), *tile.seen[1:]))), tile.kept)
                if slab is None:
                    slab = output.new_empty((*output.shape[:3], *shape[1:]))
                _part(slab, (slice(None), *tile.written[1:]))[...] = output
            yield written.start, cast(Tensor, slab)

    def _measured(self, channels: int, place: torch.device) -> list[int]:
        """Choose the margins by how far the network sees, and say what comes of it."""
        field = self._field(self.size, channels, place)
        chosen, exact = margins(field, self.size, self._steps, self._overlap, self._widest)
        said = "the same answer as for a whole scan at once"
        if not exact:
            said = (
                f"not the very answer as for a whole scan at once: {self._why(field)}; larger "
                "patches and predict.overlap bring it closer"
            )
        print(
            f"tiles of {times(self.size)} voxels with margins of {times(chosen)}: {said}",
            file=sys.stderr,
            flush=True,
        )
        return chosen

    def _field(self, size: Sequence[int], channels: int, place: torch.device) -> list[int | None]:
        """Return how far the network sees in tiles of a size, looked at once for each."""
        if size not in self._reach:
            self._reach[size] = receptive_field(self.network, channels, size, self._steps, place)
        return self._reach[size]

    def _why(self, field: Sequence[int | None]) -> str:
        """Say why a network answers otherwise for tiles."""
        for module in self.network.modules():
            if isinstance(module, _InstanceNorm | nn.GroupNorm):
                return f"the network normalises each tile by itself ({type(module).__name__})"
        axes = zip(field, self.size, self._steps, strict=True)
        far = [f"at least {(n - s) // 2}" if reach is None else str(reach) for reach, n, s in axes]
        return f"the network sees {', '.join(far)} voxels far along x, y and z"


class Mirrored(nn.Module):
    """The mean of a network's outputs for a scan and its mirror images.

    Args:
        network: The network.
        axes: Those along which the scan is mirrored, all combinations of them: 0 left-right,
            1 back-front, 2 down-up.

    Attributes:
        images: Of each image, the axes along which it is mirrored.
    """

    def __init__(self, network: nn.Module, axes: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.images = [some for n in range(len(axes) + 1) for some in combinations(axes, n)]

    def forward(self, volumes: Tensor, *covariates: Tensor) -> Tensor:
        """Predict volumes (n, channels, x, y, z); what is said of voxels is mirrored back.

        Args:
            volumes: The volumes.
            *covariates: What the network sees beside them, which no mirror changes.
        """
        total = torch.zeros((), device=volumes.device)
        for axes in self.images:
            dims = [axis - 3 for axis in axes]
            output = self.network(volumes.flip(dims), *covariates)
            total = total + (output.flip(dims) if output.ndim == volumes.ndim else output)
        return total / len(self.images)


def tiled_of(network: nn.Module) -> Tiled:
    """Return what goes by tiles in what `make_predictor` made of a network of patches."""
    return cast(Tiled, network.network if isinstance(network, Mirrored) else network)


def output_by_slabs(
    network: nn.Module, volume: Slabs, place: torch.device, *, scratch: bool
) -> Slabs:
    """Let a network that goes by tiles see a scan of which memory holds no more than they need.

    Args:
        network: What `make_predictor` made of a network that learnt from patches.
        volume: The scan.
        place: Where the network computes.
        scratch: Whether its output lies in a file.

    Returns:
        Its output, (channels, x, y, z).
    """
    images = network.images if isinstance(network, Mirrored) else [()]
    lowest = np.min([slab.min(axis=(1, 2, 3)) for _, slab in volume.each()], axis=0)
    least = torch.from_numpy(lowest).to(place).float()[None, :, None, None, None]
    written: WrittenSlabs | None = None
    for axes in images:
        read = partial(_mirrored, volume, axes, place)
        for first, slab in tiled_of(network).slabs(volume.shape[1:], read, least):
            if written is None:
                shape = (slab.shape[1], *volume.shape[1:])
                written = WrittenSlabs(shape, scratch=scratch)
            start = volume.shape[1] - first - slab.shape[2] if 0 in axes else first
            back = slab[0].flip([axis - 3 for axis in axes])
            written.add(start, back.float().cpu().numpy())
    total = cast(WrittenSlabs, written)
    return Slabs(total.shape, total.read).mapped(lambda slab: slab / np.float32(len(images)))


def _mirrored(
    volume: Slabs, axes: Sequence[int], place: torch.device, first: int, last: int
) -> Tensor:
    """Read planes of a scan's mirror image, (1, channels, planes, y, z)."""
    if 0 in axes:
        first, last = volume.shape[1] - last, volume.shape[1] - first
    planes = torch.from_numpy(volume.read(first, last)).to(place).float()
    return planes.flip([axis - 3 for axis in axes])[None]


def _halved(size: Sequence[int]) -> list[int]:
    """Guess what a network of the user's own halves: four times at most, to 4 voxels or more."""
    steps = (2, 4, 8, 16)
    return [max((s for s in steps if n % s == 0 and n >= 4 * s), default=1) for n in size]


def _row(
    read: Callable[[int, int], Tensor],
    length: int,
    seen: slice,
    inner: Sequence[slice],
    whole: Sequence[int],
    least: Tensor,
) -> Tensor:
    """Read what a row of tiles sees of padded volumes, (n, channels, planes, y, z)."""
    before = inner[0].start
    first, last = max(seen.start - before, 0), min(seen.stop - before, length)
    planes = read(first, last)
    there = slice(first + before - seen.start, last + before - seen.start)
    row = least.repeat(1, 1, seen.stop - seen.start, *whole[1:])
    _part(row, (there, *inner[1:]))[...] = planes
    return row


def _part(tensor: Tensor, box: Sequence[slice]) -> Tensor:
    """Return a view of a part of a tensor (n, channels, x, y, z)."""
    x, y, z = box
    return tensor[..., x, y, z]
