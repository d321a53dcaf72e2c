"""The MNI152 template, deformed for every subject."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

from headstart.demo.subjects import Array
from headstart.demo.subjects import Site
from headstart.demo.subjects import Subject

GRID = 2.0  # mm; voxel size at which the template is kept
CENTRE = (0.0, -17.0, 5.0)  # middle of the template's brain, mm
CEREBELLUM = (0.0, -62.0, -35.0)  # its middle in the template, mm
COARSE = 8.0  # mm; control points of the individual deformation
SMOOTHNESS = 14.0  # mm; standard deviation of the kernel that makes it smooth
INDIVIDUAL = 2.0  # mm; its standard deviation along each axis


@dataclass(frozen=True)
class BrainTemplate:
    """The template on a 2 mm grid, and the ways in which it can be deformed.

    Attributes:
        maps: T1 intensity (0 to 1) and shares of grey matter, white matter and ventricles,
            (4, x, y, z).
        near: Where brain can come to lie, (x, y, z).
        origin: Place of the first voxel, mm.
        ventricles: Displacements, mm, that widen the ventricles by about 1 mm, (3, x, y, z).
        thinning: The same for moving the cortex inward.
        build: The same for a broader front and a larger cerebellum.
    """

    maps: Array
    near: NDArray[np.bool_]
    origin: Array
    ventricles: Array
    thinning: Array
    build: Array


@cache
def load_template() -> BrainTemplate:
    """Load the template and work out its deformations; once per process."""
    t1, grey, white = (
        load(resolution=1).get_fdata(dtype=np.float32)
        for load in (
            datasets.load_mni152_template,
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
        )
    )
    origin = datasets.load_mni152_template(resolution=1).affine[:3, 3]
    ventricles = _ventricles((t1 > 0) & (grey + white < 0.5), origin)
    step = int(GRID)
    maps = np.stack(
        [
            ndimage.gaussian_filter(volume, 1.0)[::step, ::step, ::step]
            for volume in (t1, grey, white, ventricles.astype(np.float32))
        ]
    )
    tissue = maps[1] + maps[2]
    brain = ndimage.binary_fill_holes(maps[0] > 0.02)
    return BrainTemplate(
        maps=maps,
        near=ndimage.binary_dilation(brain, iterations=5),
        origin=origin.astype(np.float32),
        # both follow the slope of a blurred map: towards the middle of the ventricles, and out
        # of the tissue; so the volume that is sampled there comes to lie here
        ventricles=_slope(maps[3], 7.0),
        thinning=-_slope(tissue, 3.5),
        build=_build(brain.shape, origin),
    )


def _ventricles(fluid: NDArray[np.bool_], origin: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the lateral ventricles: the largest piece of fluid in the middle of the brain."""
    x, y, z = (
        np.arange(n, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        + origin[axis]
        for axis, n in enumerate(fluid.shape)
    )
    middle = (np.abs(x) <= 32) & (y >= -52) & (y <= 38) & (z >= -12) & (z <= 32)
    pieces, _ = ndimage.label(fluid & middle)
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def _slope(volume: Array, blur: float) -> Array:
    """Return the gradient of a volume that is blurred by so many mm, at most 1 long."""
    slope = np.stack(
        [
            ndimage.gaussian_filter(
                volume, blur / GRID, order=tuple(int(i == axis) for i in range(3))
            )
            for axis in range(3)
        ]
    )
    return slope / np.sqrt((slope**2).sum(axis=0)).max()


def _build(shape: tuple[int, ...], origin: NDArray[np.float64]) -> Array:
    place = np.indices(shape, np.float32) * GRID + origin[:, None, None, None]
    # broader in front, narrower behind: at the side of the head about 2 mm
    front = np.tanh((place[1] + 18) / 35)
    shift = np.zeros_like(place)
    shift[0] = -0.038 * place[0] * front
    away = place - np.array(CEREBELLUM)[:, None, None, None]
    shift -= 0.1 * away * np.exp(-(away**2).sum(axis=0) / (2 * 26.0**2))
    return shift.astype(np.float32)


def into_template(
    template: BrainTemplate, site: Site, affine: NDArray[np.float64], pose: NDArray[np.float64]
) -> tuple[tuple[NDArray[np.intp], ...], Array]:
    """Find the scan's voxels that may hold brain.

    Returns:
        Their indices, and their places in the template's voxels before deformation, (3, n).
    """
    into = np.diag([1 / GRID, 1 / GRID, 1 / GRID, 1.0])
    into[:3, 3] = -template.origin / GRID
    step = (into @ np.linalg.inv(pose) @ affine).astype(np.float32)
    i, j, k = np.ogrid[tuple(slice(n) for n in site.shape)]
    places = np.stack([row[0] * i + row[1] * j + row[2] * k + row[3] for row in step[:3]])
    nearest = np.rint(places).astype(np.intp)
    limits = np.array(template.near.shape)[:, None, None, None]
    inside = ((nearest >= 0) & (nearest < limits)).all(axis=0)
    inside[inside] = template.near[tuple(nearest[:, inside])]
    return np.nonzero(inside), places[:, inside]


def deform(template: BrainTemplate, subject: Subject, seed: int, places: Array) -> Array:
    """Return where in the template the subject's tissue at these places comes from."""
    shifts = (
        subject.ventricles * template.ventricles
        + subject.thinning * template.thinning
        + subject.build * template.build
    )
    coarse = _individual(template, np.random.default_rng([seed, subject.number, 0, 1]))
    # one after the other, not added: neither folds, and so their chain doesn't
    places = places + interpolate(coarse, places * np.float32(GRID / COARSE)) / np.float32(GRID)
    return places + interpolate(shifts, places) / np.float32(GRID)


def _individual(template: BrainTemplate, rng: np.random.Generator) -> Array:
    """Draw smooth displacements, mm, on control points 8 mm apart."""
    shape = [int(np.ceil(n * GRID / COARSE)) + 1 for n in template.near.shape]
    field = rng.standard_normal((3, *shape), np.float32)
    field = ndimage.gaussian_filter(field, SMOOTHNESS / COARSE, axes=(1, 2, 3), mode="wrap")
    return field * np.float32(INDIVIDUAL / field.std())


def interpolate(volumes: Array, places: Array) -> Array:
    """Interpolate volumes (n, x, y, z) linearly at places (3, m) in voxels; 0 outside."""
    return np.stack(
        [ndimage.map_coordinates(volume, places, order=1, prefilter=False) for volume in volumes]
    )
