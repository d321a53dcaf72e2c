"""The labels that the config promises."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.data.config import Source
from headstart.data.templates import IDENTITIES
from headstart.data.templates import SERIAL
from headstart.data.templates import Template


def labels_of_sources(sources: Iterable[Source]) -> list[str]:
    """Return the labels that sources take from tables and from the names of files."""
    names = ["site"]
    for source in sources:
        names += source.labels
        if source.layout == "files":
            fields = Template(next(iter(source.channels.values()))).fields
            names += [f for f in fields if f not in IDENTITIES and not SERIAL.fullmatch(f)]
    return list(dict.fromkeys(names))
