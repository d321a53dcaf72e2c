"""Sentences about a training, where its numbers ask for them and only there."""

from __future__ import annotations

import pytest

from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.remarks import at_end
from headstart.training.remarks import on_unseen
from headstart.training.remarks import on_waiting
from headstart.training.spent import Spent


def of(train: list[float], val: list[float] | None = None) -> list[str]:
    """What is said of a training with these losses, by its first words."""
    rows = zip(train, val or [None] * len(train), strict=True)
    epochs = tuple(Epoch(n, 0.1, one, other) for n, (one, other) in enumerate(rows, start=1))
    return [said.split(":")[0] for said in at_end(History("mae", epochs, 1))]


@pytest.mark.parametrize(
    ("waiting", "said"), [(0.0, False), (5.0, False), (5.5, True), (90.0, True)]
)
def test_waiting_is_told_above_a_twentieth(waiting: float, said: bool) -> None:
    spent = Spent(computing=90.0 - waiting, waiting=waiting, validating=10.0)
    told = on_waiting(spent)
    assert bool(told) == said
    assert not told or f"{waiting / 100:.0%}" in told


def test_an_epoch_of_no_time_waits_for_nothing() -> None:
    assert on_waiting(Spent()) == ""


@pytest.mark.parametrize(
    ("train", "val", "said"),
    [
        ([1, 0.8, 0.5, 0.3], [1, 0.9, 0.8, 0.7], []),
        ([1, 0.8, 0.5, 0.3], [1, 0.9, 1.1, 1.3], ["it overfits"]),
        ([1, 0.8, 0.5, 0.3], [1, 0.9, 0.95, 0.98], []),  # hardly more than the lowest
        ([1, 0.8, 0.5, 0.3], [1, 0.95, 0.8, 1.3], []),  # a jump at the end
        ([1, 0.8, 0.9, 0.95], [1, 0.9, 1.1, 1.3], []),  # both rise: it diverges
        ([1, 1.0, 0.99, 1.01], None, ["the training loss stands still"]),
        ([1, 1.0, 0.9, 1.01], None, []),
        ([1.0], None, []),
        ([1.0], [1.0], []),
    ],
)
def test_what_the_curves_say(train: list[float], val: list[float] | None, said: list[str]) -> None:
    assert of(train, val) == said


def test_classes_that_no_training_scan_has_are_named() -> None:
    assert on_unseen(()) == ""
    assert "no scan to learn from has the class rare, rarer: " in on_unseen(("rare", "rarer"))
