"""Prepared scans as torch takes them, in an order that the seed alone decides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset

from headstart.cohort.prepared import Scan
from headstart.training.augmentation.augmentation import Augmentation

if TYPE_CHECKING:
    from headstart.tasks.base import Task
    from headstart.training.config import Train


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
        truth: Gives the truth of a scan, see `headstart.tasks.Task.truth`.
        augmentation: What changes them; None if nothing does.
        seed: The run's seed; the augmentation of a scan follows from (seed, epoch, scan).
        epoch: The epoch, from 1.

    Each item is a pair: volume (channels, x, y, z) float32, and the truth, a scalar tensor or a
    mask (1, x, y, z) uint8.
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        truth: Callable[[Scan], NDArray[Any]],
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self.scans = scans
        self.truth = truth
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        scan = self.scans[index]
        volume = load_volume(scan)
        truth = torch.from_numpy(self.truth(scan))
        if self.augmentation is None:
            return volume, truth
        seed = seed_of(self.seed, "augment", self.epoch, scan.subject, scan.session)
        draw = self.augmentation.draw(seed, len(volume))
        volumes, truths = self.augmentation.apply(volume[None], truth[None], [draw], [scan.affine])
        return volumes[0], truths[0]


def load_volume(scan: Scan) -> Tensor:
    """Read a prepared volume as (channels, x, y, z) float32."""
    # torch widens half precision twelve times faster than numpy does
    return torch.from_numpy(np.array(scan.volume())).float()


class EpochLoader:
    """Batches of augmented training scans, epoch by epoch.

    Args:
        scans: The training scans.
        task: Gives a scan's truth.
        config: The section `train`.
        seed: The run's seed.
        workers: Processes that load scans.

    Attributes:
        steps: Batches of an epoch.
        augmentation: What changes the scans.
    """

    def __init__(
        self, scans: Sequence[Scan], task: Task, config: Train, seed: int, workers: int
    ) -> None:
        self.steps = len(make_batches(scans, config.batch_size, seed, 1))
        self._scans, self._task, self._seed, self._workers = scans, task, seed, workers
        self._batch_size = config.batch_size
        self.augmentation = Augmentation(config.augment, task.swap_table(config.swap))

    def epoch(self, epoch: int) -> Iterable[tuple[Tensor, Tensor]]:
        """Volumes and truths of an epoch's batches; the epoch counts from 1 on."""
        scans = PreparedScans(
            self._scans,
            self._task.truth,
            augmentation=self.augmentation,
            seed=self._seed,
            epoch=epoch,
        )
        return DataLoader(
            scans,
            batch_sampler=self._batches(epoch),
            num_workers=self._workers,
            generator=torch.Generator(),
        )

    def scans_of(self, epoch: int, number: int) -> list[Scan]:
        """Return the scans of an epoch's batch; it counts from 0 on."""
        return [self._scans[index] for index in self._batches(epoch)[number]]

    def _batches(self, epoch: int) -> list[list[int]]:
        return make_batches(self._scans, self._batch_size, self._seed, epoch)


def make_validation_loader(
    scans: Sequence[Scan], task: Task, batch_size: int, workers: int
) -> Iterable[tuple[Tensor, Tensor]]:
    """Make batches of the validation scans, in their order and as they were prepared."""
    return DataLoader(
        PreparedScans(scans, task.truth),
        batch_size=batch_size,
        num_workers=workers,
        generator=torch.Generator(),
    )
