"""How alike the parts of a cohort are: counts, means, and standardised mean differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from headstart.cohort.groups import natural
from headstart.cohort.splits import SplitRow
from headstart.data.label_table import LabelRow
from headstart.data.label_table import first_scans
from headstart.data.label_table import labels_of

DIGITS = ".4g"
BINS = 4  # a number is stratified by its quartiles
CATEGORIES = 10  # a label of numbers with no more distinct values than this is a category,
REPEATS = 2  # where each comes back so often on average; two values always are
MOST_LEVELS = 20  # a text label with more is a name or a date, and is not counted


@dataclass(frozen=True)
class BalanceRow:
    """A row of balance.csv: a label, or one level of it, in one part of a split.

    Attributes:
        part: test, fold-0, ….
        label: The label; `subjects` and `scans` are the part's totals, with the level `all`.
        level: One of the words, or of the few numbers, that the label has, "" where it is missing;
            "" for a label of many numbers.
        n: Subjects with it, of `scans` the scans.
        share: Of the part's subjects; None for numbers and totals, as the next ones where they are
            not known.
        mean: Of the part's numbers.
        sd: Their standard deviation.
        smd: Standardised mean difference between the part and those it is compared with.
    """

    part: str
    label: str
    level: str
    n: int
    share: Annotated[float | None, DIGITS] = None
    mean: Annotated[float | None, DIGITS] = None
    sd: Annotated[float | None, DIGITS] = None
    smd: Annotated[float | None, DIGITS] = None


def balance(
    *, splits: Sequence[SplitRow], passed: Sequence[LabelRow], stratify: Sequence[str]
) -> list[BalanceRow]:
    """Describe each part by every label, and how far it is from those that are learnt from.

    A fold is compared with the other folds, the test subjects with all folds, by the standardised
    mean difference of Austin (2009, doi:10.1002/sim.3697): part minus the others, over the root of
    the mean of the two variances. It is a number without unit; above 0.1 in size it counts as
    imbalance by his rule of thumb, but in small parts chance alone gives more.

    Args:
        splits: As `split` gives them.
        passed: The scans; a subject's first session gives its labels.
        stratify: Labels that the split balanced; they come first.

    Returns:
        A row per part, label and level.
    """
    subjects = first_sessions(passed)
    parts = {row.subject: row.part for row in splits}
    part = [parts[row.subject] for row in subjects]
    named = in_order(parts)
    rows = [BalanceRow(p, "subjects", "all", part.count(p)) for p in named]
    for label in _labels(passed, stratify):
        values = [row.values[label] for row in subjects]
        numbers = continuous(values)
        if numbers is not None:
            rows += [_of_numbers(label, p, part, numbers) for p in named]
            continue
        for p in named:
            rows += [
                _of_level(label, level, p, part, [value == level for value in values])
                for level in sorted(set(values), key=natural)
            ]
    scans = Counter(parts[row.subject] for row in passed)
    return rows + [BalanceRow(p, "scans", "all", scans[p]) for p in named]


def first_sessions(passed: Sequence[LabelRow]) -> list[LabelRow]:
    """Return one row per subject, its first session, in natural order of the subjects."""
    return first_scans(sorted(passed, key=lambda row: (natural(row.subject), natural(row.session))))


def continuous(values: Sequence[str]) -> list[float] | None:
    """Return a label's numbers, NaN where missing; None if its values are categories."""
    try:
        numbers = [float(value) if value else math.nan for value in values]
    except ValueError:
        return None
    known = [n for n in numbers if not math.isnan(n)]
    distinct = len(set(known))
    few = distinct <= 2 or distinct <= min(CATEGORIES, len(known) / REPEATS)
    return None if few else numbers


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


def in_order(parts: dict[str, str]) -> list[str]:
    """Return the names of the parts, the test first."""
    return sorted(set(parts.values()), key=lambda part: (part != "test", natural(part)))


def _labels(passed: Sequence[LabelRow], stratify: Sequence[str]) -> list[str]:
    """Return what is described: what the split balanced, the site, and the labels."""
    values = {label: [row.values[label] for row in passed] for label in labels_of(passed)}
    told = [
        label for label, own in values.items() if continuous(own) is not None or _comes_back(own)
    ]
    return list(dict.fromkeys((*stratify, *told)))


def _comes_back(values: Sequence[str]) -> bool:
    """Whether a label's words come back from subject to subject: names and dates do not."""
    known = [value for value in values if value]
    return len(set(known)) <= min(MOST_LEVELS, max(2, len(known) / REPEATS))


def _of_numbers(
    label: str, part: str, parts: Sequence[str], numbers: Sequence[float]
) -> BalanceRow:
    own, others = _inside_and_outside(part, parts, numbers)
    own = [n for n in own if not math.isnan(n)]
    others = [n for n in others if not math.isnan(n)]
    (mean, variance), (other_mean, other_variance) = _moments(own), _moments(others)
    smd = _standardised(mean - other_mean, variance, other_variance)
    sd = _known(math.sqrt(variance))
    return BalanceRow(part, label, "", len(own), mean=_known(mean), sd=sd, smd=smd)


def _of_level(
    label: str, level: str, part: str, parts: Sequence[str], has: Sequence[bool]
) -> BalanceRow:
    own, others = _inside_and_outside(part, parts, has)
    share = sum(own) / len(own)
    other = sum(others) / len(others) if others else math.nan
    smd = _standardised(share - other, share * (1 - share), other * (1 - other))
    return BalanceRow(part, label, level, int(sum(own)), share=_known(share), smd=smd)


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


def _standardised(difference: float, variance: float, other: float) -> float | None:
    pooled = math.sqrt((variance + other) / 2)
    if pooled == 0:  # all are alike on both sides: no difference, or one beyond measure
        return 0.0 if difference == 0 else None
    return _known(difference / pooled)


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number + 0.0  # no -0
