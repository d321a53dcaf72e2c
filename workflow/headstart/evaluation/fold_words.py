"""What came out in each fold, in words."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence

from headstart.common.text import decimals_of
from headstart.common.text import numbers_alike
from headstart.evaluation.results import OURS
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import by
from headstart.evaluation.results import having
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import of_class

MOST_NAMED = 10  # folds; of more, the lowest and the highest value are told
NO_INTERVAL = (
    "The standard deviation (SD) over folds is that of the values of n folds, each from the "
    "subjects that it holds out. It is no interval: the folds' networks share training subjects, "
    "and a fold holds out few."
)


def fold_means(metrics: Iterable[str]) -> str:
    """Say which metrics of a cross-validation are means over folds; "" if none of these is."""
    of_kind = (METRICS[of_class(name)[0]] for name in metrics)
    words = dict.fromkeys(metric.words for metric in of_kind if metric.by_fold)
    if not words:
        return ""
    return (
        f"Means over folds, each of which has networks of its own: {', '.join(words)}; a fold "
        "where one is not defined is left out. Other metrics are of all folds' subjects together."
    )


def fold_words(rows: Sequence[MetricRow], metric: str, unit: str) -> str:
    """Say what a metric is in each fold, and how far apart the folds are.

    Args:
        rows: metrics.csv, of one protocol.
        metric: The metric.
        unit: Unit of the target; "" if it has none.

    Returns:
        A sentence; "" where no two folds have a value.
    """
    ours = [row for row in having(rows, metric=metric) if row.model in OURS]
    told = [row for row in having(ours, group="all") if row.fold_sd is not None]
    if not told:
        return ""
    values = [row.value for row in by("fold", ours) if row.value is not None]
    of = f" {unit}" if unit and METRICS[metric].in_unit else ""
    if len(values) > MOST_NAMED:
        low, high = numbers_alike(min(values), max(values))
        said = f"In single folds: {low} to {high}{of}"
    else:
        said = f"In single folds, in order: {', '.join(numbers_alike(*values))}{of}"
    (spread,) = numbers_alike(told[0].fold_sd, decimals=decimals_of(*values))
    return f"{said} (SD of the {told[0].folds} values: {spread})."


def fold_cell(row: MetricRow) -> str:
    """Write the standard deviation over folds, and of how many, as a cell: 0.31 (5)."""
    return "\u2014" if row.fold_sd is None else f"{spread_cell(row, row.fold_sd)} ({row.folds})"


def spread_cell(row: MetricRow, spread: float | None) -> str:
    """Return the standard deviation of a metric as a cell, rounded as the metric is."""
    decimals = decimals_of(row.value, row.ci_low, row.ci_high)
    return numbers_alike(spread, decimals=decimals)[0] or "\u2014"
