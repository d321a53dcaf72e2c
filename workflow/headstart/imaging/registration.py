"""Align heads: rotated, shifted and scaled onto a cohort's common reference.

First the reference, turned by a few angles, is moved over the scan by cross-correlation; then the
best position is refined by Gauss-Newton steps (inverse compositional Lucas-Kanade, Baker and
Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd), coarse before fine. Both look at detail
alone, each volume minus a smoothed copy, so that a bias field or another gain matters little; and
voxels that fit badly count little, so that a missing neck doesn't pull the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy import ndimage

Array = NDArray[np.float32]

PITCH = (-24.0, -12.0, 0.0, 12.0, 24.0)  # degrees about the left-right axis: nodding
ROLL = YAW = (-12.0, 0.0, 12.0)
STEPS = (20, 10)  # Gauss-Newton steps at twice the voxel size, and at the voxel size
SMOOTHING = (2.0, 1.5)  # standard deviation of the smoothed copy, voxels, at these two
SLOPE = 0.3  # of the mean slope: flatter voxels tell nothing about position
SETTLED = 0.01  # voxels: a smaller step is the last
REFERENCE_SCANS = 30
ROUNDS = 2


@dataclass(frozen=True)
class Pose:
    """Where a place of the reference lies in a scan, both in voxels from the volume's middle.

    Attributes:
        matrix: Rotation times scale, (3, 3).
        shift: Voxels, (3,).
    """

    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    shift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    def __call__(self, places: NDArray[Any]) -> Array:
        """Map places of the reference, (3, n), into the scan."""
        return (self.matrix @ places + self.shift[:, None]).astype(np.float32)

    def after(self, first: Pose) -> Pose:
        """Return the pose that applies `first`, then this one."""
        return Pose(self.matrix @ first.matrix, self.matrix @ first.shift + self.shift)

    def inverse(self) -> Pose:
        """Return the inverse pose."""
        back = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return Pose(back, -back @ self.shift)


class Reference:
    """A volume onto which others are aligned.

    Args:
        volume: (x, y, z), voxels of equal edges.
    """

    def __init__(self, volume: Array) -> None:
        self.volume = np.asarray(volume, np.float32)
        self.places = centred_places(self.volume.shape)
        half = halved(self.volume)
        self._levels = [_Level(v, s) for v, s in zip((half, self.volume), SMOOTHING, strict=True)]
        self._half_shape = np.array(half.shape)
        # room for the wrap-around of a shift by a quarter of the volume to either side
        self._padded = [fft.next_fast_len(int(1.5 * n), real=True) for n in half.shape]
        self._turned = list(self._turn(detail(half, SMOOTHING[0])))

    def align(self, volume: Array) -> Pose:
        """Find the pose of a scan: three turns, three shifts and one scale.

        Args:
            volume: (x, y, z), voxels as large as the reference's.
        """
        volume = np.asarray(volume, np.float32)
        half = halved(volume)
        pose = self._coarse(half)
        for level, array, scale, steps in zip(
            self._levels, (half, volume), (2.0, 1.0), STEPS, strict=True
        ):
            found = level.refine(array, Pose(pose.matrix, pose.shift / scale), steps)
            pose = Pose(found.matrix, found.shift * scale)
        return pose

    def resample(self, volume: Array, pose: Pose) -> Array:
        """Resample a scan in the reference's position, (x, y, z); NaN outside the scan."""
        return sample(np.asarray(volume, np.float32), pose(self.places)).reshape(self.volume.shape)

    def mirrored(self) -> Pose:
        """Return the places whose mirror images look like the reference's own places.

        A scan sampled there, by its own pose, is the mirrored scan in the reference's position.
        """
        pose = self.align(self.volume[::-1])
        return Pose(np.diag([-1.0, 1.0, 1.0])).after(pose)

    def _turn(self, volume: Array) -> Any:
        places = centred_places(volume.shape)
        for angles in product(PITCH, ROLL, YAW):
            turn = np.linalg.multi_dot([rotation(v) for v in np.diag(np.deg2rad(angles))])
            turned = np.nan_to_num(sample(volume, (turn.T @ places).astype(np.float32)))
            length = float(np.linalg.norm(turned)) or 1.0
            turned = (turned / length).reshape(volume.shape)
            yield turn, np.conj(fft.rfftn(turned, self._padded))

    def _coarse(self, half: Array) -> Pose:
        """Return the best of a few turns, each with its best shift."""
        spectrum = fft.rfftn(detail(half, SMOOTHING[0]), self._padded)
        highest, best = -np.inf, Pose()
        for turn, turned in self._turned:
            fits = fft.irfftn(spectrum * turned, self._padded)
            place = int(fits.argmax())
            if fits.flat[place] > highest:
                highest = fits.flat[place]
                shift = np.array(np.unravel_index(place, fits.shape))
                shift = np.where(shift > np.array(fits.shape) // 2, shift - fits.shape, shift)
                middle = (np.array(half.shape) - self._half_shape) / 2
                best = Pose(turn, 2.0 * (shift - middle))
        return best


class _Level:
    """The reference at one voxel size, ready for Gauss-Newton steps."""

    def __init__(self, volume: Array, smoothing: float) -> None:
        self.smoothing = smoothing
        fine = detail(volume, smoothing)
        slopes = np.stack([_slope(fine, axis) for axis in range(3)]).reshape(3, -1)
        places = centred_places(volume.shape)
        steepness = np.sqrt((slopes**2).sum(axis=0))
        used = steepness > SLOPE * steepness.mean()
        self.places, self.values, g = places[:, used], fine.ravel()[used], slopes[:, used]
        x = self.places
        turns = [g[2] * x[1] - g[1] * x[2], g[0] * x[2] - g[2] * x[0], g[1] * x[0] - g[0] * x[1]]
        self.jacobian = np.stack([*g, *turns, (g * x).sum(axis=0)])

    def refine(self, volume: Array, pose: Pose, steps: int) -> Pose:
        start = pose
        reach = max(volume.shape) / 2
        fine = detail(volume, self.smoothing)
        scale = _spread(self.values)
        for _ in range(steps):
            values = sample(fine, pose(self.places))
            inside = np.isfinite(values)
            values = np.where(inside, values, 0)
            gain = scale / max(_spread(values[inside]), 1e-6)
            off = gain * values - self.values
            # Cauchy weights: 1/2 at two standard deviations
            weights = inside / (1 + (off / (2 * max(_spread(off[inside]), 1e-6))) ** 2)
            weighted = self.jacobian * weights
            normal = weighted @ self.jacobian.T
            damping = np.diag(1e-4 * np.diag(normal) + 1e-9)
            step = np.linalg.solve(normal + damping, weighted @ off)
            moved = Pose(rotation(step[3:6]) * (1 + step[6]), step[:3])
            if not np.isfinite(step).all() or abs(step[6]) > 0.5:
                return start
            pose = pose.after(moved.inverse())
            if max(np.abs(step[:3]).max(), np.abs(step[3:]).max() * reach) < SETTLED:
                break
        return pose


def make_reference(volumes: Sequence[Array]) -> Reference:
    """Make the reference of a cohort: the median of some of its scans, aligned in two rounds.

    The first reference is the scan that is most like the others, so that no template is needed
    and any body part, species or contrast has its own.

    Args:
        volumes: Scans (x, y, z) of one shape; at least one.
    """
    some = np.linspace(0, len(volumes) - 1, min(len(volumes), REFERENCE_SCANS)).astype(int)
    chosen = [np.asarray(volumes[number], np.float32) for number in some]
    rows = np.stack([halved(volume).ravel() for volume in chosen])
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    reference = Reference(chosen[int(np.median(rows @ rows.T, axis=1).argmax())])
    for _ in range(ROUNDS):
        aligned = [reference.resample(v, reference.align(v)) for v in chosen]
        # a place outside a scan has that scan's darkest value: air, mostly
        filled = [np.where(np.isfinite(v), v, np.nanmin(v)) for v in aligned if not _lost(v)]
        if filled:
            reference = Reference(np.median(filled, axis=0))
    return reference


def detail(volume: Array, smoothing: float) -> Array:
    """Return a volume minus a copy smoothed by so many voxels (standard deviation)."""
    smooth = ndimage.gaussian_filter(volume, smoothing, mode="nearest")
    return np.asarray(volume - smooth, np.float32)


def halved(volume: Array) -> Array:
    """Average over 2 x 2 x 2 voxels; an odd axis goes on as its last voxel."""
    even = np.pad(volume, [(0, length % 2) for length in volume.shape], mode="edge")
    pairs = [part for length in even.shape for part in (length // 2, 2)]
    return np.asarray(even.reshape(pairs).mean(axis=(1, 3, 5)), np.float32)


def centred_places(shape: Sequence[int]) -> Array:
    """Return the places of all voxels from the middle of the volume, (3, n)."""
    middle = (np.array(shape)[:, None] - 1) / 2
    places: Array = (np.indices(shape).reshape(3, -1) - middle).astype(np.float32)
    return places


def sample(volume: Array, places: Array) -> Array:
    """Interpolate linearly at places from the volume's middle, (3, n); NaN outside."""
    middle = (np.array(volume.shape, np.float32)[:, None] - 1) / 2
    values: Array = ndimage.map_coordinates(
        volume, places + middle, order=1, cval=np.nan, prefilter=False
    )
    return values


def rotation(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation about a vector by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: NDArray[np.float64] = (
        np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    )
    return turn


def _slope(volume: Array, axis: int) -> NDArray[Any]:
    if volume.shape[axis] < 2:
        return np.zeros_like(volume)
    return np.gradient(volume, axis=axis)


def _spread(values: NDArray[Any]) -> float:
    """Return the standard deviation, estimated from the median absolute value."""
    return 1.4826 * float(np.median(np.abs(values))) if len(values) else 0.0


def _lost(aligned: Array) -> bool:
    return not np.isfinite(aligned).any()
