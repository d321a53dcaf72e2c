"""Who trains and who is held out: whole subjects, stratified, from a seed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pandas as pd

from headstart.cohort.allocation import chance
from headstart.cohort.allocation import deal
from headstart.cohort.allocation import in_proportion
from headstart.cohort.allocation import rank
from headstart.cohort.allocation import shares
from headstart.cohort.audit import SHOWN
from headstart.cohort.balance import first_sessions
from headstart.cohort.balance import levels
from headstart.cohort.config import Split
from headstart.cohort.groups import leaders
from headstart.cohort.splits import SplitRow
from headstart.common import files
from headstart.common.errors import UserError
from headstart.data.label_table import LabelRow
from headstart.data.tables import read_all
from headstart.data.tables import read_table

# Columns that others call what is `validation` here; not to read them would be another split.
MISNAMED = re.compile(
    r"inner|dev|val(id)?|(is|in)[ _]?val(id(ation)?)?|validation.+", re.IGNORECASE
)
TEST = "test"  # what stands for a fold's number in a split file
Parts = list[list[str]]
Levels = dict[str, list[Hashable]]


def split(
    *,
    passed: Sequence[LabelRow],
    settings: Split,
    together: Sequence[Sequence[str]] = (),
    own: OwnSplit | None = None,
) -> list[SplitRow]:
    """Give every subject its part.

    Subjects are dealt out one by one, families first, then rare strata first and inside a stratum
    in the order of sha256(seed, subject), each to the part that is furthest from its share of the
    subject's levels (`allocation.deal`). So the folds' sizes differ by one at most where nobody
    has family, and every level and every combination is shared out in proportion. A stable split
    looks at nothing but seed and name: no subject's place depends on another's. Each repeat deals
    them into folds again, by a seed of its own; the first is what it is without others.

    Args:
        passed: The scans, one row per subject and session, as in check/passed.csv.
        settings: The config's section `split`.
        together: Lists of subjects that stay together, beside those of `settings.group`.
        own: The user's own split, as `read_own` gives it.

    Returns:
        A row per subject.

    Raises:
        UserError: If there are too few subjects, a key names no column, the sites are not those
            of the config, or the user's own split lacks a subject.
    """
    _check_columns(passed, settings)
    subjects = first_sessions(passed)
    everyone = [row.subject for row in subjects]
    leader = leaders(passed, settings.group, together)
    of = _stratification(subjects, settings)
    if own is not None:
        test, folds = _as_given(everyone, own, settings)
    else:
        test = _held_out(of, settings, leader)
        rest = {subject: of[subject] for subject in of if subject not in test}
        if settings.sites:
            folds = _by_site(passed, rest, settings.sites, leader)
        else:
            folds = _folds(rest, settings, leader)
    _check_filled(folds, settings)
    if own is not None and own.validation is not None:
        validation = {s for fold in folds for s in fold if s in own.validation}
    else:
        validation = _for_validation(folds, of, settings, leader)
    _check_trainable(folds, validation, settings)

    number_of = _numbers(folds)
    again = {
        str(repeat): _numbers(_dealt_again(subjects, settings, leader, test, validation, repeat))
        for repeat in range(1, settings.repeats)
    }
    return [
        SplitRow(
            subject,
            subject in test,
            number_of.get(subject),
            subject in validation,
            {
                repeat: "" if subject in test else str(int(repeat) * settings.folds + of[subject])
                for repeat, of in again.items()
            },
        )
        for subject in everyone
    ]


def _numbers(folds: Parts) -> dict[str, int]:
    """Return the fold of each subject."""
    return {subject: number for number, fold in enumerate(folds) for subject in fold}


def _dealt_again(
    subjects: Sequence[LabelRow],
    settings: Split,
    leader: Mapping[str, str],
    test: Set[str],
    validation: set[str],
    repeat: int,
) -> Parts:
    """Deal those who are not held out for the test into folds, otherwise than before.

    Those for validation stay the same, and are spread over the folds.
    """
    seed = int.from_bytes(rank(settings.seed, f"repeat\0{repeat}")[:4])
    other = settings.model_copy(update={"seed": seed})
    rest: Levels = {
        subject: [*own, ("validation", subject in validation)]
        for subject, own in _stratification(subjects, other).items()
        if subject not in test
    }
    folds = _folds(rest, other, leader)
    _check_filled(folds, other)
    _check_trainable(folds, validation, other)
    return folds


@dataclass(frozen=True)
class OwnSplit:
    """A split of the user's own.

    Attributes:
        folds: The fold of each subject; None for those held out for the final test.
        validation: Who chooses the epoch; None where that is left to `split`.
    """

    folds: Mapping[str, int | None]
    validation: Set[str] | None


def read_own(path: Path, digest: str, folds: int) -> OwnSplit:
    """Read the user's own split.

    Args:
        path: A table with the columns subject and fold: a number from 0 on, or `test`. A column
            validation (0/1) may say who chooses the epoch. The splits.csv of a study will do.
        digest: sha256 of the bytes that the run was planned with.
        folds: `split.folds`.

    Raises:
        UserError: If it was edited meanwhile, or a cell is not as described; names the rows.
    """
    if not path.is_file() or files.sha256(path) != digest:
        raise UserError(f"{path}: was changed after this run was planned; start it again")
    for name in map(str, read_all(path)):
        if MISNAMED.fullmatch(name):
            raise UserError(f"{path}: has a column '{name}'; call it `validation`, or remove it")
    table = read_table(path, ("subject", "fold"), optional=("test", "validation"))
    if "test" in table.columns:
        table.loc[table["test"] == "1", "fold"] = TEST
    numbers = [str(number) for number in range(folds)]
    _check_cells(path, table["fold"], (*numbers, TEST), f"0 to {folds - 1} (split.folds) or {TEST}")
    if "validation" in table.columns:
        _check_cells(path, table["validation"], ("0", "1", ""), "0 or 1")
    twice = table["subject"][table["subject"].duplicated()]
    if len(twice):
        raise UserError(f"{path}: has more than one row of {_some(list(twice))}; keep one each")
    fold_of = {
        subject: None if fold == TEST else int(fold)
        for subject, fold in zip(table["subject"], table["fold"], strict=True)
    }
    validation = None
    if "validation" in table.columns:
        validation = frozenset(table["subject"][table["validation"] == "1"])
    return OwnSplit(fold_of, validation)


def _stratification(subjects: Sequence[LabelRow], settings: Split) -> Levels:
    """Return what is to be balanced about each subject, subjects in the order of dealing.

    That is: being a subject at all, its level of each label, and its combination of levels. A
    combination that is rarer than there are folds is merged with the others of its kind: it
    gives up its last label, if need be the one before, and so on.
    """
    labels = [levels([row.values[label] for row in subjects]) for label in settings.stratify]
    own = [tuple(row) for row in zip(*labels, strict=True)] or [()] * len(subjects)
    merged = own
    for kept in reversed(range(len(labels))):
        sizes = Counter(merged)
        merged = [m if sizes[m] >= settings.folds else (*m[:kept], "*") for m in merged]
    sizes = Counter(merged)
    ranked = sorted(
        zip([row.subject for row in subjects], own, merged, strict=True),
        key=lambda row: (sizes[row[2]], row[2], rank(settings.seed, row[0])),
    )
    return {
        subject: ["subject", *enumerate(values), ("combination", stratum)]
        for subject, values, stratum in ranked
    }


def _held_out(of: Levels, settings: Split, leader: Mapping[str, str]) -> set[str]:
    share, everyone = Fraction(settings.test), len(of)
    if settings.stable:
        test = {s for s in of if chance(settings.seed, "test", leader[s]) < share}
        if settings.test > 0 and not test:
            raise UserError(f"split: none of {everyone} subjects falls {_by_chance('the test')}")
        return test
    size = max(1, round(settings.test * everyone)) if settings.test > 0 else 0
    return set(deal(of, [size, everyone - size], leader)[0])


def _folds(rest: Levels, settings: Split, leader: Mapping[str, str]) -> Parts:
    if not settings.stable:
        return deal(rest, shares(len(rest), settings.folds), leader)
    folds: Parts = [[] for _ in range(settings.folds)]
    for subject in rest:
        place = chance(settings.seed, "fold", leader[subject])
        folds[int(place * settings.folds)].append(subject)
    return folds


def _by_site(
    passed: Sequence[LabelRow], rest: Levels, sites: Sequence[str], leader: Mapping[str, str]
) -> Parts:
    """Make a fold of each site."""
    found = Counter(site for _, site in {(row.subject, row.site) for row in passed})
    if set(found) != set(sites):
        there = ", ".join(f"{site or '(unknown)'} ({found[site]})" for site in sorted(found))
        raise UserError(
            f"split.sites: names {', '.join(sites)}, but the subjects that passed are of {there}; "
            "name each site once, and leave out scans of unknown site with check.exclude"
        )
    site_of: dict[str, str] = {}
    for row in passed:
        other = site_of.setdefault(leader[row.subject], row.site)
        if other != row.site:
            raise UserError(
                f"split.sites: subject {row.subject}, or its family, was scanned at {other} and at "
                f"{row.site}, and can't be in two folds; leave out the scans of one with "
                "check.exclude"
            )
    return [[s for s in rest if site_of[leader[s]] == site] for site in sites]


def _as_given(everyone: Sequence[str], own: OwnSplit, settings: Split) -> tuple[set[str], Parts]:
    """Look up everyone in the user's own split."""
    missing = [subject for subject in everyone if subject not in own.folds]
    if missing:
        raise UserError(
            f"{settings.file} (split.file): has no row of {_some(missing)}; add them, or leave "
            "them out with check.exclude"
        )
    folds = sorted({fold for fold in own.folds.values() if fold is not None})
    members = [[subject for subject in everyone if own.folds[subject] == fold] for fold in folds]
    return {subject for subject in everyone if own.folds[subject] is None}, members


def _check_cells(path: Path, cells: pd.Series, allowed: Sequence[str], told: str) -> None:
    for row, cell in cells.items():
        if cell not in allowed:
            raise UserError(f"{path}: row {row} has the {cells.name} '{cell}'; it may be {told}")


def _for_validation(
    folds: Parts, of: Levels, settings: Split, leader: Mapping[str, str]
) -> set[str]:
    """Choose those who choose the epoch where their fold is trained on."""
    if settings.validation == 0:
        return set()
    if settings.stable:
        share = Fraction(settings.validation)
        rest = [subject for fold in folds for subject in fold]
        return {s for s in rest if chance(settings.seed, "inner", leader[s]) < share}
    sizes = [len(fold) for fold in folds]
    numbers = in_proportion(max(2, round(settings.validation * sum(sizes))), sizes)
    while sum(n > 0 for n in numbers) < 2:  # whoever is held out, others must choose
        largest = max((f for f, n in enumerate(numbers) if n == 0), key=sizes.__getitem__)
        numbers[largest] = 1
    validation: set[str] = set()
    for fold, number in zip(folds, numbers, strict=True):
        own = set(fold)
        members = {subject: of[subject] for subject in of if subject in own}
        validation.update(deal(members, [number, len(fold) - number], leader)[0])
    return validation


def _check_columns(passed: Sequence[LabelRow], settings: Split) -> None:
    asked = [("stratify", label) for label in settings.stratify]
    asked += [("group", settings.group)] if settings.group else []
    for key, label in asked:
        if not all(label in row.values for row in passed):
            raise UserError(
                f"split.{key}: '{label}' is not a column of labels.csv; "
                f"allowed: {', '.join(passed[0].values)}"
            )


def _check_filled(folds: Parts, settings: Split) -> None:
    empty = [number for number, fold in enumerate(folds) if not fold]
    if not empty and len(folds) == settings.folds:
        return
    subjects = sum(map(len, folds))
    if settings.file:
        raise UserError(
            f"{settings.file} (split.file): has {len(folds) - len(empty)} folds with subjects that "
            f"passed, but split.folds is {settings.folds}; make them equal, from fold 0 on"
        )
    if settings.sites:
        raise UserError(
            f"split: all subjects of {settings.sites[empty[0]]} are held out for the test; "
            "set split.test: 0, or leave the site out"
        )
    if settings.stable:
        raise UserError(
            f"split: none of {subjects} subjects falls {_by_chance(f'fold {empty[0]}')}"
        )
    raise UserError(
        f"split: {subjects} subjects that are not held out are too few for {settings.folds} folds"
        f"{_in_families(settings)}; lower split.folds or split.test, or add subjects"
    )


def _check_trainable(folds: Parts, validation: set[str], settings: Split) -> None:
    for number in range(len(folds)):
        training = [s for other, fold in enumerate(folds) if other != number for s in fold]
        choosing = sum(subject in validation for subject in training)
        if (choosing > 0 or settings.validation == 0) and choosing < len(training):
            continue
        subjects = sum(map(len, folds))
        if settings.stable:
            what = "the validation set" if choosing == 0 else "training"
            where = f"{what} of fold {number}"
            raise UserError(f"split: none of {subjects} subjects falls {_by_chance(where)}")
        raise UserError(
            f"split: {subjects} subjects for {len(folds)} folds{_in_families(settings)} leave fold "
            f"{number} without subjects for training or for validation; lower split.test, or add "
            "subjects"
        )


def _by_chance(where: str) -> str:
    return (
        f"into {where}, as in a stable split chance alone decides; set split.stable: false, "
        "take fewer folds or another split.seed, or add subjects"
    )


def _in_families(settings: Split) -> str:
    return f" when those of one {settings.group} stay together" if settings.group else ""


def _some(subjects: Sequence[str]) -> str:
    """Name some subjects and count the rest."""
    rest = len(subjects) - SHOWN
    return f"subject{'s' * (len(subjects) > 1)} {', '.join(subjects[:SHOWN])}" + (
        f" and {rest} more" if rest > 0 else ""
    )
