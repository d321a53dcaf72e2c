"""Which rows of a table belong to which scans, and where two tables differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from headstart.common.text import as_number
from headstart.data.identities import WAYS
from headstart.data.identities import AmbiguousIdsError
from headstart.data.identities import Key
from headstart.data.identities import alike
from headstart.data.spellings import one_spelling


@dataclass(frozen=True)
class Match:
    """The rows that scans find.

    Attributes:
        rows: The places of each scan's rows; none where it has no row.
        looseness: How much is disregarded for most of them: a place in `identities.WAYS`.
    """

    rows: list[list[int]]
    looseness: int

    @property
    def share(self) -> float:
        """The share of scans that have a row."""
        return round(sum(map(bool, self.rows)) / max(1, len(self.rows)), 2)


def match_rows(wanted: Sequence[Key], cells: pd.DataFrame) -> Match:
    """Find the rows of each scan, as the stage label does.

    Args:
        wanted: What each scan's row has in the columns.
        cells: The columns.
    """
    rows = [tuple(row) for row in cells.itertuples(index=False)]
    nothing = Match([[] for _ in wanted], 0)
    if len(set(rows)) < 2:
        return nothing
    try:
        ours, theirs, _ = alike(wanted, rows)
    except AmbiguousIdsError:
        return nothing
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(theirs):
        if key is not None:
            places[key].append(place)
    found = [places.get(key, []) if key is not None else [] for key in ours]
    ways = sorted(WAYS.index(key[0]) for key in ours if isinstance(key, tuple) and key in places)
    return Match(found, ways[(len(ways) - 1) // 2] if ways else 0)


def differences(
    one: tuple[Match, Mapping[str, Sequence[str]]], two: tuple[Match, Mapping[str, Sequence[str]]]
) -> dict[str, int]:
    """Count the scans for which two tables differ.

    Args:
        one: The rows of the scans in one table, and its columns by label.
        two: Those of the other.

    Returns:
        Label: scans; those labels alone that differ.
    """
    counts = {}
    for label in sorted(one[1].keys() & two[1].keys()):
        words = one_spelling([*one[1][label], *two[1][label]], sex=label == "sex")
        known = [
            [_known(columns[label], rows, words) for rows in match.rows]
            for match, columns in (one, two)
        ]
        counts[label] = sum(bool(a and b and not a & b) for a, b in zip(*known, strict=True))
    return {label: count for label, count in counts.items() if count}


def _known(
    cells: Sequence[str], rows: Collection[int], words: Mapping[str, str]
) -> set[float | str]:
    texts = [words.get(cells[row], cells[row]) for row in rows]
    return {as_number(text, text) for text in texts if text}
