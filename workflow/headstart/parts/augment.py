"""Training scans, augmented by TorchIO, in an order and a way that the seed alone decides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from headstart.parts.cohort import Scan
from headstart.parts.errors import UserError


def seed_of(*parts: str | int) -> int:
    """Derive a seed from what it is for, e.g. `seed_of(seed, epoch, subject, session)`."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def make_batches(scans: Sequence[Scan], size: int, seed: int, epoch: int) -> list[list[int]]:
    """Put an epoch's scans in order and cut them into batches.

    Each scan's place follows from (seed, epoch, subject, session), so that neither the number of
    workers nor an interruption changes it. A single scan left over joins the batch before it:
    batch norm has nothing to average over in a batch of one.

    Args:
        scans: The training scans.
        size: Scans per batch.
        seed: The run's seed.
        epoch: The epoch, from 1.

    Returns:
        Indices into `scans`, batch by batch.
    """
    keys = [seed_of(seed, "order", epoch, scan.subject, scan.session) for scan in scans]
    order = sorted(range(len(scans)), key=keys.__getitem__)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] += last
    return batches


class PreparedScans(Dataset[tuple[Tensor, Tensor]]):
    """Prepared volumes with their truth, as a torch data set.

    Args:
        scans: The scans, in order.
        truth: Gives the truth of a scan, see `headstart.parts.tasks.Task.truth`.
        transform: Augmentation that `make_augmentation` made, or None.
        seed: The run's seed; the augmentation of a scan follows from (seed, epoch, scan).
        epoch: The epoch, from 1.

    Each item is a pair: volume (channels, x, y, z) float32, and the truth, a scalar tensor or a
    mask (1, x, y, z) uint8.
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        truth: Callable[[Scan], Tensor],
        *,
        transform: Callable[[Any], Any] | None = None,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self.scans = scans
        self.truth = truth
        self.transform = transform
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        scan = self.scans[index]
        volume = read_volume(scan)
        truth = self.truth(scan)
        if self.transform is not None:
            seed = seed_of(self.seed, "augment", self.epoch, scan.subject, scan.session)
            volume, truth = augment(self.transform, volume, truth, scan.affine, seed)
        return volume, truth


def read_volume(scan: Scan) -> Tensor:
    """Read a prepared volume as (channels, x, y, z) float32."""
    # torch widens half precision twelve times faster than numpy does
    return torch.from_numpy(np.array(scan.volume())).float()


def make_augmentation(
    transforms: Sequence[Mapping[str, Mapping[str, Any]]],
) -> Callable[[Any], Any] | None:
    """Make TorchIO's transforms from `train.augment`.

    Args:
        transforms: One class name and its arguments each, e.g. `{"RandomNoise": {"std": 0.1}}`.

    Returns:
        The transforms in a row, or None if there are none (TorchIO is then not imported).

    Raises:
        UserError: If TorchIO does not take an argument's value.
    """
    if not transforms:
        return None
    import torchio

    return torchio.Compose([_make(transform) for transform in transforms])


def augment(
    transform: Callable[[Any], Any],
    volume: Tensor,
    truth: Tensor,
    affine: NDArray[np.float64],
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Augment one scan, and its mask alike.

    Args:
        transform: What `make_augmentation` returned.
        volume: (channels, x, y, z).
        truth: A mask (1, x, y, z), or a scalar that stays as it is.
        affine: Voxel to mm, 4x4.
        seed: Decides every random draw; the caller's generator is left as it was.

    Raises:
        UserError: If the volume has another shape afterwards.
    """
    import torchio

    images: dict[str, Any] = {"volume": torchio.ScalarImage(tensor=volume, affine=affine)}
    if truth.ndim == 4:
        images["mask"] = torchio.LabelMap(tensor=truth, affine=affine)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        augmented = transform(torchio.Subject(images))
    changed = augmented["volume"].data
    if changed.shape != volume.shape:
        raise UserError(
            f"train.augment: a volume {tuple(volume.shape)} became {tuple(changed.shape)}; "
            "leave out the transform that changes the shape"
        )
    return changed.float(), augmented["mask"].data if "mask" in images else truth


def _make(transform: Mapping[str, Mapping[str, Any]]) -> Any:
    import torchio

    ((name, arguments),) = transform.items()
    try:
        return getattr(torchio, name)(**{key: _value(value) for key, value in arguments.items()})
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(
            f"train.augment: {name} does not take {dict(arguments)}: {error}"
        ) from error


def _value(value: Any) -> Any:
    """Lists of numbers as tuples, lists of transforms (`OneOf`) as TorchIO's objects."""
    if not isinstance(value, list | tuple):
        return value
    nested = bool(value) and all(isinstance(part, Mapping) for part in value)
    return [_make(part) for part in value] if nested else tuple(_value(part) for part in value)
