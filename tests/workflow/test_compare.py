"""Experiments of one question through Snakemake: compared, and each look at the test counted."""

from __future__ import annotations

import pytest
from study import Checkout

from headstart.common.records import read_rows
from headstart.evaluation.openings import read_openings
from headstart.evaluation.results import ExperimentRow

pytestmark = pytest.mark.slow


def test_two_of_one_question_are_compared_and_every_look_at_the_test_stays(
    checkout: Checkout,
) -> None:
    assert {"compare", "plot_experiments"}.isdisjoint(checkout.planned("--forceall"))
    config = checkout.config()
    age = config["experiments"]["age"]
    config["experiments"] = {"age": age, "other": age | {"seeds": [1]}}
    config["final"] = ["age", "other"]
    checkout.configure(config)
    jobs = checkout.done()
    assert (jobs["compare"], jobs["plot_experiments"]) == (1, 1)
    study = checkout.study
    rows = read_rows(study / "evaluate/experiments.csv", ExperimentRow)
    assert {(row.experiment, row.other) for row in rows} == {("age", "other")}
    assert {row.protocol for row in rows} == {"test", "hold-out"}
    assert (study / "figures/experiments/experiments.pdf").is_file()
    assert not checkout.planned()

    ledger = study / "test-openings.csv"
    assert sorted(row.experiment for row in read_openings(ledger)) == ["age", "other"]
    (study / "evaluate/age/metrics.csv").unlink()  # the same predictions are the same look
    checkout.done()
    assert len(read_openings(ledger)) == 2
    config["experiments"]["other"]["train"] = age["train"] | {"learning_rate": 0.01}
    checkout.configure(config)
    metrics = [f"tiny/evaluate/{name}/metrics.csv" for name in ("age", "other")]
    assert checkout.done(*metrics)["evaluate"] == 1
    assert [row.experiment for row in read_openings(ledger)][2:] == ["other"]
    del config["experiments"]["other"]
    config["final"] = "age"
    checkout.configure(config)
    assert "compare" not in checkout.done()
    assert len(read_openings(ledger)) == 3
