"""What is to be fetched of one source, and to where."""

from __future__ import annotations

from collections.abc import Sequence
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

    @classmethod
    def within(
        cls, root: Path, locks: Path, request: Request, mirrors: Sequence[str] = ()
    ) -> FetchJob:
        """Fetch a source to its place in the data root.

        Args:
            root: Data root.
            locks: Folder of NAME.lock.
            request: What is wanted of it.
            mirrors: Folders or addresses to look in before its own.
        """
        own = request.model_copy(update={"mirrors": (*mirrors, *request.mirrors)})
        return cls(own, root / request.source, locks / f"{request.source}.lock")
