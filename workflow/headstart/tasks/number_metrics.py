"""Metrics of numbers: truth and prediction are (n,), in the target's unit.

Weights are rows of resamples (rows, n), and values (rows,), see `headstart.tasks.weighted`.
"""

from __future__ import annotations

import numpy as np

from headstart.tasks.weighted import Array
from headstart.tasks.weighted import Floats
from headstart.tasks.weighted import covariance
from headstart.tasks.weighted import mean
from headstart.tasks.weighted import variance


def mae(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Mean absolute error, in the target's unit."""
    return mean(np.abs(prediction - truth), weights)


def rmse(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Root mean squared error, in the target's unit."""
    return np.asarray(np.sqrt(mean((prediction - truth) ** 2, weights)))


def pearson(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Pearson's r; NaN if either side is constant."""
    # shifted to the sample's mean, so that the moments lose no digits
    x, y = truth - truth.mean(), prediction - prediction.mean()
    return covariance(x, y, weights) / np.sqrt(variance(x, weights) * variance(y, weights))


def r2(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Share of the truth's variance explained: 1 - residual / total; NaN for a constant truth."""
    total = variance(truth - truth.mean(), weights)
    return np.asarray(1 - mean((prediction - truth) ** 2, weights) / total)


def bias(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Mean of prediction minus truth, in the target's unit: calibration in the large."""
    return mean(prediction - truth, weights)


def slope(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Calibration slope: of the truth's regression on the prediction; NaN if that is constant.

    Below 1, predictions spread too far; above 1, not far enough (Van Calster and others 2019,
    doi:10.1186/s12916-019-1466-7).
    """
    x, y = prediction - prediction.mean(), truth - truth.mean()
    return covariance(x, y, weights) / variance(x, weights)


def gap_r(truth: Floats, prediction: Floats, weights: Array) -> Array:
    """Pearson's r of the gap, prediction minus truth, with the truth.

    Of ages, that of the brain-age gap: what is drawn to the mean makes it negative (de Lange and
    Cole 2020, doi:10.1016/j.nicl.2020.102229).
    """
    return pearson(truth, prediction - truth, weights)


def without_trend(
    known_truth: Floats, known: Floats, weights: Array, truth: Floats, prediction: Floats
) -> Floats:
    """Correct predictions for how they depend on the truth in known scans.

    What a line says of the truth there is taken off, and the truth added (de Lange and Cole 2020,
    doi:10.1016/j.nicl.2020.102229). The truth itself goes in: the result is no prediction.

    Args:
        known_truth: Truth of the known scans, (m,), not all the same.
        known: What is predicted of them, (m,).
        weights: Their weights, (m,).
        truth: Truth of the scans whose predictions are corrected, (n,).
        prediction: Their predictions, (n,).

    Returns:
        The truth and the corrected gap in sum, (n,).
    """
    centre = np.average(known_truth, weights=weights)
    level = np.average(known, weights=weights)
    apart = weights * (known_truth - centre)
    slope = apart @ (known - level) / (apart @ (known_truth - centre))
    return np.asarray(prediction - (level + slope * (truth - centre)) + truth)
