"""Every prepared scan beside every other: near-duplicates, outliers, and how sure that is."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.cohort import near_duplicates
from headstart.cohort.near_duplicates import CERTAIN
from headstart.cohort.near_duplicates import LISTED
from headstart.cohort.near_duplicates import Strangers
from headstart.cohort.near_duplicates import pairs_of
from headstart.cohort.numbering import numbered_in_twos
from headstart.cohort.outliers import FEW
from headstart.cohort.outliers import Outliers
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.outliers import find_outliers
from headstart.cohort.pairs import Kind
from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import FalseAlarms
from headstart.cohort.rates import Histogram
from headstart.cohort.rates import OfRescans
from headstart.cohort.rates import OfStrangers
from headstart.cohort.rates import OwnSessions
from headstart.cohort.rates import Rates
from headstart.cohort.rates import SearchRates
from headstart.cohort.rescans import rescan
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import small_of
from headstart.common import files
from headstart.common.keys import Key
from headstart.common.progress import progress
from headstart.common.records import write_rows

LEAST = 0.4  # similarity: never beyond doubt below, whatever strangers of the cohort have
SIMULATED = 20  # re-scans that tell the share that would be found
SHOWN = 60  # pairs with a picture
OWN = 5  # pairs of a subject's own sessions: fewer tell nothing about what is usual
USUAL = 0.8  # of a subject's own sessions look like one head: then others are worth a look


def find_near_duplicates(*, cards: Sequence[Path], output: Path) -> None:
    """Compare all scans: write similarity.csv, pictures.npy, rates.json and, last, pairs.csv.

    pairs.csv has a row per pair that a person should look at (`PairRow`), similarity.csv one per
    scan (`SimilarityRow`).
    pictures.npy shows the first 60 pairs side by side, in one position: (pairs, 2, x, y, z).
    rates.json tells what the comparison can find and how often it is wrong.

    Args:
        cards: The shards' `.json`; the small volumes lie beside them.
        output: Folder to write to.
    """
    scans, volumes = _read(cards)
    if len({subject for subject, _ in scans}) < 2:
        _write_nothing(output, scans, volumes)
        return
    found = _Comparison(scans, volumes)
    rows = sorted(found.rows(), key=lambda row: (-row.certain, row.expected, row.one, row.other))
    write_rows(output / "similarity.csv", SimilarityRow, _similarities(scans, found.outliers))
    found.rates.write(output / "rates.json")
    _write_array(output / "pictures.npy", _pictures(found, rows[:SHOWN]))
    pairs = [row.named(scans) for row in rows]
    write_rows(output / "pairs.csv", PairRow, pairs)
    _report(found.rates, pairs)


@dataclass(frozen=True)
class _Row:
    """A pair that a person should look at."""

    one: int
    other: int
    kind: Kind
    certain: bool
    similarity: float
    mirrored: bool
    expected: float

    def named(self, scans: Sequence[Key]) -> PairRow:
        return PairRow(
            *scans[self.one],
            *scans[self.other],
            self.kind,
            self.certain,
            self.similarity,
            self.mirrored,
            self.expected,
        )


class _Comparison:
    """All scans, compared with all."""

    def __init__(self, scans: list[Key], volumes: Sequence[NDArray[Any]]) -> None:
        self.scans, self.volumes = scans, volumes
        subjects = np.unique([subject for subject, _ in scans], return_inverse=True)[1]
        self.subjects = int(subjects.max()) + 1
        self.others = subjects[:, None] != subjects
        track = partial(progress, total=len(scans), label="scans compared")
        self.cohort = near_duplicates.describe(volumes, track)
        self.similar = near_duplicates.compare(self.cohort)
        self.strangers = Strangers.fit(self.similar.correlation, self.others)
        self.expected = self.strangers.expected(self.similar.correlation)
        wholes = self.cohort.wholes @ self.cohort.wholes.T
        self.outliers = find_outliers(wholes, self.similar.plain, self.others)

    @cached_property
    def rescans(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Similarity of simulated re-scans with their originals, and pairs expected by chance."""
        usual = np.flatnonzero(~self.outliers.marked)
        chosen = usual[np.linspace(0, len(usual) - 1, min(SIMULATED, len(usual))).astype(int)]
        similarity, expected = [], []
        for number, one in enumerate(chosen):
            again = rescan(self.volumes[one], number)
            products = near_duplicates.describe_one(again, self.cohort) @ self.cohort.rows.T
            row = self.similar.space.correlations(products).max(axis=0)
            similarity.append(row[one])
            expected.append(self.strangers.expected_of(row, one))
        return np.array(similarity), np.array(expected)

    @cached_property
    def least(self) -> float:
        """Half of what re-scans of one head have: below, a pair is never beyond doubt.

        Where re-scans can't be recognised, that half would be next to nothing.
        """
        return max(float(np.median(self.rescans[0])) / 2, LEAST) if len(self.rescans[0]) else 1.0

    def is_certain(self, one: int, other: int) -> bool:
        """Tell whether a pair is beyond doubt."""
        similarity = self.similar.correlation[one, other]
        return bool(
            self.subjects >= FEW
            and self.expected[one, other] < CERTAIN
            and similarity >= self.least
            # two scans that failed in one way, or are of another contrast, resemble each other too
            and not self.outliers.marked[[one, other]].all()
        )

    def rows(self) -> list[_Row]:
        """List all pairs to look at."""
        alike = (self.expected < LISTED) & self.others
        found = [self._row(*p, "near-duplicate", self.is_certain(*p)) for p in pairs_of(alike)]
        found += [self._row(*pair, "sessions-differ", False) for pair in self._sessions_differ()]
        seen = {(row.one, row.other) for row in found if row.certain}
        numbered = [pair for pair in self.numbered if pair not in seen]
        found = [row for row in found if (row.one, row.other) not in numbered]
        return found + [self._row(*pair, "numbering", True) for pair in numbered]

    @cached_property
    def own(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Pairs of a subject's own scans: those that look like one head, and the others."""
        pairs = list(pairs_of(~self.others))
        return (
            [pair for pair in pairs if self.expected[pair] < LISTED],
            [pair for pair in pairs if self.expected[pair] >= LISTED],
        )

    @cached_property
    def numbered(self) -> list[tuple[int, int]]:
        """Pairs of consecutive subjects that seem to be one person."""
        alike = np.where(self.others, self.similar.correlation, -2)
        return numbered_in_twos(alike.argmax(axis=1), [subject for subject, _ in self.scans])

    @cached_property
    def rates(self) -> Rates:
        """What the comparison can find in this cohort, and how often it is wrong."""
        similarity, expected = self.rescans
        known = self.subjects >= FEW
        certain = (expected < CERTAIN) & (similarity >= self.least) & known
        strangers = self.similar.correlation[np.triu(self.others)]
        usual = self.similar.correlation[np.triu(self.others & (self.expected >= LISTED))]
        alike, unlike = self.own
        few = (
            f"how alike different people look can't be told from {self.subjects} subjects, "
            f"fewer than {FEW}: no pair counts as beyond doubt, and no scan as an outlier"
        )
        search = SearchRates(
            subjects=self.subjects,
            pairs=len(strangers),
            strangers=OfStrangers(
                median=_rounded(np.median(strangers)), highest=_rounded(usual.max(initial=-1))
            ),
            expected_false_alarms=FalseAlarms(certain=CERTAIN if known else 0.0, listed=LISTED),
            simulated=OfRescans(
                scans=len(similarity),
                certain=int(certain.sum()),
                listed=int((expected < LISTED).sum()),
                lowest=_rounded(similarity.min(initial=1)),
                median=_rounded(np.median(similarity)) if len(similarity) else None,
            ),
            own_sessions=OwnSessions(pairs=len(alike) + len(unlike), listed=len(alike)),
            outliers=int(self.outliers.marked.sum()),
        )
        return Rates(
            scans=len(self.scans),
            unknown="" if known else few,
            search=search,
            histogram=_histogram(strangers, similarity),
        )

    def _sessions_differ(self) -> list[tuple[int, int]]:
        alike, unlike = self.own
        enough = len(alike) >= OWN and len(alike) >= USUAL * (len(alike) + len(unlike))
        return unlike if enough else []

    def _row(self, one: int, other: int, kind: Kind, certain: bool) -> _Row:
        pair = (one, other)
        return _Row(
            one,
            other,
            kind,
            certain,
            float(self.similar.correlation[pair]),
            bool(self.similar.mirrored[pair]),
            float(self.expected[pair]),
        )


def _read(cards: Sequence[Path]) -> tuple[list[Key], list[NDArray[np.float16]]]:
    """Return all scans and their small volumes, which stay on disk, in the order of the names.

    So another number of shards gives the same tables.
    """
    found: list[tuple[Key, NDArray[np.float16]]] = []
    for card in cards:
        scans = ShardCard.read(card).scans
        small = np.load(small_of(card), mmap_mode="r")
        if len(small) != len(scans):
            raise RuntimeError(f"{card}: {len(scans)} scans, {len(small)} small volumes")
        found += zip((scan.key for scan in scans), small, strict=True)
    found.sort(key=lambda entry: entry[0])
    return [scan for scan, _ in found], [volume for _, volume in found]


def _write_nothing(output: Path, scans: list[Key], volumes: Sequence[NDArray[np.float16]]) -> None:
    n = len(scans)
    none = Outliers(np.full(n, np.nan), np.zeros(n), np.zeros(n, bool))
    shape = volumes[0].shape if volumes else (0, 0, 0)
    write_rows(output / "similarity.csv", SimilarityRow, _similarities(scans, none))
    unknown = "fewer than two subjects: there is nothing to compare"
    Rates(scans=n, unknown=unknown).write(output / "rates.json")
    _write_array(output / "pictures.npy", np.zeros((0, 2, *shape), np.float16))
    write_rows(output / "pairs.csv", PairRow, [])


def _similarities(scans: Sequence[Key], outliers: Outliers) -> list[SimilarityRow]:
    columns = (outliers.similarity.tolist(), outliers.distance.tolist(), outliers.marked.tolist())
    return [
        SimilarityRow(*scan, similarity if math.isfinite(similarity) else None, distance, marked)
        for scan, similarity, distance, marked in zip(scans, *columns, strict=True)
    ]


def _pictures(found: _Comparison, rows: Sequence[_Row]) -> NDArray[np.float16]:
    """Resample both scans of each pair into the reference's position."""
    shape = found.cohort.support.shape
    pictures = np.zeros((len(rows), 2, *shape), np.float16)
    for number, row in enumerate(rows):
        pictures[number, 0] = found.cohort.position(found.volumes[row.one], row.one)
        mirrored = row.mirrored
        pictures[number, 1] = found.cohort.position(found.volumes[row.other], row.other, mirrored)
    return pictures


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with files.temporary(path) as draft:
        np.save(draft, array)


def _histogram(strangers: NDArray[np.float64], rescans: NDArray[np.float64]) -> Histogram:
    edges = np.linspace(-1, 1, 101)
    return Histogram(
        edges=tuple(_rounded(edge) for edge in edges),
        strangers=tuple(int(count) for count in np.histogram(strangers, edges)[0]),
        simulated=tuple(_rounded(value) for value in np.sort(rescans)),
    )


def _rounded(value: Any) -> float:
    return round(float(value), 3)


def _report(rates: Rates, pairs: Sequence[PairRow]) -> None:
    numbering = [pair for pair in pairs if pair.kind == "numbering"]
    if numbering:
        first = numbering[0]
        print(
            f"near-duplicates: {len(numbering)} pairs of subjects with consecutive numbers, such "
            f"as {first.subject} and {first.other_subject}, resemble each other more than "
            "anyone else: are two scans of one person numbered as two subjects? If so, set "
            "`subject: {pattern: …, group: 2}`",
            file=sys.stderr,
        )
    certain = sum(pair.certain for pair in pairs)
    search = rates.search
    if search is None:
        return
    print(
        f"near-duplicates: {rates.scans} scans of {search.subjects} subjects compared; "
        f"pairs beyond doubt: {certain}; doubtful: {len(pairs) - certain}; outliers: "
        f"{search.outliers}; of {search.simulated.scans} second scans simulated from the cohort's "
        f"own, {search.simulated.listed} would be found, {search.simulated.certain} of them beyond "
        f"doubt{rates.unknown and f'; {rates.unknown}'}",
        file=sys.stderr,
    )
