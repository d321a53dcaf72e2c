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

from headstart.cohort.covariates import NO_COVARIATES
from headstart.cohort.covariates import Covariates
from headstart.cohort.prepared import Scan
from headstart.data.label_table import MASK
from headstart.training.augmentation.augmentation import Augmentation
from headstart.training.augmentation.augmentation import Draw
from headstart.training.augmentation.base import send
from headstart.training.length import steps_of_epoch
from headstart.training.patches import PatchPlaces
from headstart.training.series import drawn

if TYPE_CHECKING:
    from headstart.tasks.base import Task
    from headstart.tasks.neighbours import Neighbours
    from headstart.training.config import Train


def seed_of(*parts: str | int) -> int:
    """Derive a seed from what it is for, e.g. `seed_of(seed, epoch, subject, session)`."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


class Item(NamedTuple):
    """A scan in an epoch.

    Attributes:
        scan: The scan.
        number: How often the epoch had it before: another patch of it each time.
    """

    scan: Scan
    number: int = 0

    def seed(self, run: int, purpose: str, epoch: int) -> int:
        """Derive a seed from the run's, the epoch and the scan, and the number from the second."""
        again = (self.number,) if self.number else ()
        return seed_of(run, purpose, epoch, self.scan.subject, self.scan.session, *again)


def make_batches(
    scans: Sequence[Scan], size: int, seed: int, epoch: int, per_scan: int = 1
) -> list[list[Item]]:
    """Put an epoch's scans in order and cut them into batches.

    Each item's place follows from (seed, epoch, subject, session, number), so that an interruption
    does not change it. A single one left over joins the batch before it:
    batch norm has nothing to average over in a batch of one.

    Args:
        scans: The training scans.
        size: Items per batch.
        seed: The run's seed.
        epoch: The epoch, from 1.
        per_scan: How often an epoch takes each scan.

    Returns:
        The items, batch by batch.
    """
    items = [Item(scan, number) for scan in scans for number in range(per_scan)]
    order = sorted(items, key=lambda item: item.seed(seed, "order", epoch))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] += last
    return batches


class Batch(NamedTuple):
    """What a network sees at once.

    Attributes:
        scans: The scans.
        volumes: (n, channels and flags, x, y, z), float32, where the network computes.
        targets: What `Task.target` says of each: scalars (n,), or masks (n, 1, x, y, z) of uint8.
        covariates: What is seen beside each, (n, columns), float32; None for nothing.
    """

    scans: Sequence[Scan]
    volumes: Tensor
    targets: Tensor
    covariates: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the network is called with."""
        return (self.volumes,) if self.covariates is None else (self.volumes, self.covariates)

    def part(self, rows: slice) -> Batch:
        """Return some of the scans."""
        beside = None if self.covariates is None else self.covariates[rows]
        return Batch(self.scans[rows], self.volumes[rows], self.targets[rows], beside)


def read_batch(
    scans: Sequence[Scan],
    task: Task,
    place: torch.device,
    covariates: Covariates = NO_COVARIATES,
) -> Batch:
    """Read scans as they were prepared, without flags, and send them to the network's place.

    Half the bytes are sent, from pinned memory, so that nobody waits for their arrival.
    """
    pinned = place.type == "cuda"
    read = [scan.volume() for scan in scans]
    half = torch.empty((len(scans), *read[0].shape), dtype=torch.float16, pin_memory=pinned)
    for row, volume in zip(half.numpy(), read, strict=True):
        row[...] = volume
    targets = torch.stack([torch.from_numpy(task.target(scan)) for scan in scans])
    if pinned:
        targets = targets.pin_memory()
    # widened there: torch widens twelve times faster than numpy
    volumes = half.to(place, non_blocking=True).float()
    beside = encode(scans, covariates, place)
    return Batch(scans, volumes, targets.to(place, non_blocking=True), beside)


def encode(scans: Sequence[Scan], covariates: Covariates, place: torch.device) -> Tensor | None:
    """Return scans' covariates, (n, columns), where the network computes; None without any."""
    if not covariates.width:
        return None
    numbers = np.stack([covariates.encode(scan) for scan in scans])
    return torch.from_numpy(numbers).float().to(place)


def load_volume(scan: Scan) -> Tensor:
    """Read a prepared volume as a network sees it, (channels and flags, x, y, z), float32."""
    return with_flags(torch.from_numpy(scan.volume()).float()[None], [scan])[0]


def with_flags(volumes: Tensor, scans: Sequence[Scan]) -> Tensor:
    """Put a flag for each optional channel behind the channels: 1 where a scan has it, else 0.

    A channel that a scan lacks is 0 everywhere, whatever augmentation has made of it.

    Args:
        volumes: Prepared or augmented, (n, channels, x, y, z).
        scans: Whose they are; all have the same optional channels.

    Returns:
        (n, channels + optional channels, x, y, z).
    """
    if not scans[0].optional:
        return volumes
    count, channels, *voxels = volumes.shape
    has = np.array([[place not in scan.lacking for place in range(channels)] for scan in scans])
    there = send(has[..., None, None, None], volumes.device) > 0
    flags = send(np.array([scan.flags for scan in scans]), volumes.device)
    planes = flags[..., None, None, None].expand(count, -1, *voxels)
    return torch.cat([torch.where(there, volumes, 0), planes], 1)


class EpochLoader:
    """Batches of augmented training scans, or of patches of them, epoch by epoch.

    Args:
        scans: The training scans.
        task: Gives a scan's target.
        config: The section `train`.
        seed: The run's seed; patch and augmentation follow from (seed, epoch, scan, number).
        place: Where the network computes.
        covariates: What it sees beside the scan, fitted to the training scans.

    Attributes:
        steps: Batches of an epoch.
        augmentation: What changes the scans.
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        task: Task,
        config: Train,
        seed: int,
        place: torch.device,
        covariates: Covariates = NO_COVARIATES,
    ) -> None:
        self._covariates = covariates
        self._scans, self._task, self._seed, self._place = scans, task, seed, place
        self._batch_size, self._per_scan = config.batch_size, config.per_scan
        self.steps = steps_of_epoch(len(scans), config)
        self.augmentation = Augmentation(config.augment, task.swap_table(config.swap))
        masks = task.target_kind == MASK
        self._patches = None if config.patches is None else PatchPlaces(config.patches, masks=masks)
        self._neighbours, self._dropout = config.neighbours, config.modality_dropout

    def items(self, steps: int) -> int:
        """Scans, or patches, of so many steps of an epoch."""
        whole = len(self._scans) * self._per_scan
        return whole if steps == self.steps else steps * self._batch_size

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch, from the one of number `start` on.

        One is read ahead: it is there before the network begins with the one before it.

        Args:
            epoch: The epoch, from 1.
            start: How many of its batches are done, from 0.
            stop: After how many it ends; None for all.
        """
        ahead = None
        for items in self._batches(epoch)[start:stop]:
            upcoming = self._read(items, epoch)
            if ahead is not None:
                yield ahead
            ahead = upcoming
        if ahead is not None:
            yield ahead

    def _batches(self, epoch: int) -> list[list[Item]]:
        return make_batches(self._scans, self._batch_size, self._seed, epoch, self._per_scan)

    def _read(self, items: Sequence[Item], epoch: int) -> Batch:
        if self._neighbours is not None:
            items = [self._at_time(item, self._neighbours, epoch) for item in items]
        items = [self._with_some_channels(item, epoch) for item in items]
        scans = [item.scan for item in items]
        seeds = [item.seed(self._seed, "pose", epoch) for item in items]
        if self._patches is not None:
            patches = [self._read_patch(item, self._patches, epoch) for item in items]
            volumes, targets = (torch.cat(part) for part in zip(*patches, strict=True))
            volumes, targets = self._task.pose(with_flags(volumes, scans), targets, seeds)
            return Batch(scans, volumes, targets)
        batch = read_batch(scans, self._task, self._place, self._covariates)
        draws = [self._draw(item, epoch) for item in items]
        affines = [scan.affine for scan in scans]
        volumes, targets = self.augmentation.apply(batch.volumes, batch.targets, draws, affines)
        volumes, targets = self._task.pose(with_flags(volumes, scans), targets, seeds)
        return batch._replace(volumes=volumes, targets=targets)

    def _at_time(self, item: Item, neighbours: Neighbours, epoch: int) -> Item:
        seed = item.seed(self._seed, "time", epoch)
        return item._replace(scan=drawn(item.scan, neighbours, seed))

    def _with_some_channels(self, item: Item, epoch: int) -> Item:
        """Take optional channels from a scan at random, so that the network learns to do without.

        It is called modality dropout (Neverova et al. 2016,
        https://doi.org/10.1109/TPAMI.2015.2461544).
        """
        random = np.random.default_rng(item.seed(self._seed, "channels", epoch))
        gone = [place for place in item.scan.optional if random.random() < self._dropout]
        return item._replace(scan=item.scan.without(gone)) if gone else item

    def _read_patch(self, item: Item, places: PatchPlaces, epoch: int) -> tuple[Tensor, Tensor]:
        """Read a patch with as much around it as its augmentation needs, and augment it."""
        box = places.draw(item.scan, item.seed(self._seed, "patch", epoch))
        draw, patch = self._draw(item, epoch), item.scan.part(box)
        margin = self.augmentation.margin(draw, patch.shape, patch.affine)
        wide = [(a - m, b + m) for (a, b), m in zip(box, margin, strict=True)]
        part = item.scan.part(wide)
        batch = read_batch([part], self._task, self._place)
        air = [channel.air for channel in part.intensities]
        return self.augmentation.apply(
            batch.volumes, batch.targets, [draw], [part.affine], margin=margin, air=air
        )

    def _draw(self, item: Item, epoch: int) -> Draw:
        seed = item.seed(self._seed, "augment", epoch)
        return self.augmentation.draw(seed, len(item.scan.intensities))


def validation_batches(
    scans: Sequence[Scan],
    task: Task,
    size: int,
    place: torch.device,
    covariates: Covariates = NO_COVARIATES,
) -> Iterable[Batch]:
    """Yield batches of the validation scans, in their order and as they were prepared."""
    for start in range(0, len(scans), size):
        batch = read_batch(scans[start : start + size], task, place, covariates)
        seeds = [seed_of("validation", scan.subject, scan.session) for scan in batch.scans]
        seen = with_flags(batch.volumes, batch.scans)
        volumes, targets = task.pose(seen, batch.targets, seeds)
        yield batch._replace(volumes=volumes, targets=targets)
