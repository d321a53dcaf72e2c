"""How many extreme values chance gives: right for known tails, careful with few, robust."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.cohort.tails import NARROWEST
from headstart.cohort.tails import Tail


def test_an_exponential_tail_is_measured() -> None:
    values = np.random.default_rng(0).exponential(2.0, 100_000)
    tail = Tail.fit(values, 1000)
    assert tail.scale == pytest.approx(2, rel=0.1)
    # 10 values of 100,000 lie beyond 2 ln 10,000
    assert tail.expected(np.array(2 * np.log(1e4))) == pytest.approx(10, rel=0.4)


def test_normal_values_rarely_look_like_outliers() -> None:
    alarms = [
        (Tail.fit(values, n // 4).expected(values) < 1).sum()
        for n in (20, 100, 1000)
        for values in np.random.default_rng(n).normal(size=(100, n))
    ]
    assert np.mean(alarms) < 1.5


def test_a_few_outliers_do_not_hide_themselves() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    clean = Tail.fit(values, 100).scale
    values[:10] = 15
    assert Tail.fit(values, 100).scale == pytest.approx(clean, rel=0.5)
    assert (Tail.fit(values, 100).expected(values)[:10] < 0.01).all()


def test_the_fewer_values_the_heavier_the_tail() -> None:
    few, many = (Tail(start=0, count=n, scale=1) for n in (5, 500))
    assert few.expected(np.array(12.0)) / 5 > 50 * many.expected(np.array(12.0)) / 500


def test_of_a_single_value_one_is_expected() -> None:
    tail = Tail.fit(np.array([3.0]), 1)
    assert tail == Tail(start=3, count=1, scale=NARROWEST)
    assert tail.expected(np.array([3.0])).tolist() == [1]


def test_what_lies_before_the_tail_is_usual() -> None:
    tail = Tail.fit(np.arange(100.0), 10)
    assert tail.expected(np.array(-1e9)) == tail.expected(np.array(tail.start)) == 10
    assert Tail.fit(np.zeros(50), 10).scale == NARROWEST


def test_one_value_is_as_usual_as_can_be() -> None:
    tail = Tail.fit(np.array([3.0]), 1)
    assert tail.expected(np.array([2.0, 3.0])).tolist() == [1, 1]
    assert tail.scale == NARROWEST
