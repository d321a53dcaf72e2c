"""Intervals from a t statistic, on the scale where leaving out subjects moves a metric evenly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import NoIntervalError

Array = NDArray[np.float64]
Ends = tuple[float, float]

TAIL = 0.975  # of the distribution below the upper end
DIGITS = 12  # after the point that are no rounding
RARE = 10  # failures; fewer do not tell how rare they are
IN_CLASS = 10  # subjects of each class; of fewer, an F1 is known badly
WIDE = 10  # times the value: an upper end beyond it says nothing
FAR = 5  # times the distance of the quartiles: what lies further below them has failed


def jackknife_t(
    value: float, without: Array, inflation: float = 1.0, *, skewed: bool = False
) -> Ends:
    """Interval of a statistic from what it is without each subject (Tukey's jackknife).

    The degrees of freedom are those of the variance, from the kurtosis of the subjects' influence
    (Satterthwaite 1946, doi:10.2307/3002019): heavy tails leave few.

    Args:
        value: The statistic.
        without: It without each group, (n,).
        inflation: What its variance is multiplied by.
        skewed: Whether influences are skewed, as those on a mean error are; the skewness is removed
            by a cubic transformation (Hall 1992, J. R. Stat. Soc. B 54:221-228).

    Raises:
        NoIntervalError: If the statistic does not vary.
    """
    from scipy import special

    check_spread(value, without)
    n = len(without)
    influence = (n - 1) * (without.mean() - without)
    square = float((influence**2).mean())
    kurtosis = float((influence**4).mean()) / square**2
    freedom = min(n - 1, 2 * n / (kurtosis - (n - 3) / (n - 1)))
    quantile = float(special.stdtrit(freedom, TAIL))
    error = math.sqrt(inflation * square / (n - 1))
    skewness = float((influence**3).mean()) / square**1.5 if skewed else 0.0
    low, high = (_unskewed(x, skewness / math.sqrt(n)) for x in (quantile, -quantile))
    return value - error * low, value - error * high


def _unskewed(quantile: float, lean: float) -> float:
    """Quantile of the t statistic of skewed data, whose skewness is sqrt(n) times the lean."""
    if abs(lean) < 1e-6:
        return quantile
    return 3 / lean * (math.cbrt(1 + lean * (quantile - lean / 6)) - 1)


def check_spread(value: float, without: Array) -> None:
    """Raise a NoIntervalError if a statistic is no other one whoever is left out."""
    if not np.isfinite(without).all():
        raise NoIntervalError("it rests on one subject")
    if np.ptp(without) <= 1e-12 * max(1.0, abs(value)):
        raise NoIntervalError("it is the same whoever is left out")


def on_scale(
    there: Callable[[Array], Array],
    back: Callable[[float], float],
    *,
    skewed: bool = False,
    bounded: bool = False,
) -> Callable[[Estimate], Ends]:
    """Make the interval on a scale, as `jackknife_t`.

    Args:
        there: To the scale.
        back: From it.
        skewed: As `jackknife_t` has it.
        bounded: Whether the metric ends at 1, which rounding may miss.
    """

    def limits(estimate: Estimate) -> Ends:
        with np.errstate(divide="ignore", invalid="ignore"):  # a perfect metric has no place there
            values, left = (
                there(np.round(each, DIGITS) if bounded else each)
                for each in (estimate.values, estimate.without)
            )
        value = float(values[0])
        if not math.isfinite(value):
            raise NoIntervalError("nobody errs, so that nothing tells how far others may")
        ends = jackknife_t(value, left, estimate.sample.inflation, skewed=skewed)
        low, high = sorted(map(back, ends))
        return low, high

    return limits


def paired(one: Estimate, other: Estimate) -> Ends:
    """Make the interval of a difference, as `jackknife_t`."""
    difference = one - other
    return jackknife_t(difference.value, difference.without, one.sample.inflation)


on_logit = on_scale(lambda p: np.log(p / (1 - p)), lambda x: 1 / (1 + math.exp(-x)), bounded=True)
on_log = on_scale(np.log, math.exp, skewed=True)


def f1(estimate: Estimate) -> Ends:
    """Make the interval of an F1, which few subjects of a class do not tell."""
    _check_classes(estimate)
    return on_logit(estimate)


def paired_f1(one: Estimate, other: Estimate) -> Ends:
    """Make the interval of a difference of F1."""
    _check_classes(one)
    return paired(one, other)


def _check_classes(estimate: Estimate) -> None:
    classes = range(estimate.prediction.shape[1])
    people = [estimate.sample.people(estimate.truth == number) for number in classes]
    if any(0 < number < IN_CLASS for number in people):
        raise NoIntervalError(f"fewer than {IN_CLASS} subjects of a class")


def dice(estimate: Estimate) -> Ends:
    """Make the interval of a mean Dice, which a few failures would pull down."""
    _check_failures(estimate)
    return on_logit(estimate)


def distance(estimate: Estimate) -> Ends:
    """Make the interval of a mean distance, which a few failures would push up.

    Distances end at an image's diagonal: what reaches far beyond the value says nothing of them.
    """
    _check_failures(estimate)
    low, high = on_log(estimate)
    if high > WIDE * estimate.value:
        raise NoIntervalError(f"too few tell it: it would reach beyond {WIDE} times the value")
    return low, high


def paired_mean(one: Estimate, other: Estimate) -> Ends:
    """Make the interval of a difference of mean Dice or mean distances."""
    for estimate in (one, other):
        if np.ptp(estimate.values) > 0:  # what never fits does not fail rarely
            _check_failures(estimate)
    return paired(one, other)


def _check_failures(estimate: Estimate) -> None:
    check_spread(estimate.value, estimate.without)
    better = estimate.metric.higher_is_better
    influence = -estimate.without if better else estimate.without
    low, high = np.percentile(influence, [25, 75])
    failed = int((influence < low - FAR * (high - low)).sum())
    if 0 < failed < RARE:
        raise NoIntervalError(f"{failed} far from the rest, too few to tell how rare failures are")
