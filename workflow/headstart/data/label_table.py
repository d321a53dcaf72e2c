"""labels.csv, and passed.csv after it: the scans with their files and their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from headstart.common.keys import OfScan
from headstart.common.text import counted
from headstart.imaging.scan_rows import CHANNEL
from headstart.imaging.scan_rows import ScanFiles

MASK = "mask"
REFERENCE = "reference"  # the last channel, if it is called so: clean scans, which none sees
IMAGES = (MASK, "image")  # targets that are no label, but a file of each scan


@dataclass(frozen=True)
class LabelRow(OfScan):
    """A scan with its labels; paths are relative to the data root.

    Attributes:
        source: Name of the source that it comes from.
        site: Scanner site; "" if not known.
        channels: See `ScanFiles`, as for the masks.
        labels: Every other column: a label's name and its value as text, "" where missing.
    """

    source: str
    site: str
    channels: Annotated[dict[str, str], CHANNEL]
    mask: str
    brain_mask: str
    labels: Annotated[dict[str, str], ""]

    @classmethod
    def of(cls, files: ScanFiles, *, source: str, site: str, labels: dict[str, str]) -> LabelRow:
        """Put a scan's files and labels together."""
        return cls(*files.key, source, site, files.channels, files.mask, files.brain_mask, labels)

    @property
    def files(self) -> ScanFiles:
        """The files of the scan."""
        return ScanFiles(*self.key, self.channels, self.mask, self.brain_mask)

    @property
    def values(self) -> dict[str, str]:
        """What can be predicted, balanced, or kept together by."""
        files = {MASK: self.mask, "image": next(iter(self.channels.values()), "")}
        return {"source": self.source, "site": self.site, **files, **self.labels}


def labels_of(rows: Sequence[LabelRow]) -> list[str]:
    """Return the names of the labels, the site first."""
    return ["site", *(rows[0].labels if rows else ())]


def first_scans(rows: Sequence[LabelRow]) -> list[LabelRow]:
    """Return the first row of each subject, in the order of the table."""
    first: dict[str, LabelRow] = {}
    for row in rows:
        first.setdefault(row.subject, row)
    return list(first.values())


def lacking(rows: Sequence[LabelRow]) -> dict[str, int]:
    """Count the scans that lack a channel, of each that any scan lacks."""
    return dict(Counter(name for row in rows for name, path in row.channels.items() if not path))


def lacking_text(name: str, count: int, scans: int) -> str:
    """Say how many scans lack a channel."""
    return f"{count} of {counted(scans, 'scan')} {'lacks' if count == 1 else 'lack'} {name}"


def seen_channels(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the channels that networks see: all but the reference, which judges them."""
    return tuple(name for name in channels if name != REFERENCE)
