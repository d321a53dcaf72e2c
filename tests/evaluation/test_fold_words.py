"""What is said of single folds, and of how far apart they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.evaluation.fold_words import fold_cell
from headstart.evaluation.fold_words import fold_words
from headstart.evaluation.results import MetricRow

ROW = MetricRow("network", "mae", "all", "cross-validation", 6.5, 5.5, 7.5, "", 60, None)


def of(*values: float | None) -> list[MetricRow]:
    known = [value for value in values if value is not None]
    several = len(known) > 1
    spread = {"fold_sd": float(np.std(known, ddof=1)), "folds": len(known)} if several else {}
    of_folds = [replace(ROW, group=f"fold={n}", value=value) for n, value in enumerate(values)]
    baseline = [replace(row, model="mean", value=99.0) for row in of_folds]
    return [replace(ROW, **spread), *of_folds, *baseline]


def test_each_fold_is_told_with_the_spread() -> None:
    rows = of(6.0, 7.25, 6.5)
    told = "In single folds, in order: 6.00, 7.25, 6.50 years (SD of the 3 values: 0.63)."
    assert fold_words(rows, "mae", "years") == told
    assert fold_cell(rows[0]) == "0.63 (3)"
    assert fold_cell(replace(rows[0], fold_sd=0.00005)) == "0.00 (3)"  # as its metric is rounded


def test_a_share_has_no_unit_and_a_fold_without_a_value_is_none() -> None:
    rows = [replace(row, metric="auroc") for row in of(0.75, None, 0.85)]
    told = "In single folds, in order: 0.750, 0.850 (SD of the 2 values: 0.071)."
    assert fold_words(rows, "auroc", "years") == told


def test_many_folds_are_told_by_their_ends() -> None:
    told = "In single folds: 5.00 to 7.75 years (SD of the 12 values: 0.90)."
    assert fold_words(of(*(5 + n / 4 for n in range(12))), "mae", "years") == told


def test_nothing_is_told_of_one_fold() -> None:
    assert fold_words([ROW], "mae", "years") == ""
    assert fold_words(of(6.0, None), "mae", "years") == ""
    assert fold_cell(ROW) == "\u2014"
