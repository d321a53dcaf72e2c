"""Augmentation of batches on the training device, in an order and a way that seeds alone decide."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.training.augmentation.base import Array
from headstart.training.augmentation.base import Dice
from headstart.training.augmentation.base import Images
from headstart.training.augmentation.base import Transform
from headstart.training.augmentation.base import origins_of
from headstart.training.augmentation.base import send
from headstart.training.augmentation.elsewhere import Elsewhere
from headstart.training.augmentation.parse import Asked
from headstart.training.augmentation.parse import Choice
from headstart.training.augmentation.parse import leaves
from headstart.training.augmentation.parse import parse
from headstart.training.augmentation.passes import Pass
from headstart.training.augmentation.passes import passes_of
from headstart.training.augmentation.spatial import Box
from headstart.training.augmentation.spatial import Flip
from headstart.training.augmentation.spatial import Spatial

# Where TorchIO itself moves voxels, we don't know how far: from a place twice as far from the
# patch's centre at most.
UNKNOWN = 2.0
ROUNDING = 1e-6


@dataclass(frozen=True)
class Draw:
    """What happens to one scan.

    Attributes:
        steps: The transforms that it drew, by their place among those of `train.augment`.
    """

    steps: Mapping[int, Transform]

    @property
    def mirrored(self) -> bool:
        """Whether left and right change places."""
        flips = [step for step in self.steps.values() if isinstance(step, Flip)]
        return sum(0 in flip.axes for flip in flips) % 2 == 1


class Augmentation:
    """The transforms of `train.augment`, with TorchIO's names, arguments and distributions.

    Most run here, on the device where the volumes are: on a GPU batch by batch, on a CPU scan by
    scan, which is faster there. What we don't run, TorchIO itself runs on the CPU, in its place in
    the order. A scan's result follows from its draw, whatever its neighbours in the batch; the
    process's own random numbers are left as they are.

    Args:
        transforms: One class name and its arguments each, e.g. `{"RandomNoise": {"std": 0.1}}`.
        swap: What each value of a target becomes if the scan is mirrored left to right, see
            `Task.swap_table`.

    Attributes:
        where: What runs where, in a line for the log; "" without transforms.

    Raises:
        UserError: If TorchIO does not take an argument's value.
    """

    def __init__(
        self,
        transforms: Sequence[Mapping[str, Mapping[str, Any]]],
        swap: NDArray[np.int64] | None = None,
    ) -> None:
        self._nodes = parse(transforms)
        self._places = {asked: place for place, asked in enumerate(leaves(self._nodes))}
        self._passes = passes_of(self._places)
        self._moving = {place for asked, place in self._places.items() if asked.moves}
        self._last_moving = max(
            (n for n, one in enumerate(self._passes) if self._moving & one.asked.keys()), default=-1
        )
        self._swap = swap
        self.where = _tell(self._passes)

    def draw(self, seed: int, channels: int) -> Draw:
        """Draw what happens to a scan; no voxel is touched.

        Args:
            seed: Decides it.
            channels: Channels of the scan.
        """
        dice = Dice(np.random.default_rng(seed), channels)
        return Draw(dict(self._drawn(self._nodes, dice)))

    def margin(self, draw: Draw, shape: Sequence[int], affine: Array) -> tuple[int, ...]:
        """Tell how far around a patch the voxels lie that its augmentation brings into it.

        Args:
            draw: What happens to it.
            shape: Voxels of the patch.
            affine: Its voxel to mm, 4x4.

        Returns:
            Voxels along each axis.
        """
        box, reach = Box(shape, affine), np.ones(3)
        for place, step in sorted(draw.steps.items(), reverse=True):
            if isinstance(step, Spatial):
                reach = step.reach(reach, box)
            elif place in self._moving:
                reach = reach * UNKNOWN
        beyond = np.ceil((reach - 1) * np.array(shape) / 2 - ROUNDING)
        return tuple(int(voxels) for voxels in np.maximum(beyond, 0))

    def apply(
        self,
        volumes: Tensor,
        targets: Tensor,
        draws: Sequence[Draw],
        affines: Sequence[Array],
        **patch: Any,
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            volumes: As they were prepared, (n, channels, x, y, z), float32.
            targets: On the same device: masks of whole numbers (n, 1, x, y, z), which move alike,
                or scalars (n,); they change by `swap` alone.
            draws: What happens to each scan.
            affines: Prepared voxel to mm of each, 4x4.
            **patch: Of patches, as for `apply_at_once`.

        Returns:
            Volumes and targets, in their types.

        Raises:
            UserError: If a volume has another shape afterwards.
        """
        if volumes.device.type != "cpu" or len(volumes) == 1:
            return self.apply_at_once(volumes, targets, draws, affines, **patch)
        # several at once need fresh pages of memory at every step, which cost more than they save
        each = zip(volumes.split(1), targets.split(1), draws, affines, strict=True)
        done = [self.apply_at_once(v, t, [draw], [affine], **patch) for v, t, draw, affine in each]
        return torch.cat([v for v, _ in done]), torch.cat([t for _, t in done])

    def apply_at_once(
        self,
        volumes: Tensor,
        targets: Tensor,
        draws: Sequence[Draw],
        affines: Sequence[Array],
        margin: Sequence[int] = (0, 0, 0),
        air: Sequence[float] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch as `apply` does, all its scans together: the same bits.

        Args:
            volumes: As for `apply`, as the other ones.
            targets: They.
            draws: They.
            affines: They.
            margin: What was read around patches, see `margin`; it is cut off.
            air: Each channel's level of no signal, where the volumes are patches of one scan.
        """
        if not self._passes:
            return volumes, targets
        masks = targets if targets.ndim == volumes.ndim else None
        origins = origins_of(volumes)
        if air is not None:
            origins = send(np.minimum(air, 0).reshape(1, -1, 1, 1, 1), volumes.device)
        batch = Images(volumes, masks, origins, affines)
        with torch.no_grad(), _exact_products():
            for number, one in enumerate(self._passes):
                batch = one.apply(batch, [draw.steps for draw in draws])
                if number == self._last_moving:
                    batch = batch.within(margin)
        return batch.volumes, self._swapped(targets if batch.masks is None else batch.masks, draws)

    def _drawn(
        self, nodes: Sequence[Asked | Choice], dice: Dice
    ) -> Iterator[tuple[int, Transform]]:
        for node in nodes:
            if isinstance(node, Choice):
                if dice.hits(node.probability):
                    branch = node.branches[dice.integer((0, len(node.branches) - 1))]
                    yield from self._drawn([branch], dice)
            elif node.kind is None:
                yield self._places[node], Elsewhere.draw(node.transform, dice)
            elif dice.hits(node.transform.probability):
                step = node.kind.draw(node.transform, dice)
                if step is not None:
                    yield self._places[node], step

    def _swapped(self, targets: Tensor, draws: Sequence[Draw]) -> Tensor:
        mirrored = [draw.mirrored for draw in draws]
        if self._swap is None or not any(mirrored):
            return targets
        table = torch.from_numpy(self._swap).to(targets.device, non_blocking=True)
        return torch.stack(
            [
                table[target.long()].to(target.dtype) if turned else target
                for target, turned in zip(targets, mirrored, strict=True)
            ]
        )


@contextmanager
def _exact_products() -> Iterator[None]:
    """Multiply matrices in full float32, whatever is allowed to the network."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _tell(passes: Sequence[Pass]) -> str:
    here: list[str] = []
    there: list[str] = []
    for one in passes:
        for_torchio = any(asked.kind is None for asked in one.asked.values())
        names = " + ".join(asked.name for asked in one.asked.values())
        (there if for_torchio else here).append(names)
    said = [f"on the training device: {', '.join(here)}"] if here else []
    said += [f"by TorchIO on the CPU: {', '.join(there)}"] if there else []
    return f"augmentation {'; '.join(said)}" if said else ""
