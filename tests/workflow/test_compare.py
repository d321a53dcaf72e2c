"""Experiments of one question through Snakemake: compared, and each look at the test counted."""

from __future__ import annotations

import pytest
from study import Checkout

from headstart.common.records import read_rows
from headstart.evaluation.openings import read_openings
from headstart.evaluation.results import ExperimentRow

pytestmark = pytest.mark.slow


def test_two_of_one_question_are_compared_and_every_look_at_the_test_stays(
    new_checkout: Checkout,
) -> None:
    assert {"compare", "plot_experiments"}.isdisjoint(new_checkout.planned())
    config = new_checkout.config()
    age = config["experiments"]["age"]
    config["experiments"] = {"age": age, "other": age | {"seeds": [1]}}
    config["final"] = ["age", "other"]
    new_checkout.configure(config)
    jobs = new_checkout.done()
    assert (jobs["compare"], jobs["plot_experiments"]) == (1, 1)
    study = new_checkout.study
    rows = read_rows(study / "evaluate/experiments.csv", ExperimentRow)
    assert {(row.experiment, row.other) for row in rows} == {("age", "other")}
    assert {row.protocol for row in rows} == {"test", "hold-out"}
    assert (study / "figures/experiments/experiments.pdf").is_file()
    assert not new_checkout.planned()

    ledger = study / "test-openings.csv"
    assert sorted(row.experiment for row in read_openings(ledger)) == ["age", "other"]
    (study / "evaluate/age/metrics.csv").unlink()  # the same predictions are the same look
    new_checkout.done()
    assert len(read_openings(ledger)) == 2
    config["experiments"]["other"]["train"] = age["train"] | {"learning_rate": 0.01}
    new_checkout.configure(config)
    assert new_checkout.done()["evaluate"] == 1
    assert [row.experiment for row in read_openings(ledger)][2:] == ["other"]
    del config["experiments"]["other"]
    config["final"] = "age"
    new_checkout.configure(config)
    assert "compare" not in new_checkout.done()
    assert len(read_openings(ledger)) == 3
