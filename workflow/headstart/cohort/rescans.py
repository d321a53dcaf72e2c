"""Scan a head again, in simulation: to tell how many near-duplicates of a cohort would be found."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.imaging.registration import Array
from headstart.imaging.registration import centred_places
from headstart.imaging.registration import rotation

TURN = (3.0, 10.0)  # degrees about any axis
SHIFT = 0.07  # of the longest axis, at most: 15 mm in a window of 224 mm
BIAS = 0.3  # of the intensity, at most, either way
NOISE = 0.03  # of the range of intensity
CUT = (0.1, 0.25)  # of the height, from below: another field of view, in every third scan


def rescan(volume: NDArray[Any], number: int) -> Array:
    """Turn, move and shade a small volume, and add noise; mirror every second, cut every third.

    Args:
        volume: (x, y, z), intensities from about 0 to 1.
        number: Which of the simulated scans this is; it is the seed.
    """
    rng = np.random.default_rng(number)
    array = np.asarray(volume, np.float32)
    darkest = float(array.min())
    axis, direction = (_unit(rng) for _ in range(2))
    turn = rotation(np.deg2rad(rng.uniform(*TURN)) * axis)
    shift = rng.uniform(0, SHIFT) * max(array.shape) * direction
    places = turn @ centred_places(array.shape) + shift[:, None]
    middle = (np.array(array.shape)[:, None] - 1) / 2
    # cubic: at this voxel size a linear kernel would take away most of the detail
    moved: Array = ndimage.map_coordinates(array, places + middle, order=3, cval=darkest)
    moved = moved.reshape(array.shape)
    moved = darkest + (moved - darkest) * _field(array.shape, rng)
    moved += np.float32(NOISE) * rng.standard_normal(array.shape, np.float32)
    if number % 2:
        moved = moved[::-1]
    if number % 3 == 0:
        moved[:, :, : int(rng.uniform(*CUT) * array.shape[2])] = moved.min()
    return np.ascontiguousarray(moved)


def _unit(rng: np.random.Generator) -> NDArray[np.float64]:
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _field(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw a receiver's bias field: the exponential of a random quadratic."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape), indexing="ij")
    terms = [*axes, *(one * other for one, other in combinations_with_replacement(axes, 2))]
    log = np.tensordot(rng.standard_normal(len(terms)), np.stack(terms), 1)
    field: Array = np.exp(log * (BIAS / np.abs(log).max())).astype(np.float32)
    return field
