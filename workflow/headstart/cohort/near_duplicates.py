"""Find one head under two names: scans that are alike far beyond what two people are.

Each small volume is aligned with the cohort's reference, and its detail (the volume minus a
smoothed copy) is compared where the cohort has detail. What scans have in common is taken away:
the mean, and how far a direction in which many scans differ (a site, the size of the ventricles)
counts for more than two scans' worth. What is left is individual, and correlates near 0 for two
people and near 1 for one, in whatever position, mirrored or not.

Whether a pair stands out is told by the cohort itself: by the pair's distance from what either
scan has with everyone else, in robust standard deviations, and the number of such pairs that the
cohort's own tail lets expect by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.tails import Tail
from headstart.imaging import registration
from headstart.imaging.registration import Pose
from headstart.imaging.registration import Reference

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]

SMOOTHING = 1.0  # voxels: standard deviation of the smoothed copy
SUPPORT_SCANS = 60  # that tell where the cohort has detail
SUPPORT = 0.3  # of the mean detail: where the cohort has less, nothing is compared
MOST = 2.0  # scans' worth that one direction may count for
CERTAIN = 0.001  # strangers expected by chance to be as similar: beyond doubt
LISTED = 1.0  # the same, for a person to look at
NEIGHBOURS = 4  # of a scan's strangers make the tail, on average
FEWEST = 100  # pairs in the tail, where there are so many
POOLED = 10.0  # strangers' worth that the whole cohort's spread counts for in a scan's own
LEAST_SPREAD = 0.02  # of the transformed correlations
HIGHEST = 0.9999  # correlation, for Fisher's transform


@dataclass(frozen=True)
class Descriptors:
    """The cohort in its common position.

    Attributes:
        reference: What the scans were aligned with.
        poses: Of each scan.
        mirror: Places of the reference's mirror image, (3, all voxels).
        support: The voxels that are compared.
        rows: Detail of each scan there, length 1, (n, voxels).
        mirrored: The same of the mirrored scans.
        unmoved: The same of the scans as they lie: where they are registered already, or can't be.
        wholes: The aligned scans at twice the voxel size, mean 0 and length 1, (n, voxels).
    """

    reference: Reference
    poses: list[Pose]
    mirror: Array
    support: NDArray[np.bool_]
    rows: Array
    mirrored: Array
    unmoved: Array
    wholes: Array

    def position(self, volume: NDArray[Any], number: int, mirrored: bool = False) -> Array:
        """Return one of the cohort's scans in the common position, mirrored if asked.

        Args:
            volume: The scan, (x, y, z).
            number: Its number in the cohort.
            mirrored: Whether to mirror it left to right.
        """
        places = self.mirror if mirrored else self.reference.places
        values = registration.sample(np.asarray(volume, np.float32), self.poses[number](places))
        return filled(values.reshape(self.support.shape))


@dataclass(frozen=True)
class CommonSpace:
    """What the scans of a cohort have in common, to be taken away.

    Attributes:
        shares: Share of the mean in each scan, (n,).
        rests: What is left of each scan's length, (n,).
        mean_length: Of the mean of the scans.
        directions: Coefficients, by scan, of directions in which many differ, (n, k).
        sizes: How many scans' worth each direction has, (k,).
        lengths: What is left of each scan's length when these are reduced, (n,).
    """

    shares: Matrix
    rests: Matrix
    mean_length: float
    directions: Matrix
    sizes: Matrix
    lengths: Matrix

    @classmethod
    def fit(cls, products: Array) -> CommonSpace:
        """Find it from the inner products of all scans, (n, n)."""
        mean_length = float(np.sqrt(max(products.mean(dtype=np.float64), 1e-12)))
        shares = products.mean(axis=1, dtype=np.float64) / mean_length
        rests = np.sqrt(np.clip(1 - shares**2, 1e-6, None))
        left = (products - np.outer(shares, shares)) / np.outer(rests, rests)
        sizes, directions = np.linalg.eigh(left)
        large = sizes > MOST
        sizes, directions = sizes[large], directions[:, large]
        removed = (directions**2) @ (sizes - MOST)
        return cls(
            shares=shares,
            rests=rests,
            mean_length=mean_length,
            directions=directions,
            sizes=sizes,
            lengths=np.sqrt(np.clip(np.diag(left) - removed, 1e-6, None)),
        )

    def correlations(self, products: Array) -> Matrix:
        """Turn inner products with the cohort's scans into correlations of what is individual.

        Args:
            products: Of any scans' descriptors with those of the cohort, (m, n).
        """
        shares = products.mean(axis=1, dtype=np.float64) / self.mean_length
        rests = np.sqrt(np.clip(1 - shares**2, 1e-6, None))
        left = (products - np.outer(shares, self.shares)) / np.outer(rests, self.rests)
        along = left @ self.directions
        left -= (along * (1 - MOST / self.sizes)) @ self.directions.T
        lost = (along**2 / self.sizes) @ (1 - MOST / self.sizes)
        lengths = np.sqrt(np.clip(1 - lost, 1e-6, None))
        return np.clip(left / np.outer(lengths, self.lengths), -1, 1)


@dataclass(frozen=True)
class Similarities:
    """How alike all scans of a cohort are.

    Attributes:
        plain: Inner products of the descriptors, what is common included, (n, n).
        space: What was taken away.
        correlation: Of what is individual; of all ways the highest, (n, n).
        mirrored: Whether one had to be mirrored left to right, (n, n).
    """

    plain: Array
    space: CommonSpace
    correlation: Matrix
    mirrored: NDArray[np.bool_]


@dataclass(frozen=True)
class Strangers:
    """How alike scans of different subjects are in a cohort.

    Attributes:
        middle: Of each scan's transformed correlations with other subjects' scans, (n,).
        spread: Their robust standard deviation, (n,).
        tail: Of all pairs' distances.
    """

    middle: Matrix
    spread: Matrix
    tail: Tail

    @classmethod
    def fit(cls, correlation: Matrix, others: NDArray[np.bool_]) -> Strangers:
        """Measure it.

        Args:
            correlation: As in `Similarities`.
            others: Whether two scans are of different subjects, (n, n); some are.
        """
        values = np.where(others, fisher(correlation), np.nan)
        with np.errstate(invalid="ignore"):
            middle = np.array([_median(row) for row in values])
            off = np.abs(values - middle[:, None])
            spread = np.array([1.4826 * _median(row) for row in off])
        number = others.sum(axis=1)
        pooled = 1.4826 * _median(off)
        spread = np.sqrt((number * spread**2 + POOLED * pooled**2) / (number + POOLED))
        spread = np.maximum(spread, LEAST_SPREAD)
        distances = _distances(values, middle, spread)[np.triu(others)]
        count = min(max(FEWEST, NEIGHBOURS * len(values) // 2), len(distances) // 2)
        return cls(middle, spread, Tail.fit(distances, max(count, 1)))

    def expected(self, correlation: Matrix) -> Matrix:
        """Tell how many pairs of strangers would be so alike by chance, for each pair, (n, n)."""
        return self.tail.expected(_distances(fisher(correlation), self.middle, self.spread))

    def expected_of(self, row: Matrix, one: int) -> float:
        """Tell the same of a scan from outside, by its correlations with all, and scan `one`."""
        outside = np.delete(fisher(row), one)
        middle = float(np.median(outside))
        spread = max(1.4826 * float(np.median(np.abs(outside - middle))), LEAST_SPREAD)
        value = float(fisher(row[one]))
        own = (value - self.middle[one]) / self.spread[one]
        return float(self.tail.expected(np.array(min((value - middle) / spread, own))))


def describe(volumes: Sequence[NDArray[Any]], track: Callable[[Any], Any] = iter) -> Descriptors:
    """Align all small volumes and take out their detail.

    Args:
        volumes: (n, x, y, z); read one by one.
        track: Wraps the numbers of the scans, e.g. to show progress.
    """
    reference = registration.make_reference(volumes)
    mirror = reference.mirrored()(reference.places)
    poses = [reference.align(volumes[number]) for number in track(range(len(volumes)))]
    some = np.linspace(0, len(volumes) - 1, min(len(volumes), SUPPORT_SCANS)).astype(int)
    support = _support(reference.resample(volumes[number], poses[number]) for number in some)
    unmoved_support = _support(volumes[number] for number in some)
    unmoved = np.zeros((len(volumes), int(unmoved_support.sum())), np.float32)
    rows = np.zeros((len(volumes), int(support.sum())), np.float32)
    mirrored = np.zeros_like(rows)
    wholes = []
    for number, pose in enumerate(poses):
        volume = np.asarray(volumes[number], np.float32)
        aligned = filled(reference.resample(volume, pose))
        turned = registration.sample(volume, pose(mirror)).reshape(support.shape)
        rows[number] = _row(aligned, support)
        unmoved[number] = _row(volume, unmoved_support)
        mirrored[number] = _row(filled(turned), support)
        wholes.append(_standardised(registration.halved(aligned)))
    return Descriptors(reference, poses, mirror, support, rows, mirrored, unmoved, np.stack(wholes))


def describe_one(volume: NDArray[Any], cohort: Descriptors) -> Array:
    """Describe a scan as those of a cohort are, as it is and mirrored, (2, voxels)."""
    array = np.asarray(volume, np.float32)
    pose = cohort.reference.align(array)
    turned = registration.sample(array, pose(cohort.mirror)).reshape(cohort.support.shape)
    plain = cohort.reference.resample(array, pose)
    return np.stack([_row(filled(volume), cohort.support) for volume in (plain, turned)])


def compare(cohort: Descriptors) -> Similarities:
    """Correlate all scans with all: aligned, as they are and mirrored, and as they lie."""
    plain = cohort.rows @ cohort.rows.T
    space = CommonSpace.fit(plain)
    unmoved = cohort.unmoved @ cohort.unmoved.T
    as_is = np.maximum(space.correlations(plain), CommonSpace.fit(unmoved).correlations(unmoved))
    flipped = space.correlations(cohort.mirrored @ cohort.rows.T)
    flipped = (flipped + flipped.T) / 2  # mirroring the one or the other is the same
    return Similarities(plain, space, np.maximum(as_is, flipped), flipped > as_is)


def pairs_of(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Give the pairs of a symmetric mask, each once, in the order of the scans."""
    for one, two in np.argwhere(np.triu(mask, 1)):
        yield int(one), int(two)


def fisher(correlation: NDArray[Any]) -> Matrix:
    """Transform correlations so that those near 1 lie far apart (Fisher 1921)."""
    values: Matrix = np.arctanh(np.clip(correlation, -HIGHEST, HIGHEST))
    return values


def _distances(values: Matrix, middle: Matrix, spread: Matrix) -> Matrix:
    """Return how far each pair stands out among the strangers of both, by the lesser of the two."""
    own = (values - middle[:, None]) / spread[:, None]
    return np.minimum(own, own.T)


def _support(volumes: Iterable[NDArray[Any]]) -> NDArray[np.bool_]:
    """Tell where some of the cohort's scans have detail.

    A skull that was left on a few scans of a stripped cohort is none.
    """
    usual = np.median(
        [np.abs(_detail(filled(np.asarray(volume, np.float32)))) for volume in volumes], axis=0
    )
    if not usual.any():
        return np.ones(usual.shape, bool)
    support: NDArray[np.bool_] = usual > SUPPORT * usual[usual > 0].mean()
    return support


def filled(aligned: Array) -> Array:
    """Give what lies outside a scan the scan's darkest value."""
    known = np.isfinite(aligned)
    darkest = aligned[known].min() if known.any() else np.float32(0)
    return np.where(known, aligned, darkest)


def _detail(aligned: Array) -> Array:
    """Return a filled volume's detail; 0 where it was filled, padded or stripped."""
    fine = registration.detail(aligned, SMOOTHING)
    fine[aligned <= aligned.min() + 1e-6] = 0
    return fine


def _row(aligned: Array, support: NDArray[np.bool_]) -> Array:
    row = _detail(aligned)[support]
    length = float(np.linalg.norm(row))
    return row / length if length > 0 else row


def _standardised(volume: Array) -> Array:
    row = volume.ravel() - volume.mean()
    length = float(np.linalg.norm(row))
    return row / length if length > 0 else row


def _median(values: Matrix) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0
