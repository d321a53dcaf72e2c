"""What a person should look at in a cohort: scans turned away, unlike the others, or alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from headstart.parts.predictions import Key

KINDS = ("rejected", "odd", "alike")


@dataclass(frozen=True)
class Mark:
    """Why a scan is marked.

    Attributes:
        kind: One of KINDS.
        remark: In a few words: the code, or whom it is like.
    """

    kind: str
    remark: str


def turned_away(rejected: Sequence[pd.DataFrame], found: set[Key]) -> pd.DataFrame:
    """Return the scans that label or check turned away, without rows that belong to no scan.

    Args:
        rejected: rejected.csv of label and check.
        found: The scans of labels.csv: of those, label turned away a row, not the scan.
    """
    by_label, by_check = rejected
    scans = by_label[by_label["reason"] != "no-scan"]
    keys = zip(scans["subject"], scans["session"], strict=True)
    return pd.concat([scans[[key not in found for key in keys]], by_check])


def find_marks(
    rejected: pd.DataFrame,
    summary: pd.DataFrame,
    lookalikes: pd.DataFrame,
    likeness: pd.DataFrame,
) -> dict[Key, Mark]:
    """Return why scans are marked; the first of: turned away, alike, unlike the others.

    Args:
        rejected: The scans that were turned away.
        summary: check/summary.csv, for sessions of one subject with the same voxels.
        lookalikes: prepare/lookalikes.csv.
        likeness: prepare/likeness.csv.
    """
    marks = {
        (row["subject"], row["session"]): Mark("rejected", row["reason"])
        for row in rejected.to_dict("records")
    }
    for row in lookalikes.to_dict("records"):
        one = (row["subject"], row["session"])
        other = (row["other_subject"], row["other_session"])
        how = "mirror of" if row["flipped"] == "1" else "like"
        marks.setdefault(one, Mark("alike", f"{how} {other[0]}"))
        marks.setdefault(other, Mark("alike", f"{how} {one[0]}"))
    known = summary[summary["hash"] != ""]
    for _, twins in known.groupby("hash", sort=False):
        keys = list(zip(twins["subject"], twins["session"], strict=True))
        for key in keys[1:]:
            marks.setdefault(key, Mark("alike", f"same voxels as {keys[0][1]}"))
    for row in likeness[likeness["odd"] == "1"].to_dict("records"):
        marks.setdefault((row["subject"], row["session"]), Mark("odd", "unlike the others"))
    return marks
