"""Which scans a network predicts, and its answers for them: of all at once, or share by share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import remove_other_shares
from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.cohort.settings import Question
from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.evaluation.predictions import PredictionRow
from headstart.evaluation.predictions import write_predictions
from headstart.tasks import TASKS
from headstart.tasks.denoising import ZOOMS


def held_out_scans(cohort: Cohort, fold: int, *, test: bool) -> list[tuple[str, Scan]]:
    """List the scans of a fold, then those of the test if it is open, each with its part."""
    scans = [("fold", scan) for scan in cohort.held_out(fold)]
    return [*scans, *(("test", scan) for scan in cohort.test() if test)]


def write_held_out(
    path: Path, rows: Sequence[PredictionRow], weights: str, shares: int = 0
) -> None:
    """Write what a network says of all scans, and how many it can't tell.

    Args:
        path: The predictions.csv.
        rows: What is to be written.
        weights: sha256 of the network's weights.
        shares: How many shares the rows are from; 0 where they were told at once.

    Raises:
        UserError: If it can tell none.
    """
    reasons = [row.rejected for row in rows if row.rejected]
    if reasons and len(reasons) == len(rows):
        raise UserError(reasons[0])
    if reasons:
        print(
            f"warning: {len(reasons)} of {counted(len(rows), 'scan')} can't be predicted; the "
            f"first: {reasons[0]}",
            file=sys.stderr,
            flush=True,
        )
    write_predictions(path, rows, weights)
    remove_other_shares(path, shares)


def gather_held_out(
    *,
    asked: Question,
    fold: int,
    test: bool,
    shares: int,
    passed: Path,
    splits: Path,
    prepared: Path,
    path: Path,
    weights: str,
) -> None:
    """Put the answers for all shares into one table, as it is written at once.

    Images of scans that are no longer held out are removed.

    Args:
        asked: What is asked of the cohort.
        fold: The fold that is held out.
        test: Whether the test is open.
        shares: How many shares the scans were divided into.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        path: The predictions.csv.
        weights: sha256 of the network's weights.

    Raises:
        UserError: If a share's table is missing, or is of other scans; or as `write_held_out`.
    """
    cohort = read_cohort(passed, splits, prepared, asked.target, asked.covariates)
    tables = [Share(number, shares).table(path) for number in range(shares)]
    rows = {(row.part, *row.key): row for one in tables for row in read_rows(one, PredictionRow)}
    places = [(part, *scan.key) for part, scan in held_out_scans(cohort, fold, test=test)]
    if rows.keys() != set(places):
        folder = tables[0].parent
        raise UserError(f"{folder}: is of another split; delete it and type the same command")
    if image := TASKS[asked.task].file:
        names = [row.answer[image].removesuffix(".nii.gz") for row in rows.values()]
        kept = {path.parent / f"{name}{end}" for name in names for end in (".nii.gz", ZOOMS)}
        # where no scan could be told there is no folder
        for file in sorted(path.parent.glob(f"{image}s/*")):
            if file not in kept:
                file.unlink()
    write_held_out(path, [rows[place] for place in places], weights, shares)
