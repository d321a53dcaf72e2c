"""Names of unfinished files, and the end of those that a killed process left."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from functools import cache
from pathlib import Path

from headstart.common import processes

NAME = re.compile(r"\.(?P<place>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{4}-")
# After so long (s), a draft of another machine is nobody's.
DAY = 86400.0


def draft_beside(path: Path) -> Path:
    """Give a name in the same folder, with the same ending, that says whose draft it is."""
    token = uuid.uuid4().hex[:4]
    return path.with_name(f".{processes.place()}-{os.getpid()}-{token}-{path.name}")


@cache
def sweep(folder: Path) -> None:
    """Remove the drafts that nobody works at any more, once per process and folder.

    Args:
        folder: The folder; its sub-folders are left alone.
    """
    for draft in folder.glob(".*"):
        found = NAME.match(draft.name)
        if found is not None and _is_nobodys(draft, found["place"], int(found["process"])):
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)


def _is_nobodys(draft: Path, place: str, process: int) -> bool:
    if place == processes.place():
        return not processes.exists(process)
    try:
        return time.time() - draft.lstat().st_mtime > DAY
    except FileNotFoundError:
        return False
