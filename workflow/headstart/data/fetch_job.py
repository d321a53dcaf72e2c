"""What is to be fetched of one source, and to where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headstart.data.collections import Request

# Beside the data: the archives, their receipts, and what is being unpacked.
HIDDEN = ".fetch"


@dataclass(frozen=True)
class FetchJob:
    """One source to fetch.

    Attributes:
        request: What is wanted of it.
        output: The source's folder.
        lock: File with the checksums of the first verified downloads.
    """

    request: Request
    output: Path
    lock: Path | None
