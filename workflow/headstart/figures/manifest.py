"""The list of a folder's figures, by which who copies them tells that they are whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common import files


def manifest(study: str, figures: Sequence[Path]) -> dict[str, Any]:
    """List figures with size and sha256, so that who copies them can tell that they are whole."""
    entries = [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": files.sha256(path)}
        for path in sorted(figures)
    ]
    return {"study": study, "files": entries}
