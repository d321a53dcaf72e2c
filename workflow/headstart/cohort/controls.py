"""Controls: a cohort that nothing can be learnt from, and one of fewer subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.allocation import chance
from headstart.cohort.allocation import rank
from headstart.cohort.balance import continuous
from headstart.cohort.balance import first_sessions
from headstart.cohort.balance import levels
from headstart.cohort.groups import natural
from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import Scan
from headstart.cohort.settings import SHARES
from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow
from headstart.data.label_table import lacking

PERMUTATIONS = 1000


def controlled(
    cohort: Cohort, control: str | None, fold: int, seed: int, stratify: Sequence[str] = ()
) -> Cohort:
    """Return the cohort as a control's training sees it.

    Args:
        cohort: The cohort.
        control: `shuffled`: each subject has another one's target, a training subject a training
            subject's and one for validation likewise; `background`: the heads are blanked;
            `quarter` and `half`: so many of the training subjects, the quarter a part of the half;
            None: no control.
        fold: The fold that is held out.
        seed: The run's seed.
        stratify: Labels that a share of the subjects has like all of them.
    """
    if control == "shuffled":
        parts = (cohort.training(fold), cohort.validation(fold))
        other = {scan.key: scan for part in parts for scan in shuffled(part, seed)}
        return replace(cohort, scans=tuple(other.get(scan.key, scan) for scan in cohort.scans))
    if control == "background":
        return replace(cohort, scans=tuple(map(without_head, cohort.scans)))
    if control in SHARES:
        everyone = _in_strata(cohort, cohort.training(fold), seed, stratify)
        left_out = set(everyone[max(1, round(SHARES[control] * len(everyone))) :])
        kept = tuple(scan for scan in cohort.scans if scan.subject not in left_out)
        return replace(cohort, scans=kept)
    return cohort


def shuffled(scans: Sequence[Scan], seed: int) -> list[Scan]:
    """Give each subject the targets of another one, in the order of their sessions, by lot.

    Args:
        scans: The scans, all with a target.
        seed: Decides who gets whose.
    """
    targets: dict[str, list[str]] = {}
    for scan in sorted(scans, key=lambda scan: scan.key):
        targets.setdefault(scan.subject, []).append(scan.target)
    names = list(targets)
    drawn = _unlike([theirs[0] for theirs in targets.values()], seed)
    other = {name: targets[names[place]] for name, place in zip(names, drawn, strict=True)}
    taken = dict.fromkeys(names, 0)
    changed = {}
    for scan in sorted(scans, key=lambda scan: scan.key):
        theirs = other[scan.subject]
        changed[scan.key] = replace(scan, target=theirs[taken[scan.subject] % len(theirs)])
        taken[scan.subject] += 1
    return [changed[scan.key] for scan in scans]


def _unlike(values: Sequence[str], seed: int) -> NDArray[np.int64]:
    """Draw permutations, and return the one whose values are least correlated with the own ones.

    Any single one is a little correlated by chance, with either sign: a network that learnt this
    would put the held-out subjects in the right order in one case of two.
    """
    numbers = continuous(values)
    levels_there = sorted(set(values))
    coded = (
        np.array([[value == level for level in levels_there] for value in values], float)
        if numbers is None
        else np.array(numbers)[:, None]
    )
    coded -= coded.mean(axis=0)
    random = np.random.default_rng(seed)
    drawn = [random.permutation(len(values)) for _ in range(PERMUTATIONS)]
    return min(drawn, key=lambda order: float(np.square(coded.T @ coded[order]).sum()))


def without_head(scan: Scan) -> Scan:
    """Return a scan of which the background alone is seen."""
    return replace(scan, background=True)


def _in_strata(
    cohort: Cohort, scans: Sequence[Scan], seed: int, stratify: Sequence[str]
) -> list[str]:
    """Put subjects in an order by lot, of which each beginning has its share of each stratum.

    Those who lack an optional channel are a stratum of their own: a share of the subjects that all
    lack it would not say what more subjects are worth.
    """
    own = {scan.subject for scan in scans}
    rows = [row for row in first_sessions(read_rows(cohort.table, LabelRow)) if row.subject in own]
    labels = [levels([row.values[label] for row in rows]) for label in stratify]
    labels += [[str(not row.channels[name]) for row in rows] for name in lacking(rows)]
    strata: dict[tuple[str, ...], list[str]] = {}
    for place, row in enumerate(rows):
        strata.setdefault(tuple(label[place] for label in labels), []).append(row.subject)
    places: dict[str, Fraction] = {}
    for stratum, members in strata.items():
        # a stratum of one comes early or late by lot
        start = chance(seed, "share", "\0".join(stratum))
        members.sort(key=lambda subject: rank(seed, subject))
        for number, subject in enumerate(members):
            places[subject] = (number + start) / len(members)
    return sorted(places, key=lambda subject: (places[subject], natural(subject)))
