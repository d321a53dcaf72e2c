"""Confidence intervals: each metric by a method that holds for it in simulations.

Subjects are the unit. tests/benchmarks/coverage.py prints how often the intervals hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headstart.evaluation import jackknife_t
from headstart.evaluation import proportions
from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import NoIntervalError
from headstart.evaluation.jackknife_t import Ends
from headstart.evaluation.results import MISSED

FEW = 10  # subjects; from fewer, no interval is given


@dataclass(frozen=True)
class Interval:
    """An interval (95 %), or why there is none.

    Attributes:
        method: How it came about, or `none: ` and why.
        low: Its lower end; NaN where there is none.
        high: Its upper end.
    """

    method: str
    low: float = math.nan
    high: float = math.nan


def interval(estimate: Estimate) -> Interval:
    """Return the interval of a metric."""
    method = METHODS[estimate.metric.interval]
    try:
        _check(estimate)
        if estimate.constant:
            raise NoIntervalError("the model says the same of everyone")
        low, high = method.limits(estimate)
    except NoIntervalError as reason:
        return Interval(f"none: {reason}")
    least, most = _possible(estimate)
    return Interval(method.words + _folds(estimate), max(low, least), min(high, most))


def difference(one: Estimate, other: Estimate) -> Interval:
    """Return the interval of a model's metric minus that of another one on the same scans."""
    method = METHODS[one.metric.interval]
    try:
        _check(one - other)
        jackknife_t.check_spread(one.value, (one - other).without)
        low, high = method.differ(one, other)
    except NoIntervalError as reason:
        return Interval(f"none: {reason}")
    least, most = _possible(one)
    apart = most - least
    return Interval(method.paired + _folds(one), max(low, -apart), min(high, apart))


def _possible(estimate: Estimate) -> Ends:
    """The smallest and the largest value that a metric can have."""
    least, most = METHODS[estimate.metric.interval].possible
    return least, min(most, estimate.most)


def _check(estimate: Estimate) -> None:
    if math.isnan(estimate.value):
        raise NoIntervalError("not defined")
    if estimate.sample.people(estimate.told) < FEW:
        raise NoIntervalError(f"fewer than {FEW} subjects")


def _folds(estimate: Estimate) -> str:
    by, repeats = estimate.sample.inflation, estimate.sample.repeats
    of_repeats = f", mean of {repeats:.3g} repeats" if repeats > 1 else ""
    return "" if by == 1 else f"; variance x {by:.3g} for folds{of_repeats}"


def _of_both(one: Estimate, other: Estimate) -> Ends:
    """Ends of a difference from two models' own intervals and how they vary together.

    Zou and Donner 2008, doi:10.1002/sim.3095.
    """
    return _combined(one, other, 0.0)


def _of_shares(one: Estimate, other: Estimate) -> Ends:
    """The same, half a subject taken off a positive correlation (Newcombe 1998, method 10).

    doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C.
    """
    return _combined(one, other, 0.5)


def _combined(one: Estimate, other: Estimate, taken_off: float) -> Ends:
    (low, high), (other_low, other_high) = _own(one), _own(other)
    correlation = _correlation(one, other, taken_off)
    value = one.value - other.value
    return (
        value - _arm(one.value - low, other_high - other.value, correlation),
        value + _arm(high - one.value, other.value - other_low, correlation),
    )


def _own(estimate: Estimate) -> Ends:
    if estimate.constant:
        return estimate.value, estimate.value
    return METHODS[estimate.metric.interval].limits(estimate)


def _correlation(one: Estimate, other: Estimate, taken_off: float) -> float:
    groups = one.sample.groups(one.told & other.told)
    both = np.stack([one.values[1:][groups], other.values[1:][groups]])
    both = both[:, np.isfinite(both).all(axis=0)]
    n = both.shape[1]
    (x, xy), (_, y) = np.cov((n - 1) * both, bias=True)  # of the subjects' influence
    if x == 0 or y == 0:
        return 0.0
    return float(min(xy, max(0.0, xy - taken_off / n)) / math.sqrt(x * y))


def _arm(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other))


def _none_holds(_: Estimate) -> Ends:
    raise NoIntervalError("it is biased upwards, the more the fewer subjects")


def _is_chosen(_: Estimate) -> Ends:
    raise NoIntervalError("it was chosen, on other subjects")


def few(subjects: int) -> str:
    """Say what can be told from few subjects, "" if they are not few."""
    if subjects == 1:
        return "From one subject there is no interval, and nothing can be said of other people."
    if subjects < FEW:
        return (
            f"No interval from {subjects} subjects would hold: take the numbers as a hint, not as "
            "evidence."
        )
    return ""


@dataclass(frozen=True)
class Method:
    """How a metric's interval is made.

    Attributes:
        words: Its name, in `ci_method`.
        cite: Its paper.
        limits: Returns the ends.
        differ: Returns the ends of the difference between two models.
        paired: Name of that.
        possible: Smallest and largest value of the metrics.
    """

    words: str
    cite: str
    limits: Callable[[Estimate], Ends]
    differ: Callable[[Estimate, Estimate], Ends]
    paired: str
    possible: Ends = (-math.inf, math.inf)


SHARE, ERROR, CORRELATION = (0.0, 1.0), (0.0, math.inf), (-1.0, 1.0)
HALL = "Hall 1992, removal of skewness from a t statistic, J. R. Stat. Soc. B 54:221-228"
SATTERTHWAITE = (
    "Satterthwaite 1946, degrees of freedom of a variance, https://doi.org/10.2307/3002019"
)
METHODS = {
    "mean": Method(
        "jackknife-t",
        SATTERTHWAITE,
        jackknife_t.on_scale(lambda values: values, lambda value: value),
        jackknife_t.paired,
        "paired jackknife-t",
    ),
    "correlation": Method(
        "jackknife-t",
        SATTERTHWAITE,
        jackknife_t.on_scale(lambda values: values, lambda value: value),
        jackknife_t.paired,
        "paired jackknife-t",
        CORRELATION,
    ),
    "log": Method(
        "jackknife-t (log scale)",
        HALL,
        jackknife_t.on_log,
        jackknife_t.paired,
        "paired jackknife-t",
        ERROR,
    ),
    "unexplained": Method(
        "jackknife-t (log of 1 - R2)",
        SATTERTHWAITE,
        jackknife_t.on_scale(lambda r2: np.log(1 - r2), lambda x: 1 - math.exp(x), bounded=True),
        jackknife_t.paired,
        "paired jackknife-t",
    ),
    "fisher": Method(
        "jackknife-t (Fisher's z)",
        SATTERTHWAITE,
        jackknife_t.on_scale(np.arctanh, math.tanh, bounded=True),
        _of_both,
        "paired, of Fisher's z",
        CORRELATION,
    ),
    "limit": Method(
        "jackknife-t without skewness",
        HALL,
        jackknife_t.on_scale(lambda x: x, lambda x: x, skewed=True),
        jackknife_t.paired,
        "paired jackknife-t",
    ),
    "logit": Method(
        "jackknife-t (logit scale)",
        SATTERTHWAITE,
        jackknife_t.on_logit,
        jackknife_t.paired,
        "paired jackknife-t",
        SHARE,
    ),
    "f1": Method(
        "jackknife-t (logit scale)",
        SATTERTHWAITE,
        jackknife_t.f1,
        jackknife_t.paired_f1,
        "paired jackknife-t",
        SHARE,
    ),
    "chosen": Method("", "", _is_chosen, lambda one, _: _is_chosen(one), ""),
    "none": Method("", "", _none_holds, lambda one, _: _none_holds(one), ""),
    "distance": Method(
        f"jackknife-t (log scale), {MISSED}",
        SATTERTHWAITE,
        jackknife_t.distance,
        jackknife_t.paired_mean,
        f"paired jackknife-t, {MISSED}",
        ERROR,
    ),
    "dice": Method(
        f"jackknife-t (logit scale), {MISSED}",
        SATTERTHWAITE,
        jackknife_t.dice,
        jackknife_t.paired_mean,
        f"paired jackknife-t, {MISSED}",
        SHARE,
    ),
    "share": Method(
        "Wilson",
        "Wilson 1927, interval of a proportion, https://doi.org/10.1080/01621459.1927.10502953",
        proportions.accuracy,
        _of_shares,
        "paired Wilson (Newcombe's method 10)",
        SHARE,
    ),
    "recalls": Method(
        "mid-P by class",
        "Berry and Armitage 1995, mid-P intervals, The Statistician 44:417-423",
        proportions.mean_recall,
        _of_shares,
        "paired mid-P by class",
        SHARE,
    ),
    "area": Method(
        "Newcombe",
        "Newcombe 2006, interval of an area under the ROC curve, https://doi.org/10.1002/sim.2324",
        proportions.area,
        _of_shares,
        "paired Newcombe",
        SHARE,
    ),
}
