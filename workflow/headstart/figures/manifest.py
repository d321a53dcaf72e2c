"""A list of files, by which who copies them tells that they are whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common import files


def manifest(study: str, listed: Sequence[Path]) -> dict[str, Any]:
    """List files of a folder with size and sha256; who copies them can tell that they are whole."""
    entries = [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": files.sha256(path)}
        for path in sorted(listed)
    ]
    return {"study": study, "files": entries}
