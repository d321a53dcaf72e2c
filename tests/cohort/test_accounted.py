"""Scans that were checked and are nowhere any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from rows import label_rows

from headstart.cohort.accounted import check_accounted
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.records import write_rows
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.imaging.scan_rows import CheckRow

PASSED = [("a", "1"), ("a", "2"), ("b", "1")]
REJECTED = ("c", "1")


def look(folder: Path, passed: Sequence[Key], *, rejected: bool = True) -> None:
    rows = label_rows(pd.DataFrame(passed, columns=["subject", "session"]))
    write_rows(folder / "passed.csv", LabelRow, rows)
    summary = [CheckRow(*key, path="") for key in (*PASSED, REJECTED)]
    write_rows(folder / "summary.csv", CheckRow, summary)
    log = folder / "rejected.csv"
    write_rows(log, RejectedRow, [RejectedRow(*REJECTED, "c.nii", "truncated", "x")])
    if not rejected:
        log.write_text("")
    check_accounted(folder / "passed.csv", folder / "summary.csv")


def test_every_scan_is_there_once(tmp_path: Path) -> None:
    look(tmp_path, PASSED)


@pytest.mark.parametrize(
    ("passed", "scan"),
    [
        ([("a", "1"), ("b", "1")], "subject a, session 2"),
        ([*PASSED, ("b", "1")], "subject b, session 1"),
        ([*PASSED, ("d", "1")], "subject d, session 1"),
        ([*PASSED, REJECTED], "subject c, session 1"),
    ],
)
def test_a_scan_that_is_lost_or_too_many_is_named(tmp_path: Path, passed, scan: str) -> None:
    with pytest.raises(UserError, match=f"{scan}; delete it.*check makes it again"):
        look(tmp_path, passed)


def test_a_log_that_is_empty_has_lost_its_scans(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="subject c, session 1; delete it"):
        look(tmp_path, PASSED, rejected=False)
