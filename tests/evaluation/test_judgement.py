from __future__ import annotations

import pytest

from headstart.evaluation.judgement import beside
from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.tasks.denoising import Denoising
from headstart.tasks.regression import Regression

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
    by = "by 2.00 years [1.00, 3.00]."
    assert said(ERRORS, -2.0, -3.0, -1.0) == f"The network beats {than} {by}"
    assert said(ERRORS, 2.0, 1.0, 3.0) == f"The network is worse than {than} {by}"
    assert said(ERRORS, -2.0, -5.0, 12.0) == (
        f"The network does not beat {than}: the difference is \u22122.0 years [\u22125.0, 12.0]."
    )
    assert said(ERRORS, -2.0, None, None) == (
        f"Nothing shows that the network beats {than}: their difference has no interval."
    )
    assert said(DICE, 0.15, 0.1, 0.2) == (
        "The network beats the best baseline (mask of the most similar training scan) by 0.150 in "
        "Dice [0.100, 0.200]."
    )
    assert sentence(judge(of("mae", network=6.0), []), "") == "No baseline stands beside it."
    several = judge(of("mae", ensemble=6.0, mean=9.0), [against("mae", "mean", -3.0, -4.0, -2.0)])
    assert sentence(several, "").startswith("The ensemble beats ")


SURE = of("sure", network=0.6, noisy=1.0, gaussian=0.8, non_local_means=0.7)
SPOTS = of("spots", network=0.5, noisy=1.0, gaussian=0.9, non_local_means=0.4)
OF_SPOTS = [
    against("spots", "noisy", -0.5, -0.6, -0.4),
    against("spots", "gaussian", -0.4, -0.5, -0.3),
    against("spots", "non-local-means", 0.1, 0.05, 0.15),
]


def test_who_does_nothing_is_no_baseline_where_nothing_beats_it():
    found = judge(SPOTS, OF_SPOTS)
    assert found.baseline is not None
    assert (found.baseline.model, found.outcome) == ("gaussian", "worse")
    assert judge(SPOTS[:2], OF_SPOTS[:1]).outcome == "alone"
    error = judge([SURE[0], SURE[1]], [against("sure", "noisy", -0.4, -0.5, -0.3)])
    assert error.outcome == "better"


@pytest.mark.parametrize(
    ("baseline", "low", "high", "said"),
    [
        ("non-local-means", -0.2, 0.1, "A filter, which needs no training, may do as well."),
        ("non-local-means", None, None, "A filter, which needs no training, may do as well."),
        ("non-local-means", 0.1, 0.2, "A filter, which needs no training, does better."),
        ("noisy", -0.2, 0.1, "To leave the scans as they are may do as well."),
        ("noisy", 0.1, 0.2, "To leave the scans as they are does better."),
    ],
)
def test_what_does_as_well_without_training_is_named(baseline, low, high, said):
    rows = [row for row in SURE if row.model in ("network", baseline)]
    judged = judge(rows, [against("sure", baseline, 0.05, low, high)])
    assert sentence(judged, "").endswith(f". {said}")


def test_a_network_that_beats_a_filter_is_told_plainly():
    better = judge(SURE, [against("sure", "non-local-means", -0.1, -0.2, -0.05)])
    assert "filter," not in sentence(better, "")
    trained = judge(ERRORS, [against("mae", "voxels", -3.0, -4.0, 0.5)])
    assert sentence(trained, "years").endswith("].")


def test_what_is_lost_stands_beside_what_is_won_of_the_same_baseline():
    error = judge(SURE, [against("sure", "non-local-means", -0.1, -0.2, -0.05)])
    said = beside(Denoising, error, "sure", [*SURE, *SPOTS], OF_SPOTS)
    assert said.startswith("Contrast kept of planted spots: 0.5")
    assert "non-local means: 0.40" in said
    assert "the difference is 0.100 [0.050, 0.150]" in said
    # of the metric that comes first and is known
    psnr = of("psnr", network=None, gaussian=None)
    spots = judge(SPOTS, OF_SPOTS)
    assert beside(Denoising, spots, "spots", [*psnr, *SURE, *SPOTS], []).startswith("Squared error")
    nothing = of("spots", network=None, noisy=None)
    assert "not known of these scans" in beside(Denoising, error, "sure", [*SURE, *nothing], [])
    assert beside(Regression, judge(ERRORS, []), "mae", ERRORS, []) == ""
