"""Ways to write a table's key in the fields of file names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart.data.templates import FIELD
from headstart.data.templates import SUFFIX
from headstart.data.templates import Template
from headstart.planning.file_names import Kind
from headstart.planning.join_proposal import Fields

# From the first field to the last; a choice, {MPRAGE|MP-RAGE}, is none.
BETWEEN = rf"{FIELD}(?:.*{FIELD})?"


def keys_of(main: Kind, *, whole: bool) -> tuple[list[Fields], list[str]]:
    """Return the fields of files' names, and ways to write a table's key in them.

    Args:
        main: The files.
        whole: Whether the subject is the whole word, as in `Kind.template`.
    """
    template = main.template(whole=whole)
    parts = SUFFIX.sub("", template).split("/")
    between = [match[0] for part in parts if (match := re.search(BETWEEN, part))]
    keys = ["{subject}", "{subject}_{session}", "{session}", *between, *parts]
    read = Template(template).match
    fields = [found for path in main.paths if (found := read(path)) is not None]
    known = set(re.findall(r"\{(\w+)\}", template))
    if not whole and (prefix := _dropped_prefix(main, fields)):
        # P01 is not C01, so that P counts where ids are compared
        full = f"{prefix}{{subject}}"
        keys = [key if full in key else key.replace("{subject}", full) for key in keys]
    fitting = [
        key
        for key in dict.fromkeys(keys)
        if (used := set(re.findall(r"\{(\w+)\}", key)))
        and used <= known
        and not set("*|") & set(key)
    ]
    return list(fields), fitting


def _dropped_prefix(main: Kind, bare: Sequence[Fields]) -> str:
    """Return the prefix that all subjects share in the names, where it is not part of their ids."""
    read = Template(main.template(whole=True)).match
    wholes = [found["subject"] for path in main.paths if (found := read(path)) is not None]
    if len(wholes) != len(bare):
        return ""
    pairs = list(zip(wholes, (fields["subject"] for fields in bare), strict=True))
    prefixes = {whole.removesuffix(own) for whole, own in pairs if whole.endswith(own)}
    return prefixes.pop() if len(prefixes) == 1 else ""
