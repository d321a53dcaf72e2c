"""The learning rate of each step, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from headstart.training.schedule import constant
from headstart.training.schedule import cosine
from headstart.training.schedule import learning_rate
from headstart.training.schedule import polynomial


def test_every_schedule_after_the_same_warm_up():
    for fall, half in ((cosine, 0.5), (polynomial, 0.5**0.9), (constant, 1.0)):
        rates = [learning_rate(step, 50, 2.0, 0.2, fall) for step in range(50)]
        assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
        assert rates[10] == 2.0
        assert rates[30] == pytest.approx(2 * half)
        assert rates[10:] == sorted(rates[10:], reverse=True)
    assert learning_rate(49, 50, 2.0, 0.2, polynomial) == pytest.approx(2 * (1 / 40) ** 0.9)


def test_the_rate_at_its_ends():
    rates = [learning_rate(step, 40, 1.0, 0.25) for step in range(40)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert rates[10] == 1.0
    assert rates[25] == pytest.approx(0.5)
    assert rates[39] == pytest.approx((1 + math.cos(math.pi * 29 / 30)) / 2)
    assert learning_rate(0, 10, 0.3, 0) == 0.3
