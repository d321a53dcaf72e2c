"""The pairs that are left to a person, and how they are told."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rows import label_rows

from headstart.cohort.config import RelatedSubjects
from headstart.cohort.pairs import PairRow
from headstart.common.records import write_rows
from headstart.data.label_table import LabelRow
from headstart.study.pairs_to_judge import describe_pairs
from headstart.study.pairs_to_judge import open_pairs

PAIRS = [
    PairRow("1", "a", "2", "a", "near-duplicate", True, 0.9, False, 1e-9),
    PairRow("2", "a", "3", "a", "near-duplicate", False, 0.4, False, 0.5),
    PairRow("4", "a", "4", "b", "sessions-differ", False, 0.1, False, 9),
    PairRow("5", "a", "6", "a", "near-duplicate", False, 0.4, False, 0.5),
    PairRow("7", "a", "8", "a", "numbering", True, 0.4, False, 0.5),
]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    scans = {key for pair in PAIRS for key in (pair.key, pair.other)} - {("6", "a")}
    passed = label_rows(pd.DataFrame(sorted(scans), columns=["subject", "session"]))
    write_rows(tmp_path / "check/passed.csv", LabelRow, passed)
    write_rows(tmp_path / "near-duplicates/pairs.csv", PairRow, PAIRS)
    return tmp_path


def test_what_is_certain_or_rejected_or_decided_is_not_left(study: Path) -> None:
    assert list(open_pairs(study, [])) == [("2", "3"), ("4", "4")]
    twins = RelatedSubjects(subjects=("1", "3", "2"), reason="twins")
    assert list(open_pairs(study, [twins])) == [("4", "4")]


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([], ""),
        ([("1", "2"), ("2", "1")], "1 pair of subjects that may be one person"),
        ([("4", "4"), ("4", "4")], "1 subject whose sessions may be two people"),
        (
            [("1", "2"), ("1", "3"), ("4", "4"), ("5", "5")],
            "2 pairs of subjects that may be one person and 2 subjects whose sessions may be two "
            "people",
        ),
    ],
)
def test_words(pairs: list[tuple[str, str]], told: str) -> None:
    assert describe_pairs(pairs) == told
