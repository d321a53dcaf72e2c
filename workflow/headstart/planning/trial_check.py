"""Look at a few scans with the code of check before offering a study of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from headstart.common.errors import UserError
from headstart.data.found_scans import FoundScan
from headstart.imaging.rejection_codes import REASONS
from headstart.imaging.scan_check import check_scan
from headstart.imaging.scan_rows import MASKS
from headstart.imaging.scan_rows import CheckRow
from headstart.planning.proposal import Found
from headstart.planning.proposal import optional_channels
from headstart.planning.sample import are_series
from headstart.planning.sample import spread
from headstart.tasks.neighbours import Neighbours

SOME, MORE = 3, 12  # scans to look at, and how many more where all of those are bad


def drop_bad_masks(folder: Path, found: Found, scans: Sequence[FoundScan]) -> bool:
    """Leave out masks that check would reject for every sampled scan; say what it rejects.

    Where most are 4-D series they are found to be such, and looked at as series.

    Args:
        folder: The folder of the scans.
        found: What it holds; may lose its mask or its brain mask, or be found to hold series.
        scans: Its scans.

    Returns:
        Whether something was left out.

    Raises:
        UserError: If check would reject every scan looked at for its images.
    """
    volumes = Neighbours().fewest
    found.series = are_series(folder, [scan.path for scan in scans], volumes)
    rows = _check_some(folder, found, scans, volumes if found.series else 0)
    bad = [row for row in rows if row.reason]
    final = bool(bad) and not any(REASONS[row.reason].acceptable for row in bad)
    if len(bad) < len(rows) or not final:
        found.notes += _say(rows)
        return False
    by_path = {scan.path: scan for scan in scans}
    for key in MASKS:
        paths = [by_path[row.path].paths.get(key, "") for row in bad]
        if all(p and row.detail.startswith(f"{p}: ") for p, row in zip(paths, bad, strict=True)):
            found.notes.append(f"{found.source[key]}: not used, as {bad[0].detail}")
            for source in found.sources:
                source.pop(key, None)
            if key == "mask":
                found.classes = {}
            return True
    raise UserError(f"{folder}: no scan can be used: {'; '.join(_say(rows))}")


def _check_some(
    folder: Path, found: Found, scans: Sequence[FoundScan], volumes: int
) -> list[CheckRow]:
    """Check a few scans, as series of so many volumes if any; more where all of those are bad."""
    channels = list(found.source["channels"])
    classes: dict[str, tuple[int, ...]] = {}
    for value, name in found.classes.items():
        classes[name] = (*classes.get(name, ()), value)
    rows: list[CheckRow] = []
    for count in (SOME, MORE):
        rows = [
            check_scan(
                scan.files(channels),
                folder,
                "mask" in found.source,
                classes,
                volumes,
                optional=optional_channels(found.source),
            )
            for scan in spread(scans, count)
        ]
        if not all(row.reason for row in rows):
            break
    return rows


def _say(rows: Sequence[CheckRow]) -> Iterator[str]:
    for reason, count in Counter(row.reason for row in rows if row.reason).items():
        detail = next(row.detail for row in rows if row.reason == reason)
        yield f"check will reject {count} of {len(rows)} scans looked at ({reason}): {detail}"
