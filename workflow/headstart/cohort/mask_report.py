"""What preparation left of each class of each mask."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from headstart.cohort.shards import ShardScan
from headstart.common.errors import UserError
from headstart.common.keys import OfScan
from headstart.common.text import counted


@dataclass(frozen=True)
class MaskRow(OfScan):
    """A row of prepare/masks.csv: a class of a mask.

    Attributes:
        mask_class: Name of the class.
        scan_ml: Its volume in the mask itself.
        prepared_ml: What is left of it at the prepared voxel size and in the window.
        lost: Whether it has voxels in the mask and none is left.
    """

    mask_class: str
    scan_ml: float
    prepared_ml: float
    lost: bool


def tabulate_masks(scans: Iterable[ShardScan]) -> list[MaskRow]:
    """List each class of each mask."""
    rows = []
    for scan in scans:
        before, after = scan.millilitres or ({}, {})
        for name, volume in before.items():
            lost = volume > 0 and after[name] == 0
            rows.append(MaskRow(*scan.key, name, volume, after[name], lost))
    return rows


def check_left(rows: Sequence[MaskRow]) -> str:
    """Check that something is left of every class.

    Args:
        rows: As `tabulate_masks` gives them.

    Returns:
        A sentence about the masks that lost a class, '' if there are none.

    Raises:
        UserError: If a class is lost in all masks that have it.
    """
    has = [row for row in rows if row.scan_ml > 0]
    lost = [row for row in has if row.lost]
    for name in dict.fromkeys(row.mask_class for row in has):
        masks = [row for row in has if row.mask_class == name]
        if all(row.lost for row in masks):
            raise UserError(
                f"nothing is left of the class '{name}' in any of the {len(masks)} masks "
                "that have it; choose a smaller prepare.voxel_size or a larger prepare.window"
            )
    if not lost:
        return ""
    return (
        f"prepare: {counted(len(lost), 'mask')} lost a class, e.g. '{lost[0].mask_class}' of "
        f"subject {lost[0].subject} ({lost[0].scan_ml:.6g} ml), to the voxel size or the window; "
        "see prepare/masks.csv"
    )
