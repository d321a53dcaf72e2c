"""Means over scans, for one sample or for many resamples at once.

A resample is a row of weights, one for each scan; with weights of 1 it is the sample itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Flags = NDArray[np.bool_]


def mean(values: NDArray[Any], weights: Array) -> Array:
    """Weighted mean of values (n,), for each row of weights."""
    with np.errstate(invalid="ignore"):  # a mean of nobody is NaN
        return weights @ values / weights.sum(axis=1)


def mean_of_known(answers: Sequence[Array]) -> Array:
    """Mean over the classes, networks or folds that have an answer; NaN where none has."""
    stacked = np.stack(answers)
    known = ~np.isnan(stacked)
    total, times = np.where(known, stacked, 0).sum(axis=0), known.sum(axis=0)
    mean: Array = np.divide(total, times, out=np.full(total.shape, np.nan), where=times > 0)
    return mean


def mean_of_scans(_: NDArray[Any], values: Floats, weights: Array) -> Array:
    """Mean over scans of what was measured in each, (n,); what is not known (NaN) is left out."""
    known = ~np.isnan(values)
    return mean(values[known], weights[:, known])


def covariance(one: Floats, other: Floats, weights: Array) -> Array:
    """Covariance of values (n,) whose sample means are near 0, for each row of weights."""
    return mean(one * other, weights) - mean(one, weights) * mean(other, weights)


def variance(shifted: Floats, weights: Array) -> Array:
    """Variance, likewise; NaN where the sample is constant but for rounding."""
    found = covariance(shifted, shifted, weights)
    return np.where(found > 1e-12 * max(float(np.max(found)), 1e-12), found, np.nan)
