"""File names of a cohort: what in them is the subject, the session, the site, the class.

Names are cut into words at `/`, `_`, `-`, `.` and blanks. Names with the same cuts and the same
known words (T1, mask, …) are one kind; where the words of a kind differ, there is a field.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

# Image channels by the words that name them, in the order of what is likely meant.
CHANNELS = {
    **{"t1": "T1", "t1w": "T1", "mprage": "T1", "spgr": "T1", "mp2rage": "T1"},
    **{"t2": "T2", "t2w": "T2", "flair": "FLAIR", "pd": "PD", "pdw": "PD"},
    **{"t1ce": "T1ce", "t1gd": "T1ce", "t1c": "T1ce", "mra": "MRA", "swi": "SWI", "dwi": "DWI"},
    **{"adc": "ADC", "dti": "DTI", "ct": "CT", "pet": "PET"},
}
MASKS = {
    *("mask", "masks", "seg", "segs", "segmentation", "segmentations", "label", "labels", "dseg"),
    *("lesion", "lesions", "roi", "gt", "truth", "manual", "labelstr", "tissue", "brainmask"),
}
BRAINS = {"brainmask", "brain", "bet", "skull"}
IMAGES = {"image", "images", "imagestr", "anat", "nifti", "nii", "scans", "orig"}
LEFT_OUT = {"imagests", "labelsts", "derivatives", "sourcedata", "localizer", "scout"}
KNOWN = {*CHANNELS, *MASKS, *BRAINS, *IMAGES, *LEFT_OUT}

VISITS = r"ses|session|visit|tp|timepoint|mr|wave|scan|month|year|baseline|followup"
VISIT = re.compile(rf"({VISITS})\d*|[vmyt]\d+|pre|post", re.IGNORECASE)
SEXES = {"m", "f", "male", "female", "males", "females", "man", "woman", "men", "women"}
SITES = {"guys", "hh", "iop"}
MOST_GROUPS = 20

SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
CUT = re.compile(r"([/_\-. ]+)")
Signature = tuple[str, ...]


@dataclass
class Kind:
    """Files whose names have the same cuts.

    Attributes:
        paths: The files.
        words: Each file's words.
        cuts: What stands between the words, and the suffix at the end.
        fields: Field by the place of its word; a place without one that differs becomes `*`.
    """

    paths: list[str]
    words: list[list[str]]
    cuts: list[str]
    fields: dict[int, str] = field(default_factory=dict)

    @property
    def known(self) -> list[str]:
        """The known words, in lower case, that all its names have."""
        return [word for word in map(str.lower, self.words[0]) if word in KNOWN]

    def values(self, place: int) -> list[str]:
        """Return the word at a place, of each file."""
        return [words[place] for words in self.words]

    def differing(self) -> list[int]:
        """Return the places where the words differ."""
        return [place for place in range(len(self.cuts)) if len(set(self.values(place))) > 1]

    def in_folder(self, place: int) -> bool:
        """Whether a place is in the name of a folder."""
        return "/" in "".join(self.cuts[place:])

    def places(self, name: str) -> list[int]:
        """Return the places of a field."""
        return [place for place, own in sorted(self.fields.items()) if own == name]

    def template(self, *, whole: bool, wanted: Iterable[str] | None = None) -> str:
        """Write the kind as a template of file names.

        Args:
            whole: The subject is the whole word with what stands before it, `Sub_101`; else only
                what differs, `101`.
            wanted: Fields to write; the others are `*`. The default is all.
        """
        shown = {
            place: name
            for place, name in self.fields.items()
            if wanted is None or name in (*wanted, "subject", "session")
        }
        differing, parts, place = set(self.differing()), [""] * len(self.cuts), 0
        while place < len(self.cuts):
            text = self.words[0][place]
            if place in shown:
                name = shown[place]
                prefix = "" if whole else common_letters(self.values(place))
                text = f"{prefix}{{{name}}}"
                if whole and name in ("subject", "session"):
                    for before in self._absorbed(place, name):
                        parts[before] = ""
            elif place in differing:
                text = "*"
            parts[place] = text + self.cuts[place]
            place += 1
        return "".join(parts)

    def _absorbed(self, place: int, name: str) -> list[int]:
        """Return the constant words before a field that belong to it: `Sub_` of `Sub_101`."""
        differing, before = set(self.differing()), place - 1
        found: list[int] = []
        while before >= 0 and "/" not in self.cuts[before]:
            word = self.words[0][before].lower()
            if before in differing or before in self.fields or word in KNOWN:
                break
            if name == "session" and (found or VISIT.fullmatch(word) is None):
                break
            if name == "subject" and word != "scan" and VISIT.fullmatch(word):
                break
            found.append(before)
            before -= 1
        return found


def kinds_of(paths: Sequence[str]) -> list[Kind]:
    """Sort files into kinds, the largest first."""
    groups: dict[Signature, Kind] = {}
    for path in paths:
        match = SUFFIX.search(path)
        stem, suffix = (path[: match.start()], match.group()) if match else (path, "")
        pieces = CUT.split(stem)
        words, cuts = pieces[::2], [*pieces[1::2], suffix]
        key = tuple(w.lower() if w.lower() in KNOWN else "" for w in words) + tuple(cuts)
        group = groups.setdefault(key, Kind([], [], cuts))
        group.paths.append(path)
        group.words.append(words)
    split = [part for group in groups.values() for part in _split(group)]
    return sorted(split, key=lambda kind: -len(kind.paths))


def name_fields(kind: Kind) -> None:
    """Name the words of a kind that differ: subject, session, site, sex, group or number."""
    vectors: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in kind.differing():
        vectors[tuple(kind.values(place))].append(place)
    rest = dict(vectors)

    def take(name: str, vector: tuple[str, ...]) -> None:
        for place in rest.pop(vector):
            kind.fields[place] = name

    for place, word in enumerate(kind.words[0]):
        if word.lower() in SITES and not any(place in places for places in rest.values()):
            kind.fields[place] = "site"
    visits = [v for v, places in rest.items() if _is_visit(kind, places[0])]
    groups = [v for v, places in rest.items() if v not in visits and _is_group(kind, places[0])]
    people = [v for v in rest if v not in visits and v not in groups] or groups or visits
    if people:
        # the most different words; of equals the first
        take("subject", max(people, key=lambda v: (len(set(v)), -vectors[v][0])))
    for vector in visits:
        if vector in rest and "session" not in kind.fields.values():
            take("session", vector)
    for vector in groups:
        if vector in rest:
            take(_unused(kind, _group_name(vector)), vector)
    if "session" not in kind.fields.values() and "subject" in kind.fields.values():
        _find_session(kind, rest, take)
    for vector in list(rest):
        take(_unused(kind, "number"), vector)


def like(kind: Kind, main: Kind) -> None:
    """Give the fields of another kind the names they have in the main one, by their values."""
    of_main = {name: set(main.values(main.places(name)[0])) for name in set(main.fields.values())}
    for place in kind.differing():
        values = set(kind.values(place))
        shares = {name: len(values & own) / len(values) for name, own in of_main.items()}
        name = max(shares, key=lambda key: (shares[key], key == "subject"), default="")
        if name and shares[name] > 0.5:
            kind.fields[place] = name


def common_letters(words: Sequence[str]) -> str:
    """Return the letters that all words begin with, where digits follow: IXI of IXI012."""
    matches = [re.fullmatch(r"([A-Za-z]+)(\d+)", word) for word in words]
    letters = {match[1] for match in matches if match}
    return letters.pop() if len(letters) == 1 and all(matches) else ""


def _split(kind: Kind) -> list[Kind]:
    """Split a kind at an unknown word that tells files of the same scan apart: T1 from tissue."""
    for place in kind.differing():
        values = set(kind.values(place))
        if len(values) > MOST_GROUPS or any(VISIT.fullmatch(v) or v.isdecimal() for v in values):
            continue
        if {v.lower() for v in values} <= SEXES | SITES or kind.in_folder(place):
            continue
        others = {tuple(w[:place] + w[place + 1 :]) for w in kind.words}
        if len(kind.paths) >= 0.75 * len(values) * len(others):
            by_value: dict[str, Kind] = {}
            for path, words in zip(kind.paths, kind.words, strict=True):
                part = by_value.setdefault(words[place], Kind([], [], kind.cuts))
                part.paths.append(path)
                part.words.append(words)
            return list(by_value.values())
    return [kind]


def _is_visit(kind: Kind, place: int) -> bool:
    values = set(kind.values(place))
    named = place > 0 and re.fullmatch(VISITS, kind.words[0][place - 1], re.IGNORECASE)
    return bool(named) or (
        len(values) <= MOST_GROUPS and all(VISIT.fullmatch(value) for value in values)
    )


def _is_group(kind: Kind, place: int) -> bool:
    values = set(kind.values(place))
    few = len(values) <= min(MOST_GROUPS, len(kind.paths) / 3)
    return few and all(re.search("[A-Za-z]", v) and not re.search(r"\d{2}", v) for v in values)


def _group_name(values: Iterable[str]) -> str:
    lower = {value.lower() for value in values}
    if lower <= SEXES:
        return "sex"
    return "site" if lower <= SITES else "group"


def _unused(kind: Kind, name: str) -> str:
    taken = set(kind.fields.values())
    return next(n for n in (name, *(f"{name}{i}" for i in range(2, 99))) if n not in taken)


def _find_session(
    kind: Kind,
    rest: dict[tuple[str, ...], list[int]],
    take: Callable[[str, tuple[str, ...]], None],
) -> None:
    """Where a subject has several files, a word that tells them apart is the session."""
    names = [kind.values(kind.places(name)[0]) for name in dict.fromkeys(kind.fields.values())]
    found = list(zip(*names, strict=True))
    if len(set(found)) == len(found):
        return
    for vector in rest:
        if len(set(zip(found, vector, strict=True))) == len(found):
            take("session", vector)
            return
