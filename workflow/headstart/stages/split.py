"""Decide who trains and who is held out: whole subjects, stratified, from a seed; then audit it."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections import Counter
from collections.abc import Hashable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.parts import files
from headstart.parts.allocation import chance
from headstart.parts.allocation import deal
from headstart.parts.allocation import in_proportion
from headstart.parts.allocation import rank
from headstart.parts.allocation import shares
from headstart.parts.balance import balance
from headstart.parts.balance import first_sessions
from headstart.parts.balance import in_order
from headstart.parts.balance import levels
from headstart.parts.balance import part_names
from headstart.parts.config import Kin
from headstart.parts.config import Split
from headstart.parts.errors import UserError
from headstart.parts.kinship import families
from headstart.parts.kinship import leaders
from headstart.parts.tables import read_table

TEST = "test"  # what stands for a fold's number in a split file
SHOWN = 10

Parts = list[list[str]]
Levels = dict[str, list[Hashable]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: the stage's part of the config")
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--output", type=Path, required=True, help="folder of splits.csv")
    parser.add_argument("--data", type=Path, default=Path(), help="data root, for split.file")
    parser.add_argument(
        "--audit", action="store_true", help="look for leaks in a split, with the three tables:"
    )
    parser.add_argument("--splits", type=Path, help="split/splits.csv")
    parser.add_argument("--summary", type=Path, help="check/summary.csv")
    parser.add_argument("--lookalikes", type=Path, help="prepare/lookalikes.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = json.loads(arguments.settings)
    passed = files.read_csv(arguments.passed)
    if arguments.audit:
        for name in ("splits", "summary", "lookalikes"):
            if getattr(arguments, name) is None:
                raise UserError(f"split: --audit needs --{name}")
        report = audit(
            splits=files.read_csv(arguments.splits),
            passed=passed,
            summary=files.read_csv(arguments.summary),
            lookalikes=files.read_csv(arguments.lookalikes),
            group=settings["group"],
            same=[Kin.model_validate(kin) for kin in settings["same"]],
            unrelated=[Kin.model_validate(kin) for kin in settings["unrelated"]],
        )
        files.write_json(arguments.output / "audit.json", report)
        return
    chosen = Split.model_validate(settings["split"])
    own = None
    if chosen.file is not None:
        own = read_own(arguments.data / chosen.file, settings["file"], chosen.folds)
    splits = split(passed=passed, settings=chosen, together=settings["together"], own=own)
    files.write_csv(arguments.output / "splits.csv", splits)
    files.write_csv(
        arguments.output / "balance.csv",
        balance(splits=splits, passed=passed, stratify=chosen.stratify),
    )


def split(
    *,
    passed: pd.DataFrame,
    settings: Split,
    together: Sequence[Sequence[str]] = (),
    own: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give every subject its part.

    Subjects are dealt out one by one, families first, then rare strata first and inside a stratum
    in the order of sha256(seed, subject), each to the part that is furthest from its share of the
    subject's levels (`allocation.deal`). So the folds' sizes differ by one at most where nobody
    has family, and every level and every combination is shared out in proportion. A stable split
    looks at nothing but seed and name: no subject's place depends on another's.

    Args:
        passed: The scans, one row per subject and session, as in check/passed.csv.
        settings: The config's section `split`.
        together: Lists of subjects that stay together, beside those of `settings.group`.
        own: The user's own split, as `read_own` gives it.

    Returns:
        subject, test (0/1), fold (text; '' for test subjects), inner (0/1): one row per subject.

    Raises:
        UserError: If there are too few subjects, a key names no column, the sites are not those
            of the config, or the user's own split lacks a subject.
    """
    _check_columns(passed, settings)
    subjects = first_sessions(passed)
    everyone = list(subjects["subject"])
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
    if own is not None and "inner" in own.columns:
        choosing = set(own["subject"][own["inner"] == "1"])
        inner = {subject for fold in folds for subject in fold if subject in choosing}
    else:
        inner = _inner(folds, of, settings, leader)
    _check_trainable(folds, inner, settings)

    number_of = {subject: str(number) for number, fold in enumerate(folds) for subject in fold}
    return pd.DataFrame(
        {
            "subject": everyone,
            "test": ["1" if subject in test else "0" for subject in everyone],
            "fold": [number_of.get(subject, "") for subject in everyone],
            "inner": ["1" if subject in inner else "0" for subject in everyone],
        }
    )


def read_own(path: Path, digest: str, folds: int) -> pd.DataFrame:
    """Read the user's own split.

    Args:
        path: A table with the columns subject and fold: a number from 0 on, or `test`. A column
            inner (0/1) may say who chooses the epoch. The splits.csv of a study will do.
        digest: sha256 of the bytes that the run was planned with.
        folds: `split.folds`.

    Returns:
        subject, fold and, where it is there, inner.

    Raises:
        UserError: If it was edited meanwhile, or a cell is not as described; names the rows.
    """
    if not path.is_file() or files.sha256(path) != digest:
        raise UserError(f"{path}: was changed after this run was planned; start it again")
    table = read_table(path, ("subject", "fold"), optional=("test", "inner"))
    if "test" in table.columns:
        table.loc[table["test"] == "1", "fold"] = TEST
    numbers = [str(number) for number in range(folds)]
    _check_cells(path, table["fold"], (*numbers, TEST), f"0 to {folds - 1} (split.folds) or {TEST}")
    if "inner" in table.columns:
        _check_cells(path, table["inner"], ("0", "1", ""), "0 or 1")
    twice = table["subject"][table["subject"].duplicated()]
    if len(twice):
        raise UserError(f"{path}: has more than one row of {_some(list(twice))}; keep one each")
    return table.drop(columns="test", errors="ignore")


def audit(
    *,
    splits: pd.DataFrame,
    passed: pd.DataFrame,
    summary: pd.DataFrame,
    lookalikes: pd.DataFrame,
    group: str | None = None,
    same: Sequence[Kin] = (),
    unrelated: Sequence[Kin] = (),
) -> dict[str, Any]:
    """Check that nobody is in two parts: no subject, family, voxels, or face under another name.

    Parts are the test, the folds, and inside each fold those who choose the epoch where it is
    trained on. How the split was made is not looked at.

    Args:
        splits: The parts, as `split` gives them.
        passed: The scans.
        summary: check/summary.csv, with a hash of each scan's voxels.
        lookalikes: prepare/lookalikes.csv: subject, session, other_subject, other_session,
            correlation, flipped.
        group: Column whose equal values keep subjects together.
        same: Subjects that a person found to be one, or of one family.
        unrelated: Subjects that look alike and are not the same, as a person found.

    Returns:
        What was compared, what a person decided, and the empty list `leaks`.

    Raises:
        UserError: If there is a leak, or a decision names nobody.
    """
    if splits["subject"].duplicated().any() or set(splits["subject"]) != set(passed["subject"]):
        raise RuntimeError("split: subjects are not each in one part")
    _check_names(summary, same, "same")
    _check_names(summary, unrelated, "unrelated")
    keys = ["subject", "session"]
    scans = passed[keys].merge(summary[[*keys, "hash"]], on=keys)
    if len(scans) != len(passed):
        raise RuntimeError("split: check/summary.csv does not hold all scans that passed")
    alike = _lookalikes(lookalikes, passed, unrelated)
    parts = _parts(splits)
    ties = [*_families(passed, group, same), *_same_voxels(scans), *alike]
    _check_leaks([tie for tie in ties if len({parts[s] for s in tie.subjects}) > 1], parts)

    names = part_names(splits)
    sizes = Counter(names.values())
    return {
        "subjects": len(splits),
        "scans": len(passed),
        "test": sizes["test"],
        "folds": [sizes[part] for part in in_order(names) if part != "test"],
        "inner": int((splits["inner"] == "1").sum()),
        "hashes_compared": len(scans),
        "families": sum(len(members) > 1 for members in families(passed, group).values()),
        "lookalikes": [{"subjects": tie.subjects, "why": tie.why} for tie in alike],
        "same": [kin.model_dump(mode="json") for kin in same],
        "unrelated": [kin.model_dump(mode="json") for kin in unrelated],
        "leaks": [],
    }


# --- who goes where -----------------------------------------------------------------------------


def _stratification(subjects: pd.DataFrame, settings: Split) -> Levels:
    """Return what is to be balanced about each subject, subjects in the order of dealing.

    That is: being a subject at all, its level of each label, and its combination of levels. A
    combination that is rarer than there are folds is merged with the others of its kind: it
    gives up its last label, if need be the one before, and so on.
    """
    labels = [levels(list(subjects[label])) for label in settings.stratify]
    own = [tuple(row) for row in zip(*labels, strict=True)] or [()] * len(subjects)
    merged = own
    for kept in reversed(range(len(labels))):
        sizes = Counter(merged)
        merged = [m if sizes[m] >= settings.folds else (*m[:kept], "*") for m in merged]
    sizes = Counter(merged)
    ranked = sorted(
        zip(subjects["subject"], own, merged, strict=True),
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
    passed: pd.DataFrame, rest: Levels, sites: Sequence[str], leader: Mapping[str, str]
) -> Parts:
    """Make a fold of each site."""
    found = Counter(passed.drop_duplicates(["subject", "site"])["site"])
    if set(found) != set(sites):
        there = ", ".join(f"{site or '(unknown)'} ({found[site]})" for site in sorted(found))
        raise UserError(
            f"split.sites: names {', '.join(sites)}, but the subjects that passed are of {there}; "
            "name each site once, and leave out scans of unknown site with check.exclude"
        )
    site_of: dict[str, str] = {}
    for subject, site in zip(passed["subject"], passed["site"], strict=True):
        other = site_of.setdefault(leader[subject], site)
        if other != site:
            raise UserError(
                f"split.sites: subject {subject}, or its family, was scanned at {other} and at "
                f"{site}, and can't be in two folds; leave out the scans of one with check.exclude"
            )
    return [[s for s in rest if site_of[leader[s]] == site] for site in sites]


def _as_given(
    everyone: Sequence[str], own: pd.DataFrame, settings: Split
) -> tuple[set[str], Parts]:
    """Look up everyone in the user's own split."""
    fold_of = dict(zip(own["subject"], own["fold"], strict=True))
    missing = [subject for subject in everyone if subject not in fold_of]
    if missing:
        raise UserError(
            f"{settings.file} (split.file): has no row of {_some(missing)}; add them, or leave "
            "them out with check.exclude"
        )
    folds = sorted({fold for fold in own["fold"] if fold != TEST}, key=int)
    members = [[subject for subject in everyone if fold_of[subject] == fold] for fold in folds]
    return {subject for subject in everyone if fold_of[subject] == TEST}, members


def _check_cells(path: Path, cells: pd.Series, allowed: Sequence[str], told: str) -> None:
    for row, cell in cells.items():
        if cell not in allowed:
            raise UserError(f"{path}: row {row} has the {cells.name} '{cell}'; it may be {told}")


def _inner(folds: Parts, of: Levels, settings: Split, leader: Mapping[str, str]) -> set[str]:
    """Choose those who choose the epoch where their fold is trained on."""
    if settings.stable:
        share = Fraction(settings.inner)
        rest = [subject for fold in folds for subject in fold]
        return {s for s in rest if chance(settings.seed, "inner", leader[s]) < share}
    sizes = [len(fold) for fold in folds]
    numbers = in_proportion(max(2, round(settings.inner * sum(sizes))), sizes)
    while sum(n > 0 for n in numbers) < 2:  # whoever is held out, others must choose
        largest = max((f for f, n in enumerate(numbers) if n == 0), key=sizes.__getitem__)
        numbers[largest] = 1
    inner: set[str] = set()
    for fold, number in zip(folds, numbers, strict=True):
        own = set(fold)
        members = {subject: of[subject] for subject in of if subject in own}
        inner.update(deal(members, [number, len(fold) - number], leader)[0])
    return inner


def _check_columns(passed: pd.DataFrame, settings: Split) -> None:
    asked = [("stratify", label) for label in settings.stratify]
    asked += [("group", settings.group)] if settings.group else []
    for key, label in asked:
        if label not in passed.columns:
            raise UserError(
                f"split.{key}: '{label}' is not a column of labels.csv; "
                f"allowed: {', '.join(passed.columns.drop('subject'))}"
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


def _check_trainable(folds: Parts, inner: set[str], settings: Split) -> None:
    for number in range(len(folds)):
        training = [s for other, fold in enumerate(folds) if other != number for s in fold]
        choosing = sum(subject in inner for subject in training)
        if 0 < choosing < len(training):
            continue
        subjects = sum(map(len, folds))
        if settings.stable:
            what = "the inner part" if choosing == 0 else "training"
            where = f"{what} of fold {number}"
            raise UserError(f"split: none of {subjects} subjects falls {_by_chance(where)}")
        raise UserError(
            f"split: {subjects} subjects for {len(folds)} folds{_in_families(settings)} leave fold "
            f"{number} without training or inner subjects; lower split.test, or add subjects"
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


# --- audit --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tie:
    """Subjects who must be in one part, and why."""

    subjects: tuple[str, ...]
    why: str


def _parts(splits: pd.DataFrame) -> dict[str, str]:
    """Return the part of each subject, with the inner part of a fold as a part of its own."""
    inner = set(splits["subject"][splits["inner"] == "1"])
    names = part_names(splits)
    return {s: f"inner part of {part}" if s in inner else part for s, part in names.items()}


def _families(passed: pd.DataFrame, group: str | None, same: Sequence[Kin]) -> Iterator[Tie]:
    for value, members in families(passed, group).items():
        yield Tie(tuple(members), f"{group} {value}")
    there = set(passed["subject"])
    for kin in same:
        yield Tie(tuple(s for s in kin.subjects if s in there), f"split.same: {kin.reason}")


def _same_voxels(scans: pd.DataFrame) -> Iterator[Tie]:
    for _, holders in scans.groupby("hash", sort=False)["subject"]:
        yield Tie(tuple(dict.fromkeys(holders)), "the very same voxels")


def _lookalikes(
    lookalikes: pd.DataFrame, passed: pd.DataFrame, unrelated: Sequence[Kin]
) -> list[Tie]:
    """Return the pairs that look alike, except those that a person found to be unrelated."""
    there = set(zip(passed["subject"], passed["session"], strict=True))
    ties = []
    for row in lookalikes.to_dict("records"):
        one, other = (row["subject"], row["session"]), (row["other_subject"], row["other_session"])
        pair = {one[0], other[0]}
        if not {one, other} <= there or any(pair <= set(kin.subjects) for kin in unrelated):
            continue
        flipped = " when one is flipped" if row["flipped"] == "1" else ""
        sessions = f"sessions {one[1]} and {other[1]}"
        why = f"look alike ({sessions}, correlation {row['correlation']}{flipped})"
        ties.append(Tie((one[0], other[0]), why))
    return ties


def _check_leaks(leaks: Sequence[Tie], parts: Mapping[str, str]) -> None:
    """Fail if there are leaks: name them all in the log, and one of them in the error."""
    if not leaks:
        return
    lines = [
        f"{', '.join(f'{subject} ({parts[subject]})' for subject in leak.subjects)}: {leak.why}"
        for leak in leaks
    ]
    for line in lines:
        print(f"  {line}", file=sys.stderr)
    first = ", ".join(leaks[0].subjects[:SHOWN])
    raise UserError(
        f"split: {len(leaks)} leak{'s' * (len(leaks) > 1)} between parts, e.g. {lines[0]}. "
        f"Look at them in the contact sheet; then put `- {{subjects: [{first}], reason: …}}` into "
        "split.same if they are one person or family, or into split.unrelated if they only look "
        "alike; or leave one out with check.exclude. Many such pairs are mended at once by the key "
        "`subject` of their source"
    )


def _check_names(summary: pd.DataFrame, decisions: Sequence[Kin], key: str) -> None:
    known = list(dict.fromkeys(summary["subject"]))
    for subject in [subject for kin in decisions for subject in kin.subjects]:
        if subject not in known:
            near = difflib.get_close_matches(subject, known, n=3) or known[:3]
            raise UserError(
                f"split.{key}: labels.csv has no subject '{subject}'; "
                f"there are, e.g., {', '.join(near)}"
            )
