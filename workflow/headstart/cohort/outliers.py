"""Find scans unlike the rest of a cohort: spoilt, cut, badly stripped, or of another kind.

A rare anatomy, site or contrast has its like in a cohort; a scan that failed has none. So each is
compared with its nearest neighbours among other subjects: by its shape as a whole and by its
detail. How far is too far is told by the cohort's own spread: by its median absolute deviation,
which up to half of the scans can't change, so that spoilt ones don't hide each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.common.keys import OfScan

NEAREST = 5  # scans of other subjects
FEW = 12  # subjects: fewer don't tell what is usual
HIGHEST = 0.9999  # similarity, for the logarithm of 1 - similarity
LEAST_SPREAD = 0.1  # of that logarithm: a cohort of copies still has some
# robust standard deviations: Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers,
# ISBN 978-0-87389-247-6
FAR = 3.5

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class SimilarityRow(OfScan):
    """A row of near-duplicates/similarity.csv.

    Attributes:
        similarity: With its nearest neighbours among other subjects; None without other subjects.
        distance: From the cohort's usual one, in robust standard deviations.
        outlier: Whether that is too far.
    """

    similarity: Annotated[float | None, ".4f"]
    distance: Annotated[float, ".2f"]
    outlier: bool


@dataclass(frozen=True)
class Outliers:
    """How far each scan is from its nearest neighbours.

    Attributes:
        similarity: Of the whole, with the nearest neighbours, (n,); NaN without other subjects.
        distance: From the cohort's usual similarity, in robust standard deviations: of the whole
            or of the detail, whichever is worse, (n,).
        marked: Whether it is too far, (n,).
    """

    similarity: Matrix
    distance: Matrix
    marked: NDArray[np.bool_]


def find_outliers(whole: NDArray[Any], detail: NDArray[Any], others: NDArray[np.bool_]) -> Outliers:
    """Tell how unlike the cohort each scan is.

    Args:
        whole: Correlations of the aligned volumes, (n, n).
        detail: Correlations of their detail, (n, n).
        others: Whether two scans are of different subjects, (n, n); each has some.

    Returns:
        With fewer than 12 scans of other subjects, none is marked.
    """
    nearest = [_nearest(values, others) for values in (whole, detail)]
    distance = np.maximum(*(_distance(values) for values in nearest))
    known = bool(others.sum(axis=1).min() >= FEW - 1)
    return Outliers(nearest[0], distance, (distance > FAR) & known)


def _nearest(values: NDArray[Any], others: NDArray[np.bool_]) -> Matrix:
    """Return the median similarity with the five most similar: one twin can't vouch for a scan."""
    best = -np.sort(-np.where(others, values, -np.inf), axis=1)[:, :NEAREST]
    nearest: Matrix = np.nanmedian(np.where(np.isfinite(best), best, np.nan), axis=1)
    return nearest


def _distance(similarity: Matrix) -> Matrix:
    scaled = np.log(np.maximum(1 - similarity, 1 - HIGHEST))
    return robust_distance(scaled, scaled, LEAST_SPREAD)


def robust_distance(values: Matrix, usual: Matrix, least: float) -> Matrix:
    """Tell how far values are from the median, in robust standard deviations.

    Args:
        values: Any numbers.
        usual: Those that tell what is usual, at least one.
        least: The least standard deviation that they are taken to have.
    """
    middle = np.median(usual)
    spread = 1.4826 * float(np.median(np.abs(usual - middle)))
    distance: Matrix = (values - middle) / max(spread, least)
    return distance
