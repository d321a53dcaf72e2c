"""What an experiment's controls say: those that must fail, and those on fewer subjects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Literal

from headstart.common.text import capital
from headstart.common.text import numbers_alike
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.results import OURS
from headstart.evaluation.results import PROTOCOLS
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.tasks.base import Task
from headstart.tasks.metrics import METRICS

ITSELF = "none"  # the control that the experiment's own network is
CONSTANT = "constant"
SIZE = "size"
HEAD_SIZE = "head-size"  # the baseline that knows no more
CURVE = {"quarter": "a quarter", "half": "a half", ITSELF: "all"}  # of the training subjects
TAUGHT = ("shuffled",)  # labels that are not true
# Share of the constant's loss: by a network that sees rho of the truth, 2 rho sqrt(1 - rho^2) of a
# mean square, as the permutation itself is not related to the truth.
BY_CHANCE = {"brier": 1.0, "mae": 0.5}
Outcome = Literal["", "fails", "answers", "unknown"]


@dataclass(frozen=True)
class ControlRow:
    """A metric of a control, of the network itself or of the constant, in controls.csv.

    Attributes:
        control: shuffled, background, quarter or half; `none` for the network as it is; `constant`
            for the baseline that says the same of every scan, `size` for that of the head's size.
        model: As in metrics.csv.
        metric: Its name.
        protocol: As in metrics.csv.
        value: The metric; None where it is not defined.
        ci_low: Lower end of its interval (95 %); None where there is none.
        ci_high: Upper end.
        ci_method: How the interval came about, or `none: ` and why; in words.
        n: Subjects that it is told from.
        outcome: Of a control that must fail: `fails`, unless it is better than the constant by its
            whole interval, and than chance alone: `answers`; `unknown` without an interval. The
            background must be better than the head's size, too, as the box that was filled in
            shows how large the head is: noise is not the same everywhere.
    """

    control: str
    model: str
    metric: str
    protocol: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n: int
    outcome: Outcome = ""


@dataclass(frozen=True)
class Finding:
    """What one control, or the learning curve, says.

    Attributes:
        control: shuffled, background or learning-curve.
        warns: Whether it is a warning.
        words: In words.
    """

    control: str
    warns: bool
    words: str


def control_rows(
    task: type[Task],
    primary: str,
    metrics: Sequence[MetricRow],
    controls: Mapping[str, Sequence[MetricRow]],
) -> list[ControlRow]:
    """Bring together the metrics that the controls are read by: on the test subjects if open.

    Args:
        task: The experiment's task.
        primary: The metric that its result is told by, and the learning curve.
        metrics: Its metrics.csv.
        controls: Those of its controls, by what they are.
    """
    protocol = next(one for one in PROTOCOLS if having(metrics, protocol=one))
    asked = {"protocol": protocol, "group": "all"}
    fail = {name: rows for name, rows in controls.items() if name not in CURVE}
    rows: list[ControlRow] = []
    if fail:
        for metric in dict.fromkeys(task.failing[name] for name in fail):
            known = having(metrics, metric=metric, **asked)
            constant = _row(CONSTANT, having(known, model=task.constant)[0])
            if metric == "r":  # undefined of a constant, which is related to nothing
                constant = replace(constant, value=0.0)
            rows += [constant, _row(ITSELF, _of_network(known))]
            asking = [name for name in fail if task.failing[name] == metric]
            if "background" in asking:
                rows += [_row(SIZE, row) for row in having(known, model=HEAD_SIZE)]
            for name in asking:
                own = _of_network(having(fail[name], metric=metric, **asked))
                reference = _reference(rows, name, metric)
                rows.append(_row(name, own, _outcome(own, reference, taught=name in TAUGHT)))
    curve = {name: controls[name] for name in CURVE if name in controls}
    for name, theirs in (curve | {ITSELF: metrics} if curve else {}).items():
        own = _of_network(having(theirs, metric=primary, **asked))
        if _row(name, own) not in rows:
            rows.append(_row(name, own))
    return rows


def curve_of(rows: Sequence[ControlRow]) -> list[ControlRow]:
    """Return the points of the learning curve, fewest subjects first; [] if there is none."""
    metric = next(
        (row.metric for row in rows if row.control in CURVE and row.control != ITSELF), ""
    )
    return [row for name in CURVE for row in having(rows, control=name, metric=metric)]


def findings(rows: Sequence[ControlRow], unit: str) -> Iterator[Finding]:
    """Say what the controls of an experiment found, each in a sentence or two.

    Args:
        rows: Its controls.csv.
        unit: Unit of the target; "" if it has none.
    """
    for row in rows:
        if row.outcome:
            reference = _reference(rows, row.control, row.metric)
            network = having(rows, control=ITSELF, metric=row.metric)[0]
            yield Finding(
                row.control, row.outcome == "answers", _of_failing(row, reference, network)
            )
    if curve := curve_of(rows):
        yield Finding("learning-curve", False, _of_curve(curve, unit))


def _reference(rows: Sequence[ControlRow], control: str, metric: str) -> ControlRow:
    """Return what a control must not be better than."""
    asked = (CONSTANT, SIZE) if control == "background" else (CONSTANT,)
    known = [row for row in having(rows, metric=metric) if row.control in asked]
    sign = 1 if METRICS[metric].higher_is_better else -1
    return max(known, key=lambda row: -math.inf if row.value is None else sign * row.value)


def _of_network(rows: Sequence[MetricRow]) -> MetricRow:
    return next(row for row in rows if row.model in OURS)


def _row(control: str, row: MetricRow, outcome: Outcome = "") -> ControlRow:
    ends = (row.value, row.ci_low, row.ci_high, row.ci_method)
    return ControlRow(control, row.model, row.metric, row.protocol, *ends, row.n, outcome)


def _outcome(
    row: MetricRow | ControlRow, reference: MetricRow | ControlRow, *, taught: bool = False
) -> Outcome:
    """Tell whether a network is better than a constant or another, by more than chance makes it.

    The interval is the network's own, not that of the paired difference.

    Args:
        row: The network.
        reference: What it is compared with; where it was taught other labels, the constant.
        taught: Whether it was taught labels of other subjects. Whatever it then makes of scans is
            related to the truth by chance, with either sign: a rank or a correlation would be a
            warning in up to one of two, and so would a paired difference. In the loss it makes a
            gain whose standard deviation is at most a share of the constant's over the root of the
            training subjects, at least as many as those that are held out.
    """
    if row.ci_low is None or row.ci_high is None or row.value is None or reference.value is None:
        return "unknown"
    sign = 1 if METRICS[row.metric].higher_is_better else -1
    gain = sign * (row.value - reference.value)
    least = row.value - row.ci_low if sign > 0 else row.ci_high - row.value
    if taught:
        least = max(least, 1.96 * BY_CHANCE[row.metric] * reference.value / math.sqrt(row.n))
    return "answers" if gain > least else "fails"


FAILS = {
    "shuffled": "trained with labels that were permuted between the training subjects",
    "background": "trained on the background of the scans, their heads blanked",
}
WARNINGS = {
    "shuffled": "There was nothing to be learnt, so something of the labels leaks: look at how "
    "labels, covariates and split came about. Chance alone does so in at most one of forty",
    "background": "The background alone gives it away, a shortcut: a mark, a scanner's noise, or "
    "a part of the head that lies apart from it. What the network says of heads may rest on it",
}


SHOWN = ", which the box that was filled in shows"


def _of_failing(row: ControlRow, reference: ControlRow, network: ControlRow) -> str:
    number, reached, *ends = numbers_alike(row.value, reference.value, row.ci_low, row.ci_high)
    metric, size = METRICS[row.metric].words, reference.control == SIZE
    than = "what the head's size alone says" if size else f"the {in_words(reference.model)}"
    if row.outcome == "unknown":
        return f"{capital(FAILS[row.control])}: can't be told, as there is no interval."
    numbers = f"{metric} {number} [{', '.join(ends)}] beside {reached}"
    if row.outcome == "answers":
        return (
            f"A warning: {FAILS[row.control]}, the network is better than {than} ({numbers}). "
            f"{WARNINGS[row.control]}."
        )
    said = f"{capital(FAILS[row.control])}, the network is no better than {than} ({numbers})"
    if _outcome(network, reference) != "answers":
        return f"{said}; but without that change it is no better either, so this says little."
    return f"{said}{SHOWN * size}: as it should be."


def _of_curve(curve: Sequence[ControlRow], unit: str) -> str:
    metric = METRICS[curve[0].metric]
    written = numbers_alike(*(x for row in curve for x in (row.value, row.ci_low, row.ci_high)))
    cells = zip(curve, written[::3], written[1::3], written[2::3], strict=True)
    points = ", ".join(
        f"{number}{f' [{low}, {high}]' if low else ''} with {CURVE[row.control]}"
        for row, number, low, high in cells
    )
    of = f" ({unit})" if unit and metric.in_unit else ""
    values = [row.value for row in curve if row.value is not None]
    if len(values) < len(curve):
        return f"{capital(metric.words)}{of}: not defined for each point of the curve."
    half, whole = curve[-2:]
    outcome = _outcome(whole, half)
    gained = (values[-1] > values[-2]) == metric.higher_is_better
    if len(set(values)) == 1:
        said = "It is the same with each: whether more scans would help can't be told"
    elif outcome == "unknown":
        said = "Whether more scans would help can't be told, as there is no interval"
    elif outcome == "answers":
        said = (
            "With all it is better than with half by more than the interval: more scans would "
            "probably help"
        )
    elif gained:
        said = "The last doubling gained, but by less than the interval: more scans may help"
    else:
        best = whole.ci_high if metric.higher_is_better else whole.ci_low
        (room,) = numbers_alike(abs((best or 0) - (half.value or 0)))
        said = (
            "The last doubling gained nothing that shows; a gain of up to "
            f"{room}{f' {unit}' if unit and metric.in_unit else ''} may be hidden by the interval"
        )
    return f"{capital(metric.words)}{of}: {points} of the training subjects. {said}."
