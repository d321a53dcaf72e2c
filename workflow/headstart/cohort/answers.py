"""The answers for new scans: put together from shares of them, and summed up in words."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.cohort.new_scans import NewScans
from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import remove_other_shares
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.text import counted

CHANGED = (
    "{scans}: scans were added, removed or replaced while this run was under way; type the same "
    "command again, which answers for those alone"
)


def gather_answers(scans: NewScans, shares: int, output: Path, image: str) -> None:
    """Put the answers for all shares into one table, in the order of the scans.

    Images of scans that are no longer there are removed: the folder beside the table is its own.

    Args:
        scans: All scans.
        shares: How many shares they were divided into.
        output: The table, as `headstart.training.predict_new.predict_new` writes it at once.
        image: Its column of paths, of answers that are images; "" if they are none.

    Raises:
        UserError: If a share's table is missing, or is of other scans.
    """
    given = [*scans.table.columns]
    found: dict[str, dict[Hashable, Any]] = {}
    for number in range(shares):
        share = Share(number, shares)
        path, asked = share.table(output), scans.share(share)
        told = files.read_csv(path, given)
        if told[given].to_numpy().tolist() != asked.table.to_numpy().tolist():
            raise UserError(CHANGED.format(scans=path))
        found |= dict(zip(asked.names, told.to_dict("records"), strict=True))
    answers = pd.DataFrame([found[name] for name in scans.names], columns=told.columns)
    if image:
        kept = {output.parent / cell for cell in answers[image]}
        for path in output.with_name(f"{output.stem}-{image}s").glob("*.nii.gz"):
            if path not in kept:
                path.unlink()
    files.write_csv(output, answers)
    remove_other_shares(output, shares)
    if rejected := tell_answers(answers, output):
        print(f"warning: {rejected}", file=sys.stderr)


def tell_answers(answers: pd.DataFrame, output: Path) -> str:
    """Say how many scans were predicted, and what there is to say against some.

    Args:
        answers: The table, in whose columns `rejected` and `warning` an empty cell is "".
        output: Its file.

    Returns:
        How many were rejected, in a sentence; "" if none was.
    """
    scans = counted(len(answers), "scan")
    bad, doubtful = ([t for t in answers[name] if t] for name in ("rejected", "warning"))
    also = f", {len(bad)} rejected" if bad else ""
    predicted = counted(len(answers) - len(bad), "scan")
    print(f"{output}: {predicted} predicted{also}", file=sys.stderr)
    if doubtful:
        print(
            f"warning: {len(doubtful)} of {scans}, see the column warning of "
            f"{output}; the first: {doubtful[0]}",
            file=sys.stderr,
        )
    if not bad:
        return ""
    return (
        f"{len(bad)} of {scans} can't be used, see the column rejected of {output}; the first: "
        f"{bad[0]}"
    )
