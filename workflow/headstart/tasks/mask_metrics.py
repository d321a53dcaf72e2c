"""Metrics of masks: what is measured of each scan and class, (n, classes), and means of that.

Weights are rows of resamples (rows, n), and values (rows,), see `headstart.tasks.weighted`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from headstart.tasks.surfaces import surface_scores
from headstart.tasks.weighted import Array
from headstart.tasks.weighted import Floats
from headstart.tasks.weighted import Integers
from headstart.tasks.weighted import mean
from headstart.tasks.weighted import mean_of_known

# What is measured of each scan and class; volumes in ml, distances in mm.
MEASURES = ("dice", "nsd", "hd95", "assd", "volume", "true_volume")
LIMIT = 1.96  # standard deviations: nearly all differences are within the limits of agreement


def dice_by_class(truth: Integers, prediction: Integers, classes: int) -> Floats:
    """Dice overlap of each foreground class in one scan.

    Args:
        truth: Mask with the values 0 (background) to `classes`, any shape; other values belong
            to no class.
        prediction: Mask of the same shape.
        classes: Number of foreground classes.

    Returns:
        2 |A and B| / (|A| + |B|) for the values 1 to `classes`; NaN where a class is in neither.
    """
    width = classes + 1
    counts = np.zeros(width * width, np.int64)
    truth = truth.reshape(prediction.shape)
    for planes in zip(truth, prediction, strict=True):  # counting takes 16 times a mask's memory
        one, two = (
            np.where((mask > 0) & (mask < width), mask, 0).ravel().astype(np.intp)
            for mask in planes
        )
        counts += np.bincount(one * width + two, minlength=width * width)
    pairs = counts.reshape(width, width)
    return dice_of_sizes(np.diag(pairs)[1:], (pairs.sum(axis=0) + pairs.sum(axis=1))[1:])


def dice_of_sizes(overlap: Integers, both: Integers) -> Floats:
    """Dice overlap from numbers of voxels.

    Args:
        overlap: Those in both masks.
        both: The sum of those in one and those in the other.

    Returns:
        2 |A and B| / (|A| + |B|); NaN where there are none.
    """
    return np.divide(2.0 * overlap, both, out=np.full(both.shape, np.nan), where=both > 0)


def measure(
    truth: Integers, prediction: Integers, classes: int, spacing: ArrayLike, tolerance: float
) -> Floats:
    """Measure each foreground class in one scan.

    Args:
        truth: Mask (x, y, z), as for `dice_by_class`.
        prediction: Mask of the same shape.
        classes: Number of foreground classes.
        spacing: Size of a voxel, mm.
        tolerance: How far surfaces may be apart for NSD, mm.

    Returns:
        The `MEASURES`, (measures, classes). Of a class that is in neither mask, Dice, NSD and the
        distances are NaN; of one that is in one of them alone, see `surface_scores`.
    """
    voxel = float(np.prod(np.asarray(spacing, dtype=float))) / 1000
    measured = []
    for value in range(1, classes + 1):
        true, found = truth == value, prediction == value
        scores = surface_scores(true, found, spacing, tolerance)
        measured.append([*scores, found.sum() * voxel, true.sum() * voxel])
    return np.vstack([dice_by_class(truth, prediction, classes), np.transpose(measured)])


def mean_over_classes(_: NDArray[Any], measured: Floats, weights: Array) -> Array:
    """Mean over classes of the mean over scans; what is not defined (NaN) is left out."""
    known = ~np.isnan(measured)
    columns = zip(measured.T, known.T, strict=True)
    return mean_of_known([mean(column[there], weights[:, there]) for column, there in columns])


def limit_of_agreement(side: float) -> Callable[[NDArray[Any], Floats, Array], Array]:
    """Make a limit of agreement of differences (n, 1): their mean and 1.96 standard deviations.

    Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8.

    Args:
        side: -1 for the lower limit, 1 for the upper one.
    """

    def limit(_: NDArray[Any], differences: Floats, weights: Array) -> Array:
        middle = mean(differences[:, 0], weights)
        squares = (weights * (differences[:, 0] - middle[:, None]) ** 2).sum(axis=1)
        others = weights.sum(axis=1) - 1
        spread = np.divide(squares, others, out=np.full(len(others), np.nan), where=others > 0)
        return np.asarray(middle + side * LIMIT * np.sqrt(spread))

    return limit
