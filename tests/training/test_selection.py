"""Which epoch's weights are kept, and when a training ends before its last epoch."""

from __future__ import annotations

import math

import pytest

from headstart.common.errors import UserError
from headstart.training.config import Train
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.progress import Progress
from headstart.training.selection import epochs_of
from headstart.training.selection import is_kept
from headstart.training.spent import Spent


def after(*values: float, key: str = "mae", seconds: float = 60.0, planned: int = 10) -> Progress:
    """How far a training is whose epochs gave these values of a metric."""
    rows = [Epoch(n, 0.1, 1.0, 1.0, {key: value}) for n, value in enumerate(values, start=1)]
    spent = [Spent(computing=seconds) for _ in values]
    return Progress(History(key, tuple(rows), 1), epochs=planned, spent=spent)


@pytest.mark.parametrize(
    ("key", "values", "patience", "ends"),
    [
        ("mae", (5, 4, 4.5, 4.2), 2, True),
        ("mae", (5, 4, 4.5, 4.2), 3, False),
        ("mae", (5, 4, 4.5, 3.9), 1, False),
        ("mae", (5, 5, 5), 2, True),  # as good is no better
        ("dice", (0.5, 0.6, 0.55, 0.58), 2, True),
        ("dice", (0.5, 0.6, 0.55, 0.7), 2, False),
    ],
)
def test_patience_counts_from_the_best_epoch(
    key: str, values: tuple[float, ...], patience: int, ends: bool
) -> None:
    train = Train(network="sfcn", patience=patience)
    epochs, why = epochs_of(after(*values, key=key), train)
    assert epochs == (len(values) if ends else 10)
    assert bool(why) == ends


def test_a_metric_that_is_not_defined_in_some_epoch_is_no_improvement() -> None:
    train = Train(network="sfcn", keep="last", patience=2)
    assert epochs_of(after(math.nan, 5, math.nan, math.nan), train)[0] == 4
    assert epochs_of(after(math.nan, 5, math.nan), train)[0] == 10


@pytest.mark.parametrize(
    ("budget", "done", "epochs"),
    [
        ("8min", 1, 8),  # cut once the first one is timed
        ("1h", 1, 10),
        ("0.1 h", 1, 6),
        ("8min", 3, 10),  # after that only stopped
        ("3.5min", 3, 3),
        ("30min", 3, 10),
    ],
)
def test_a_budget_of_epochs_of_a_minute(budget: str, done: int, epochs: int) -> None:
    train = Train(network="sfcn", budget=budget)
    assert epochs_of(after(*range(done)), train)[0] == epochs


def test_a_training_that_ends_as_planned_needs_no_reason() -> None:
    train = Train(network="sfcn", budget="3min", patience=1)
    assert epochs_of(after(3, 4, 5, planned=3), train) == (3, "")


def test_what_is_kept() -> None:
    history = after(5, 4).history
    better, worse = (Epoch(3, 0.1, 1.0, 1.0, {"mae": value}) for value in (3.0, 4.0))
    assert is_kept(better, history, "best")
    assert not is_kept(worse, history, "best")
    assert is_kept(worse, history, "last")
    assert is_kept(worse, history, "ema")
    undefined = Epoch(3, 0.1, 1.0, 1.0, {"mae": math.nan})
    with pytest.raises(UserError, match="give no mae"):
        is_kept(undefined, history, "best")
