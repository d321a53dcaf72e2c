"""The card of a cohort that `headstart demo` made, by which its scans are known to be made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.common.walk import is_file
from headstart.data.config import Source


def synthetic(sources: Sequence[Source], root: Path) -> bool:
    """Whether scans are made up: the demo's, or in a folder that `headstart demo` made.

    Args:
        sources: The sources.
        root: The data root.
    """
    folders = [root / source.folder for source in sources]
    cards = [up / "cohort.json" for folder in folders for up in (folder, folder.parent)]
    return any(source.source == "demo" for source in sources) or any(
        is_file(card) and "SYNTHETIC" in card.read_text(encoding="utf-8", errors="replace")
        for card in cards
    )
