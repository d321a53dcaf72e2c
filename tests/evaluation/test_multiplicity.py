"""P values of intervals, and their correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from simulated import AGE
from simulated import single

from headstart.evaluation.estimates import estimate
from headstart.evaluation.intervals import Interval
from headstart.evaluation.intervals import difference
from headstart.evaluation.multiplicity import holm
from headstart.evaluation.multiplicity import p_value


def test_holm_gives_the_published_numbers() -> None:
    # by R 4: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.02, 0.9]) == pytest.approx([1.0, None, 0.06, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_correction_keeps_the_order_and_never_helps(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(
        one is not None and p <= one <= 1 for p, one in zip(p_values, corrected, strict=True)
    )
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected, float)[order]) >= 0).all()
    assert min(corrected) <= len(p_values) * min(p_values)


@pytest.mark.parametrize("n", [12, 40, 200])
def test_a_p_value_of_a_mean_is_that_of_the_paired_t_test(n: int) -> None:
    rng = np.random.default_rng(n)
    truth = rng.normal(50, 10, n)
    one, other = (truth + rng.normal(0, sd, n) for sd in (4, 5))
    ours, theirs = (estimate(AGE, single(n), truth, said, {})["mae"] for said in (one, other))
    errors = [np.abs(said - truth) for said in (one, other)]
    made = difference(ours, theirs)
    p = p_value(ours.value - theirs.value, made, n)
    assert p == pytest.approx(stats.ttest_rel(*errors).pvalue, abs=0.02)
    assert (p < 0.05) == (not made.low <= 0 <= made.high)


def test_without_an_interval_there_is_no_p_value() -> None:
    assert p_value(1.0, Interval("none: because"), 30) is None
    assert p_value(float("nan"), Interval("none: because"), 30) is None
