"""What denoises series without a network; strengths are fixed or fitted to scans that are known."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.tasks.neighbours import Neighbours
from headstart.tasks.series_quality import SeriesQuality

Image = NDArray[np.float32]
Filter = Callable[[int], Image]

WIDTH = 4.0  # mm: full width at half maximum of the Gaussian, the least that is usual for fMRI
NEAREST = Neighbours(before=1, after=1)
SEVERAL = 3  # volumes on each side, or as many as the shortest series has
FITTED = 3  # scans that their weights are fitted to
PIECES = 32  # of a series, that are made exact one by one
RIDGE = 1e-6  # of the mean variance of a volume: what keeps volumes that are alike apart


def measured(
    known: Sequence[Scan],
    asked: Sequence[Scan],
    columns: Sequence[str],
    neighbours: Neighbours,
) -> dict[str, NDArray[np.float64]]:
    """Measure what each filter makes of series, and the noisy series themselves.

    Args:
        known: Series that weights are fitted to.
        asked: Series that are judged, m of them.
        columns: What is measured, as `SeriesQuality` names it.
        neighbours: Those by which the network tells a volume: it is judged by the volumes that
            have all of them, and so is each filter.

    Returns:
        Name: (m, columns).
    """
    reach = min(SEVERAL, *((scan.length - 1) // 2 for scan in (*known, *asked)))
    several = Neighbours(before=reach, after=reach)
    weights = fitted_weights(known[:FITTED], several)
    rows = [_row(scan, several, weights, columns, neighbours) for scan in asked]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _row(
    scan: Scan,
    several: Neighbours,
    weights: Image,
    columns: Sequence[str],
    neighbours: Neighbours,
) -> dict[str, list[float]]:
    """Measure what each filter makes of one series."""
    halves = np.full(2, 0.5, np.float32)
    filters: dict[str, tuple[Filter, bool]] = {
        "noisy": (lambda time: scan.at([time]).signal(), False),
        "gaussian": (_gaussian(scan), False),
        "interpolation": (lambda time: interpolated(scan, time, NEAREST, halves), True),
        "linear": (lambda time: interpolated(scan, time, several, weights), True),
        "patch2self": (patch2self(scan), True),
    }
    found = {}
    for name, (made, left_out) in filters.items():
        quality = SeriesQuality(scan, left_out=left_out)
        for time in neighbours.inner(scan.length):
            quality.add(time, made(time))
        numbers = quality.found()
        found[name] = [numbers[column] for column in columns]
    return found


def _gaussian(scan: Scan) -> Filter:
    from scipy import ndimage

    width = WIDTH / np.sqrt(8 * np.log(2)) / scan.grid.voxel_size
    return lambda time: np.asarray(ndimage.gaussian_filter(scan.at([time]).signal(), width))


def interpolated(scan: Scan, time: int, neighbours: Neighbours, weights: Image) -> Image:
    """Tell a volume as a weighted mean of its neighbours; ends as `predict.edges: pad` has them."""
    around = [scan.at([other]).signal() for other in neighbours.around(time, scan.length)]
    return np.tensordot(weights, np.stack(around), 1)


def fitted_weights(known: Sequence[Scan], neighbours: Neighbours) -> Image:
    """Fit the weights, whose sum is 1, with which neighbours err least.

    Args:
        known: The series that they are fitted to.
        neighbours: The neighbours.

    Returns:
        A weight for each, in order of time.
    """
    size = len(neighbours.steps)
    products = np.zeros((size, size))
    for scan in known:
        for time in neighbours.inner(scan.length):
            volume = scan.at([time]).signal()
            off = [scan.at([n]).signal() - volume for n in neighbours.around(time, scan.length)]
            flat = np.stack(off).reshape(size, -1).astype(np.float64)
            products += flat @ flat.T
    # the least of w' P w under sum(w) = 1
    products += np.eye(size) * (RIDGE * np.trace(products) / size or 1)
    weights = np.linalg.solve(products, np.ones(size))
    return (weights / weights.sum()).astype(np.float32)


def patch2self(scan: Scan) -> Filter:
    """Tell each volume by a linear model of all others, which is fitted to the voxels of the two.

    Fadnavis et al. 2020, Patch2Self, arXiv:2011.01355: with single voxels as patches, and ridge
    regression. The models of all volumes follow from one inverse of their covariance.

    Args:
        scan: The series.
    """
    centred = np.stack([scan.at([time]).signal().ravel() for time in range(scan.length)])
    means = centred.mean(axis=1, keepdims=True)
    centred -= means
    covariance = np.zeros((scan.length, scan.length))
    for part in np.array_split(centred, PIECES, axis=1):
        exact = part.astype(np.float64)
        covariance += exact @ exact.T
    covariance += np.eye(scan.length) * RIDGE * np.trace(covariance) / scan.length
    inverse = np.linalg.inv(covariance)
    weights = -inverse / np.diag(inverse)[:, None]
    np.fill_diagonal(weights, 0)  # no volume tells itself

    def told(time: int) -> Image:
        row = weights[time].astype(np.float32) @ centred + means[time]
        return row.reshape(scan.shape)

    return told
