"""What came out of answers that were fitted to other folds first, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping

from headstart.common.text import number_with_interval
from headstart.evaluation.results import OURS
from headstart.evaluation.results import MetricRow
from headstart.tasks.metrics import DECISIONS
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import of_class


def fitted_words(rows: Iterable[MetricRow], unit: str) -> str:
    """Say how two classes are told apart at a threshold, or how large the corrected gap is.

    Args:
        rows: metrics.csv, of one protocol.
        unit: Unit of the target; "" if it has none.

    Returns:
        Some sentences; "" for a task that has neither.
    """
    ours = {
        of_class(row.metric)[0]: row for row in rows if row.model in OURS and row.group == "all"
    }
    if "threshold" in ours:
        return _of_decisions(ours)
    return _of_gap(ours, unit) if "corrected_gap" in ours else ""


def _of_decisions(rows: Mapping[str, MetricRow]) -> str:
    least = rows["threshold"]
    if least.value is None:
        return f"No sensitivity and specificity at a threshold: {_why(least)}."
    # its probabilities are less extreme than those of one network
    ensemble = (least.protocol, least.model) == ("test", "ensemble")
    of_one = " (of single folds' networks; here the mean of all is judged)" * ensemble
    each = ", ".join(f"{METRICS[name].words} {_number(rows[name])}" for name in DECISIONS)
    positive = of_class(least.metric)[1]
    return (
        f"At a threshold of about {least.value:.2g} on the probability of {positive}, chosen by "
        f"Youden's index on held-out predictions for other subjects{of_one}: {each}. Predictive "
        f"values hold for this sample's share of {positive}."
    )


def _of_gap(rows: Mapping[str, MetricRow], unit: str) -> str:
    size, r = rows["corrected_gap"], rows["corrected_gap_r"]
    if size.value is None:
        return f"No gap that is corrected for the truth: {_why(size)}."
    of = f" {unit}" if unit else ""
    return (
        "Corrected for the truth by a line through held-out predictions for other subjects (de "
        "Lange and Cole 2020), the gap, predicted minus true, has a mean absolute size of "
        f"{_number(size)}{of} and r = {_number(r)} with the truth. The truth itself enters the "
        "correction, so this says nothing of how well it is predicted."
    )


def _why(row: MetricRow) -> str:
    return row.ci_method.removeprefix("none: ")


def _number(row: MetricRow) -> str:
    return number_with_interval(row.value, row.ci_low, row.ci_high)
