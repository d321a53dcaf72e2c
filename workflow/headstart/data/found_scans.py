"""One scan as it was found, before its files are read."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from headstart.common.keys import OfScan
from headstart.imaging.scan_rows import MASKS
from headstart.imaging.scan_rows import ScanFiles

NOT_PREFERRED = "not-preferred"
# Rows of a table, and masks, that belong to no scan, and further scans of a session that has one:
# they are told, and nothing is lost with them.
OF_NO_SCAN = {
    NOT_PREFERRED: ("scan", "of a session of which `prefer` takes another one"),
    "no-scan": ("row", "without a scan"),
    "no-image": ("mask", "(or other file of a scan) without an image"),
}


@dataclass(frozen=True)
class RejectedRow(OfScan):
    """A row of rejected.csv, of label and of check.

    Attributes:
        path: The first channel's file, or the table; relative to the data root.
        reason: Why, a fixed code.
        detail: The same as a sentence, with the fix.
    """

    path: str
    reason: str
    detail: str


@dataclass
class FoundScan:
    """One scan, or one row of a table that belongs to none.

    Attributes:
        subject: Who it is.
        session: Which of the subject's scans it is.
        path: What was found: the first channel's file, or the table; relative to the data root.
        site: Scanner site; '' if not known.
        source: The source's name.
        place: Folders and labels that scans of one session share, besides the above.
        paths: Channels, `mask` and `brain_mask`: paths relative to the data root.
        labels: Label name: value as text, '' where missing.
        fields: What a table's key may be put together from.
        reason: Why it is rejected, a fixed code; '' if it is not.
        detail: The same as a sentence, with the fix.
    """

    subject: str
    session: str
    path: str
    site: str = ""
    source: str = ""
    place: tuple[str, ...] = ()
    paths: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""

    @property
    def visit(self) -> Hashable:
        """What the scans of one session have in common."""
        return self.subject, self.session, self.site, self.place

    @property
    def found(self) -> bool:
        """Whether it is its session's scan, not a row or a mask without one, nor a further one."""
        return self.reason not in OF_NO_SCAN

    def files(self, channels: Iterable[str]) -> ScanFiles:
        """Return its files, with these image channels."""
        return ScanFiles(
            self.subject,
            self.session,
            {name: self.paths.get(name, "") for name in channels},
            *(self.paths.get(name, "") for name in MASKS),
        )

    def reject(self, reason: str, detail: str) -> None:
        """Reject the scan; the first reason stays."""
        if not self.reason:
            self.reason, self.detail = reason, detail


def lost_of(scans: Iterable[FoundScan]) -> tuple[list[FoundScan], int]:
    """Return the rejected scans, and how many scans there are.

    Rows and masks without a scan are not counted, nor what `where` and `prefer` leave out.
    """
    counted = [scan for scan in scans if scan.found and scan.reason != "where"]
    return [scan for scan in counted if scan.reason], len(counted)
