"""Whether a network beats the strongest of its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from headstart.common.text import numbers_alike
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.results import OURS
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.evaluation.results import verdict
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
    """

    outcome: Kind
    baseline: MetricRow | None = None
    difference: DifferenceRow | None = None


def judge(models: Sequence[MetricRow], differences: Sequence[DifferenceRow]) -> Judgement:
    """Compare a network with the baseline that is best on the same subjects.

    The best of several is a little better on the subjects that it was chosen on than on others.
    So the comparison is hard on the network, and never kind to it.

    Args:
        models: One metric of the network and its baselines, on all subjects of one protocol.
        differences: The same metric's differences.
    """
    known = [row for row in models if row.model not in OURS and row.value is not None]
    if not known:
        return Judgement("alone")
    better = METRICS[known[0].metric].higher_is_better
    best = max(known, key=lambda row: (1 if better else -1) * (row.value or 0))
    for row in having(differences, baseline=best.model):
        return Judgement(OUTCOMES[verdict(row, higher_is_better=better)], best, row)
    return Judgement("unknown", best)


def sentence(judgement: Judgement, unit: str) -> str:
    """Say whether a network beats its best baseline.

    Args:
        judgement: What the numbers say.
        unit: Unit of the target; "" if it has none.
    """
    best, row = judgement.baseline, judgement.difference
    if best is None:
        return "No baseline stands beside it."
    than = f"the best baseline ({in_words(best.model)})"
    if row is None or judgement.outcome == "unknown":
        return f"Nothing shows that it beats {than}: their difference has no interval."
    metric = METRICS[row.metric]
    own = f" {unit}" if unit and metric.in_unit else f" in {metric.words}"
    if judgement.outcome == "open":
        number, low, high = numbers_alike(row.difference, row.ci_low, row.ci_high)
        return f"Does not beat {than}: the difference is {number}{own} [{low}, {high}]."
    ends = sorted(abs(end or 0) for end in (row.ci_low, row.ci_high))
    number, low, high = numbers_alike(abs(row.difference or 0), *ends)
    verb = "Beats" if judgement.outcome == "better" else "Is worse than"
    return f"{verb} {than} by {number}{own} [{low}, {high}]."
