"""Ids of several words, 01-001 of site 01 or HC_01, as a table beside the scans has them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence

from headstart.data.identities import tokens
from headstart.planning.file_kinds import nearly_all
from headstart.planning.file_names import Kind
from headstart.planning.file_words import VISIT
from headstart.planning.file_words import VISITS
from headstart.planning.file_words import are_classes
from headstart.planning.label_columns import Table
from headstart.planning.name_fields import FEWEST
from headstart.planning.name_fields import MOST_SCANS
from headstart.planning.same_ids import differing_people

MOST_WORDS = 4  # of an id
ROWS_SHARE = 0.5  # of the ids that have a row


def join_words(kind: Kind, tables: Sequence[Table]) -> Kind:
    """Make one word of neighbours that only together are an id.

    They are where a table has a row for each, and where two classes have the same numbers.

    Args:
        kind: Names with the same cuts.
        tables: The tables beside the scans.

    Returns:
        The same names with other cuts; the kind itself where nothing is to be joined.
    """
    for first, last in list(_runs(kind)):
        joined = kind.joined(first, last)
        whole = joined.values(first)
        singles = [set(kind.values(place)) for place in range(first, last + 1)]
        if max(map(len, singles)) == len(set(whole)):
            continue  # one of the words says it alone
        coarse = next(kind.values(p) for p in range(first, last) if p in kind.differing())
        known = any(
            _are_ids(table, column, whole, coarse)
            for table in tables
            for column in (*table.columns, *table.ids_in_two)
        )
        if known or _same_numbers(kind, first, last):
            joined.ids = kind.ids | set(whole)
            return join_words(joined, tables)
    return kind


def _runs(kind: Kind) -> Iterator[tuple[int, int]]:
    """Yield the places of neighbours in one name, from one that differs to one that differs."""
    differing = kind.differing()
    for first in differing:
        for last in differing:
            between = "".join(kind.cuts[first:last])
            run = range(first, last + 1)
            visits = any(all(map(VISIT.fullmatch, kind.values(p))) for p in run)
            named = any(re.fullmatch(VISITS, kind.words[0][p], re.IGNORECASE) for p in run)
            if 0 < last - first < MOST_WORDS and "/" not in between and not (visits or named):
                yield first, last


def _same_numbers(kind: Kind, first: int, last: int) -> bool:
    """Whether two classes use the same numbers: HC_01 and PAT_01 are two people."""
    return last == first + 1 and are_classes(kind.values(first)) and nearly_all(kind, first)


def _are_ids(table: Table, column: str, whole: Sequence[str], coarse: Sequence[str]) -> bool:
    """Whether joined words are the ids of a column, and not the visits of a coarser one."""
    rows = [tokens(cell) for cell in table.cells[column]]
    counts = Counter(row for row in rows if row)
    ids = {tokens(word): above for word, above in zip(whole, coarse, strict=True)}
    there = counts.keys() & ids.keys()
    if len(there) < max(2, ROWS_SHARE * len(ids)) or any(counts[one] > 1 for one in there):
        return False
    several = Counter(ids.values())
    # of few, or with many each, are the sites
    if len(several) < FEWEST or max(several.values()) > MOST_SCANS:
        return True
    return bool(differing_people(table, [ids.get(row, "") for row in rows]))
