"""Which held-out scans are explained."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Literal
from typing import NamedTuple

from headstart.cohort.prepared import Scan
from headstart.common.keys import Key
from headstart.evaluation.cases import Case
from headstart.evaluation.cases import in_order
from headstart.evaluation.predictions import Pooled
from headstart.tasks.base import Task

Choice = Literal["best", "typical", "worst"]


class Chosen(NamedTuple):
    """A scan that is explained.

    Attributes:
        scan: The scan.
        group: Its class, whose probability is explained; "" for a number.
        choice: Among which answers of its class its own is.
        answer: What the networks answer: the number, or the class's probability.
        checked: Whether its maps are put to the check; one of each choice is.
    """

    scan: Scan
    group: str
    choice: Choice
    answer: float
    checked: bool


def groups_of(task: Task) -> tuple[str, ...]:
    """Return what has maps of its own: each class, or "" for a number."""
    return task.classes or ("",)


def choose(
    task: Task, scans: Mapping[Key, Scan], pooled: Pooled, most: int, primary: str
) -> list[Chosen]:
    """Choose scans of each class by their answers: a third each best, typical and worst.

    A subject's first scan alone counts. The typical answers are those about the median of the
    order from worst to best; of the three kinds, the checked one is the very worst, the median and
    the very best.

    Args:
        task: The task.
        scans: The scans whose target is known.
        pooled: Answers for them, by networks that have not seen them.
        most: How many of each class.
        primary: Name of the metric that orders them, as for `in_order`.
    """
    truth = task.truth([scans[key] for key in pooled.keys])
    ordered = in_order(task, pooled.keys, truth, pooled.mean, primary)
    first: dict[str, Key] = {}
    for case in sorted(ordered, key=lambda one: one.place):
        first.setdefault(case.key[0], case.key)
    ordered = [case for case in ordered if first[case.key[0]] == case.key]
    chosen = []
    for group in groups_of(task):
        own = [case for case in ordered if group in ("", scans[case.key].target)]
        for choice, case, checked in _thirds(own, most):
            said = pooled.mean[case.place]
            answer = float(said[task.classes.index(group)] if group else said)
            chosen.append(Chosen(scans[case.key], group, choice, answer, checked))
    return chosen


def _thirds(ordered: Sequence[Case], most: int) -> Iterator[tuple[Choice, Case, bool]]:
    """Yield the best, typical and worst of some cases, and whether each is put to the check."""
    count = min(most, len(ordered))
    third = count // 3
    typical = count - 2 * third
    middle = (len(ordered) - typical) // 2
    parts: dict[Choice, Sequence[Case]] = {
        "best": ordered[len(ordered) - third :][::-1],
        "typical": ordered[middle : middle + typical],
        "worst": ordered[:third],
    }
    for choice, cases in parts.items():
        checked = len(cases) // 2 if choice == "typical" else 0
        for number, case in enumerate(cases):
            yield choice, case, number == checked
