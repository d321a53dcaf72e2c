"""Which words of file names say whose scan it is: subject, session, site, sex, group or number."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence

from headstart.planning.file_kinds import MOST_GROUPS
from headstart.planning.file_names import Kind
from headstart.planning.file_words import KNOWN
from headstart.planning.file_words import SEXES
from headstart.planning.file_words import SITES
from headstart.planning.file_words import VISIT
from headstart.planning.file_words import VISITS
from headstart.planning.file_words import common_letters

Vector = tuple[str, ...]  # a word of each file

# Words before a number, or the letters of one: sub-01, P001. The number is then a person's.
PERSON = re.compile(
    r"s(ub(j(ect)?)?)?|p(at(ient)?|t|art(icipant)?|roband|erson)?|case|id|vpn?|volunteer", re.I
)
PLACE = re.compile(r"(site|cent(re|er)|scanner|hospital)s?", re.I)
CLASS = re.compile(r"(group|grp|class|cohort|batch|arm|fold|study|dataset|block)s?", re.I)
VISIT_WORD = re.compile(r"ses|session|visit|tp|timepoint|wave", re.I)
# A visit by its word alone; M01 and V01 may be people too.
SURE_VISIT = re.compile(r"(ses|session|visit|tp|timepoint|wave|mr)\d+", re.I)
DATE = re.compile(r"(19|20)\d\d-?\d\d-?\d\d.*")
# Parts of a study, not classes of people.
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing", "dev", "holdout"}
ADNI = re.compile(r"\d{3}_S_\d{4,5}")
FEWEST = 6  # people of a study; fewer numbered folders are groups
MOST_SCANS = 10  # of one person, on average; more are a site's or a group's


def name_fields(kind: Kind) -> None:
    """Name the words of a kind that differ.

    Where ids are nested, each finer one under one coarser one, the coarsest that repeats is the
    person, and a finer one, an exam's or an image's, is the session.
    """
    vectors: dict[Vector, list[int]] = defaultdict(list)
    for place in kind.differing():
        # T1 is t1
        if place not in kind.open and len({value.lower() for value in kind.values(place)}) > 1:
            vectors[tuple(kind.values(place))].append(place)
    rest = dict(vectors)

    def take(name: str, vector: Vector) -> None:
        for place in rest.pop(vector):
            kind.fields[place] = name

    visits = [v for v, places in rest.items() if _is_visit(kind, places[0], vectors)]
    groups = [v for v, places in rest.items() if v not in visits and _is_group(kind, places[0])]
    people = [v for v in rest if v not in visits and v not in groups]
    people = [v for v in rest if kind.ids.issuperset(v)] or people
    if subject := _person(kind, people, visits, groups, vectors):
        take("subject", subject)
    for vector in visits:
        if vector in rest and "session" not in kind.fields.values():
            take("session", vector)
    for vector in groups:
        if vector in rest:
            take(unused(kind, _group_name(kind, vectors[vector][0])), vector)
    if "session" not in kind.fields.values() and subject:
        if session := _session(kind, rest):
            take("session", session)
        else:
            _take_constant_session(kind)
    for vector in list(rest):
        take(unused(kind, "number"), vector)
    for place, word in enumerate(kind.words[0]):
        if word.lower() in SITES and place not in kind.fields and place not in kind.differing():
            kind.fields[place] = "site"


def _person(
    kind: Kind,
    people: Sequence[Vector],
    visits: Sequence[Vector],
    groups: Sequence[Vector],
    places: dict[Vector, list[int]],
) -> Vector | None:
    """Return the words that identify a person: of those like ids the coarsest that repeats."""
    if not people:
        alone = [v for v in (*visits, *groups) if len(set(v)) == len(v)]
        people = alone or groups or visits
    if not people:
        return None
    rank = {v: _idlike(kind, places[v][0]) for v in people}
    # the most different ids; of equals, and of single digits, the first
    most = {v: len(set(v)) if rank[v] else min(len(set(v)), FEWEST) for v in people}
    finest = max(people, key=lambda v: (rank[v] > 0, most[v], -places[v][0]))
    sure = [v for v in people if rank[v] > rank[finest] and len(set(v)) >= FEWEST]
    # P01/1 to P01/9: numbers that come back under every person are not people
    crossed = [v for v in sure if not _tells(finest, v) and not _tells(v, finest)]
    if crossed:
        return max(crossed, key=lambda v: (rank[v], len(set(v))))
    above = [v for v in people if _above(v, finest) and _may_be_person(kind, places[v][0])]
    return min(above, key=lambda v: (len(set(v)), places[v][0]), default=finest)


def _tells(one: Vector, other: Vector) -> bool:
    """Whether a value of one stands with one value of the other only."""
    return len(set(one)) == len(set(zip(one, other, strict=True)))


def _above(coarse: Vector, fine: Vector) -> bool:
    """Whether each fine value stands under one coarse value, and some coarse ones repeat."""
    return len(set(coarse)) < len(set(fine)) and _tells(fine, coarse)


def _may_be_person(kind: Kind, place: int) -> bool:
    """Whether a coarser id can be a person's; a site's number stands before ids as well."""
    values = set(kind.values(place))
    sure = _idlike(kind, place) == 3
    if not sure and not FEWEST <= len(values) >= len(kind.paths) / MOST_SCANS:
        return False
    long = max(map(len, values)) > 2
    return _idlike(kind, place) > 0 and (sure or long or not all(v.isdecimal() for v in values))


def _idlike(kind: Kind, place: int) -> int:
    """Return how much the words at a place look like people's ids: 0 (dates, digits) to 3."""
    values = set(kind.values(place))
    if all(DATE.fullmatch(value) or len(value) == 1 for value in values):
        return 0
    before = kind.words[0][place - 1] if place else ""
    letters = common_letters(list(values))
    if PLACE.fullmatch(letters or before) or CLASS.fullmatch(letters or before):
        return 0
    if PERSON.fullmatch(letters or before) or all(ADNI.fullmatch(value) for value in values):
        return 3
    if all(re.search(r"[A-Za-z].*\d", value) for value in values):
        return 1 if all(VISIT.fullmatch(value) for value in values) else 2
    return 1


def _is_visit(kind: Kind, place: int, vectors: Iterable[Vector]) -> bool:
    values = set(kind.values(place))
    if place > 0 and re.fullmatch(VISITS, kind.words[0][place - 1], re.IGNORECASE):
        return True
    if not all(VISIT.fullmatch(value) for value in values):
        return False
    # there are more people than visits; M01, M02, … by themselves may be people
    others = max((len(set(v)) for v in vectors if v != tuple(kind.values(place))), default=0)
    sure = all(SURE_VISIT.fullmatch(value) for value in values)
    return len(values) <= MOST_GROUPS and (sure or len(values) <= others)


def _is_group(kind: Kind, place: int) -> bool:
    values = set(kind.values(place))
    count, scans = len(values), len(kind.paths)
    letters = common_letters(list(values)).lower()
    before = kind.words[0][place - 1] if place else ""
    if any(pattern.fullmatch(letters or before) for pattern in (PLACE, CLASS)):
        return count <= min(MOST_GROUPS, scans / 2)
    if letters:  # numbered: G1, G2
        numbered = kind.in_folder(place) and count < FEWEST and letters not in KNOWN
        short = len(letters) <= 2 and not PERSON.fullmatch(letters)
        return numbered and short and count <= scans / 3
    if {value.lower() for value in values} <= PARTS:
        return False
    few = count <= min(MOST_GROUPS, max(scans / 3, min(FEWEST - 1, scans / 2)))
    return few and all(re.search("[A-Za-z]", v) and not re.search(r"\d{2}", v) for v in values)


def _group_name(kind: Kind, place: int) -> str:
    values = {value.lower() for value in kind.values(place)}
    if values <= SEXES:
        return "sex"
    before = kind.words[0][place - 1] if place else ""
    named = PLACE.fullmatch(common_letters(list(values)) or before)
    return "site" if named or values <= SITES else "group"


def unused(kind: Kind, name: str) -> str:
    """Return a name for a field that the kind has not yet, group2 after group."""
    taken = set(kind.fields.values())
    return next(n for n in (name, *(f"{name}{i}" for i in range(2, 99))) if n not in taken)


def _session(kind: Kind, rest: dict[Vector, list[int]]) -> Vector | None:
    """Where a subject has several files, return a word that tells them apart."""
    names = [kind.values(kind.places(name)[0]) for name in dict.fromkeys(kind.fields.values())]
    found = list(zip(*names, strict=True))
    if len(set(found)) == len(found):
        return None
    apart = [v for v in rest if len(set(zip(found, v, strict=True))) == len(found)]
    return max(apart, key=lambda v: (*_like_visit(kind, rest[v]), -rest[v][0]), default=None)


def _like_visit(kind: Kind, places: Sequence[int]) -> tuple[bool, int]:
    """Rank words as those of visits: folders first, ids that come back, dates, ids, bare numbers.

    The number of a series, 003_t1, differs between visits as well, but also between their series.
    """
    values = kind.values(places[0])
    if all(map(DATE.fullmatch, values)):
        like = 2
    elif all(map(str.isdecimal, values)) or not _idlike(kind, places[0]):
        like = 0
    else:
        like = 3 if len(places) > 1 else 1
    return kind.in_folder(places[0]), like


def _take_constant_session(kind: Kind) -> None:
    """Take a visit that all scans share, ses-1 or MR1, as the session: others may follow."""
    words = kind.words[0]
    visits = [
        place
        for place in set(range(len(words))) - set(kind.differing())
        if SURE_VISIT.fullmatch(words[place])
        or (place > 0 and VISIT_WORD.fullmatch(words[place - 1]))
    ]
    for place in visits:
        if words[place] == words[min(visits)]:
            kind.fields[place] = "session"
