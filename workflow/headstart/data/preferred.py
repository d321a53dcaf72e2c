"""Which of several scans of one session is taken, and which masks and channels belong to it."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from headstart.common.text import counted
from headstart.data.found_scans import NOT_PREFERRED
from headstart.data.found_scans import FoundScan


def preferred(paths: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return the files that the words choose, one word after the other; all where none does.

    Args:
        paths: Files that could be taken.
        words: E.g. `run-01`: a part of the path between signs such as / _ - and .
    """
    found = list(paths)
    for word in words:
        found = [path for path in found if _pattern(word).search(path)] or found
    return found


def complete(scans: Sequence[FoundScan]) -> list[str]:
    """Return of a session's scans those that lack least: a word decides among them alone."""
    usable = [scan for scan in scans if not scan.reason]
    most = max((len(scan.paths) for scan in usable), default=0)
    whole = [scan.path for scan in usable if len(scan.paths) == most]
    return whole or [scan.path for scan in scans]


def deciding_word(paths: Sequence[str]) -> str:
    """Return a word for `prefer` that takes one of some files, '' if no word does.

    Args:
        paths: Files that could be taken: a_run-01_T1.nii and a_run-02_T1.nii give run-01.
    """
    parts = ["nii.gz", *(part for path in paths for part in reversed(re.split(r"[/_. ]", path)))]
    # a bare number is that of a series, or a date: of one session only
    parts.sort(key=str.isdigit)
    return next((part for part in parts if part and len(preferred(paths, [part])) == 1), "")


def rivals_of(groups: Iterable[Sequence[str]], words: Sequence[str]) -> dict[str, set[str]]:
    """Return the rivals of each word: run-2 of run-1, MPRAGE of MP-RAGE.

    Args:
        groups: Files between which the words decide, those of one session together.
        words: As for `preferred`.
    """
    rivals: dict[str, set[str]] = {word: set() for word in words}
    for paths in groups:
        for word, found in rivals.items():
            chosen = [path for path in paths if _pattern(word).search(path)]
            shared = {part for path in chosen for part in _parts(path)}
            for path in paths if chosen else ():
                # a bare number is that of a series, or a date
                others = _parts(path) - shared
                found.update(part for part in others if word.isdigit() or not part.isdigit())
    return rivals


def binding(rivals: Mapping[str, set[str]], text: str, files: Iterable[str]) -> dict[str, set[str]]:
    """Return the words, with their rivals, that a mask or channel must share with its scan.

    Numbered words, run-1, count the same thing in all names, unless the study itself asks for a
    number here. Other words do if this kind of file has them at all: a T1's acq-mprage says
    nothing of a FLAIR's acq-space.

    Args:
        rivals: As of `rivals_of`.
        text: What the study says of the mask or channel: a template or a name.
        files: All files that could be one.
    """
    names = [text, *files]
    literal = re.sub(r"\{[^{}]*\}", "", text)
    return {
        word: others
        for word, others in rivals.items()
        if any(_pattern(word).search(name) for name in names)
        or (_numbered(word) and not _kind(word).search(literal))
    }


def of_same_scan(first: str, other: str, bound: Mapping[str, set[str]]) -> bool:
    """Whether no word that decides says that two files belong to different scans of a session.

    A name that says nothing, as one without any run, fits all.

    Args:
        first: The first channel's file.
        other: A mask or a further channel.
        bound: As of `binding`.
    """
    for word, others in bound.items():
        one, two = (_marks(path, word, others) for path in (first, other))
        if one and two and not one & two:
            return False
    return True


def take_preferred(scans: Sequence[FoundScan], words: Sequence[str], folder: Path) -> None:
    """Reject the scans of a session that has one which the words choose; say how many.

    A scan that lacks nothing is taken before one that does, whatever the words.

    Args:
        scans: A source's scans.
        words: As for `preferred`.
        folder: The source's folder, for the message.
    """
    sessions: dict[Hashable, list[FoundScan]] = defaultdict(list)
    for scan in scans if words else ():
        if scan.subject and scan.paths:
            sessions[scan.visit].append(scan)
    away = []
    for own in sessions.values():
        taken = preferred(complete(own), words)
        for scan in own:
            if scan.path not in taken:
                lack = f"; of this one, {scan.detail}" if scan.reason else ""
                scan.reason = NOT_PREFERRED
                scan.detail = f"{scan.path}: of its session, {taken[0]} is taken{lack}"
                away.append(scan.path)
    if away:
        print(
            f"{folder}: {counted(len(away), 'scan')} not taken, e.g. {min(away)}: of several in "
            f"one session `prefer` takes {' and '.join(words)}",
            file=sys.stderr,
        )


@cache
def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])")


def _numbered(word: str) -> bool:
    """Whether a word counts something: run-1, echo2; not 0012, which may count anything."""
    return re.fullmatch(r"\W*[^\W\d].*\d.*", word) is not None


@cache
def _kind(word: str) -> re.Pattern[str]:
    """Return what fits a word with any other number too."""
    kind = re.sub(r"\d+", r"\\d+", re.escape(word)) if _numbered(word) else re.escape(word)
    return re.compile(rf"(?<![^\W_]){kind}(?![^\W_])")


def _marks(path: str, word: str, rivals: set[str]) -> set[str]:
    """Return what a path has of a word's kind; run-01 is run-1."""
    found = {*_kind(word).findall(path), *(_parts(path) & rivals)}
    return {re.sub(r"(?<!\d)0+(?=\d)", "", mark) for mark in found}


def _parts(path: str) -> set[str]:
    return set(re.split(r"[/_. ]", path))
