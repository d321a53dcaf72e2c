"""Try a source's section of the config with the code of label before offering it."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.data.config import Source
from headstart.data.found_scans import NOT_PREFERRED
from headstart.data.found_scans import FoundScan
from headstart.data.found_scans import lost_of
from headstart.data.layouts.source import read_source
from headstart.data.scan_rules import apply_rules
from headstart.planning.proposal import SOURCE
from headstart.study.config import Config


def list_scans(folder: Path, *sources: Mapping[str, Any]) -> tuple[list[FoundScan], str]:
    """List the scans of sources as the stage label will.

    Args:
        folder: The folder of the scans.
        sources: The sources' sections of the config.

    Returns:
        The scans, good and bad, and what label says of them.

    Raises:
        UserError: As label does.
    """
    said = io.StringIO()
    sections = [Source.model_validate({"source": SOURCE, "path": ".", **one}) for one in sources]
    with contextlib.redirect_stderr(said):
        scans = _scans_of(folder, sections)
    return scans, said.getvalue()


def too_many_lost(folder: Path, config: Config) -> str:
    """Say that label will stop because it loses more scans than the config allows; '' if it won't.

    Args:
        folder: The folder of the scans.
        config: The study.
    """
    with contextlib.redirect_stderr(io.StringIO()):
        lost, total = lost_of(_scans_of(folder, config.data))
    allowed = config.check.max_rejected
    if len(lost) <= allowed * total:
        return ""
    share = math.ceil(100 * len(lost) / total) / 100
    return (
        f"label will stop: {len(lost)} of {total} scans are lost, more than check.max_rejected = "
        f"{allowed:g} allows, e.g. {lost[0].detail}; to go on without them, write "
        f"`check: {{max_rejected: {share:g}}}`"
    )


def _scans_of(folder: Path, sections: Sequence[Source]) -> list[FoundScan]:
    scans = [scan for section in sections for scan in read_source(section, folder)]
    apply_rules([scan for scan in scans if scan.found], sections)
    return scans


def count_usable(folder: Path, source: Mapping[str, Any]) -> float:
    """Count the scans that label finds with a source, minus half of those that it rejects."""
    try:
        scans, _ = list_scans(folder, source)
    except UserError:
        return -1
    return sum(-0.5 if scan.reason else 1 for scan in scans if scan.reason != NOT_PREFERRED)
