"""What a known change that is injected into held-out scans does to answers, dose by dose."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.settings import INJECTED
from headstart.common.keys import OfScan
from headstart.common.text import capital
from headstart.common.text import counted
from headstart.common.text import numbers_alike
from headstart.evaluation.controls import Finding
from headstart.evaluation.estimates import NoIntervalError
from headstart.evaluation.intervals import FEW
from headstart.evaluation.jackknife_t import jackknife_t
from headstart.tasks.base import Task

MOST = 20  # subjects
# Mean change at the largest dose that counts as none: of a probability or a share, and of a number
# in standard deviations of the targets. The limit is ours.
NONE = 0.01
Outcome = Literal["moves", "scatters", "unsure", "still", "unlabelled"]


@dataclass(frozen=True)
class Injection:
    """A known change.

    Attributes:
        doses: How much of it, in rising order; 0 is the scan as it is.
        axis: What a dose is, in words.
        change: What is done to scans, in words.
    """

    doses: tuple[float, ...]
    axis: str
    change: str


HOLE = Injection(
    (0.5, 1.0, 1.5, 2.0),
    "signal taken away (% of the head)",
    "the signal taken away from the middle of the head, up to 2 % of its volume",
)
FADING = Injection(
    (0.25, 0.5, 0.75, 1.0),
    "faded (share)",
    "each structure faded into its surroundings, step by step and wholly in the end",
)


@dataclass(frozen=True)
class InjectedRow(OfScan):
    """The answer for a held-out scan with a dose of the change, in responses.csv.

    Attributes:
        fold: The fold that holds it out, whose networks answer.
        group: The class that the answer is of; "" for a number.
        dose: As `Injection.doses`.
        target: What is true; "mask" for a mask.
        answer: The number, the class's probability, or the share of the class's voxels that is
            labelled as the class; the mean over networks.
    """

    fold: int
    group: str
    dose: float
    target: str
    answer: float


@dataclass(frozen=True)
class Response:
    """By how much a dose moves answers, in injected.csv.

    Attributes:
        group: As in responses.csv.
        dose: As there; None for the slope, per 1 of it.
        n: Subjects.
        change: Mean over them of the answer minus that for the scan as it is.
        ci_low: Lower end of its interval (95 %) over subjects, for these networks; None without.
        ci_high: Upper end.
    """

    group: str
    dose: float | None
    n: int
    change: float
    ci_low: float | None
    ci_high: float | None


def injection_of(task: type[Task]) -> Injection:
    """Return what is injected into the scans of a task."""
    return FADING if task.per_voxel else HOLE


def told_groups(task: Task) -> tuple[str, ...]:
    """Name the classes whose answers are told: of two probabilities one says all."""
    return task.classes[1:] if len(task.classes) == 2 and not task.per_voxel else task.classes


def in_groups(rows: Sequence[InjectedRow]) -> dict[str, list[InjectedRow]]:
    """Return the rows of each group, in their order."""
    return {name: [row for row in rows if row.group == name] for name in _names(rows)}


def changes(rows: Sequence[InjectedRow]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say how answers change by dose.

    Args:
        rows: Those of one group.

    Returns:
        The doses without 0, (d,), and the change of each subject's answer, (subjects, d).
    """
    answers: dict[str, dict[float, float]] = {}
    for row in rows:
        answers.setdefault(row.subject, {})[row.dose] = row.answer
    doses = sorted({row.dose for row in rows} - {0.0})
    moved = [[theirs[dose] - theirs[0.0] for dose in doses] for theirs in answers.values()]
    return np.array(doses), np.array(moved)


def responses(rows: Sequence[InjectedRow]) -> list[Response]:
    """Tell, of each group, the mean change at each dose, and the mean slope last.

    A subject's slope is that of the straight line through no change at no dose (least squares).
    """
    found = []
    for group, own in in_groups(rows).items():
        doses, moved = changes(own)
        found += [_mean(group, dose, moved[:, i]) for i, dose in enumerate(doses.tolist())]
        found.append(_mean(group, None, moved @ doses / (doses @ doses)))
    return found


def findings(rows: Sequence[InjectedRow], task: type[Task], unit: str) -> Iterator[Finding]:
    """Say what the change did to answers, what is alike together.

    Args:
        rows: responses.csv of an experiment.
        task: Its task.
        unit: Unit of the target; "" if it has none.
    """
    # a share that is labelled falls to nothing and no further: of masks the whole dose is told
    moves = {one.group: one for one in responses(rows) if (one.dose is not None) == task.per_voxel}
    told: dict[Outcome, list[str]] = {}
    for group, own in in_groups(rows).items():
        outcome, size = _outcome(own, moves[group], task)
        told.setdefault(outcome, []).append(_phrase(outcome, size, own, moves[group], task, unit))
    people = counted(max(one.n for one in moves.values()), "held-out subject")
    for outcome, phrases in told.items():
        warns = outcome == "still"
        change = f"{'a warning: ' if warns else ''}{injection_of(task).change}, in {people}"
        moral = (OF_MASKS if task.per_voxel else MORALS)[outcome]
        yield Finding(INJECTED, warns, capital(f"{change}: {'; '.join(phrases)}. {moral}."))


UNSURE = "Whether they would move in other people can't be told without an interval"
MORALS: Mapping[Outcome, str] = {
    "moves": "The networks look there; that they read rightly what they see, this does not show",
    "unsure": UNSURE,
    "scatters": "The networks look there, but answers go up in some subjects and down in others",
    "still": "The networks do not look at the middle of the head: what they say rests on other "
    "places, or on nothing in the scan",
}
OF_MASKS: Mapping[Outcome, str] = {
    "moves": "The networks find it by what it looks like, not by its place alone",
    "unsure": UNSURE,
    "scatters": "Nothing shows that the networks find it by what it looks like",
    "still": "The networks label by place alone, and not by what they see",
    "unlabelled": "What is not found can't be lost, so that this says nothing",
}


def _names(rows: Sequence[InjectedRow]) -> list[str]:
    return list(dict.fromkeys(row.group for row in rows))


def _mean(group: str, dose: float | None, values: NDArray[np.float64]) -> Response:
    n, mean = len(values), float(values.mean())
    ends: tuple[float | None, float | None] = (None, None)
    if n >= FEW:
        with suppress(NoIntervalError):  # all move alike, or none does
            ends = jackknife_t(mean, (values.sum() - values) / (n - 1))
    return Response(group, dose, n, mean, *ends)


def _outcome(
    rows: Sequence[InjectedRow], response: Response, task: type[Task]
) -> tuple[Outcome, float]:
    """Tell how answers of a group move, and by how much on average, at the largest dose."""
    size = float(np.abs(changes(rows)[1][:, -1]).mean())
    whole = [row for row in rows if row.dose == 0]
    if task.per_voxel and np.mean([row.answer for row in whole]) < NONE:
        return "unlabelled", size
    spread = np.std([float(row.target) for row in whole]) if task.target_kind == "number" else 1.0
    if size < NONE * spread or size == 0:
        return "still", size
    low, high = response.ci_low, response.ci_high
    if low is None or high is None:
        return "unsure", size
    if low <= 0 <= high or (task.per_voxel and low > 0):
        return "scatters", size
    return "moves", size


def _phrase(
    outcome: Outcome,
    size: float,
    rows: Sequence[InjectedRow],
    response: Response,
    task: type[Task],
    unit: str,
) -> str:
    of = f" {unit}" if unit and task.target_kind == "number" else ""
    number, *ends, average = numbers_alike(response.change, response.ci_low, response.ci_high, size)
    interval = f" [{', '.join(ends)}]" if ends[0] else ""
    what = f"the probability of {response.group}" if response.group else "the answer"
    per = " per 1 % of the head"
    if task.per_voxel:
        whole = np.mean([row.answer for row in rows if row.dose == 0])
        what, per = f"the labelled share of {response.group}, {whole:.2f} before,", " in the end"
    if outcome == "unlabelled":
        return f"{what} says that it is hardly found"
    if outcome == "still":
        return f"{what} does not move ({average}{of} on average at the most)"
    told = "" if interval else " (without an interval)"
    moves = f"{what} moves by {number}{interval}{of}{per}{told}"
    return moves if outcome == "moves" else f"{moves}, and by {average}{of} whichever way at most"
