"""How long a training is, in epochs and in steps of the optimizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headstart.training.config import Train

# Scans, or patches, that are enough to measure batch norm's mean and spread after each epoch.
MEASURED = 128


def steps_of_epoch(scans: int, train: Train) -> int:
    """Steps of an epoch: its batches, where a single scan left over joins the one before it.

    Args:
        scans: Scans that are learnt from.
        train: How.
    """
    items = scans * train.per_scan
    steps = math.ceil(items / train.batch_size)
    single = items - (steps - 1) * train.batch_size == 1
    return max(1, steps - single)


def passes(train: Train, scans: int) -> float:
    """How often a training is asked to go over its scans.

    Args:
        train: How it trains.
        scans: Scans that it learns from.
    """
    if train.iterations is not None:
        return train.iterations / steps_of_epoch(scans, train)
    assert train.epochs is not None  # noqa: S101 Train has one of the two
    return train.epochs


def length_in_words(train: Train) -> str:
    """Say how long a training is asked to be: 60 epochs."""
    if train.epochs is None:
        return f"{train.iterations} steps"
    return f"{train.epochs} epochs"


def epochs_asked(train: Train, scans: int) -> int:
    """Epochs that are asked for; of `iterations` the last one may be cut short."""
    return math.ceil(passes(train, scans))


def steps_asked(train: Train, epochs: int, scans: int) -> int:
    """All steps of a training.

    Args:
        train: How it trains.
        epochs: How many it has; a budget may leave fewer than are asked for.
        scans: Scans that it learns from.
    """
    steps = epochs * steps_of_epoch(scans, train)
    return steps if train.iterations is None else min(steps, train.iterations)


def saved_epochs(train: Train, epochs: int) -> range:
    """Return the epochs whose weights are also kept, of so many: `train.save_every`."""
    every = train.save_every or epochs + 1
    return range(every, epochs + 1, every)
