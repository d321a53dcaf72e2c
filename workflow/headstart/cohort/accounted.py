"""Every scan that was checked has passed or was rejected: a row that is lost is missed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.keys import OfScan
from headstart.common.records import read_rows


def check_accounted(passed: Path, summary: Path) -> None:
    """Check that passed.csv and the rejected.csv beside summary.csv hold what was checked, once.

    Raises:
        UserError: If a row was removed, added or doubled since the check; names the scan.
    """
    rejected = summary.with_name("rejected.csv")
    # a log of Snakemake's: removed by hand, or empty if nothing was written
    told = [rejected] if rejected.is_file() and rejected.stat().st_size else []
    decided = Counter(row.key for path in (passed, *told) for row in read_rows(path, OfScan))
    checked = Counter(row.key for row in read_rows(summary, OfScan))
    differing = sorted((decided - checked) + (checked - decided))
    if differing:
        subject, session = differing[0]
        raise UserError(
            f"{passed}: was edited or damaged: with {rejected.name} it does not hold the scans of "
            f"{summary.name} once each, e.g. subject {subject}, session {session}; delete it and "
            "type the same command: check makes it again (to leave a scan out, use check.exclude)"
        )
