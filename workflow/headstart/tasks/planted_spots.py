"""How a denoiser answers what is added to a scan: faint spots, which are to stay, and noise.

A faint lesion goes before noise does, and errors over all voxels do not show it. So soft-edged
balls are planted in a scan, and what is left of each is the difference between two answers, with
and without it: noise and anatomy, which both have, cancel. A third answer, to a little more noise,
tells how far the scan's own noise is left, and with it the error without a clean reference: Stein's
unbiased risk estimate (Stein 1981, doi:10.1214/aos/1176345632; the divergence by one random probe,
Ramani et al. 2008, doi:10.1109/TIP.2008.2001404). It holds for noise that is independent between
voxels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import cut
from headstart.imaging.slabs import Slabs
from headstart.tasks.image_quality import AROUND
from headstart.tasks.image_quality import Image
from headstart.tasks.image_quality import noisy_head
from headstart.tasks.spot_kinds import KINDS
from headstart.tasks.spot_kinds import SpotKind

Box = list[tuple[int, int]]

EACH = 4  # spots of each kind in a scan
BLOCK = 96  # voxels: longest edge of the part of a scan that is looked at
UPPER = 130.0  # mm from the crown down: the brain, and little of face and neck
RIM = 16  # voxels at its ends, where the scan goes on, in which nothing is planted or judged
DEEP, FEWEST = 10.0, 4  # mm and voxels from the head's surface: beneath scalp and skull
APART = 8  # voxels from spot to spot: what becomes of one says nothing of the next
BRIGHT = 4.0  # standard deviations of the noise: above it a magnitude's noise is as good as normal
ZOOM = 25  # voxels of a picture of a spot
PROBE = 0.1  # standard deviations of the noise that are added to probe it


@dataclass(frozen=True)
class Spot:
    """A spot of a scan.

    Attributes:
        kind: Its place in `KINDS`.
        centre: Its middle voxel in the block.
    """

    kind: int
    centre: tuple[int, int, int]

    @property
    def place(self) -> tuple[slice, ...]:
        """The voxels that it may change."""
        reach = KINDS[self.kind].shape.shape[0] // 2
        return tuple(slice(at - reach, at + reach + 1) for at in self.centre)


@dataclass(frozen=True)
class Planting:
    """A block of a scan, and what is added to it.

    Attributes:
        box: Where it lies in the scan: first voxel along each axis, and the one after the last.
        noisy: The block, (x, y, z).
        noise: Standard deviation of its noise.
        planted: The block with the spots.
        spots: The spots; () where there is no room for as many of each kind.
        probe: A sign for each voxel, (x, y, z).
        judged: Where the error is estimated: inside the head, and bright.
    """

    box: Box
    noisy: Image
    noise: float
    planted: Image
    spots: tuple[Spot, ...]
    probe: Image
    judged: NDArray[np.bool_]

    def answers(self, denoise: Callable[[Image], Image]) -> BlockAnswers:
        """Let a denoiser answer, which takes blocks as large as this one."""
        step = np.float32(PROBE * self.noise)
        return BlockAnswers(
            denoise(self.noisy), denoise(self.planted), denoise(self.noisy + step * self.probe)
        )

    def measure(self, answers: BlockAnswers) -> dict[str, float]:
        """Measure how a denoiser answers.

        Returns:
            sure: the squared error, of the noise's, estimated without a reference, 1 for the noisy
            scan itself. spots: the share of their contrast that spots keep, and the same of each
            kind, by its name; 1 for the noisy scan. NaN for what can't be told.
        """
        kept: dict[str, list[float]] = {kind.metric: [] for kind in KINDS}
        for spot in self.spots:
            kind, place = KINDS[spot.kind], spot.place
            left = (answers.planted - answers.noisy)[place]
            there = (self.planted - self.noisy)[place]
            kept[kind.metric].append(_amount(left, kind) / _amount(there, kind))
        every = list(itertools.chain.from_iterable(kept.values()))
        means = {name: _mean(one) for name, one in ({"spots": every} | kept).items()}
        return {"sure": self._error(answers)} | means

    def _error(self, answers: BlockAnswers) -> float:
        """Tell Stein's estimate, of the noise's variance."""
        removed = (self.noisy - answers.noisy)[self.judged].astype(np.float64)
        change = (answers.probed - answers.noisy)[self.judged].astype(np.float64)
        left = _mean(self.probe[self.judged] * change) / (PROBE * self.noise)
        return _mean(removed**2) / self.noise**2 - 1 + 2 * left

    def zoom(self, image: Image, kind: int) -> Image:
        """Cut out the axial slice about the first spot of a kind, ZOOM voxels wide.

        Args:
            image: A block as large as this one.
            kind: Place of the kind in `KINDS`.
        """
        x, y, z = self.spots[kind].centre  # of as many kinds as spots, in turn
        reach = ZOOM // 2
        box = [(at - reach, at + reach + 1) for at in (x, y)]
        return cut(image, [*box, (z, z + 1)], 0)[:, :, 0]


@dataclass(frozen=True)
class BlockAnswers:
    """What a denoiser makes of a block: as it is, with the spots, and with a little more noise."""

    noisy: Image
    planted: Image
    probed: Image


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _amount(change: Image, kind: SpotKind) -> float:
    """How much of a spot is in a change: what who knows the spot, and its place, finds of it."""
    return float(np.sum(change * kind.shape, dtype=np.float64))


def plant(
    noisy: Slabs,
    noise: float,
    voxel_size: Sequence[float],
    seed: int,
    reference: Slabs | None = None,
) -> Planting:
    """Plant spots in a scan: where the head is deep, bright and even.

    With a reference, they are planted before the noise: the noise's phase is drawn as it is
    distributed where magnitude and signal are known (von Mises), and turns nothing of what was
    measured. Without one, they are added to the magnitude: of a spot in signal of so many standard
    deviations of the noise, that is more than the scanner would show by half of its inverse
    square, at most 3 %.

    Args:
        noisy: The scan, (1, x, y, z).
        noise: Standard deviation of its noise.
        voxel_size: Edges of its voxels, mm.
        seed: Decides where they lie.
        reference: The scan without noise, if there is one.
    """
    from scipy import ndimage

    random = np.random.default_rng(seed)
    inside = noisy_head(noisy)
    box = _block(inside, voxel_size[2])
    part = tuple(slice(*ends) for ends in box)
    block = noisy.part(box)[0]
    smooth = ndimage.gaussian_filter(block, AROUND)
    # of a median, edges stay where they are: air beside tissue is as dark as other air
    free = inside[part] & (ndimage.median_filter(block, 3) > BRIGHT * noise)
    for axis, ((first, last), length) in enumerate(zip(box, inside.shape, strict=True)):
        ends = np.moveaxis(free, axis, 0)
        ends[: RIM * (first > 0)] = False
        ends[len(ends) - RIM * (last < length) :] = False
    depth = ndimage.distance_transform_edt(
        np.pad(inside[part], 1), sampling=np.minimum(voxel_size, DEEP / FEWEST)
    )[1:-1, 1:-1, 1:-1]
    uneven = ndimage.gaussian_filter(block**2, AROUND) / np.maximum(smooth, noise) ** 2
    spots = tuple(_placed(free & (depth >= DEEP), smooth, uneven, random))
    signal = np.zeros_like(block)
    for spot in spots:
        kind = KINDS[spot.kind]
        signal[spot.place] += np.float32(kind.contrast * smooth[spot.centre]) * kind.shape
    if reference is None:
        planted = block + signal
    else:
        certain = np.maximum(block * reference.part(box)[0], 0) / np.float32(noise**2)
        real = block * np.cos(random.vonmises(0, certain)).astype(np.float32)
        planted = np.sqrt(np.maximum(block**2 + 2 * signal * real + signal**2, 0))
        planted = np.where(signal == 0, block, planted)
    signs = random.choice(np.array([-1, 1], np.float32), block.shape)
    return Planting(box, block, noise, planted, spots, signs, free)


def _block(inside: NDArray[np.bool_], height: float) -> Box:
    """Choose a block in the middle of the head, from its crown down; voxels are so many mm high."""
    box = []
    for axis, length in enumerate(inside.shape):
        area = inside.sum(axis=tuple({0, 1, 2} - {axis}))
        found = np.flatnonzero(area > 0.1 * area.max())
        first, last = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, length)
        edge = min(BLOCK, length, *([round(UPPER / height)] if axis == 2 else []))
        start = last - edge if axis == 2 else (first + last - edge) // 2
        start = min(max(start, 0), length - edge)
        box.append((start, start + edge))
    return box


def _placed(
    deep: NDArray[np.bool_], smooth: Image, uneven: Image, random: np.random.Generator
) -> Iterator[Spot]:
    """Place spots by lot in the most even third of the brighter half, as many of each kind."""
    if not deep.any():
        return
    bright = deep & (smooth >= np.median(smooth[deep]))
    left = random.permutation(np.argwhere(bright & (uneven <= np.quantile(uneven[bright], 1 / 3))))
    chosen: list[NDArray[np.int64]] = []
    while len(left) and len(chosen) < EACH * len(KINDS):
        chosen.append(left[0])
        left = left[np.linalg.norm(left - left[0], axis=1) >= APART]
    for number, (x, y, z) in enumerate(chosen[: len(chosen) // len(KINDS) * len(KINDS)]):
        yield Spot(number % len(KINDS), (int(x), int(y), int(z)))
