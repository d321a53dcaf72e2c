"""The labels that the config promises."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from difflib import get_close_matches

from headstart.common.errors import UserError
from headstart.data.config import Source
from headstart.data.layouts.files import templates_of
from headstart.data.layouts.lookup import wanted_files
from headstart.data.templates import IDENTITIES
from headstart.data.templates import SERIAL
from headstart.data.templates import Template
from headstart.data.where import parse_condition


def labels_of_sources(sources: Iterable[Source]) -> list[str]:
    """Return the labels that sources take from tables and from the names of files."""
    names = ["site"]
    for source in sources:
        names += source.labels
        if source.layout == "files":
            fields = Template(next(iter(source.templates.values()))).fields
            names += [f for f in fields if f not in IDENTITIES and not SERIAL.fullmatch(f)]
    return list(dict.fromkeys(names))


def check_source(source: Source) -> None:
    """Check what a source asks of its own files' names and of its own labels.

    Raises:
        ValueError: If two of its files are one, a template can't be looked for, or `where` asks
            for a label that it does not have.
    """
    first: dict[str, str] = {}
    for name, text in wanted_files(source).items():
        if (other := first.setdefault(text, name)) != name:
            raise ValueError(f"{other} and {name} are both '{text}'; each needs a file of its own")
    if source.layout == "files":
        try:
            templates_of(source)
        except UserError as error:
            raise ValueError(str(error)) from None
    for name in parse_condition(source.where).names if source.where else ():
        try:
            check_label(name, ["subject", "session", *labels_of_sources([source])])
        except ValueError as error:
            raise ValueError(f"where: {error}") from None


def check_label(label: str, labels: Collection[str]) -> None:
    """Check that there is a label.

    Raises:
        ValueError: If not; says which there are, and how a column becomes one.
    """
    if label in labels:
        return
    near = get_close_matches(label, labels, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    raise ValueError(
        f"no source has the label '{label}'{hint}; there are: {', '.join(labels)}; a column of a "
        f"source's table becomes one by its `labels`, e.g. `labels: {{{label}: COLUMN}}`"
    )
