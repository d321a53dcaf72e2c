"""What the commands fetch and label need of a study's settings."""

from __future__ import annotations

from headstart.common.schema import Section
from headstart.data.collections import Request
from headstart.data.config import Source


class FetchSettings(Section):
    """What is to be fetched."""

    sources: tuple[Request, ...]


class LabelSettings(Section):
    """Where scans and labels come from."""

    data: tuple[Source, ...]
    shards: int
    max_rejected: float
