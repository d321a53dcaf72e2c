"""Prepared scans as torch takes them, in an order that the seed alone decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

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

    Each scan's place follows from (seed, epoch, subject, session), so that an interruption does
    not change it. A single scan left over joins the batch before it:
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


class Batch(NamedTuple):
    """What a network sees at once.

    Attributes:
        scans: The scans.
        volumes: (n, channels, x, y, z), float32, where the network computes.
        truths: What `Task.target` says of each: scalars (n,), or masks (n, 1, x, y, z) of uint8.
    """

    scans: Sequence[Scan]
    volumes: Tensor
    truths: Tensor


def read_batch(scans: Sequence[Scan], task: Task, place: torch.device) -> Batch:
    """Read scans as they were prepared, and send them to where the network computes.

    Half the bytes are sent, from pinned memory, so that nobody waits for their arrival.
    """
    pinned = place.type == "cuda"
    first = scans[0].volume()
    half = torch.empty((len(scans), *first.shape), dtype=torch.float16, pin_memory=pinned)
    for row, scan in zip(half.numpy(), scans, strict=True):
        row[...] = scan.volume()
    truths = torch.stack([torch.from_numpy(task.target(scan)) for scan in scans])
    if pinned:
        truths = truths.pin_memory()
    # widened there: torch widens twelve times faster than numpy
    volumes = half.to(place, non_blocking=True).float()
    return Batch(scans, volumes, truths.to(place, non_blocking=True))


def load_volume(scan: Scan) -> Tensor:
    """Read a prepared volume as (channels, x, y, z) float32."""
    return torch.from_numpy(np.array(scan.volume())).float()


class EpochLoader:
    """Batches of augmented training scans, epoch by epoch.

    Args:
        scans: The training scans.
        task: Gives a scan's truth.
        config: The section `train`.
        seed: The run's seed; the augmentation of a scan follows from (seed, epoch, scan).
        place: Where the network computes.

    Attributes:
        steps: Batches of an epoch.
        augmentation: What changes the scans.
    """

    def __init__(
        self, scans: Sequence[Scan], task: Task, config: Train, seed: int, place: torch.device
    ) -> None:
        self.steps = len(make_batches(scans, config.batch_size, seed, 1))
        self._scans, self._task, self._seed, self._place = scans, task, seed, place
        self._batch_size = config.batch_size
        self.augmentation = Augmentation(config.augment, task.swap_table(config.swap))

    def epoch(self, epoch: int, start: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, from the one of number `start` on.

        One is read ahead: it is there before the network begins with the one before it.

        Args:
            epoch: The epoch, from 1.
            start: How many of its batches are done, from 0.
        """
        ahead = None
        for batch in make_batches(self._scans, self._batch_size, self._seed, epoch)[start:]:
            upcoming = self._read([self._scans[index] for index in batch], epoch)
            if ahead is not None:
                yield ahead
            ahead = upcoming
        if ahead is not None:
            yield ahead

    def _read(self, scans: Sequence[Scan], epoch: int) -> Batch:
        batch = read_batch(scans, self._task, self._place)
        channels = batch.volumes.shape[1]
        seeds = [seed_of(self._seed, "augment", epoch, one.subject, one.session) for one in scans]
        draws = [self.augmentation.draw(seed, channels) for seed in seeds]
        affines = [scan.affine for scan in scans]
        volumes, truths = self.augmentation.apply(batch.volumes, batch.truths, draws, affines)
        return Batch(scans, volumes, truths)


def validation_batches(
    scans: Sequence[Scan], task: Task, size: int, place: torch.device
) -> Iterable[Batch]:
    """Yield batches of the validation scans, in their order and as they were prepared."""
    for start in range(0, len(scans), size):
        yield read_batch(scans[start : start + size], task, place)
