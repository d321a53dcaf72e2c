"""Scans from outside the cohort: read, checked and prepared as the cohort's were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headstart.cohort.new_scans import NewScans
from headstart.cohort.prepare import on_channels
from headstart.cohort.prepare import prepare
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.imaging.config import Check
from headstart.imaging.config import Preparation
from headstart.imaging.plausible import field_of_view
from headstart.imaging.plausible import out_of_range
from headstart.imaging.scan_check import check_scans
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.step_figures import StepFigures


def check_and_prepare(
    scans: NewScans,
    *,
    channels: Sequence[str],
    settings: Preparation,
    scratch: Path,
    volumes: int = 0,
) -> tuple[list[str], dict[str, Scan], dict[str, str]]:
    """Check the scans and prepare those that are fit for use, as the workflow does.

    Args:
        scans: The new scans.
        channels: Names of the image channels.
        settings: How the training scans were prepared.
        scratch: An empty folder.
        volumes: Fewest volumes of each series; 0 where scans are no series.

    Returns:
        Why each scan was rejected, "" if it was not; the prepared scans by name; and by name what
        there is to say of their further channels, "" if nothing.

    Raises:
        UserError: As `headstart.cohort.prepare.prepare`.
    """
    found = check_scans(
        scans=scans.files,
        data=scans.data,
        masks=False,
        classes={},
        volumes=volumes,
        aligned=tuple(settings.align),
        optional=settings.optional,
    )
    checked = [_check_size(row, settings) for row in found]
    card = scratch / "shard-0.json"
    prepare(
        scans=scans.files,
        checked=checked,
        data=scans.data,
        output=card,
        settings=settings,
        channels=channels,
        classes={},
    )
    shard = ShardCard.read(card)
    refused = {scan.subject: scan.detail for scan in shard.refused}
    reasons = [
        f"{row.reason}: {row.detail}" if row.reason else refused.get(row.subject, "")
        for row in checked
    ]
    prepared = {scan.subject: scan_of(card, scan) for scan in shard.scans}
    remarks = {
        scan.subject: "; ".join(on_channels(scan.steps or StepFigures())) for scan in shard.scans
    }
    return reasons, prepared, remarks


def _check_size(row: CheckRow, prepare: Preparation) -> CheckRow:
    """Reject a scan whose field of view no head has: its header's unit or voxel size is wrong."""
    rules = Check(field_of_view=field_of_view(prepare))
    for code, problem in [] if row.reason else out_of_range(row, rules):
        return replace(row, reason=code, detail=problem)
    return row
