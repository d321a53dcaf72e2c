"""Small made-up heads, and how they come to be scanned again or spoilt: for several test files."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

SHAPE = (24, 28, 24)


def head(person: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Return a head: what all share, and an inside and an outline of its own."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    common = _texture(0, shape)
    own = _texture(person + 1, shape)
    radius = np.sqrt(((grid / np.array([0.7, 0.85, 0.75])[:, None, None, None]) ** 2).sum(axis=0))
    skull = np.clip(6 * (1 + 0.05 * _texture(person + 1000, shape) - radius), 0, 1)
    return (skull * (1 + 0.25 * common + 0.15 * own)).astype(np.float32)


def scanned_again(volume: np.ndarray, seed: int, **how: Any) -> np.ndarray:
    """Turn (degrees), move (voxels), shade, cut (voxels) or mirror a head, and add noise."""
    rng = np.random.default_rng(seed)
    middle = (np.array(volume.shape) - 1) / 2
    angle = np.deg2rad(how.get("turn", 0.0))
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )[:, [2, 0, 1]][[2, 0, 1]]
    shift = np.array([0.3, 1, -0.5]) * how.get("shift", 0.0)
    moved = ndimage.affine_transform(volume, turn, middle - turn @ middle + shift, order=3)
    ramp = np.linspace(-1, 1, volume.shape[1], dtype=np.float32)[None, :, None]
    moved = moved * np.exp(how.get("bias", 0.0) * ramp)
    moved = moved + how.get("noise", 0.02) * rng.standard_normal(volume.shape)
    moved[:, :, : how.get("cut", 0)] = moved.min()
    return (moved[::-1] if how.get("mirror") else moved).astype(np.float32)


def _texture(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    smooth = ndimage.gaussian_filter(noise, 1.0)
    return smooth / smooth.std()
