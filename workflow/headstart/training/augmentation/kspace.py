"""Artefacts that arise in k-space: ghosts, motion and spikes.

The first two change k-space along one axis alone, so each is a small matrix along it, and nothing
is transformed. Their spectra are those of TorchIO, with the frequency 0 in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Self

import numpy as np
import torch
from torch import Tensor

from headstart.training.augmentation.base import Array
from headstart.training.augmentation.base import Dice
from headstart.training.augmentation.base import Images
from headstart.training.augmentation.base import Intensity
from headstart.training.augmentation.base import Triple
from headstart.training.augmentation.intensity import along
from headstart.training.augmentation.resampling import read_at
from headstart.training.augmentation.resampling import regular_grid
from headstart.training.augmentation.spatial import Box
from headstart.training.augmentation.spatial import rigid
from headstart.training.mirrors import named_axes

PERTURBATION = 0.3  # share of a segment by which TorchIO moves its end


@dataclass(frozen=True)
class Ghosting(Intensity):
    """RandomGhosting: every n-th plane of k-space is weakened.

    Axes may have anatomical names, as documented and as RandomFlip takes them; TorchIO 1.2.1 stops
    at them.

    Attributes:
        num_ghosts: n.
        axis: Along which the ghosts lie: 0, 1 or 2.
        intensity: What the planes lose, 1 for all.
        restore: Share of the middle of k-space that is kept; None for one plane.
    """

    num_ghosts: int
    axis: int
    intensity: float
    restore: float | None

    @classmethod
    def runs(cls, asked: Any) -> bool:
        """Always; TorchIO does not look at the words among its axes."""
        return bool(named_axes("RandomGhosting", asked.axes))

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self | None:
        """Number and axis among those asked for; intensity and share uniform."""
        axes = [named_axes("RandomGhosting", axis).pop() for axis in asked.axes]
        number, axis = dice.integer(asked.num_ghosts_range), axes[dice.integer((0, len(axes) - 1))]
        intensity = dice.uniform(asked.intensity_range)
        restore = None if asked.restore is None else dice.uniform(asked.restore)
        return cls(number, axis, intensity, restore) if number and intensity else None

    @classmethod
    def apply(cls, drawn: Sequence[Self], batch: Images) -> Tensor:
        """Put each scan's matrix along its axis."""
        return torch.stack(
            [
                along(volume, _filter(one._weights(volume.shape[one.axis - 3])), one.axis)
                for volume, one in zip(batch.volumes, drawn, strict=True)
            ]
        )

    def _weights(self, length: int) -> Array:
        weights, middle = np.ones(length), length // 2
        weights[:: self.num_ghosts] = 1 - self.intensity
        if self.restore is None:
            weights[middle] = 1
        else:
            half = int(np.round(self.restore * length)) // 2
            weights[middle - half : middle + half] = 1
        return weights


@dataclass(frozen=True)
class Motion(Intensity):
    """RandomMotion: parts of k-space, along the last axis, are those of a head that has moved.

    The head turns about the middle of the volume. TorchIO 1.2.1 means to, and turns it about the
    origin of the world, which may lie anywhere.

    Attributes:
        degrees: A turn for each movement, about L, P, S.
        translation: Its shift, mm.
        times: When it happens, shares of k-space.
    """

    degrees: tuple[Triple, ...]
    translation: tuple[Triple, ...]
    times: tuple[float, ...]

    @classmethod
    def runs(cls, asked: Any) -> bool:
        """Linear interpolation."""
        return asked.image_interpolation == "linear"

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """Turns and shifts uniform, at times that are moved a little from even ones."""
        count = asked.num_transforms
        step = 1 / (count + 1)
        late = PERTURBATION * step
        return cls(
            tuple(dice.triple(asked.degrees_range * 3) for _ in range(count)),
            tuple(dice.triple(asked.translation_range * 3) for _ in range(count)),
            tuple(step * (n + 1) + dice.uniform((-late, late)) for n in range(count)),
        )

    @classmethod
    def apply(cls, drawn: Sequence[Self], batch: Images) -> Tensor:
        """Put together each scan's k-space."""
        return torch.stack(
            [
                one._moved(volume, affine)
                for volume, one, affine in zip(batch.volumes, drawn, batch.affines, strict=True)
            ]
        )

    def _moved(self, volume: Tensor, affine: Array) -> Tensor:
        shape = volume.shape[1:]
        to_world = Box(tuple(shape), affine).to_world()
        matrices = [
            np.linalg.inv(to_world) @ rigid(*how, to_world[:3, 3]) @ to_world
            for how in zip(self.degrees, self.translation, strict=True)
        ]
        grids = regular_grid(matrices, shape, volume.device).split(1)
        fill = volume.amin((1, 2, 3), keepdim=True)
        copies = [volume, *(read_at(volume[None], grid, fill)[0] for grid in grids)]
        # the head that has not moved fills the middle of k-space
        late = [n for n, time in enumerate(self.times) if time > 0.5]
        middle = late[0] if late else len(self.times)
        copies[0], copies[middle] = copies[middle], copies[0]
        ends = [0, *(int(shape[2] * time) for time in self.times), shape[2]]
        planes = np.arange(shape[2])
        total = torch.zeros_like(volume)
        for copy, start, end in zip(copies, ends, ends[1:], strict=False):
            total += along(copy, _filter((planes >= start) & (planes < end)), axis=2)
        return total


@dataclass(frozen=True)
class Spike(Intensity):
    """RandomSpike: single frequencies of the strength of k-space's peak: stripes.

    Attributes:
        positions: Places in k-space, 0 to 1 along each axis.
        intensity: Times the peak.
    """

    positions: tuple[Triple, ...]
    intensity: float

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self | None:
        """Places anywhere; number and intensity uniform."""
        number = dice.integer(asked.num_spikes_range)
        intensity = dice.uniform(asked.intensity_range)
        positions = tuple(dice.triple((0, 1) * 3) for _ in range(number))
        return cls(positions, intensity) if positions and intensity else None

    @classmethod
    def apply(cls, drawn: Sequence[Self], batch: Images) -> Tensor:
        """Add each scan's stripes, to each channel by its own peak."""
        return torch.stack(
            [one._striped(volume) for volume, one in zip(batch.volumes, drawn, strict=True)]
        )

    def _striped(self, volume: Tensor) -> Tensor:
        shape = volume.shape[1:]
        spectrum = torch.fft.rfftn(volume, dim=(1, 2, 3))
        peak = spectrum.abs().amax((1, 2, 3))
        for position in self.positions:
            wave = [math.floor(at * n) - n // 2 for at, n in zip(position, shape, strict=True)]
            # half of the spectrum stands for all of it
            x, y, z = wave if wave[2] >= 0 else [-number for number in wave]
            strength = peak * self.intensity
            peak = torch.maximum(peak, (spectrum[:, x, y, z] + strength).abs())
            phases = [
                (2 * math.pi * number / n) * torch.arange(n, device=volume.device)
                for number, n in zip(wave, shape, strict=True)
            ]
            phase = phases[0][:, None, None] + phases[1][:, None] + phases[2]
            volume = torch.addcmul(
                volume, strength[:, None, None, None] / phase.numel(), phase.cos()
            )
        return volume


def _filter(weights: Array | np.ndarray) -> Array:
    """Weights of k-space along an axis as a matrix of image space, real on real, (n, n)."""
    response = np.fft.ifft(np.fft.ifftshift(weights)).real
    places = np.arange(len(weights))
    return response[(places[:, None] - places) % len(weights)]
