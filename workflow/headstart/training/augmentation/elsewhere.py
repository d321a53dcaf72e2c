"""Transforms that TorchIO runs itself: on the CPU, scan by scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from typing import Self

import torch

from headstart.common.errors import UserError
from headstart.training.augmentation.base import Dice
from headstart.training.augmentation.base import Images
from headstart.training.augmentation.base import Transform


@dataclass(frozen=True)
class Elsewhere(Transform):
    """What TorchIO will draw, its probability `p` included.

    Attributes:
        seed: Decides it.
    """

    seed: int

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """TorchIO's generator takes 32 bits."""
        return cls(dice.integer((0, 2**32 - 1)))


def run_in_torchio(asked: Any, batch: Images, drawn: Sequence[Elsewhere]) -> Images:
    """Run one of TorchIO's transforms.

    Args:
        asked: TorchIO's object.
        batch: The scans.
        drawn: The seed of each.

    Raises:
        UserError: If a volume has another shape afterwards.
    """
    import torchio

    volumes, masks = [], []
    for row, one in enumerate(drawn):
        volume, affine = batch.volumes[row].cpu(), batch.affines[row]
        images: dict[str, Any] = {"volume": torchio.ScalarImage(tensor=volume, affine=affine)}
        if batch.masks is not None:
            images["mask"] = torchio.LabelMap(tensor=batch.masks[row].cpu(), affine=affine)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(one.seed)
            changed = asked(torchio.Subject(images))
        if changed["volume"].data.shape != volume.shape:
            raise UserError(
                f"train.augment: {type(asked).__name__} makes a volume {tuple(volume.shape)} one "
                f"of {tuple(changed['volume'].data.shape)}; leave it out"
            )
        volumes.append(changed["volume"].data.float().to(batch.volumes.device))
        if batch.masks is not None:
            masks.append(changed["mask"].data.to(batch.masks))  # SimpleITK gives floats
    moved = torch.stack(masks) if masks else None
    return replace(batch, volumes=torch.stack(volumes), masks=moved)
