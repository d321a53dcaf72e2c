"""The learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Callable

POWER = 0.9  # as DeepLab and nnU-Net have it


def cosine(step: int, steps: int) -> float:
    """Half a cosine from 1 down towards 0.

    Loshchilov and Hutter 2017, arXiv:1608.03983 (without restarts).

    Args:
        step: The step after the rise, from 0.
        steps: All steps after the rise.
    """
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def polynomial(step: int, steps: int) -> float:
    """A power of the share of steps that are left: almost a straight line from 1 towards 0.

    Chen and others 2018, doi:10.1109/TPAMI.2017.2699184.
    """
    return float((1 - step / steps) ** POWER)


def constant(_step: int, _steps: int) -> float:
    """The peak to the end."""
    return 1.0


def learning_rate(
    step: int,
    steps: int,
    peak: float,
    warmup: float,
    fall: Callable[[int, int], float] = cosine,
) -> float:
    """Learning rate of a step: a linear rise, then what the schedule leaves of the peak.

    Args:
        step: The step, from 0.
        steps: All steps of the training.
        peak: The highest rate.
        warmup: Share of the steps over which it rises.
        fall: The schedule after the rise.
    """
    rising = round(warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * fall(step - rising, steps - rising)
