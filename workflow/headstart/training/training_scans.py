"""What the training scans look like, kept in the model card, and how far new scans are from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.common.schema import Section

if TYPE_CHECKING:
    from headstart.cohort.prepared import Scan

Array = NDArray[np.float64]

SIDE = 8  # voxels of the small copies that are compared, each way
PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
WORDS = {
    "field_of_view": "its field of view is {size} mm, that of training scans {usual} mm",
    "intensities": "its intensities are distributed unlike those of the training scans",
    "similarity": "it looks unlike the training scans (similarity {similarity:.2f}, theirs at "
    "least {least:.2f})",
}
# Where all training scans are alike there is no spread to go by: so much beyond them is allowed.
LEAST = {"field_of_view": 0.2, "intensities": 0.05, "similarity": 0.05}


class TrainingScans(Section):
    """What the training scans look like.

    Attributes:
        template: Mean of their small copies, (channels * SIDE^3,).
        percentiles: Median over the scans of their intensities' percentiles, all channels in a row.
        field_of_view: Median size of their raw grids along right, front and up, mm.
        farthest: The largest distance of a training scan from each of these, by name.
        usual: The median distance, by name.
        digests: sha256 of each prepared volume that was learnt from or chose the epoch.
        raw: Digest of the raw voxels of each of these scans, which no preparation changes.
    """

    template: tuple[float, ...]
    percentiles: tuple[float, ...]
    field_of_view: tuple[float, float, float]
    farthest: dict[str, float]
    usual: dict[str, float]
    digests: tuple[str, ...]
    raw: tuple[str, ...] = ()

    def unlike(self, scan: Scan) -> list[str]:
        """Say in what a prepared scan is further from the training scans than any of them.

        A scan may be as far beyond the farthest training scan as that is beyond the usual one, so
        that no limit has to be chosen.
        """
        look = _Look.of(scan)
        distances = _distances(look, *map(np.array, self._centre))
        told = {
            "size": " x ".join(f"{length:.0f}" for length in look.field_of_view),
            "usual": " x ".join(f"{length:.0f}" for length in self.field_of_view),
            "similarity": 1 - distances["similarity"],
            "least": 1 - self.farthest["similarity"],
        }
        return [
            WORDS[name].format(**told)
            for name, distance in distances.items()
            if distance > self._limit(name)
        ]

    def _limit(self, name: str) -> float:
        farthest, usual = self.farthest[name], self.usual[name]
        return farthest + max(farthest - usual, LEAST[name])

    @property
    def _centre(self) -> tuple[tuple[float, ...], ...]:
        return self.template, self.percentiles, self.field_of_view


@dataclass(frozen=True)
class _Look:
    """One scan: a small copy, percentiles of its intensities, mm along right, front and up.

    There is NaN for channels that it lacks: what is missing is like no other scan.
    """

    small: Array
    percentiles: Array
    field_of_view: Array

    @classmethod
    def of(cls, scan: Scan) -> _Look:
        small, percentiles = [], []
        # one by one: where training is by patches, memory may not hold much more than a scan
        for place, half in enumerate(scan.volume()):
            channel = half.astype(np.float32)
            if place in scan.lacking:
                channel[:] = np.nan
            small.append(_small(channel))
            percentiles.append(np.percentile(channel, PERCENTILES))
        return cls(np.concatenate(small), np.concatenate(percentiles), _extent(scan))


def describe(scans: Sequence[Scan], others: Sequence[Scan]) -> TrainingScans:
    """Describe the scans that a network learns from.

    Args:
        scans: They, prepared.
        others: Scans that it has seen as well: those that choose the epoch.
    """
    looks = [_Look.of(scan) for scan in scans]
    small = np.stack([look.small for look in looks])
    percentiles = np.array([*map(_median, zip(*(look.percentiles for look in looks), strict=True))])
    extent = np.median([look.field_of_view for look in looks], axis=0)
    # each is compared with the mean of the others, as a new one is with the mean of all
    known = ~np.isnan(small)
    total, count = np.nansum(small, axis=0), known.sum(axis=0)
    rest = (total - np.nan_to_num(small)) / np.maximum(count - known, 1)
    distances = [
        _distances(look, template, percentiles, extent)
        for look, template in zip(looks, rest, strict=True)
    ]
    by_name = {name: [one[name] for one in distances] for name in WORDS}
    return TrainingScans(
        template=_rounded(total / np.maximum(count, 1)),
        percentiles=_rounded(percentiles),
        field_of_view=_rounded(extent),
        farthest={name: float(np.max(values)) for name, values in by_name.items()},
        usual={name: float(np.median(values)) for name, values in by_name.items()},
        digests=tuple(sorted(_digest(scan) for scan in (*scans, *others))),
        raw=tuple(sorted({scan.raw for scan in (*scans, *others)} - {""})),
    )


def digests_of(scan: Scan) -> set[str]:
    """Digests by which a card knows a scan again: of its prepared volume, and of its raw voxels."""
    return {_digest(scan), scan.raw} - {""}


def _distances(look: _Look, template: Array, percentiles: Array, extent: Array) -> dict[str, float]:
    there, known = ~np.isnan(look.small), ~np.isnan(look.percentiles)
    apart = look.percentiles[known] - percentiles[known]
    return {
        # sizes by their ratio: twice as long is as far as half as long
        "field_of_view": float(np.abs(np.log(look.field_of_view / extent)).max()),
        "intensities": float(np.sqrt(np.mean(apart**2))),
        "similarity": 1 - _correlation(look.small[there], template[there]),
    }


def _median(values: Sequence[float]) -> float:
    """Median of what is there; 0 of nothing."""
    there = [value for value in values if not np.isnan(value)]
    return float(np.median(there)) if there else 0.0


def _correlation(one: Array, other: Array) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / scale) if scale > 0 else 0.0


def _small(channel: NDArray[np.float32]) -> Array:
    """Average a channel (x, y, z) over SIDE blocks each way, flat."""
    small: NDArray[Any] = channel
    for axis in range(3):
        blocks = np.array_split(small, min(SIDE, small.shape[axis]), axis=axis)
        means = [block.mean(axis=axis, dtype=np.float64) for block in blocks]
        small = np.stack(means, axis=axis)
    return small.ravel()


def _extent(scan: Scan) -> Array:
    """Size of the raw grid along the world's axes, mm: a head turned by 90 degrees keeps it."""
    steps = scan.source_affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0) * np.array(scan.source_shape)
    # each axis of the array is that of the world which it follows most
    order = np.argmax(np.abs(steps), axis=0)
    if len(set(order)) < 3:
        return np.asarray(np.sort(lengths), dtype=np.float64)
    extent = np.empty(3)
    extent[order] = lengths
    return extent


def _digest(scan: Scan) -> str:
    return hashlib.sha256(np.ascontiguousarray(scan.volume()).tobytes()).hexdigest()[:16]


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)
