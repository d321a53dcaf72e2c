"""P values that belong to the intervals, and what they become where many are looked at."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation.intervals import Interval
from headstart.evaluation.jackknife_t import TAIL

LEVEL = 2 * (1 - TAIL)  # of the error that is allowed, in all comparisons of a family together


def p_value(difference: float, made: Interval, subjects: int) -> float | None:
    """Two-sided p value of a difference, read off its interval.

    Altman and Bland 2011, doi:10.1136/bmj.d2304, by the t distribution and the arm that points to
    0. Each metric has an interval of its own kind, and so its p value agrees with it: it is below
    0.05 where the interval of 95 % does not hold 0.

    Args:
        difference: The difference.
        made: Its interval.
        subjects: How many subjects it is told from.

    Returns:
        The p value; None without an interval.
    """
    from scipy import special

    arm = made.high - difference if difference < 0 else difference - made.low
    if not arm > 0:
        return None
    freedom = subjects - 1
    statistic = float(special.stdtrit(freedom, TAIL)) * abs(difference) / arm
    return float(2 * special.stdtr(freedom, -statistic))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p values of one family (Holm 1979, Scand. J. Stat. 6:65-70).

    Those that are below a level then are all right but for a chance of at most this level, however
    the comparisons depend on each other.

    Args:
        p_values: None where there is none.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        corrected[place] = least
    return corrected
