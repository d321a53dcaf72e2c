"""The pairs of scans that only a person can judge, in words."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from headstart.cohort.config import RelatedSubjects
from headstart.cohort.pairs import PairRow
from headstart.common import study_paths
from headstart.common.keys import OfScan
from headstart.common.records import read_rows
from headstart.common.text import counted


def open_pairs(study: Path, decided: Collection[RelatedSubjects]) -> Iterator[tuple[str, str]]:
    """Find the pairs that near-duplicates calls doubtful and nobody has decided about.

    Args:
        study: `results/STUDY`.
        decided: What a person found, `split.same` and `split.unrelated`.

    Yields:
        The subjects of a pair of scans; twice the same for two sessions of one subject.
    """
    there = {row.key for row in read_rows(study / study_paths.PASSED, OfScan)}
    for pair in read_rows(study / study_paths.PAIRS, PairRow):
        settled = any({*pair.subjects} <= {*related.subjects} for related in decided)
        if not pair.certain and {pair.key, pair.other} <= there and not settled:
            yield pair.subjects


def describe_pairs(pairs: Collection[Sequence[str]]) -> str:
    """Say how many pairs there are to judge, and why; "" if there are none.

    Args:
        pairs: As from `open_pairs`.
    """
    alike = len({frozenset(pair) for pair in pairs if pair[0] != pair[1]})
    unlike = len({one for one, other in pairs if one == other})
    told = [
        f"{counted(alike, 'pair')} of subjects that may be one person" if alike else "",
        f"{counted(unlike, 'subject')} whose sessions may be two people" if unlike else "",
    ]
    return " and ".join(filter(None, told))
