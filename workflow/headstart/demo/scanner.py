"""What a scanner does to a head: pose, drift of intensity, orientation."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from headstart.demo.anatomy import CENTRE
from headstart.demo.anatomy import deform
from headstart.demo.anatomy import interpolate
from headstart.demo.anatomy import into_template
from headstart.demo.anatomy import load_template
from headstart.demo.subjects import Array
from headstart.demo.subjects import Site
from headstart.demo.subjects import Subject


def scan(
    subject: Subject, session: int, seed: int
) -> tuple[NDArray[np.int16], NDArray[np.uint8], Any]:
    """Scan a subject.

    Args:
        subject: Whom.
        session: 1 or 2: it decides the position in the scanner, the drift and the noise.
        seed: The cohort's seed.

    Returns:
        The T1 volume, the tissue mask (see `CLASSES`), both in the site's orientation, and their
        affine (voxel to mm).
    """
    template, site = load_template(), subject.site
    rng = np.random.default_rng([seed, subject.number, session])
    affine = _site_affine(site)
    voxels, places = into_template(template, site, affine, _pose(subject, rng))
    values = interpolate(template.maps, deform(template, subject, seed, places))

    bright = np.zeros(site.shape, np.float32)
    bright[voxels] = np.clip(values[0], 0, None) ** site.contrast * site.brightness
    bright *= _drift(site, rng)
    noise = rng.standard_normal((2, *site.shape), np.float32) * (site.noise * site.brightness)
    image = np.hypot(bright + noise[0], noise[1])

    shares = np.concatenate([1 - values[1:].sum(axis=0, keepdims=True), values[1:]])
    mask = np.zeros(site.shape, np.uint8)
    mask[voxels] = shares.argmax(axis=0)
    turn, affine = _turn(site, affine)
    volume = nib.apply_orientation(np.rint(image).astype(np.int16), turn)
    return volume, nib.apply_orientation(mask, turn), affine


def _site_affine(site: Site) -> NDArray[np.float64]:
    """Return the affine of the site's volumes as long as they point to RAS."""
    affine = np.diag([*site.voxel_size, 1.0])
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(site.shape) - 1) / 2)
    return affine


def _pose(subject: Subject, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw where the head lies: 4x4, from template mm to scanner mm."""
    pose = np.eye(4)
    for axis, degrees in enumerate(2.5 * rng.standard_normal(3)):
        one, two = (i for i in range(3) if i != axis)
        turn = np.eye(4)
        turn[one, one] = turn[two, two] = np.cos(np.deg2rad(degrees))
        turn[one, two] = np.sin(np.deg2rad(degrees))
        turn[two, one] = -turn[one, two]
        pose = turn @ pose
    shift = 2.5 * rng.standard_normal(3)
    pose[:3, :3] = pose[:3, :3] @ np.diag(subject.scale)
    pose[:3, 3] = CENTRE + shift - pose[:3, :3] @ CENTRE
    return pose


def _drift(site: Site, rng: np.random.Generator) -> Array:
    """Draw the receiver's bias field: the exponential of a random quadratic."""
    x, y, z = (
        np.linspace(-1, 1, n, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        for axis, n in enumerate(site.shape)
    )
    terms = (x, y, z, x * x - 0.3, y * y - 0.3, z * z - 0.3, x * y, y * z, x * z)
    weights = (site.bias * rng.standard_normal(len(terms))).astype(np.float32)
    log = np.zeros(site.shape, np.float32)
    for weight, term in zip(weights, terms, strict=True):
        log += weight * term
    return np.exp(log)


def _turn(site: Site, affine: NDArray[np.float64]) -> tuple[NDArray[np.float64], Any]:
    """Return how an array turns from RAS to the site's orientation, and its affine then."""
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(site.orientation)
    )
    return turn, affine @ nib.orientations.inv_ornt_aff(turn, site.shape)
