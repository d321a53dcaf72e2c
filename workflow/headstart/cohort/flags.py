"""What a person should look at in a cohort: rejected scans, outliers, near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set
from dataclasses import dataclass

from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.common.keys import Key
from headstart.data.found_scans import OF_NO_SCAN
from headstart.data.found_scans import RejectedRow
from headstart.data.rejection_words import in_words
from headstart.imaging.scan_rows import CheckRow

KINDS = ("rejected", "outlier", "near-duplicate")


@dataclass(frozen=True)
class Mark:
    """Why a scan is marked.

    Attributes:
        kind: One of KINDS.
        remark: In a few words: the reason, or whom it is like.
    """

    kind: str
    remark: str


def rejected_scans(rejected: Sequence[Sequence[RejectedRow]], found: Set[Key]) -> list[RejectedRow]:
    """Return the scans that label or check rejected, without rows that belong to no scan.

    Args:
        rejected: rejected.csv of label and check.
        found: The scans of labels.csv: of those, label rejected a row, not the scan.
    """
    by_label, by_check = rejected
    scans = [row for row in by_label if row.reason not in OF_NO_SCAN and row.key not in found]
    return [*scans, *by_check]


def find_marks(
    rejected: Sequence[RejectedRow],
    summary: Sequence[CheckRow],
    pairs: Sequence[PairRow],
    similarity: Sequence[SimilarityRow],
) -> dict[Key, Mark]:
    """Return why scans are marked; the first of: rejected, outlier, near-duplicate.

    Pairs have a figure of their own, outliers have not.

    Args:
        rejected: The scans that were rejected.
        summary: check/summary.csv, for sessions of one subject with the same voxels.
        pairs: near-duplicates/pairs.csv.
        similarity: near-duplicates/similarity.csv.
    """
    marks = {row.key: Mark("rejected", in_words(row.reason)) for row in rejected}
    for scan in similarity:
        if scan.outlier:
            marks.setdefault(scan.key, Mark("outlier", f"outlier, {scan.distance:.1f} SD"))
    for pair in pairs:
        for key, (subject, session) in ((pair.key, pair.other), (pair.other, pair.key)):
            marks.setdefault(key, Mark("near-duplicate", _remark(pair, subject, session)))
    first: dict[str, CheckRow] = {}
    for row in summary:
        if row.hash and first.setdefault(row.hash, row) is not row:
            remark = f"same voxels as {first[row.hash].session}"
            marks.setdefault(row.key, Mark("near-duplicate", remark))
    return marks


def _remark(pair: PairRow, subject: str, session: str) -> str:
    if pair.kind == "sessions-differ":
        return f"unlike session {session}"
    return f"{'' if pair.certain else 'perhaps '}{'mirror of' if pair.mirrored else 'as'} {subject}"
