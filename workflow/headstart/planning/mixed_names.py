"""Scans of one channel whose names are cut differently: MPRAGE and MP-RAGE, NYU_1 and UCLA_1_2.

Such names are one kind where they line up, folder by folder, from both ends; what is left between
is the name of the series, or part of an id. They stay apart where it isn't sure that this makes
neither two people of one nor one of two, and where nearly everybody has both.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from headstart.common.text import counted
from headstart.data.identities import tokens
from headstart.planning import file_words
from headstart.planning.file_names import Kind
from headstart.planning.file_words import VISIT
from headstart.planning.label_columns import Table
from headstart.planning.name_fields import name_fields
from headstart.planning.proposal import FILES_SHARE
from headstart.planning.proposal import channel_name
from headstart.planning.run_names import all_numbered
from headstart.planning.run_names import may_be_alike
from headstart.planning.run_names import run_places
from headstart.planning.run_names import with_runs

Span = tuple[range, range]  # places in the names of both that are one
ROWS_SHARE = 0.5  # of ids that have a row
NIFTI = {".nii", ".nii.gz", ".nii*"}


def unite(kinds: Sequence[Kind], tables: Sequence[Table]) -> tuple[list[Kind], list[str]]:
    """Put kinds together that hold the same channel of different people.

    Args:
        kinds: Kinds of files, the largest first.
        tables: The tables beside the scans.

    Returns:
        The kinds, the largest first, and what to say of those that were put together.
    """
    united: list[Kind] = []
    told = []
    for kind in kinds:
        for place, own in enumerate(united):
            if both := _united(own, kind, tables):
                united[place] = both
                told.append(
                    f"{counted(len(kind.paths), 'file')} such as {kind.paths[0]} taken for the "
                    f"same channel as {own.paths[0]}, though named in another way"
                )
                break
        else:
            united.append(kind)
    return sorted(united, key=lambda kind: -len(kind.paths)), told


def _united(own: Kind, other: Kind, tables: Sequence[Table]) -> Kind | None:
    """Return two kinds as one; None where they are to stay apart."""
    split_on_purpose = own.cuts == other.cuts and own.known == other.known
    if _what(own) != _what(other) or split_on_purpose:
        return None
    own, other = with_runs(own, other)
    if (spans := _spans(own, other)) is None:
        return None
    both = _with_whole_ids(_as_one(own, other, spans), tables)
    people = _people(both)
    if not people or not (_keeps_people(own, people) and _keeps_people(other, people)):
        return None
    ours, theirs = ([people[path] for path in kind.paths] for kind in (own, other))
    strange = all_numbered(ours) and not all_numbered(theirs)
    if strange or (_in_a_table(ours, tables) and not _in_a_table(theirs, tables)):
        return None  # group_mean.nii.gz is nobody's
    again = 0 if run_places(both) else _seen_again(both, set(own.paths), people)
    return None if again >= FILES_SHARE or _may_be_one(set(people.values())) else both


def _seen_again(both: Kind, first: Collection[str], people: Mapping[str, str]) -> float:
    """Return the share of the other files' visits, or people, that the first files have too."""
    rows = [(path, people[path], words) for path, words in zip(both.paths, both.words, strict=True)]
    shares = []
    places = [-1, *(place for place in both.differing() if place not in both.open)]
    for place in places:
        scans = [
            (path in first, one, words[place] if place >= 0 else "") for path, one, words in rows
        ]
        if place < 0 or len({scan[1:] for scan in scans}) > len(set(people.values())):
            ours, theirs = (
                {scan[1:] for scan in scans if scan[0] is side} for side in (True, False)
            )
            shares.append(len(ours & theirs) / len(theirs))
    return max(shares[1:], default=shares[0])


def _what(kind: Kind) -> tuple[str, ...]:
    """Return what kind of image it is, by its name."""
    masks = sorted(
        word for word in kind.known if file_words.is_mask([word]) or word in file_words.BRAINS
    )
    return channel_name(kind.paths[0], {}), *masks, *sorted({*kind.known} & file_words.LEFT_OUT)


def _spans(one: Kind, other: Kind) -> list[Span] | None:
    """Line up the names of two kinds; None where they don't."""
    folders = list(zip(_folders(one), _folders(other), strict=False))
    if len(_folders(one)) != len(_folders(other)):
        return None
    spans = [span for ours, theirs in folders for span in _lined_up(one, ours, other, theirs)]
    return spans if all(ours and theirs for ours, theirs in spans) else None


def _folders(kind: Kind) -> list[range]:
    """Return the places of each folder's name, and of the file's."""
    ends = [place + 1 for place, cut in enumerate(kind.cuts) if "/" in cut or cut in NIFTI]
    return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _lined_up(one: Kind, ours: range, other: Kind, theirs: range) -> list[Span]:
    """Line up the words of a folder's name from both ends; the rest between is one span."""
    shorter = min(len(ours), len(theirs))

    def alike(place: int) -> bool:
        return _may_be_same(one, ours[place], other, theirs[place])

    after = next((n for n in range(shorter) if not alike(-1 - n)), shorter)
    before = next((n for n in range(shorter - after) if not alike(n)), shorter - after)
    if len(ours) != len(theirs) and before + after == shorter:  # nothing is left of one
        known = after and file_words.is_known(one.words[0][ours[-after]].lower())
        before, after = (before - 1, after) if before and not known else (before, after - 1)
    middle = before + after < max(len(ours), len(theirs))
    while middle and after and one.cuts[ours[-1 - after]] != other.cuts[theirs[-1 - after]]:
        after -= 1  # sub-01 and sub_02
    whole = [(range(p, p + 1), range(q, q + 1)) for p, q in zip(ours, theirs, strict=False)]
    ends = [
        (range(ours[-n], ours[-n] + 1), range(theirs[-n], theirs[-n] + 1))
        for n in range(after, 0, -1)
    ]
    rest = (ours[before : len(ours) - after], theirs[before : len(theirs) - after])
    return [*whole[:before], *([rest] if rest[0] or rest[1] else []), *ends]


def _may_be_same(one: Kind, ours: int, other: Kind, theirs: int) -> bool:
    """Whether the words at two places say the same, or may be those of different people."""
    cuts = {one.cuts[ours], other.cuts[theirs]}
    if (len(cuts) > 1 and not cuts <= NIFTI) or ours in one.open or theirs in other.open:
        return False
    return may_be_alike(one.values(ours), other.values(theirs))


def _as_one(one: Kind, other: Kind, spans: Sequence[Span]) -> Kind:
    """Return both kinds as one, with a word for each span."""
    words = [
        ["".join(w + c for w, c in zip(_part(own, span), _inner(kind, span), strict=True))
         for span in (pair[side] for pair in spans)]
        for side, kind in enumerate((one, other))
        for own in kind.words
    ]  # fmt: skip
    cuts = [one.cuts[ours[-1]] for ours, _ in spans]
    ends = {one.cuts[-1], other.cuts[-1]}
    cuts[-1] = ends.pop() if len(ends) == 1 else ".nii*"
    paths = [*one.paths, *other.paths]
    both = Kind(paths, words, cuts, ids=one.ids | other.ids)
    both.open = frozenset(
        place
        for place, (ours, theirs) in enumerate(spans)
        if one.open.intersection(ours) or other.open.intersection(theirs)
        or len(ours) > 1 or len(theirs) > 1
        or ({*map(str.lower, one.values(ours[0]))} != {*map(str.lower, other.values(theirs[0]))}
        and file_words.is_known(one.words[0][ours[0]].lower()))
    )  # fmt: skip
    return both


def _part(words: Sequence[str], span: range) -> Sequence[str]:
    return words[span.start : span.stop]


def _inner(kind: Kind, span: range) -> list[str]:
    return [*kind.cuts[span.start : span.stop - 1], ""]


def _with_whole_ids(both: Kind, tables: Sequence[Table]) -> Kind:
    """Let a word that is no series' name be part of the id beside it, or the id itself.

    Where a table has the id without it, NYU_0050002 as 50002, it says nothing.
    """
    for place in sorted(both.open - {*run_places(both)}):
        first, last = _run(both, place)
        whole = both.joined(first, last)
        ids = whole.values(first)
        series = any(channel_name(word, {}) != "image" for word in both.values(place))
        if series or len({*_people(both).values()}) > len({*ids}):
            continue
        beside = [*_beside(both, first, place - 1), *_beside(both, place + 1, last)]
        known = not _in_a_table(ids, tables) and any(_in_a_table(own, tables) for own in beside)
        # p1_haste and p1_space are one person's; NYU_1 and UCLA_1 are two people
        again = place == last > first and len({*beside[-1]}) < len({*ids})
        if not known and not again:
            whole.open -= {first}
            return _with_whole_ids(whole, tables)
    return both


def _beside(kind: Kind, first: int, last: int) -> list[list[str]]:
    """Return the words from one place to another, each alone, then all as one."""
    singles = [kind.values(place) for place in range(first, last + 1)]
    return [*singles, kind.joined(first, last).values(first)] if singles else []


def _run(kind: Kind, place: int) -> tuple[int, int]:
    """Return the first and the last place of the words that make an id with that at a place."""
    differing, first, last = set(kind.differing()), place, place

    def belongs(beside: int) -> bool:
        return beside in differing - kind.open and not all(
            map(VISIT.fullmatch, kind.values(beside))
        )

    while first > 0 and "/" not in kind.cuts[first - 1] and belongs(first - 1):
        first -= 1
    while last + 1 < len(kind.cuts) and "/" not in kind.cuts[last] and belongs(last + 1):
        last += 1
    return first, last


def _in_a_table(ids: Sequence[str], tables: Sequence[Table]) -> bool:
    """Whether some column has most of these ids."""
    wanted = set(map(tokens, ids))
    return any(
        len(wanted & set(map(tokens, table.cells[column]))) >= ROWS_SHARE * len(wanted)
        for table in tables
        for column in table.columns
    )


def _people(kind: Kind) -> dict[str, str]:
    """Return each file's subject; nothing where the names don't tell, or not which scan it is."""
    named = copy.copy(kind)
    named.fields = {}
    name_fields(named)
    subjects, sessions = named.places("subject")[:1], named.places("session")[:1]
    places = [*subjects, *sessions, *run_places(named)]
    scans = Counter(tuple(words[place] for place in places) for words in named.words)
    if not subjects or max(scans.values()) > 1:
        return {}
    return dict(zip(named.paths, named.values(subjects[0]), strict=True))


def _keeps_people(kind: Kind, people: Mapping[str, str]) -> bool:
    """Whether the scans of one person in a kind are still one person's, and only these."""
    pairs = {(own, people[path]) for path, own in _people(kind).items()}
    return all(max(Counter(side).values()) == 1 for side in zip(*pairs, strict=True))


def _may_be_one(ids: Collection[str]) -> bool:
    """Whether two of some ids may be one person's: S01 and S01_rescan, sub-01 and sub_01."""
    written: dict[tuple[str, ...], str] = {}
    for one in ids:
        if written.setdefault(tokens(one), one) != one:
            return True
    return any(own[:end] in written for own in written for end in range(1, len(own)))
