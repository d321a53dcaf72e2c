"""A row of experiments.csv: one experiment beats another, beyond what seeds explain."""

from __future__ import annotations

from headstart.evaluation.results import ExperimentRow

APART = ExperimentRow(
    task="regression",
    target="age",
    unit="years",
    protocol="test",
    folds=(),
    metric="mae",
    role="primary",
    experiment="one",
    other="other",
    difference=-2.0,
    ci_low=-3.0,
    ci_high=-1.0,
    ci_method="paired jackknife-t",
    n=60,
    p=0.0001,
    p_holm=0.0002,
    seed_margin=0.5,
    better="one",
)
