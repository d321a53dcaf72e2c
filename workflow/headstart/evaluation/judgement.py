"""Whether a network beats the strongest of its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from headstart.common.text import capital
from headstart.common.text import number_with_interval
from headstart.common.text import numbers_alike
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.baseline_rows import kind_of
from headstart.evaluation.results import OURS
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.evaluation.results import verdict
from headstart.tasks.base import Task
from headstart.tasks.metrics import METRICS

Kind = Literal["better", "worse", "open", "unknown", "alone"]
OUTCOMES: dict[str, Kind] = {
    "beats": "better",
    "is worse than": "worse",
    "does not beat": "open",
    "can't be told from": "unknown",
}


@dataclass(frozen=True)
class Judgement:
    """What one metric says of a network.

    Attributes:
        outcome: better or worse, where the whole interval of the difference says so; open, where it
            holds 0; unknown, where there is none; alone, without a baseline.
        baseline: The best baseline; None without one.
        difference: Network minus this baseline; None where it is not known.
        model: What the tables call the network: `ensemble` where several answer together.
    """

    outcome: Kind
    baseline: MetricRow | None = None
    difference: DifferenceRow | None = None
    model: str = "network"


def judge(models: Sequence[MetricRow], differences: Sequence[DifferenceRow]) -> Judgement:
    """Compare a network with the baseline that is best on the same subjects.

    The best of several is a little better on the subjects that it was chosen on than on others.
    So the comparison is hard on the network, and never kind to it. Where nothing can beat who
    leaves a scan as it is, that one is no baseline.

    Args:
        models: One metric of the network and its baselines, on all subjects of one protocol.
        differences: The same metric's differences.
    """
    known = [row for row in models if row.model not in OURS and row.value is not None]
    if known and METRICS[known[0].metric].idle_is_best:
        known = [row for row in known if kind_of(row.model) != "idle"]
    if not known:
        return Judgement("alone")
    better = METRICS[known[0].metric].higher_is_better
    best = max(known, key=lambda row: (1 if better else -1) * (row.value or 0))
    model = next(row.model for row in models if row.model in OURS)
    for row in having(differences, baseline=best.model):
        return Judgement(OUTCOMES[verdict(row, higher_is_better=better)], best, row, model)
    return Judgement("unknown", best, model=model)


def sentence(judgement: Judgement, unit: str) -> str:
    """Say whether a network beats its best baseline.

    Args:
        judgement: What the numbers say.
        unit: Unit of the target; "" if it has none.
    """
    best, row = judgement.baseline, judgement.difference
    if best is None:
        return "No baseline stands beside it."
    who, than = f"the {judgement.model}", f"the best baseline ({in_words(best.model)})"
    if row is None or judgement.outcome == "unknown":
        said = f"Nothing shows that {who} beats {than}: their difference has no interval."
        return " ".join(filter(None, (said, _cheaper(judgement))))
    metric = METRICS[row.metric]
    own = f" {unit}" if unit and metric.in_unit else f" in {metric.words}"
    if judgement.outcome == "open":
        number, low, high = numbers_alike(row.difference, row.ci_low, row.ci_high)
        said = f"does not beat {than}: the difference is {number}{own} [{low}, {high}]."
        said = capital(f"{who} {said}")
        return " ".join(filter(None, (said, _cheaper(judgement))))
    ends = sorted(abs(end or 0) for end in (row.ci_low, row.ci_high))
    number, low, high = numbers_alike(abs(row.difference or 0), *ends)
    verb = "beats" if judgement.outcome == "better" else "is worse than"
    said = capital(f"{who} {verb} {than} by {number}{own} [{low}, {high}].")
    return " ".join(filter(None, (said, _cheaper(judgement))))


def _cheaper(judgement: Judgement) -> str:
    """Say what would do as well without any training; "" if nothing would."""
    if judgement.baseline is None or judgement.outcome == "better":
        return ""
    does = "does better" if judgement.outcome == "worse" else "may do as well"
    kind = kind_of(judgement.baseline.model)
    return {
        "filter": f"A filter, which needs no training, {does}.",
        "idle": f"To leave the scans as they are {does}.",
    }.get(kind, "")


def beside(
    task: type[Task],
    judgement: Judgement,
    primary: str,
    metrics: Sequence[MetricRow],
    differences: Sequence[DifferenceRow],
) -> str:
    """Say what stands beside the primary metric, of the network and the same baseline.

    Args:
        task: The task, which names it.
        judgement: What the primary metric says.
        primary: Its name.
        metrics: All metrics on all subjects of one protocol.
        differences: The same protocol's.

    Returns:
        A sentence; "" where nothing need stand beside it.
    """
    asked = task.told_beside(primary)
    ours = [row for row in metrics if row.model in OURS and row.metric in asked]
    if not ours:
        return ""
    known = [row for row in ours if row.value is not None]
    row = min(known or ours, key=lambda row: asked.index(row.metric))
    words = capital(METRICS[row.metric].words)
    if not known:
        return f"{words}: not known of these scans."
    said = f"{words}: {number_with_interval(row.value, row.ci_low, row.ci_high)}"
    best = judgement.baseline.model if judgement.baseline else ""
    theirs = having(metrics, metric=row.metric, model=best)
    against = having(differences, metric=row.metric, baseline=best)
    if not (theirs and against):
        return f"{said}."
    value, *apart = numbers_alike(
        theirs[0].value, against[0].difference, against[0].ci_low, against[0].ci_high
    )
    ends = f" [{apart[1]}, {apart[2]}]" if apart[1] else ""
    return f"{said}; {in_words(best)}: {value}, the difference is {apart[0]}{ends}."
