"""A sweep through Snakemake: every combination is trained, and only the chosen one evaluated."""

from __future__ import annotations

from collections import Counter

import pytest
from study import Checkout

from headstart.common.records import read_rows
from headstart.evaluation.ranking import RankedRow

pytestmark = pytest.mark.slow

GRID = {
    "train.learning_rate": ["1e-1", "1e-2", "1e-3"],
    "train.batch_size": [2, 4],
}


def test_three_by_two_are_trained_ranked_and_opened_for_one(checkout: Checkout) -> None:
    config = checkout.config()
    config["experiments"] = {"age": config["experiments"]["age"] | {"sweep": GRID}}
    config["experiments"]["age"]["train"]["epochs"] = 1
    del config["final"]
    checkout.configure(config)
    jobs = checkout.done()
    assert jobs["train"] == jobs["plot_curves"] == 6
    assert jobs["plot_sweep"] == 1
    assert {"predict", "evaluate", "plot_evaluation"}.isdisjoint(jobs)
    assert checkout.planned() == Counter()
    figures = checkout.study / "figures/age"
    rows = read_rows(figures / "sweep.csv", RankedRow)
    assert len({row.experiment for row in rows}) == 6
    values = [row.value for row in rows]
    assert values == sorted(values)  # a mean absolute error
    assert (figures / "sweep.pdf").is_file()
    assert '"sweep.csv"' in (figures / "manifest.json").read_text()
    # the choice, in the study file: nothing is trained again
    config["final"] = rows[0].experiment
    checkout.configure(config)
    chosen = Counter(predict=1, evaluate=1, plot_evaluation=1, plot_curves=1, manifest=1, report=1)
    assert checkout.planned() == chosen
