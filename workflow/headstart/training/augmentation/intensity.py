"""Bias field, noise, gamma and blur."""

from __future__ import annotations

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
from headstart.training.augmentation.base import send

FAR = 4.0  # standard deviations after which scipy cuts a Gaussian off


@dataclass(frozen=True)
class BiasField(Intensity):
    """RandomBiasField: times exp of a polynomial of the place, on what is above no signal.

    TorchIO multiplies prepared values, negative ones too: after a z-score that changes air most
    and tissue of mean intensity not at all. Here the signal is multiplied, as in a scanner, and
    normalised again. The polynomial is TorchIO's, the constant term included; places are -1 and 1
    at the outermost voxels' centres. All channels get one field.

    Attributes:
        coefficients: Of x^i y^j z^k, (i, j, k); 0 where i + j + k is beyond the order.
    """

    coefficients: Array

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """Each coefficient uniform in the range."""
        low, high = asked.coefficients_range
        drawn = dice.random.uniform(low, high, (asked.order + 1,) * 3)
        return cls(np.where(np.indices(drawn.shape).sum(0) <= asked.order, drawn, 0))

    @classmethod
    def apply(cls, drawn: Sequence[Self], batch: Images) -> Tensor:
        """Multiply the signal; a polynomial is summed up axis by axis (Horner)."""
        volumes = batch.volumes
        field = send(np.stack([one.coefficients for one in drawn]), volumes.device)
        for axis, length in enumerate(volumes.shape[2:], start=1):
            last = max(length - 1, 1)
            places = torch.arange(1 - length, length, 2, device=volumes.device) / last
            places = places.view(-1, *[1] * (3 - axis))
            powers = field.unsqueeze(axis).unbind(axis + 1)
            field = powers[-1]
            for power in powers[-2::-1]:
                field = torch.addcmul(power, field, places)
        return _normalised((volumes - batch.origins) * field.exp_()[:, None], batch)


@dataclass(frozen=True)
class Noise(Intensity):
    """RandomNoise: Gaussian noise in units of the volume; one mean and deviation for all channels.

    The only transform whose voxels are random: each scan's come from a generator of its own on the
    device, so that they are free of the batch. CPUs and GPUs, and GPUs of another
    build, give other noise from the same seed.

    Attributes:
        mean: Mean.
        std: Standard deviation.
        seed: Of the scan's generator.
    """

    mean: float
    std: float
    seed: int

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """Uniform in both ranges."""
        mean, std = dice.uniform(asked.mean_range), dice.uniform(asked.std_range)
        return cls(mean, std, dice.integer((0, 2**31 - 1)))

    @classmethod
    def apply(cls, drawn: Sequence[Self], batch: Images) -> Tensor:
        """Add the noise."""
        noise = torch.empty(batch.volumes.shape, device=batch.volumes.device)
        for row, one in zip(noise, drawn, strict=True):
            generator = torch.Generator(row.device).manual_seed(one.seed)
            row.normal_(one.mean, one.std, generator=generator)
        return batch.volumes + noise


@dataclass(frozen=True)
class Gamma(Intensity):
    """RandomGamma: a power of what is above no signal, for each channel by itself.

    TorchIO's power of z-scored values bends them around 0, the mean of the head, with an infinite
    slope there. Here the signal is raised, and normalised again; volumes that are not negative are
    raised as TorchIO does.

    Attributes:
        gammas: An exponent for each channel.
    """

    gammas: tuple[float, ...]

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """The logarithm is uniform."""
        logs = [dice.uniform(asked.log_gamma_range) for _ in range(dice.channels)]
        return cls(tuple(np.exp(logs).tolist()))

    @classmethod
    def apply(cls, drawn: Sequence[Self], batch: Images) -> Tensor:
        """Raise; noise below the origin keeps its sign."""
        gammas = send(np.array([one.gammas for one in drawn]), batch.volumes.device)
        signal = batch.volumes - batch.origins
        # torch's power gives other bits with two threads than with one
        raised = (signal.abs().log_() * gammas[..., None, None, None]).exp_()
        return _normalised(torch.copysign(raised, signal), batch)


@dataclass(frozen=True)
class Blur(Intensity):
    """RandomBlur: a Gaussian along each axis, as scipy's: cut off, mirrored at the edges.

    Attributes:
        std: Standard deviations, mm.
    """

    std: Triple

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """Uniform in each range."""
        return cls(dice.triple(asked.std_ranges))

    @classmethod
    def apply(cls, drawn: Sequence[Self], batch: Images) -> Tensor:
        """Blur one axis after the other."""
        blurred = []
        for volume, one, affine in zip(batch.volumes, drawn, batch.affines, strict=True):
            spacing = np.linalg.norm(affine[:3, :3], axis=0)
            for axis, std in enumerate(one.std / spacing):
                if std > 0:
                    volume = along(volume, _gaussian(volume.shape[axis - 3], std), axis)
            blurred.append(volume)
        return torch.stack(blurred)


def _normalised(signal: Tensor, batch: Images) -> Tensor:
    """Normalise signals that were changed, as preparing the changed scans would.

    The head, which is what is brighter than half way from no signal to its mean, gets the mean and
    the standard deviation that it had before. Volumes that are not negative were not normalised by
    these, and are left as they are.

    Args:
        signal: What is above the origins, after the change; like the volumes.
        batch: The scans before it.
    """
    head = batch.volumes > batch.origins / 2
    (mean, spread), (now, wide) = (_moments(values, head) for values in (batch.volumes, signal))
    scale = spread / wide.clamp(min=1e-6)
    return torch.where(batch.origins < 0, signal * scale + (mean - now * scale), signal)


def _moments(volumes: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the head, (n, channels, 1, 1, 1) each."""
    moments = []
    # one by one: of a whole batch they would be summed up in another order
    for values, inside in zip(volumes.flatten(0, 1), head.flatten(0, 1), strict=True):
        count = inside.sum().clamp(min=1).double()
        known = torch.where(inside, values, 0)
        mean = known.sum(dtype=torch.float64) / count
        square = known.square_().sum(dtype=torch.float64) / count
        moments.append(torch.stack([mean, (square - mean.square()).clamp(min=0).sqrt()]))
    both = torch.stack(moments).float().view(*volumes.shape[:2], 2, 1, 1, 1)
    return both[:, :, 0], both[:, :, 1]


def along(volume: Tensor, matrix: Array, axis: int) -> Tensor:
    """Multiply every line of a volume (channels, x, y, z) along an axis by a matrix."""
    weights = send(matrix, volume.device)
    if axis == 2:
        return volume @ weights.T
    if axis == 1:
        return weights @ volume
    return (weights @ volume.flatten(2)).view_as(volume)


def _gaussian(length: int, std: float) -> Array:
    """Blur along an axis, (length, length); `std` in voxels."""
    reach = int(FAR * std + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / std) ** 2)
    period = (np.arange(length)[:, None] + offsets) % (2 * length)
    matrix = np.zeros((length, length))
    rows = np.broadcast_to(np.arange(length)[:, None], period.shape)
    np.add.at(matrix, (rows, np.minimum(period, 2 * length - 1 - period)), weights / weights.sum())
    return matrix
