"""How alike the parts of a cohort are: counts, means, and standardised mean differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from headstart.parts.kinship import natural

BINS = 4  # a number is stratified by its quartiles
CATEGORIES = 10  # a label of numbers with no more distinct values than this is a category
MOST_LEVELS = 20  # a text label with more is a name or a date, and is not counted
COLUMNS = ["part", "label", "level", "n", "share", "mean", "sd", "smd"]


def balance(*, splits: pd.DataFrame, passed: pd.DataFrame, stratify: Sequence[str]) -> pd.DataFrame:
    """Describe each part by every label, and how far it is from those that are learnt from.

    A fold is compared with the other folds, the test subjects with all folds, by the standardised
    mean difference of Austin (2009, doi:10.1002/sim.3697): part minus the others, over the root of
    the mean of the two variances. It is a number without unit; above 0.1 in size it counts as
    imbalance by his rule of thumb, but in small parts chance alone gives more.

    Args:
        splits: subject, test, fold, as `split` gives them.
        passed: The scans; a subject's first session gives its labels.
        stratify: Labels that the split balanced; they come first.

    Returns:
        One row per part, label and level. part: test, fold-0, …; n: subjects (of the label
        `scans`: scans). A label of words, or of few different numbers: share of the part's
        subjects and smd, per level ('' is missing). A label of numbers: level '', n subjects with
        a number, their mean, sd and smd.
    """
    subjects = first_sessions(passed)
    parts = part_names(splits)
    part = [parts[subject] for subject in subjects["subject"]]
    named = in_order(parts)
    rows = [[p, "subjects", "all", part.count(p), *_BLANK] for p in named]
    for label in _labels(passed, stratify):
        values = list(subjects[label])
        numbers = continuous(values)
        if numbers is not None:
            rows += [[p, label, "", *_of_numbers(p, part, numbers)] for p in named]
            continue
        for p in named:
            rows += [
                [p, label, level, *_of_level(p, part, [value == level for value in values])]
                for level in sorted(set(values), key=natural)
            ]
    scans = Counter(parts[subject] for subject in passed["subject"])
    rows += [[p, "scans", "all", scans[p], *_BLANK] for p in named]
    return pd.DataFrame(rows, columns=COLUMNS)


def first_sessions(passed: pd.DataFrame) -> pd.DataFrame:
    """Return one row per subject, its first session, in natural order of the subjects."""
    order = sorted(
        passed.index,
        key=lambda row: (
            natural(str(passed.at[row, "subject"])),
            natural(str(passed.at[row, "session"])),
        ),
    )
    return passed.loc[order].drop_duplicates("subject").reset_index(drop=True)


def continuous(values: Sequence[str]) -> list[float] | None:
    """Return a label's numbers, NaN where missing; None if its values are categories."""
    try:
        numbers = [float(value) if value else math.nan for value in values]
    except ValueError:
        return None
    return numbers if len({n for n in numbers if not math.isnan(n)}) > CATEGORIES else None


def levels(values: Sequence[str]) -> list[str]:
    """Return the level of each value, as stratification takes it.

    Numbers with many distinct values are binned by quantiles; equal values share a bin.
    """
    numbers = continuous(values)
    if numbers is None:
        return list(values)
    ordered = sorted(n for n in numbers if not math.isnan(n))
    first: dict[float, int] = {}
    for position, number in enumerate(ordered):
        first.setdefault(number, position)
    bins = {number: BINS * position // len(ordered) for number, position in first.items()}
    return ["" if math.isnan(n) else str(bins[n]) for n in numbers]


def part_names(splits: pd.DataFrame) -> dict[str, str]:
    """Return the part of each subject: test, fold-0, …."""
    names = [
        "test" if test == "1" else f"fold-{fold}"
        for test, fold in zip(splits["test"], splits["fold"], strict=True)
    ]
    return dict(zip(splits["subject"], names, strict=True))


def in_order(parts: dict[str, str]) -> list[str]:
    """Return the names of the parts, the test first."""
    return sorted(set(parts.values()), key=lambda part: (part != "test", natural(part)))


_BLANK = ["", "", "", ""]  # what is not known of a total


def _labels(passed: pd.DataFrame, stratify: Sequence[str]) -> list[str]:
    """Return what is described: what the split balanced, the site, and the labels."""
    columns = list(passed.columns)
    others = ["site", *columns[columns.index("brain_mask") + 1 :]]
    few = [
        label
        for label in others
        if passed[label].nunique() <= MOST_LEVELS or continuous(list(passed[label])) is not None
    ]
    return list(dict.fromkeys((*stratify, *few)))


def _of_numbers(part: str, parts: Sequence[str], numbers: Sequence[float]) -> list[object]:
    """Return n, share, mean, sd and smd of a part."""
    own, others = _inside_and_outside(part, parts, numbers)
    own = [n for n in own if not math.isnan(n)]
    others = [n for n in others if not math.isnan(n)]
    (mean, variance), (other_mean, other_variance) = _moments(own), _moments(others)
    smd = _standardised(mean - other_mean, variance, other_variance)
    return [len(own), "", _text(mean), _text(math.sqrt(variance)), smd]


def _of_level(part: str, parts: Sequence[str], has: Sequence[bool]) -> list[object]:
    """Return n, share, mean, sd and smd of a part, of subjects who have or have not a level."""
    own, others = _inside_and_outside(part, parts, has)
    share = sum(own) / len(own)
    other = sum(others) / len(others) if others else math.nan
    smd = _standardised(share - other, share * (1 - share), other * (1 - other))
    return [sum(own), _text(share), "", "", smd]


def _inside_and_outside(
    part: str, parts: Sequence[str], values: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Return the values of a part, and those of the folds that it is compared with."""
    pairs = list(zip(parts, values, strict=True))
    return (
        [value for p, value in pairs if p == part],
        [value for p, value in pairs if p not in (part, "test")],
    )


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and variance (n - 1); NaN where there are too few values."""
    if not values:
        return math.nan, math.nan
    # fsum is exact: the sum does not depend on the order
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _standardised(difference: float, variance: float, other: float) -> str:
    pooled = math.sqrt((variance + other) / 2)
    if pooled == 0:  # all are alike on both sides: no difference, or one beyond measure
        return "0" if difference == 0 else ""
    return _text(difference / pooled)


def _text(number: float) -> str:
    return "" if math.isnan(number) else f"{number + 0.0:.4g}"
