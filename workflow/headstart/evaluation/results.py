"""What the stage evaluate writes: a row for each metric of a model, and for each difference."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from typing import Literal
from typing import TypeVar

from headstart.common.keys import OfScan
from headstart.common.text import counted

Row = TypeVar("Row")
REJECTED = "rejected"  # column of predictions.csv and answers.csv
Protocol = Literal["test", "cross-validation", "hold-out"]


OURS = ("network", "ensemble")  # models that were trained; the others are baselines
MISSED = "unless rare failures were missed"  # said of a method
SMALLEST_SITE = 5  # subjects; below it a site has no row of its own
PROTOCOLS = {"test": "test", "cross-validation": "fold", "hold-out": "fold"}  # and their parts
PROTOCOLS_IN_WORDS = {
    "test": "held-out test",
    "cross-validation": "cross-validation",
    "hold-out": "one fold held out",
}


@dataclass(frozen=True)
class MetricRow:
    """A metric of one model, in metrics.csv.

    Attributes:
        model: `network`, `ensemble` where the answer for each scan is the mean of several, or a
            baseline.
        metric: Its name.
        group: `all`, `site=SITE`, or `fold=FOLD` where several folds are judged together.
        protocol: `cross-validation`; `hold-out` where one fold of it was trained; or `test`.
        value: The metric; None where it is not defined.
        ci_low: Lower end of its interval (95 %); None where there is none.
        ci_high: Upper end.
        ci_method: How the interval came about, or `none: ` and why; in words.
        n: Subjects that it is told from: of a Dice, those with the class in a mask; of a decision
            at a threshold, those of the class.
        seed_sd: Its standard deviation over seeds; None for one seed, of a baseline, and of what
            is fitted to other folds first.
        fold_sd: The standard deviation of its values in single folds, beside that of all; no
            interval, as folds share training subjects. None for fewer than two values.
        folds: How many values that is of; None likewise.
    """

    model: str
    metric: str
    group: str
    protocol: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n: int
    seed_sd: float | None
    fold_sd: float | None = None
    folds: int | None = None


@dataclass(frozen=True)
class DifferenceRow:
    """How far the network, or the ensemble, is from a baseline, in comparison.csv.

    Attributes:
        metric: The metric that differs.
        protocol: As in metrics.csv.
        baseline: The baseline.
        difference: Network minus baseline; None where it is not defined.
        ci_low: Lower end of its interval (95 %); None where there is none.
        ci_high: Upper end.
        ci_method: How the interval came about, or `none: ` and why; in words.
        n: Subjects.
    """

    metric: str
    protocol: str
    baseline: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n: int


@dataclass(frozen=True)
class AnswerRow(OfScan):
    """What is answered for a held-out scan, in answers.csv: the mean of the networks that answer.

    By cross-validation with repeats, it is the mean over these too: a scan has one row.


    Attributes:
        protocol: As in metrics.csv.
        fold: The fold that it is held out with, of each repeat; () for a test subject.
        repeats: How many repeats hold it out; 1 for a test subject.
        target: What is true.
        answer: The columns that the task adds, see `Task.pooled_columns`; and `rejected`, where a
            scan has no prediction, whose other cells are empty.
    """

    protocol: str
    fold: tuple[str, ...]
    repeats: int
    target: str
    answer: Annotated[dict[str, str], ""]

    @property
    def rejected(self) -> str:
        """Why it has no prediction; "" if it has one."""
        return self.answer.get(REJECTED, "")


@dataclass(frozen=True)
class ExperimentRow:
    """How far an experiment is from another one on the same subjects, in experiments.csv.

    Attributes:
        task: What both do.
        target: What both are asked for.
        unit: Unit of the difference; "" if it has none.
        protocol: As in metrics.csv.
        folds: The folds that were held out; () of the test.
        metric: The metric that differs.
        role: Whether it is the primary metric.
        experiment: One experiment.
        other: The other.
        difference: The first minus the other; None where it is not defined.
        ci_low: Lower end of its interval (95 %); None where there is none.
        ci_high: Upper end.
        ci_method: How the interval came about, or `none: ` and why; in words.
        n: Subjects.
        p: Its p value, alone; None without an interval.
        p_holm: The same, corrected for all pairs of experiments by this metric.
        seed_margin: How much seeds alone explain, in either direction; None for one seed each.
        better: The experiment that is better, where the corrected p value is below 0.05 and the
            difference is more than seeds explain; "" where they can't be told apart, and by a
            metric whose best value lies in between.
    """

    task: str
    target: str
    unit: str
    protocol: str
    folds: tuple[str, ...]
    metric: str
    role: Literal["primary", "secondary"]
    experiment: str
    other: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n: int
    p: float | None
    p_holm: float | None
    seed_margin: float | None
    better: str


def protocol_of(part: str, folds: int) -> Protocol:
    """Name how a part of the cohort was held out, where networks were trained on so many folds."""
    if part == "test":
        return "test"
    return "hold-out" if folds == 1 else "cross-validation"


def defined(number: float) -> float | None:
    """Return a number as a cell; None if it is not one."""
    return None if math.isnan(number) else number


def without_prediction(answers: Sequence[AnswerRow]) -> str:
    """Say how many scans of a protocol have no prediction, and why the first has none; "" of 0."""
    reasons = [row.rejected for row in answers if row.rejected]
    if not reasons:
        return ""
    have = "has" if len(reasons) == 1 else "have"
    return (
        f"{len(reasons)} of {counted(len(answers), 'scan')} {have} no prediction, and "
        f"{'is' if len(reasons) == 1 else 'are'} in no metric: {reasons[0]}"
        f"{'; see answers.csv for the others' * (len(reasons) > 1)}."
    )


def methods_of(rows: Iterable[MetricRow]) -> list[str]:
    """Name the methods of the intervals that some rows have, each once."""
    methods = (row.ci_method for row in rows if row.ci_low is not None)
    return list(dict.fromkeys(methods))


def methods_in_short(methods: Iterable[str]) -> str:
    """Name methods of intervals, without the scales that they are on; what they share, once."""
    every = list(methods)
    names = dict.fromkeys(re.split(r" \(|[;,]", method)[0] for method in every)
    folds = dict.fromkeys(method.partition("; ")[2] for method in every)
    missed = any(MISSED in method for method in every)
    said = "; ".join(filter(None, (", ".join(names), *folds)))
    return f"{said}. Rare failures may have been missed" if missed else said


def verdict(row: DifferenceRow, *, higher_is_better: bool) -> str:
    """Say whether the network is better than a baseline, as far as the interval tells."""
    if row.ci_low is None or row.ci_high is None:
        return "can't be told from"
    if row.ci_low <= 0 <= row.ci_high:
        return "does not beat"
    return "beats" if (row.ci_low > 0) == higher_is_better else "is worse than"


def by(kind: Literal["site", "fold"], rows: Iterable[MetricRow]) -> list[MetricRow]:
    """Return the rows of single sites or folds."""
    return [row for row in rows if row.group.startswith(f"{kind}=")]


def having(rows: Iterable[Row], **values: str) -> list[Row]:
    """Return the rows that have these values."""
    return [row for row in rows if all(getattr(row, name) == v for name, v in values.items())]
