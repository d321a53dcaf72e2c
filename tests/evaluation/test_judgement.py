from __future__ import annotations

import pytest

from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow

END = {"ci_low": None, "ci_high": None, "ci_method": "", "n": 60}


def of(metric: str, **values: float | None) -> list[MetricRow]:
    return [
        MetricRow(model.replace("_", "-"), metric, "all", "test", value, **END, seed_sd=None)
        for model, value in values.items()
    ]


def against(
    metric: str, baseline: str, difference: float, low: float | None, high: float | None
) -> DifferenceRow:
    ends = END | {"ci_low": low, "ci_high": high}
    return DifferenceRow(metric, "test", baseline, difference, **ends)


ERRORS = of("mae", network=6.0, mean=13.0, voxels=8.0, head_size=None)
DICE = of("dice", network=0.8, mean_mask=0.64, label_transfer=0.65)


@pytest.mark.parametrize(
    ("rows", "best", "low", "high", "outcome"),
    [
        (ERRORS, "voxels", -3.0, -1.0, "better"),
        (ERRORS, "voxels", -3.0, 0.5, "open"),
        (ERRORS, "voxels", -3.0, 0.0, "open"),
        (ERRORS, "voxels", 0.5, 2.0, "worse"),
        (ERRORS, "voxels", None, None, "unknown"),
        (DICE, "label-transfer", 0.1, 0.2, "better"),
        (DICE, "label-transfer", -0.1, 0.2, "open"),
        (DICE, "label-transfer", -0.2, -0.1, "worse"),
    ],
)
def test_the_best_baseline_is_the_one_that_counts(rows, best, low, high, outcome):
    metric = rows[0].metric
    differences = [against(metric, row.model, 9.0, -9.0, 9.0) for row in rows if row.model != best]
    found = judge(rows, [*differences, against(metric, best, 0.0, low, high)])
    assert found.outcome == outcome
    assert found.baseline is not None
    assert found.baseline.model == best
    assert found.difference is not None
    assert found.difference.baseline == best


def test_without_a_baseline_or_its_difference_nothing_is_claimed():
    assert judge(of("mae", network=6.0), []).outcome == "alone"
    assert judge(of("mae", network=6.0, mean=None), []).outcome == "alone"
    lacks = judge(ERRORS, [against("mae", "mean", -7.0, -8.0, -6.0)])
    assert (lacks.outcome, lacks.difference) == ("unknown", None)


def test_it_is_said_in_words_with_the_unit_where_the_metric_has_one():
    def said(rows: list[MetricRow], *difference: float | None) -> str:
        best = "voxels" if rows is ERRORS else "label-transfer"
        return sentence(judge(rows, [against(rows[0].metric, best, *difference)]), "years")

    than = "the best baseline (linear model of voxels of 8 or 16 mm)"
    assert said(ERRORS, -2.0, -3.0, -1.0) == f"Beats {than} by 2.00 years [1.00, 3.00]."
    assert said(ERRORS, 2.0, 1.0, 3.0) == f"Is worse than {than} by 2.00 years [1.00, 3.00]."
    assert said(ERRORS, -2.0, -5.0, 12.0) == (
        f"Does not beat {than}: the difference is \u22122.0 years [\u22125.0, 12.0]."
    )
    assert said(ERRORS, -2.0, None, None) == (
        f"Nothing shows that it beats {than}: their difference has no interval."
    )
    assert said(DICE, 0.15, 0.1, 0.2) == (
        "Beats the best baseline (mask of the most similar training scan) by 0.150 in Dice, mean "
        "over classes [0.100, 0.200]."
    )
    assert sentence(judge(of("mae", network=6.0), []), "") == "No baseline stands beside it."
