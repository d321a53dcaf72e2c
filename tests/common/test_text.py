"""What counts as a number in a table, and how numbers are written."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.common.text import counted
from headstart.common.text import duration
from headstart.common.text import is_number
from headstart.common.text import number_with_interval
from headstart.common.text import times


@pytest.mark.parametrize("text", ["1", "-1.5", "1e-3", " 2 ", ".5", "+3"])
def test_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "1_0", "1_000.5", "\u0663", "\uff11", "½", "1,5", "one"])
def test_what_python_or_nobody_takes_for_one(text: str) -> None:
    assert not is_number(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0, "0 s"), (59.4, "59 s"), (60, "1 min"), (5399, "90 min")),
        *((5400, "1.5 h"), (100 * 3600, "100 h")),
    ],
)
def test_a_duration_has_one_unit(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_voxels_are_counted_exactly_and_lengths_to_four_digits() -> None:
    assert times(np.array([12345, 256, 1])) == "12345x256x1"
    assert times(np.array([0.9375, 1.20004, 2.0], np.float32)) == "0.9375x1.2x2"


def test_a_number_of_things() -> None:
    assert [counted(n, "job") for n in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((2.3, 1.7, 2.9), "2.30 [1.70, 2.90]"),
        ((15.0, 11.4, 18.2), "15.0 [11.4, 18.2]"),
        ((0.99, 0.962, 1.0), "0.990 [0.962, 1.000]"),
        ((-0.01, -0.04, 0.0), "\u22120.010 [\u22120.040, 0.000]"),
        ((151.2, 149.6, 1400.0), "151 [150, 1400]"),
        ((3.17, 1.2, 152.9), "3.2 [1.2, 152.9]"),
        ((0.47, 0.21, 16.1), "0.47 [0.21, 16.10]"),
        ((-0.0004, -0.005, 0.005), "0.000 [\u22120.005, 0.005]"),
        ((float("nan"),) * 3, "not defined"),
        ((16.394, float("nan"), float("nan")), "16.4"),
    ],
)
def test_a_number_and_its_interval_have_the_same_decimals(
    numbers: tuple[float, float, float], text: str
) -> None:
    assert number_with_interval(*numbers) == text
