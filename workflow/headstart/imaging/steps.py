"""The steps of preparation that a study may ask for, each with its figures and what it refuses.

In this order, each on what the one before left: the brain is found, the bias field is divided out,
the brain is brought onto the template's. Nothing is interpolated here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from scipy import ndimage

from headstart.imaging.affine_fit import Fit
from headstart.imaging.affine_fit import fit_to_template
from headstart.imaging.align import AlignmentError
from headstart.imaging.align import align
from headstart.imaging.bias_field import FieldError
from headstart.imaging.bias_field import correct_bias
from headstart.imaging.brain import PLAUSIBLE
from headstart.imaging.brain import NoBrainError
from headstart.imaging.brain import at_edge
from headstart.imaging.brain import find_brain
from headstart.imaging.brain import stripped_brain
from headstart.imaging.config import Alignment
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Affine
from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import Mask
from headstart.imaging.geometry import head
from headstart.imaging.planes import planes
from headstart.imaging.template import template_grid
from headstart.imaging.unusable import UnusableError

BRAIN, REGISTRATION = "brain-mask", "registration"  # codes of what may be accepted by hand
# Least values of a good fit (see `Fit`). Of IXI's scans, turned, shifted, noisy or shaded, those
# within 1 mm had 0.32 to 0.47; one 3.7 mm off had 0.28, and one upside down 0.19.
CORRELATION = 0.3
OVERLAP, OVERLAP_OF_CUT = 0.9, 0.85  # of a brain that the scan holds, and of one that it cuts
AROUND = 12.0  # mm around the brain that further channels are compared in as well
Figures = dict[str, Any]


def brain_of(
    array: Array,
    path: str,
    grid: Grid,
    given: Mask | None,
    settings: Preparation,
    accepted: Collection[str],
) -> tuple[Mask | None, Figures]:
    """Return the brain of a scan on its own grid, and what was found of it.

    Args:
        array: Intensities of the first channel (x, y, z), axes nearest to RAS.
        path: Its file.
        grid: Where its voxels lie.
        given: The brain mask that came with it.
        settings: What is done to each volume.
        accepted: Codes that a person accepts for this scan.

    Raises:
        UnusableError: If there is none, or its size is no brain's.
    """
    if settings.brain == "none":
        return given, {}
    if settings.brain == "given":
        if given is None:
            raise UnusableError(
                f"{path}: has no brain mask, which prepare.brain: given needs; add it, or choose "
                "deepbet"
            )
        return given, {"stripped": False, "brain_at_edge": at_edge(given)}
    mask = stripped_brain(array, grid.voxel_ml)
    found = {"stripped": mask is not None}
    try:
        mask = find_brain(array) if mask is None else mask
    except NoBrainError as error:
        raise UnusableError(f"{path}: {error}; look at it") from error
    size = np.count_nonzero(mask) * grid.voxel_ml
    if not PLAUSIBLE[0] <= size <= PLAUSIBLE[1] and BRAIN not in accepted:
        raise UnusableError(
            f"{path}: what deepbet takes for its brain has {size:.0f} ml, and not {PLAUSIBLE[0]:g} "
            f"to {PLAUSIBLE[1]:g}; look at its orientation and voxel size, or accept '{BRAIN}'",
            BRAIN,
            planes(array, grid, mask, None) if mask.any() else None,
        )
    return mask, {**found, "brain_at_edge": at_edge(mask)}


def aligned(
    array: Array,
    path: str,
    grid: Grid,
    first: Array,
    first_grid: Grid,
    brain: Mask | None,
    how: Alignment,
) -> tuple[Grid, float]:
    """Say where the voxels of a channel with a grid of its own lie in the first channel's scan.

    Args:
        array: Intensities of the channel (x, y, z), axes nearest to RAS.
        path: Its file.
        grid: Where its voxels lie by its header.
        first: Intensities of the first channel.
        first_grid: Where that one's voxels lie.
        brain: The scan's brain on these.
        how: What tells it.

    Returns:
        The channel's voxels by their places in the first one's scan, and how far they were moved,
        mm.

    Raises:
        UnusableError: If the two can't be registered, as they don't overlap by their headers.
    """
    if how == "header":
        return grid, 0.0
    inside = None
    if brain is not None:  # and the skull, whose edges tell more
        around = [round(AROUND / edge) for edge in first_grid.voxel_size]
        inside = ndimage.maximum_filter(brain, [2 * n + 1 for n in around]) > 0
    try:
        found = align(array, grid, first, first_grid, inside)
    except AlignmentError as error:
        raise UnusableError(
            f"{path}: can't be registered with the first channel, which it does not overlap by "
            "their headers, or hardly; look at both, or leave the scan out"
        ) from error
    return found.grid, found.moved


def unbiased(
    array: Array, path: str, grid: Grid, brain: Mask | None, settings: Preparation
) -> tuple[Array, Figures]:
    """Divide by the bias field where that is asked for, and say how far the field reaches.

    Args:
        array: Intensities of a channel (x, y, z).
        path: Its file.
        grid: Where its voxels lie.
        brain: The scan's brain; without it the field is estimated in the head.
        settings: What is done to each volume.

    Raises:
        UnusableError: If no field can be estimated.
    """
    if settings.bias == "none":
        return array, {}
    inside = head(array) if brain is None else brain > 0
    try:
        even, (low, high) = correct_bias(array, grid.voxel_size, inside)
    except FieldError as error:
        raise UnusableError(
            f"{path}: no bias field can be estimated ({error}); look at its intensities, or choose "
            "prepare.bias: none"
        ) from error
    return even, {"field_low": low, "field_high": high}


def placed(
    array: Array,
    path: str,
    grid: Grid,
    brain: Mask | None,
    settings: Preparation,
    accepted: Collection[str],
    *,
    cut: bool,
) -> tuple[Grid, Affine | None, Figures]:
    """Say on which voxels a scan is resampled: along its own axes, or along the template's.

    Args:
        array: Intensities of the first channel (x, y, z), even.
        path: Its file.
        grid: Where its voxels lie.
        brain: Its brain.
        settings: What is done to each volume.
        accepted: Codes that a person accepts for this scan.
        cut: Whether the scan cuts its brain.

    Returns:
        The voxels by their places in the scan, of any angle; the 4x4 from mm there to the
        template's, None in native space; and what was found.

    Raises:
        UnusableError: If the brain does not lie on the template's.
    """
    if settings.space == "native" or brain is None:
        return grid.resampled(settings.voxel_size), None, {}
    fit = fit_to_template(array, grid, brain)
    matrix = fit.matrix if settings.space == "affine" else fit.rigid
    to_template = np.linalg.inv(matrix).astype(np.float64)
    if REGISTRATION not in accepted and _is_off(fit, cut=cut):
        raise UnusableError(
            f"{path}: {_off(fit, cut=cut)}",
            REGISTRATION,
            planes(array, grid, brain, to_template) if settings.planes else None,
        )
    window = None if settings.window == "own" else settings.window
    own = template_grid(settings.usual_voxel_size, window)
    found = {name: getattr(fit, name) for name in ("correlation", "overlap")}
    moved = {"translation": fit.translation, "rotation": fit.rotation}
    return Grid(own.shape, matrix @ own.affine), to_template, found | moved


def _least_overlap(*, cut: bool) -> float:
    return OVERLAP_OF_CUT if cut else OVERLAP


def _is_off(fit: Fit, *, cut: bool) -> bool:
    """Whether a brain does not lie on the template's."""
    return fit.correlation < CORRELATION or fit.overlap < _least_overlap(cut=cut)


def _off(fit: Fit, *, cut: bool) -> str:
    """Say that a brain does not lie on the template's."""
    return (
        f"does not lie on the template: squared local correlation {fit.correlation:.2f} "
        f"(at least {CORRELATION}), overlap of the brains {fit.overlap:.2f} (at least "
        f"{_least_overlap(cut=cut)}), turned by {fit.rotation:.0f} degrees; look at its "
        f"orientation and its brain, or accept '{REGISTRATION}'"
    )
