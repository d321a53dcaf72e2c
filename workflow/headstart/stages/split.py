"""Decide who trains and who is held out: whole subjects, stratified, from a seed."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.parts import files
from headstart.parts.config import Split
from headstart.parts.errors import UserError

BINS = 4  # a number is stratified by its quartiles
CATEGORIES = 10  # a label of numbers with no more distinct values than this is a category


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON with the config's section `split`")
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--summary", type=Path, help="check/summary.csv, whose hashes are audited")
    parser.add_argument("--output", type=Path, required=True, help="folder of splits.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = Split.model_validate(json.loads(arguments.settings)["split"])
    passed = files.read_csv(arguments.passed)
    splits = split(passed=passed, settings=settings)
    summary = None if arguments.summary is None else files.read_csv(arguments.summary)
    report = audit(splits=splits, passed=passed, summary=summary)
    files.write_csv(arguments.output / "splits.csv", splits)
    files.write_csv(
        arguments.output / "balance.csv",
        balance(splits=splits, passed=passed, stratify=settings.stratify),
    )
    files.write_json(arguments.output / "audit.json", report)


def split(*, passed: pd.DataFrame, settings: Split) -> pd.DataFrame:
    """Give every subject its part.

    Subjects are dealt out one by one, rare strata first and inside a stratum in the order of
    sha256(seed, subject), each to the part that is furthest from its share of the subject's
    levels (after Sechidis 2011, doi:10.1007/978-3-642-23808-6_10). So the folds' sizes differ by
    one at most, every level and every combination is shared out in proportion, and nothing
    depends on the order of the rows, the machine or a library's random numbers.

    Args:
        passed: The scans, one row per subject and session, as in check/passed.csv.
        settings: The config's section `split`.

    Returns:
        subject, test (0/1), fold (text; '' for test subjects), inner (0/1): one row per subject.

    Raises:
        UserError: If there are too few subjects, or `stratify` names no column.
    """
    subjects = _first_sessions(passed)
    everyone = list(subjects["subject"])
    levels = _stratification(subjects, settings)

    held_out = round(settings.test * len(everyone))
    if settings.test > 0:
        held_out = max(1, held_out)
    rest = len(everyone) - held_out
    if rest < settings.folds:
        raise UserError(
            f"split: {len(everyone)} subjects, {held_out} of them held out, are too few for "
            f"{settings.folds} folds; lower split.folds or split.test, or add subjects"
        )
    test, others = _deal(levels, [held_out, rest])
    folds = _deal({subject: levels[subject] for subject in others}, _shares(rest, settings.folds))

    choosing = _shares(max(2, round(settings.inner * rest)), settings.folds)
    inner: set[str] = set()
    for fold, number in zip(folds, choosing, strict=True):
        members = {subject: levels[subject] for subject in fold}
        inner.update(_deal(members, [number, len(fold) - number])[0])
    _check_trainable(folds, inner)

    number_of = {subject: str(number) for number, fold in enumerate(folds) for subject in fold}
    return pd.DataFrame(
        {
            "subject": everyone,
            "test": ["1" if subject in test else "0" for subject in everyone],
            "fold": [number_of.get(subject, "") for subject in everyone],
            "inner": ["1" if subject in inner else "0" for subject in everyone],
        }
    )


def balance(*, splits: pd.DataFrame, passed: pd.DataFrame, stratify: Sequence[str]) -> pd.DataFrame:
    """Count each label's levels in each part.

    Returns:
        part (test, fold-0, …), label, level, n: numbers of subjects; the label `scans` counts
        scans.
    """
    subjects = _first_sessions(passed)
    parts = _parts(splits)
    labels = {"subjects": ["all"] * len(subjects)}
    labels |= {label: _levels(subjects[label])[1] for label in stratify}
    part = subjects["subject"].map(parts)
    rows = []
    for label, levels in labels.items():
        counts = Counter(zip(part, levels, strict=True))
        named = sorted(set(levels), key=_natural)
        rows += [(p, label, level, counts[p, level]) for p in _in_order(parts) for level in named]
    scans = Counter(passed["subject"].map(parts))
    rows += [(p, "scans", "all", scans[p]) for p in _in_order(parts)]
    return pd.DataFrame(rows, columns=["part", "label", "level", "n"])


def audit(
    *, splits: pd.DataFrame, passed: pd.DataFrame, summary: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Check that no subject and no scan's voxels are in two parts.

    Args:
        splits: The parts, as `split` gives them.
        passed: The scans.
        summary: check/summary.csv; without it, voxels are not compared.

    Returns:
        Numbers of subjects, scans, test subjects, subjects per fold and compared scans; the
        list `leaks` is empty.

    Raises:
        UserError: If two subjects in two parts have the same voxels.
    """
    twice = splits["subject"][splits["subject"].duplicated()]
    if len(twice) or set(splits["subject"]) != set(passed["subject"]):
        raise RuntimeError(f"split: subjects are not each in one part: {list(twice)}")
    parts = _parts(splits)
    compared = 0
    if summary is not None:
        scans = passed[["subject", "session"]].merge(summary[["subject", "session", "hash"]])
        compared = len(scans)
        _check_voxels(scans, parts)
    sizes = Counter(parts.values())
    return {
        "subjects": len(splits),
        "scans": len(passed),
        "test": sizes["test"],
        "folds": [sizes[part] for part in _in_order(parts) if part != "test"],
        "inner": int((splits["inner"] == "1").sum()),
        "hashes_compared": compared,
        "leaks": [],
    }


def _first_sessions(passed: pd.DataFrame) -> pd.DataFrame:
    """Return one row per subject, its first session, in natural order of the subjects."""
    order = sorted(
        passed.index,
        key=lambda row: (
            _natural(str(passed.at[row, "subject"])),
            _natural(str(passed.at[row, "session"])),
        ),
    )
    return passed.loc[order].drop_duplicates("subject").reset_index(drop=True)


def _stratification(subjects: pd.DataFrame, settings: Split) -> dict[str, list[Hashable]]:
    """Return what is to be balanced about each subject, subjects in the order of dealing.

    That is: being a subject at all, its level of each label, and its combination of levels. A
    combination that is rarer than there are folds is merged with the others of its kind: it
    gives up its last label, if need be the one before, and so on.
    """
    unknown = [label for label in settings.stratify if label not in subjects.columns]
    if unknown:
        raise UserError(
            f"split.stratify: '{unknown[0]}' is not a column of labels.csv; "
            f"allowed: {', '.join(subjects.columns.drop('subject'))}"
        )
    labels = [_levels(subjects[label])[0] for label in settings.stratify]
    levels = [tuple(row) for row in zip(*labels, strict=True)] or [()] * len(subjects)
    merged = levels
    for kept in reversed(range(len(labels))):
        sizes = Counter(merged)
        merged = [m if sizes[m] >= settings.folds else (*m[:kept], "*") for m in merged]
    sizes = Counter(merged)
    ranked = sorted(
        zip(subjects["subject"], levels, merged, strict=True),
        key=lambda row: (sizes[row[2]], row[2], _rank(settings.seed, row[0])),
    )
    return {
        subject: ["subject", *enumerate(own), ("combination", stratum)]
        for subject, own, stratum in ranked
    }


def _levels(values: pd.Series) -> tuple[list[str], list[str]]:
    """Return the level of each value, once as a sortable key and once as text for the reader.

    Numbers with many distinct values are binned by quantiles; equal values share a bin.
    """
    texts = [str(value) for value in values]
    try:
        numbers = [float(text) for text in texts if text]
    except ValueError:
        return texts, texts
    if len(set(numbers)) <= CATEGORIES:
        return texts, texts
    ordered = sorted(numbers)
    first: dict[float, int] = {}
    for position, number in enumerate(ordered):
        first.setdefault(number, position)
    bins = {number: BINS * first[number] // len(ordered) for number in first}
    held = {b: [number for number in first if bins[number] == b] for b in set(bins.values())}
    names = {b: f"{min(numbers):g} to {max(numbers):g}" for b, numbers in held.items()}
    keys = [str(bins[float(text)]) if text else "" for text in texts]
    return keys, [names[int(key)] if key else "" for key in keys]


def _rank(seed: int, subject: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{subject}".encode()).digest()


def _shares(total: int, parts: int) -> list[int]:
    """Sizes of so many parts of a total: as equal as can be."""
    return [total * (part + 1) // parts - total * part // parts for part in range(parts)]


def _deal(levels: Mapping[str, Sequence[Hashable]], sizes: Sequence[int]) -> list[list[str]]:
    """Deal out subjects, in the order given, to parts of exactly these sizes.

    Args:
        levels: For each subject the levels that are to be balanced between the parts.
        sizes: Numbers of subjects of the parts; they sum up to all subjects.

    Returns:
        The parts, subjects in the order given.
    """
    parts: list[list[str]] = [[] for _ in sizes]
    held: list[Counter[Hashable]] = [Counter() for _ in sizes]
    for subject, own in levels.items():
        free = [part for part, size in enumerate(sizes) if len(parts[part]) < size]
        # exact fractions: no rounding decides who goes where
        part = min(free, key=lambda p: Fraction(sum(2 * held[p][k] + 1 for k in own), sizes[p]))
        parts[part].append(subject)
        held[part].update(own)
    return parts


def _check_trainable(folds: Sequence[Sequence[str]], inner: set[str]) -> None:
    for number in range(len(folds)):
        training = [s for other, fold in enumerate(folds) if other != number for s in fold]
        choosing = sum(subject in inner for subject in training)
        if not 0 < choosing < len(training):
            raise UserError(
                f"split: {sum(map(len, folds))} subjects for {len(folds)} folds leave fold "
                f"{number} without training or inner subjects; lower split.test, or add subjects"
            )


def _parts(splits: pd.DataFrame) -> dict[str, str]:
    names = [
        "test" if test == "1" else f"fold-{fold}"
        for test, fold in zip(splits["test"], splits["fold"], strict=True)
    ]
    return dict(zip(splits["subject"], names, strict=True))


def _in_order(parts: dict[str, str]) -> list[str]:
    return sorted(set(parts.values()), key=lambda part: (part != "test", _natural(part)))


def _check_voxels(scans: pd.DataFrame, parts: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for subject, voxels in zip(scans["subject"], scans["hash"], strict=True):
        other = seen.setdefault(voxels, subject)
        if parts[other] != parts[subject]:
            raise UserError(
                f"split: subjects {other} and {subject} have the same voxels but are in "
                f"{parts[other]} and {parts[subject]}; one scan stands under two names: leave "
                "one out with check.exclude, or give both one subject"
            )


def _natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which `Sub_9` stands before `Sub_10`."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p) for p in pieces], text
