"""Which epoch's weights are kept, and when enough is learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.common.errors import UserError
from headstart.tasks.metrics import METRICS
from headstart.training.history import Epoch
from headstart.training.history import History

if TYPE_CHECKING:
    from headstart.training.config import Train
    from headstart.training.progress import Progress


def is_kept(row: Epoch, history: History, keep: str) -> bool:
    """Whether an epoch's weights are kept, rather than those of an earlier one.

    Args:
        row: The epoch.
        history: Those before it.
        keep: `train.keep`.

    Raises:
        UserError: If the best one is to be kept and its metric is no number.
    """
    return keep != "best" or is_best(row, history.epochs, history.key_metric)


def is_best(epoch: Epoch, earlier: Sequence[Epoch], key: str) -> bool:
    """Whether an epoch is better than all before it.

    Args:
        epoch: The epoch.
        earlier: Those before it.
        key: Name of the metric that compares them.

    Raises:
        UserError: If the metric is no number.
    """
    value = _score(epoch, key)
    if math.isnan(value):
        raise UserError(
            f"the validation scans give no {key}, so no epoch can be chosen; "
            "set train.keep: last, or raise split.validation"
        )
    return all(value > _score(one, key) for one in earlier)


def epochs_of(progress: Progress, settings: Train) -> tuple[int, str]:
    """Say after an epoch how many there shall be, and why no more.

    Args:
        progress: How far the training is; its last epoch is closed.
        settings: The section `train`.

    Returns:
        Their number, and what stopped the training; "" where nothing did.
    """
    history, done = progress.history, len(progress.history.epochs)
    if done == progress.epochs:
        return done, ""
    if settings.patience is not None and _stale(history) >= settings.patience:
        return done, f"{history.key_metric} is no better for {settings.patience} epochs (patience)"
    if settings.budget_seconds is None:
        return progress.epochs, ""
    seconds = [epoch.seconds for epoch in progress.spent]
    if sum(seconds) + max(seconds) > settings.budget_seconds:
        return done, f"one epoch more would go beyond {settings.budget} (budget)"
    if done == 1:
        # the schedule then comes to its end when the time does
        return min(progress.epochs, int(settings.budget_seconds / seconds[0])), ""
    return progress.epochs, ""


def _stale(history: History) -> int:
    """How many epochs have passed since the best one."""
    scores = [_score(epoch, history.key_metric) for epoch in history.epochs]
    defined = [-math.inf if math.isnan(score) else score for score in scores]
    return len(defined) - 1 - defined.index(max(defined))


def _score(epoch: Epoch, key: str) -> float:
    """An epoch's metric, with its sign turned where less is better."""
    return epoch.metrics[key] * (1 if METRICS[key].higher_is_better else -1)
