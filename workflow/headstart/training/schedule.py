"""The learning rate of each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

# torch takes seconds to import, and a run that is finished already is published without it: what
# rests on torch is imported in the functions that compute.
if TYPE_CHECKING:
    pass


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Learning rate of a step: a linear rise, then half a cosine down towards 0.

    Loshchilov and Hutter 2017, arXiv:1608.03983 (without restarts).

    Args:
        step: The step, from 0.
        steps: All steps of the training.
        peak: The highest rate.
        warmup: Share of the steps over which it rises.
    """
    rising = round(warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))
