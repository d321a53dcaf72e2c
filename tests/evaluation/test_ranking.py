"""The order of a sweep's experiments, and what the spread over seeds lets one say of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.evaluation.ranking import RankedRow
from headstart.evaluation.ranking import rank
from headstart.evaluation.ranking import verdict


def ranked(metric: str, **scores: list[list[float]]) -> list[RankedRow]:
    settings = {name: {"train.epochs": name} for name in scores}
    return rank(metric, {name: np.array(each) for name, each in scores.items()}, settings)


def test_means_and_spreads_are_over_seeds_of_means_over_folds() -> None:
    # two folds, three seeds: means over folds are 4, 5, 6 and 9, 10, 11
    first, second = ranked("mae", b=[[8, 9, 10], [10, 11, 12]], a=[[3, 5, 4], [5, 5, 8]])
    assert (first.experiment, first.value, first.difference, first.apart) == ("a", 5, 0, None)
    assert (second.experiment, second.value, second.difference) == ("b", 10, 5)
    assert (second.folds, second.seeds) == (2, 3)
    assert first.seed_sd == pytest.approx(1)
    assert second.seed_sd == pytest.approx(1)
    # Student's t of 4 degrees of freedom, for two means of three, each with spread 1
    assert second.margin == pytest.approx(2.7764 * math.sqrt(2 / 3), rel=1e-4)
    assert second.apart
    assert verdict([first, second]).startswith("The first is better than every other one")


def test_the_best_is_the_highest_where_high_is_good() -> None:
    assert [row.experiment for row in ranked("dice", a=[[0.7]], b=[[0.9]], c=[[0.8]])] == list(
        "bca"
    )


def test_differences_within_the_spread_are_told_as_such() -> None:
    near = {"a": [[4.0, 5.0, 6.0]], "b": [[4.1, 5.1, 6.1]], "c": [[4.2, 5.2, 6.2]]}
    rows = ranked("mae", **near, d=[[14.0, 15.0, 16.0]])
    assert [row.apart for row in rows] == [None, False, False, True]
    assert verdict(rows).startswith("The first 3 can't be told apart")
    assert verdict(ranked("mae", **near)).startswith("None of the 3 can be told from another")


def test_a_spread_that_is_small_by_chance_tells_nothing_apart() -> None:
    twins = {"a": [[5.0, 5.0, 5.0]], "b": [[5.5, 5.5, 5.5]]}
    rows = ranked("mae", **twins, c=[[5.0, 6.0, 7.0]], d=[[5.1, 6.1, 7.1]], e=[[5.2, 6.2, 7.2]])
    assert [row.experiment for row in rows] == list("abcde")
    assert rows[1].seed_sd == 0
    assert not rows[1].apart


def test_one_that_scatters_widely_hides_no_difference_of_others() -> None:
    rows = ranked("mae", a=[[4.9, 5.0, 5.1]], b=[[8.9, 9.0, 9.1]], c=[[5.0, 90.0, 200.0]])
    assert [(row.experiment, row.apart) for row in rows] == [("a", None), ("b", True), ("c", False)]
    assert verdict(rows).startswith("1 other one can't be told from the first")


@pytest.mark.parametrize(("experiments", "seeds"), [(2, 2), (4, 2), (9, 3)])
def test_equal_experiments_are_seldom_told_apart(experiments: int, seeds: int) -> None:
    """Of equal ones the best is the luckiest: in 5 of 100 sweeps at most another is told apart."""
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(400):
        scores = {str(name): rng.normal(5, 1, (1, seeds)).tolist() for name in range(experiments)}
        wrong += any(row.apart for row in ranked("mae", **scores))
    assert wrong / 400 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_of_one_seed_no_spread_is_known() -> None:
    rows = ranked("mae", a=[[5.0], [6.0]], b=[[9.0], [9.0]])
    assert [(row.seed_sd, row.margin, row.apart) for row in rows] == [(None, None, None)] * 2
    assert verdict(rows).startswith("One seed each: no spread is known")


def test_what_is_not_defined_comes_last_and_the_table_keeps_it(tmp_path: Path) -> None:
    rows = ranked("auroc", a=[[math.nan, 0.9]], b=[[0.6, 0.7]])
    assert [(row.experiment, row.value) for row in rows] == [
        ("b", pytest.approx(0.65)),
        ("a", None),
    ]
    write_rows(tmp_path / "sweep.csv", RankedRow, rows)
    head, *_ = (tmp_path / "sweep.csv").read_text().splitlines()
    assert head.startswith("rank,experiment,train.epochs,metric,value,seed_sd,difference,margin")
    assert [row.rank for row in read_rows(tmp_path / "sweep.csv", RankedRow)] == [1, 2]
