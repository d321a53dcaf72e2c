"""Whether two ids mean the same person: sub-01, SUB_1 and 1, as files and tables write them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Sequence
from functools import cache

from headstart.data.dates import SIGNED

# The signs in a UUID and in a date separate nothing.
PART = re.compile(
    r"(?P<uuid>(?<![^\W_])[0-9a-f]{8}(?P<dash>-?)([0-9a-f]{4}(?P=dash)){3}[0-9a-f]{12}(?![^\W_]))"
    rf"|(?P<date>{SIGNED.pattern})|(?P<number>\d+)|[^\W\d_]+"
)
Key = tuple[str, ...]
Form = Callable[[Key], Hashable]

# What people put before a number that is the id, or the visit, itself.
GENERIC = {
    *("sub", "subj", "subject", "s", "id", "p", "pat", "patient", "participant", "case", "pt"),
    *("vp", "proband", "sujet", "sujeto", "soggetto", "paciente", "paziente", "mr", "scan"),
    *("ses", "session", "visit", "v", "tp", "t", "timepoint", "wave", "m", "month", "y", "year"),
}
# What is disregarded where ids are compared, the least first.
WAYS = ("", "case, leading zeros and signs", "case, leading zeros, signs and prefixes")
# A word is a prefix of all ids if so many of them begin with it: a footer is no id.
PREFIX_SHARE = 0.8


class AmbiguousIdsError(ValueError):
    """Two different ids of one side become the same once they are normalised.

    Args:
        one: One of them.
        two: The other.
        rows: Whether they are ids of the table; else of the scans.
    """

    def __init__(self, one: Key, two: Key, *, rows: bool) -> None:
        self.one, self.two, self.rows = one, two, rows
        super().__init__(f"{'_'.join(one)} and {'_'.join(two)}")


def alike(scans: Sequence[Key], rows: Sequence[Key]) -> tuple[list[Hashable], list[Hashable], str]:
    """Normalise the ids of scans and of a table's rows so that they can be compared.

    Ids are compared as they are; those that find nobody so, without case, leading zeros and
    signs; those that still find nobody, without the prefix that all ids of a side have.

    Args:
        scans: Each scan's id, or id and session; '' is nobody.
        rows: What each row has in the columns that are joined on.

    Returns:
        Each scan's id and each row's id as they are compared, None for nobody; and what was
        disregarded, '' for nothing.

    Raises:
        AmbiguousIdsError: If a scan would find two different rows, or a row two scans.
    """
    ours: dict[Key, Hashable] = {key: None for key in scans if any(key)}
    theirs: dict[Key, Hashable] = {key: None for key in rows if any(key)}
    disregarded = ""
    for scan_form, row_form, without in _forms(list(ours), list(theirs)):
        wanted = {key: scan_form(key) for key, found in ours.items() if found is None}
        there = {key: row_form(key) for key, found in theirs.items() if found is None}
        both = set(wanted.values()) & set(there.values())
        for side, known in ((wanted, ours), (there, theirs)):
            first: dict[Hashable, Key] = {}
            for key, form in side.items():
                if form in both:
                    if form in first:
                        raise AmbiguousIdsError(first[form], key, rows=known is theirs)
                    first[form] = key
                    known[key] = (without, form)
        disregarded = without if both else disregarded
    return (
        [(ours[key] or key) if any(key) else None for key in scans],
        [(theirs[key] or key) if any(key) else None for key in rows],
        disregarded,
    )


@cache
def tokens(text: str) -> Key:
    """Cut an id into words and numbers without leading zeros: `Sub-007b` is sub, 7, b.

    A date that begins with the year is one number: 2019-03-12 is 20190312.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    plain = re.sub(r"(\d+)\.0+", r"\1", plain) if re.fullmatch(r"\d+\.0+", plain) else plain
    return tuple(map(_part, PART.finditer(plain)))


def _part(match: re.Match[str]) -> str:
    if match["uuid"]:
        return match.group().replace("-", "")
    if match["date"]:
        return match["year"] + match["month"].zfill(2) + match["day"].zfill(2)
    return match.group().lstrip("0") or "0" if match["number"] else match.group()


def _forms(scans: Sequence[Key], rows: Sequence[Key]) -> list[tuple[Form, Form, str]]:
    """Return normalisations of the ids of both sides, the strictest first."""

    def exact(key: Key) -> Hashable:
        return key

    def plain(key: Key) -> Hashable:
        return tuple(tokens(text) or (text,) for text in key)

    both = list(zip(_prefixes(scans), _prefixes(rows), strict=False))

    def bare(own: Sequence[Key]) -> Form:
        return lambda key: tuple(
            _without(tokens(text), prefix) or (text,) for text, prefix in zip(key, own, strict=True)
        )

    forms: list[tuple[Form, Form, str]] = [
        (exact, exact, WAYS[0]),
        (plain, plain, WAYS[1]),
    ]
    if any(one != two for one, two in both):
        ours = [one if _droppable(one, two) else () for one, two in both]
        theirs = [two if _droppable(one, two) else () for one, two in both]
        forms.append((bare(ours), bare(theirs), WAYS[2]))
    return forms


def _droppable(one: Key, two: Key) -> bool:
    """Whether the prefixes of both sides can be ignored: P01 and C01 are of two cohorts."""
    named = [[word for word in prefix if word not in GENERIC] for prefix in (one, two)]
    return not one or not two or named[0] == named[1]


def _prefixes(keys: Sequence[Key]) -> list[Key]:
    """Return the words before the ids, for each part of the keys; () where there are none."""
    parts = zip(*{key for key in keys if any(key)}, strict=True)
    return [_prefix([tokens(text) for text in set(texts)]) for texts in parts]


def _prefix(ids: Sequence[Key]) -> Key:
    """Return the longest run of words that nearly all ids begin with and go on after."""
    prefix: Key = ()
    while True:
        place = len(prefix)
        nexts = Counter(own[place] for own in ids if own[:place] == prefix and len(own) > place + 1)
        word, count = next(iter(nexts.most_common(1)), ("", 0))
        if count < max(1, PREFIX_SHARE * len(ids)) or (not prefix and word.isdecimal()):
            return prefix
        prefix = (*prefix, word)


def _without(parts: Key, prefix: Key) -> Key:
    starts = len(parts) > len(prefix) and parts[: len(prefix)] == prefix
    return parts[len(prefix) :] if starts else parts
