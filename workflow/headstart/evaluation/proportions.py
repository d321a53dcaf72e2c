"""Intervals of proportions and of areas under ROC curves: within 0 to 1, and never of width 0."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import NoIntervalError
from headstart.evaluation.jackknife_t import TAIL
from headstart.evaluation.jackknife_t import Ends
from headstart.tasks.class_metrics import recalls

Array = NDArray[np.float64]

EDGE = 1e-9


def wilson(share: float, n: float) -> Ends:
    """Score interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    square = _normal() ** 2 / n
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def mid_p(share: float, n: float) -> Ends:
    """Exact interval of a proportion, half of the probability of what was seen on either side.

    Berry and Armitage 1995, The Statistician 44:417-423. Near 0 and 1 it errs on both sides
    alike, where Wilson's does not: in a mean of several that adds up.
    """
    from scipy import optimize

    seen = round(share * n, 6)  # sessions' shares may add up to a whole number but for rounding

    def below(p: float) -> float:
        """Probability of less than what was seen, and half of that."""
        ends = [_at_most(k, n, p) for k in (seen, seen - 1)]
        return float(sum(ends)) / 2

    low = optimize.brentq(lambda p: below(p) - TAIL, 0, 1) if seen > 0 else 0.0
    high = optimize.brentq(lambda p: below(p) - 1 + TAIL, 0, 1) if seen < n else 1.0
    return float(low), float(high)


def _at_most(k: float, n: float, p: float) -> float:
    """Probability of at most k of n."""
    from scipy import special

    if k <= -1 or k >= n:
        return float(k >= n)
    return float(special.betainc(n - k, k + 1, 1 - p))


def _normal() -> float:
    from scipy import special

    return float(special.ndtri(TAIL))


def accuracy(estimate: Estimate) -> Ends:
    """Make the interval of a share of all scans."""
    return _of_share(estimate, estimate.values, estimate.told, wilson)


def _of_share(
    estimate: Estimate,
    values: Array,
    scans: NDArray[np.bool_],
    make: Callable[[float, float], Ends],
) -> Ends:
    """Make the interval of a share of some scans, for the subjects that the sessions amount to."""
    people, share = estimate.sample.people(scans), float(values[0])
    without = values[1:][estimate.sample.groups(scans)]
    gain = _gain(share * (1 - share) / people, without, people, int(scans.sum()) / people)
    return make(share, people * gain / estimate.sample.inflation)


def _gain(expected: float, without: Array, people: int, sessions: float) -> float:
    """How many subjects the sessions of one amount to (Korn and Graubard 1998).

    Survey Methodology 24:193-201. Few subjects tell a variance badly, so that they count for less.

    Args:
        expected: Variance of the statistic if sessions of a subject were all alike.
        without: The statistic without each group.
        people: Subjects that the variance is told from.
        sessions: Scans of a subject, on average: at best, they amount to so many subjects.
    """
    from scipy import special

    variance = (len(without) - 1) * float(without.var())
    if variance == 0 or people < 2:
        return 1.0
    caution = (_normal() / float(special.stdtrit(people - 1, TAIL))) ** 2
    return min(max(caution * expected / variance, 1.0), sessions)


def mean_recall(estimate: Estimate) -> Ends:
    """Make the interval of a mean over classes of a share, from those of the classes.

    They are combined by the squares of their arms (Zou and Donner 2008, doi:10.1002/sim.3095).
    """
    below, above = [], []
    shares = recalls(estimate.truth, estimate.prediction, estimate.sample.weights)
    for number, values in enumerate(shares):
        members = estimate.truth == number
        if not members.any():
            continue
        _check_class(estimate.sample.people(members))
        low, high = _of_share(estimate, values, members, mid_p)
        below.append(values[0] - low)
        above.append(high - values[0])
    low = estimate.value - math.hypot(*below) / len(below)
    return max(0.0, low), min(1.0, estimate.value + math.hypot(*above) / len(above))


def _check_class(people: int) -> None:
    if people < 2:
        raise NoIntervalError("a class has one subject")


def area(estimate: Estimate) -> Ends:
    """Make the score interval of an area under the ROC curve (Newcombe 2006, method 5).

    doi:10.1002/sim.2324. Over several folds the area is a mean, whose variance is that of a mean.
    The areas of more than two classes, each against the rest, are taken to err together.
    """
    from scipy import optimize

    sample, value = estimate.sample, estimate.value
    counts = _counts(estimate)

    def variance(area: float) -> float:
        each = [math.sqrt(sum(_variance(area, *two) for two in of)) / len(of) for of in counts]
        # repeats hold out no further subjects
        return sample.repeats * (sum(each) / len(each)) ** 2

    without = estimate.without[np.isfinite(estimate.without)]
    sessions = len(estimate.told) / sample.people(estimate.told)
    fewest = min(min(two) for of in counts for two in of)
    gain = _gain(variance(value), without, fewest, sessions)
    width = _normal() * math.sqrt(sample.inflation / gain)

    def beyond(area: float) -> float:
        return abs(value - area) - width * math.sqrt(variance(area))

    # an area of exactly 0 or 1 has no variance, and would be its own end
    low = optimize.brentq(beyond, 0, value - EDGE) if value > EDGE else 0.0
    high = optimize.brentq(beyond, value + EDGE, 1) if value < 1 - EDGE else 1.0
    return float(low), float(high)


def _counts(estimate: Estimate) -> list[list[tuple[int, int]]]:
    """Subjects with and without a class, of each class, in each fold that has both."""
    sample, classes = estimate.sample, estimate.prediction.shape[1]
    counts = []
    for number in [1] if classes == 2 else range(classes):
        positive = estimate.truth == number
        each = [
            (sample.people(held & positive), sample.people(held & ~positive))
            for held in (sample.folds == fold for fold in np.unique(sample.folds))
        ]
        both = [two for two in each if min(two) > 0]
        if both:
            _check_class(int(np.sum(both, axis=0).min()))
            counts.append(both)
    return counts


def _variance(area: float, positive: int, negative: int) -> float:
    """Variance of an area from so many subjects, if scores are exponentially distributed."""
    more = (positive + negative) / 2 - 1
    spread = 1 + more * ((1 - area) / (2 - area) + area / (1 + area))
    return area * (1 - area) * spread / (positive * negative)
