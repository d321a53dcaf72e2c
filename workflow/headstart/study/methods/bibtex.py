"""Whom to cite, as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

CITED = re.compile(
    r"(?P<who>.+?) (?P<year>(?:19|20)\d\d), (?P<what>.+?), (?P<url>https?://\S+?)\.?$"
)
DOI = "https://doi.org/"


def as_bibtex(cites: Iterable[str]) -> str:
    """Write an entry for each citation.

    Authors and title are as short as our own text has them; from its DOI, every program for
    references fetches the rest.

    Args:
        cites: As `citations` has them; what has no author, year, title and link is kept as a note.
    """
    used: set[str] = set()
    entries = []
    for number, cite in enumerate(dict.fromkeys(cites), start=1):
        found = CITED.match(cite)
        fields = _fields(found) if found else {"note": _escaped(cite)}
        key = _key(f"{found['who'].split()[0]}{found['year']}" if found else f"cite{number}", used)
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        entries.append("\n".join([f"@misc{{{key},", *lines, "}"]))
    return "\n\n".join(entries) + "\n"


def _fields(found: re.Match[str]) -> dict[str, str]:
    who = found["who"].removesuffix(" et al.")
    link = found["url"]
    return {
        "author": _escaped(who) + (" and others" if who != found["who"] else ""),
        "title": _escaped(found["what"]),
        "year": found["year"],
        **({"doi": link.removeprefix(DOI)} if link.startswith(DOI) else {"url": link}),
    }


def _key(name: str, used: set[str]) -> str:
    """Return a name of plain letters and digits that no other entry has."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"\W", "", plain).lower()
    keys = (plain, *(f"{plain}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"))
    key = next(key for key in keys if key not in used)
    used.add(key)
    return key


def _escaped(text: str) -> str:
    """Escape what TeX would take for its own; a brace without its partner would end the field."""
    named = {"\\": r"\textbackslash ", "~": r"\textasciitilde ", "^": r"\textasciicircum "}
    return "".join(named.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in text)
