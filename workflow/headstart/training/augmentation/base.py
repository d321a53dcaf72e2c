"""What the transforms share: where their numbers come from, and the batch that they change."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from typing import ClassVar
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Dice:
    """A scan's random numbers.

    Attributes:
        random: Its own generator.
        channels: Channels of the scan.
    """

    random: np.random.Generator
    channels: int

    def uniform(self, limits: Sequence[float]) -> float:
        """Draw a number between two."""
        low, high = limits
        return float(self.random.uniform(low, high))

    def integer(self, limits: Sequence[int]) -> int:
        """Draw a whole number between two, both among them."""
        low, high = limits
        return int(self.random.integers(low, high, endpoint=True))

    def hits(self, probability: float) -> bool:
        """Tell whether something of a probability happens."""
        return bool(self.random.random() < probability)

    def triple(self, limits: Sequence[float]) -> Triple:
        """Draw a number for each axis; `limits` are two for x, two for y and two for z."""
        return (self.uniform(limits[:2]), self.uniform(limits[2:4]), self.uniform(limits[4:]))


@dataclass(frozen=True)
class Images:
    """Scans on the training device.

    Attributes:
        volumes: (n, channels, x, y, z), float32.
        masks: (n, 1, x, y, z), whole numbers; None if masks are not learnt.
        origins: Level of no signal, (n, channels, 1, 1, 1), see `origins_of`.
        affines: Voxel to mm, 4x4 each; axes nearest to RAS.
    """

    volumes: Tensor
    masks: Tensor | None
    origins: Tensor
    affines: Sequence[Array]

    def within(self, margin: Sequence[int]) -> Images:
        """Return the scans without so many voxels at both ends of each axis."""
        if not any(margin):
            return self
        shape = self.volumes.shape[2:]
        x, y, z = (slice(m, n - m) for m, n in zip(margin, shape, strict=True))
        masks = None if self.masks is None else self.masks[..., x, y, z]
        return replace(self, volumes=self.volumes[..., x, y, z], masks=masks)

    def only(self, chosen: Sequence[int]) -> Images:
        """Return some of the scans."""
        if len(chosen) == len(self.volumes):
            return self
        return Images(
            _rows(self.volumes, chosen),
            None if self.masks is None else _rows(self.masks, chosen),
            _rows(self.origins, chosen),
            [self.affines[row] for row in chosen],
        )

    def updated(self, chosen: Sequence[int], changed: Images) -> Images:
        """Return all scans, those that `only(chosen)` gave with what they have become."""
        if len(chosen) == len(self.volumes):
            return changed
        volumes, masks = list(self.volumes), [] if self.masks is None else list(self.masks)
        for place, row in enumerate(chosen):
            volumes[row] = changed.volumes[place]
            if changed.masks is not None:
                masks[row] = changed.masks[place]
        both = torch.stack(volumes), None if self.masks is None else torch.stack(masks)
        return replace(self, volumes=both[0], masks=both[1])


def _rows(tensor: Tensor, chosen: Sequence[int]) -> Tensor:
    # an index tensor would have to be sent to the device first
    return torch.stack([tensor[row] for row in chosen])


def origins_of(volumes: Tensor) -> Tensor:
    """Find the level of no signal: each channel's minimum, or 0 where nothing is negative.

    A scanner's intensities start at 0, and a bias field or a gamma is a law about those. After
    `prepare.normalise: zscore` 0 is the mean of the head, and no signal is near the minimum; what
    was subtracted is not kept, so the minimum it is. Volumes that are not negative
    (`normalise: none`) are taken as they are.

    Args:
        volumes: As they were prepared, (n, channels, x, y, z).

    Returns:
        (n, channels, 1, 1, 1), none above 0.
    """
    return volumes.amin((2, 3, 4), keepdim=True).clamp(max=0)


def send(array: NDArray[Any], device: torch.device) -> Tensor:
    """Send numbers to the device as float32, without waiting for what it is at."""
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class Transform(ABC):
    """One of TorchIO's random transforms, as drawn for one scan: plain numbers.

    Attributes:
        moves: Whether masks move with it.
    """

    moves: ClassVar[bool] = False

    @classmethod
    def runs(cls, asked: Any) -> bool:
        """Tell whether we run it with these arguments; else TorchIO does.

        Args:
            asked: TorchIO's object.
        """
        return asked is not None

    @classmethod
    @abstractmethod
    def draw(cls, asked: Any, dice: Dice) -> Self | None:
        """Draw what happens to a scan, as TorchIO's object would: the same distributions.

        Args:
            asked: TorchIO's object, which has read and checked its arguments.
            dice: The scan's random numbers.

        Returns:
            The draw; None if it leaves the scan as it is.
        """


class Intensity(Transform):
    """A transform of intensities alone."""

    @classmethod
    @abstractmethod
    def apply(cls, drawn: Sequence[Any], batch: Images) -> Tensor:
        """Transform a batch.

        Args:
            drawn: This class's draw for each scan of the batch.
            batch: The scans.

        Returns:
            The volumes.
        """
