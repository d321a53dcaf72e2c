"""What the comparison of experiments says, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.common.text import numbers_alike
from headstart.data.label_table import IMAGES
from headstart.evaluation.multiplicity import LEVEL
from headstart.evaluation.results import PROTOCOLS_IN_WORDS
from headstart.evaluation.results import ExperimentRow
from headstart.tasks.metrics import METRICS


def primary_families(rows: Sequence[ExperimentRow]) -> list[list[ExperimentRow]]:
    """Divide the rows of the primary metric by target and protocol, each of them a family."""
    found: dict[tuple[object, ...], list[ExperimentRow]] = {}
    for row in rows:
        if row.role == "primary":
            found.setdefault(question(row), []).append(row)
    return list(found.values())


def question(row: ExperimentRow) -> tuple[object, ...]:
    """Return what the experiments of a family have in common."""
    return row.task, row.target, row.protocol, row.folds


def title(row: ExperimentRow) -> str:
    """Say what experiments were asked for, and how they are judged."""
    of_what = "" if row.target in IMAGES else f" of {row.target}"
    return f"{row.task}{of_what}, {PROTOCOLS_IN_WORDS[row.protocol]}"


def names_of(family: Sequence[ExperimentRow]) -> set[str]:
    """Return the experiments of a family."""
    return {name for row in family for name in (row.experiment, row.other)}


def sentence(row: ExperimentRow) -> str:
    """Say which of two experiments is better, or why none is said to be."""
    one, other = row.experiment, row.other
    if row.p_holm is None:
        return f"Nothing tells {one} from {other}: their difference has no interval."
    if row.better:
        worse = other if row.better == one else one
        seeds = " (one seed each)" if row.seed_margin is None else ""
        return f"{row.better} beats {worse} by {_size(row)}{seeds}."
    if row.p_holm < LEVEL:
        return (
            f"{one} and {other} differ by {_size(row)}, but seeds alone explain up to "
            f"{row.seed_margin or 0:.2g}."
        )
    return f"{one} and {other} can't be told apart: they differ by {_size(row)}."


def p_words(p: float) -> str:
    """Write a p value."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.{3 if p < 0.1 else 2}f}"


def explanation(family: Sequence[ExperimentRow]) -> str:
    """Say how the rows of a family are to be read."""
    metric = METRICS[family[0].metric]
    idle = (
        " By this metric nothing beats what leaves scans as they are: the error says what is won."
        if metric.idle_is_best
        else ""
    )
    number = sum(row.p is not None for row in family)
    corrected = f" and corrected for {number} comparisons by Holm's method" if number > 1 else ""
    seeds = (
        "One is said to beat another only where the difference exceeds what seeds alone explain in "
        "95 of 100 such comparisons (Tukey's studentized range): the fewer seeds, the more."
        if any(row.seed_margin is not None for row in family)
        else "With one seed each, how much of a difference is chance of the seed is not known."
    )
    return (
        f"Experiments are compared two by two on the same {family[0].n} subjects, by paired "
        f"differences in {metric.words}.{idle} Intervals are of 95 % each; p values are read off "
        f"them{corrected}. {seeds}"
    )


def _size(row: ExperimentRow) -> str:
    """Write the size of a difference, its interval and its p value."""
    flip = -1 if (row.difference or 0) < 0 else 1
    value = None if row.difference is None else flip * row.difference
    ends = sorted(flip * (end or 0) for end in (row.ci_low, row.ci_high))
    number, low, high = numbers_alike(value, *ends)
    unit = f" {row.unit}" if row.unit else f" in {METRICS[row.metric].words}"
    return f"{number}{unit} [{low}, {high}], {p_words(row.p_holm or 0)}"
