"""Words that only the names of a session's further scans have: run-02, rescan, _2."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Sequence

from headstart.data.preferred import preferred
from headstart.data.templates import SUFFIX
from headstart.planning import file_words
from headstart.planning.file_names import Kind

RUN = re.compile(r"(run|rep(eat)?|rescan|retest|scan|take|series|mpr)?[-_ ]?\d{0,2}", re.IGNORECASE)
SURE_RUN = re.compile(r"(run|rep(eat)?|take|mpr)(\d{0,2})", re.IGNORECASE)  # by its word alone
MOST_WORDS = 2  # run-02


def counts_runs(kind: Kind, place: int) -> bool:
    """Whether the words at a place count the runs of a session: run1, or 1 of run-1."""
    values = kind.values(place)
    before = SURE_RUN.fullmatch(kind.words[0][place - 1]) if place else None
    numbers = before is not None and not before[3] and all(map(str.isdecimal, values))
    return numbers or all(map(SURE_RUN.fullmatch, values))


def run_places(kind: Kind) -> list[int]:
    """Return the places of words that only some of the names have."""
    return [place for place in sorted(kind.open) if "" in kind.values(place)]


def with_runs(one: Kind, other: Kind) -> tuple[Kind, Kind]:
    """Give two kinds a place for the run, if the names of one are those of the other plus a run."""
    if len(one.cuts) > len(other.cuts):
        longer, shorter = with_runs(other, one)
        return shorter, longer
    extra = len(other.cuts) - len(one.cuts)
    for place in range(1, len(one.cuts) + 1) if 0 < extra <= MOST_WORDS else ():
        joined = other.joined(place, place + extra - 1)
        cut, ends = one.cuts[place - 1], (joined.cuts[place - 1], joined.cuts[place])
        runs = joined.values(place)
        if _is_put_in(one, joined, place) and cut in ends and all(map(RUN.fullmatch, runs)):
            if cut == ends[1]:  # S01 and S01_2
                cuts, texts = ["", cut], [f"{ends[0]}{run}" for run in runs]
            else:
                cuts, texts = [cut, ""], [f"{run}{ends[1]}" for run in runs]
            cuts = [*one.cuts[: place - 1], *cuts, *one.cuts[place:]]
            without = [[*words[:place], "", *words[place:]] for words in one.words]
            named = [
                [*words[:place], text, *words[place + 1 :]]
                for words, text in zip(joined.words, texts, strict=True)
            ]
            return _with_place(one, without, cuts, place), _with_place(other, named, cuts, place)
    return one, other


def choose_runs(kind: Kind) -> tuple[list[str], str]:
    """Find the fewest words that choose one of several files of a session.

    Args:
        kind: Files with fields.

    Returns:
        The words for `prefer`, and what to say of them; none where each session has one file, or
        no words choose.
    """
    identity = [*kind.places("subject")[:1], *kind.places("session")[:1]]
    sessions: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for words, path in zip(kind.words, kind.paths, strict=True):
        sessions[tuple(words[place] for place in identity)].append(path)
    several = [paths for paths in sessions.values() if len(paths) > 1]
    chosen: list[str] = []
    while left := [paths for paths in several if len(preferred(paths, chosen)) > 1]:
        parts = {part for paths in left for path in paths for part in _parts(path)}
        gain = {
            part: sum(len(preferred(paths, [*chosen, part])) == 1 for paths in left)
            for part in parts - {""}
        }
        best = min(gain, key=lambda part: (-gain[part], RUN.fullmatch(part) is None, part))
        if not gain[best]:
            return [], ""
        chosen.append(best)
    if not several:
        return [], ""
    shown = " and ".join(several[0][:2])
    return chosen, (
        f"{len(several)} sessions have several scans, e.g. {shown}: `prefer` takes one of each, by "
        f"{', '.join(chosen)}; for another, correct it"
    )


def _parts(path: str) -> list[str]:
    """Return the parts of a path that `prefer` may name; a suffix is one."""
    stem = SUFFIX.sub("", path)
    return [*re.split(r"[/_. ]", stem), path[len(stem) + 1 :]]


def may_be_alike(ours: Collection[str], theirs: Collection[str]) -> bool:
    """Whether the words at a place of two kinds say the same, or may be different people's."""
    first, second = ({word.lower() for word in words} for words in (ours, theirs))
    if any(map(file_words.is_known, first | second)):
        return first == second and len(first) == 1
    return first == second or all_numbered(first | second) or len(first) > 1 or len(second) > 1


def all_numbered(words: Collection[str]) -> bool:
    """Whether all words hold a number."""
    return all(any(map(str.isdecimal, word)) for word in words)


def _is_put_in(one: Kind, other: Kind, place: int) -> bool:
    """Whether another kind has the names of one with a word put in after all that differs."""
    size = len(one.cuts)
    return (
        max(one.differing(), default=0) < place
        and one.cuts[: place - 1] == other.cuts[: place - 1]
        and one.cuts[place:] == other.cuts[place + 1 :]
        and all(may_be_alike(one.values(p), other.values(p)) for p in range(place))
        # sub01 is not sub of sub-01
        and all(all_numbered(one.values(p)) == all_numbered(other.values(p)) for p in range(place))
        and all(may_be_alike(one.values(p), other.values(p + 1)) for p in range(place, size))
    )


def _with_place(kind: Kind, words: list[list[str]], cuts: Sequence[str], place: int) -> Kind:
    opened = frozenset({*(p + (p >= place) for p in kind.open), place})
    return Kind(kind.paths, words, list(cuts), ids=kind.ids, open=opened)
