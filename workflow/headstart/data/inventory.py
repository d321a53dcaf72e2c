"""Which raw files there are, with their times: a replaced scan is read again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.common.keys import OfScan
from headstart.common.records import read_rows
from headstart.common.walk import File
from headstart.common.walk import look
from headstart.common.walk import walk
from headstart.data.config import Source
from headstart.imaging.scan_rows import ScanFiles


@dataclass(frozen=True)
class FileRow(OfScan):
    """A row of label/files/K.csv: a raw file of a scan.

    Attributes:
        path: Relative to the data root.
        size: Bytes; None where nothing can be reached.
        modified: Time of the last change, ns since 1970; None where nothing can be reached.
    """

    path: str
    size: int | None
    modified: int | None

    def is_as_it_was(self, data: Path) -> bool:
        """Whether the file in a data root is still the one that was listed."""
        return (self.size, self.modified) == _facts(data / self.path)


def digest_sources(sources: Sequence[Source], root: Path, results: Path) -> str:
    """Digest names, sizes and times of all files of the sources, tables among them.

    Args:
        sources: The config's section `data`.
        root: Data root.
        results: Results root, which is left out where it lies within a source.

    Returns:
        16 hex digits. What a rule fetches or makes counts only once somebody has changed it: the
        same before and after the rule has run.
    """
    digest = hashlib.sha256()
    for source in sources:
        for file in _files(source, root, results):
            digest.update(f"{source.source}\0{file.path}\0{file.size}\0{file.modified}\n".encode())
    return digest.hexdigest()[:16]


def files_of(scans: Iterable[ScanFiles], data: Path) -> list[FileRow]:
    """List the files that scans consist of, with size and time of the last change."""
    return [
        FileRow(*scan.key, path, *_facts(data / path)) for scan in scans for path in scan.paths()
    ]


def first_replaced(inventories: Path, data: Path) -> str:
    """Find a file that changed since label saw it.

    Args:
        inventories: `label/files`, with tables as `files_of` makes them.
        data: Data root.

    Returns:
        Its path as in the table; "" if there is none.
    """
    for table in sorted(inventories.glob("*.csv")):
        for file in read_rows(table, FileRow):
            if not file.is_as_it_was(data):
                return file.path
    return ""


def last_changed(sources: Sequence[Source], root: Path, results: Path, since: Path) -> str:
    """Find the file of the sources, tables among them, that changed last.

    Args:
        sources: The config's section `data`.
        root: Data root.
        results: Results root, which is left out where it lies within a source.
        since: A file; what changed before it was written does not count.

    Returns:
        Its path from the data root; "" if there is none.
    """
    made = look(since)
    latest, name = made.st_ctime_ns if made else 0, ""
    for source in sources:
        for file in _files(source, root, results) if made else ():
            if file.changed is not None and file.changed > latest:
                latest, name = file.changed, f"{source.folder}/{file.path}"
    return name


def _facts(path: Path) -> tuple[int | None, int | None]:
    """Return size (bytes) and time of the last change (ns since 1970)."""
    status = look(path)
    return (status.st_size, status.st_mtime_ns) if status else (None, None)


def markers_of(source: Source) -> list[str]:
    """Files, relative to the data root, that are there once a rule has made a source complete."""
    if source.source == "demo":
        return ["demo/cohort.json"]
    if source.request is None:
        return []
    return [f"{source.source}/{marker}" for marker in source.request.markers()]


def _files(source: Source, root: Path, results: Path) -> list[File]:
    found, _ = walk(root / source.folder, spare=results)
    markers = markers_of(source)
    if not markers:
        return found
    made = [status.st_ctime_ns for marker in markers if (status := look(root / marker))]
    if len(made) < len(markers):
        return []
    return [file for file in found if file.changed is None or file.changed > max(made)]
