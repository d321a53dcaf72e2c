"""A made-up head in two contrasts, whole and in thick slices, for registration."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import interpolate
from headstart.imaging.registration import rotation

GRID = Grid((64, 72, 60), nib.affines.from_matvec(np.diag([2.5, 2.5, 2.5]), [-80, -90, -75]))
MIDDLE = nib.affines.apply_affine(GRID.affine, (np.array(GRID.shape) - 1) / 2)


def head() -> np.ndarray:
    """Return a skull, two tissues in folds, and dark middles."""
    places = np.moveaxis(np.indices(GRID.shape), 0, -1) - (np.array(GRID.shape) - 1) / 2
    radius = np.linalg.norm(places / [24, 29, 25], axis=-1)
    folds = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=GRID.shape), 2)
    tissue = np.where(folds > 0, 700, 450)
    inside = np.where(radius < 0.9, tissue, np.where(radius < 1, 900, 10))
    dark = np.linalg.norm((places - [5, 2, 3]) / [3, 10, 5], axis=-1) < 1
    return np.where(dark, 150, inside).astype(np.float32)


def other_contrast(scan: np.ndarray) -> np.ndarray:
    """Return bright where the first channel is dark, and dark where it is bright."""
    values = [0, 10, 150, 450, 700, 900, 1000]
    return np.interp(scan, values, [0, 15, 900, 600, 300, 40, 40]).astype(np.float32)


def motion(degrees: tuple[float, ...], shift: tuple[float, ...]) -> np.ndarray:
    """Return how the head moved about its middle, 4x4, mm."""
    turn = rotation(np.deg2rad(degrees))
    return nib.affines.from_matvec(turn, MIDDLE - turn @ MIDDLE + shift)


def slices(codes: str) -> Grid:
    """Return thick slices of 2 x 2 x 5 mm about the same middle."""
    shape, size = (80, 90, 30), (2.0, 2.0, 5.0)
    first = MIDDLE - np.multiply(size, (np.array(shape) - 1) / 2)
    affine = nib.affines.from_matvec(np.diag(size), first)
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    lengths = tuple(np.array(shape)[np.argsort(turn[:, 0])])
    return Grid(lengths, affine @ nib.orientations.inv_ornt_aff(turn, shape))


def channel(moved: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the other contrast, noisy, of a head that has moved since the first one."""
    seen = interpolate(head(), GRID, Grid(grid.shape, np.linalg.inv(moved) @ grid.affine), 0)
    noise = np.random.default_rng(1).normal(0, 15, grid.shape)
    return (other_contrast(seen) + noise).astype(np.float32)
