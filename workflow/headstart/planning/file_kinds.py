"""Files sorted into kinds, by the cuts and the known words of their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from headstart.data.templates import SUFFIX
from headstart.planning.file_names import Kind
from headstart.planning.file_words import CHANNELS
from headstart.planning.file_words import SEXES
from headstart.planning.file_words import SITES
from headstart.planning.file_words import VISIT
from headstart.planning.file_words import are_classes
from headstart.planning.file_words import common_letters
from headstart.planning.file_words import is_known

# What SPM and CAT12 put before the name of what they compute from a file.
DERIVED = re.compile(r"(s?m?0?[wr]?[cp][1-6]|s?[mw]{1,2}r?|i?y_?|r)(?=.{2})")
TIMEPOINT = re.compile(r"T(0|[3-9])", re.IGNORECASE)
MOST_GROUPS = 20
PRODUCT_SHARE = 0.75  # of all scans with all kinds
# Dates, ids that are several words elsewhere (002_S_0413, UUIDs) and fields (1.5T) stay whole, as
# do the names of SPM's deformation fields (y_sub01).
WORD = re.compile(
    r"(?<![^/])i?y_[A-Za-z][^/_\-. ]*"
    r"|(?<![^/_\-. ])\d\.\dT(?![^/_\-. ])"
    r"|(?<![^/_\-. ])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![^/_\-. ])"
    r"|\d{4}-\d\d-\d\d(?:_\d\d_\d\d_\d\d\.\d)?(?![^/_\-. ])|\d{3}_S_\d{4,5}(?!\d)|[^/_\-. ]+"
)
Signature = tuple[str, ...]


def kinds_of(
    paths: Sequence[str], joined: Callable[[Kind], Kind] = lambda kind: kind
) -> list[Kind]:
    """Sort files into kinds, the largest first.

    Args:
        paths: The files.
        joined: Makes one word of those that are one id.
    """
    groups: dict[Signature, Kind] = {}
    cut = {path: _cut_path(path) for path in paths}
    # where T0 or T3 stands, T1 is no channel
    times = {
        (place, *cuts)
        for words, cuts in cut.values()
        for place, word in enumerate(words)
        if TIMEPOINT.fullmatch(word)
    }
    times |= _timepoints(cut.values())
    for path, (words, cuts) in cut.items():
        known = [
            word.lower() if is_known(word.lower()) and (place, *cuts) not in times else ""
            for place, word in enumerate(words)
        ]
        key = (*known, *cuts)
        group = groups.setdefault(key, Kind([], [], cuts))
        group.paths.append(path)
        group.words.append(words)
    kinds = [part for group in _with_both_suffixes(groups) for part in _by_prefix(group)]
    split = [part for kind in kinds for part in _split(joined(kind))]
    return sorted(split, key=lambda kind: -len(kind.paths))


def _timepoints(names: Iterable[tuple[list[str], list[str]]]) -> set[tuple[int | str, ...]]:
    """Return the places of folders t1 and t2 that hold the same channels: they are no channels."""
    below: dict[tuple[int | str, ...], dict[str, set[Signature]]] = {}
    for words, cuts in names:
        for place, word in enumerate(map(str.lower, words)):
            if word in ("t1", "t2") and "/" in "".join(cuts[place:]):
                channels = tuple(w for w in map(str.lower, words[place + 1 :]) if w in CHANNELS)
                own = below.setdefault((place, *cuts), {"t1": set(), "t2": set()})
                own[word].add(channels)
    return {key for key, own in below.items() if (own["t1"] & own["t2"]) - {()}}


def _by_prefix(kind: Kind) -> list[Kind]:
    """Separate what SPM computed from a file, c1P01 from P01, from the file itself."""
    for place in kind.differing():
        values = set(kind.values(place))
        prefixes = []
        for word in kind.values(place):
            match = DERIVED.match(word)
            prefixes.append(match[1] if match and word[match.end() :] in values else "")
        if any(prefixes):
            # of as many files, those that the others were made of are the scans
            parts = dict(zip(dict.fromkeys(prefixes), split_by(kind, prefixes), strict=True))
            return [parts.pop(""), *parts.values()]
    return [kind]


def _with_both_suffixes(groups: dict[Signature, Kind]) -> list[Kind]:
    """Merge files that end in .nii with those that end in .nii.gz, unless one of them has all."""
    kinds = dict(groups)
    for key, plain in groups.items():
        packed = groups.get((*key[:-1], ".nii.gz")) if key[-1] == ".nii" else None
        if packed is None:
            continue
        names = [{SUFFIX.sub("", path) for path in kind.paths} for kind in (plain, packed)]
        if names[0] - names[1] and names[1] - names[0]:
            paths, words = plain.paths + packed.paths, plain.words + packed.words
            kinds[key] = Kind(paths, words, [*plain.cuts[:-1], ".nii*"])
            del kinds[*key[:-1], ".nii.gz"]
    return list(kinds.values())


def _cut_path(path: str) -> tuple[list[str], list[str]]:
    match = SUFFIX.search(path)
    stem, suffix = (path[: match.start()], match.group()) if match else (path, "")
    words, cuts = _cut(stem)
    return words, [*cuts[:-1], suffix.lower()]


def _cut(stem: str) -> tuple[list[str], list[str]]:
    """Return the words of a name, and what follows each."""
    start, *pieces = re.split(f"({WORD.pattern})", stem)
    words, cuts = pieces[::2], pieces[1::2]
    return (["", *words], [start, *cuts]) if start or not words else (words, cuts)


def like(kind: Kind, main: Kind) -> None:
    """Name the fields of another kind as in the main one, by their values."""
    of_main = {name: set(main.values(main.places(name)[0])) for name in set(main.fields.values())}
    for place in kind.differing():
        values = set(kind.values(place))
        shares = {name: len(values & own) / len(values) for name, own in of_main.items()}
        name = max(shares, key=lambda key: (shares[key], key == "subject"), default="")
        if name and shares[name] > 0.5:
            kind.fields[place] = name


def _split(kind: Kind) -> list[Kind]:
    """Split a kind at an unknown word that distinguishes files of the same scan: T1 from tissue."""
    places = [place for place in kind.differing() if _names_kinds(kind, place)]
    if not places:
        return [kind]
    # the fewest words are those of kinds; of as many, the last
    place = min(places, key=lambda p: (len(set(kind.values(p))), -p))
    return split_by(kind, kind.values(place))


def split_by(kind: Kind, labels: Sequence[str]) -> list[Kind]:
    """Split a kind by a label of each file."""
    parts: dict[str, Kind] = {}
    for path, words, label in zip(kind.paths, kind.words, labels, strict=True):
        part = parts.setdefault(label, Kind([], [], kind.cuts, ids=kind.ids))
        part.paths.append(path)
        part.words.append(words)
    return list(parts.values())


def _names_kinds(kind: Kind, place: int) -> bool:
    """Whether the words at a place name kinds of files, of which nearly every scan has all."""
    values = set(kind.values(place))
    if len(values) > MOST_GROUPS or {value.lower() for value in values} <= SEXES | SITES:
        return False
    if (
        are_classes(sorted(values))
        or kind.in_folder(place)
        or any(VISIT.fullmatch(v) or v.isdecimal() for v in values)
    ):
        return False
    # S1, S2, … are numbered
    return not common_letters(list(values)) and nearly_all(kind, place)


def nearly_all(kind: Kind, place: int) -> bool:
    """Whether nearly every scan has all the words at a place; False if it is but one scan."""
    scans = {tuple(words[:place] + words[place + 1 :]) for words in kind.words}
    several = len(scans) > 1  # one name each are the names of people
    return several and len(kind.paths) >= PRODUCT_SHARE * len(set(kind.values(place))) * len(scans)
