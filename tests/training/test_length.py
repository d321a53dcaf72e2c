"""How many epochs and steps a training has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headstart.training.config import Train
from headstart.training.data import make_batches
from headstart.training.length import epochs_asked
from headstart.training.length import length_in_words
from headstart.training.length import passes
from headstart.training.length import steps_asked
from headstart.training.length import steps_of_epoch


def settings(**train: Any) -> Train:
    return Train(network="unet", **train)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 3))
def test_an_epoch_has_as_many_steps_as_batches(scans: int, size: int, per_scan: int) -> None:
    them: Any = [SimpleNamespace(subject=str(number), session="1") for number in range(scans)]
    train = settings(batch_size=size, sampling={"patches": [8, 8, 8], "per_scan": per_scan})
    batches = make_batches(them, size, 0, 1, per_scan)
    assert steps_of_epoch(scans, train) == len(batches)


@pytest.mark.parametrize(("iterations", "epochs"), [(1, 1), (3, 1), (4, 2), (30, 10), (31, 11)])
def test_epochs_follow_from_iterations(iterations: int, epochs: int) -> None:
    """Ten scans, four at a time, are three steps."""
    train = settings(iterations=iterations, batch_size=4)
    assert epochs_asked(train, 10) == epochs
    assert steps_asked(train, epochs, 10) == iterations
    assert passes(train, 10) == pytest.approx(iterations / 3)


def test_a_budget_leaves_whole_epochs_of_iterations() -> None:
    assert steps_asked(settings(iterations=31, batch_size=4), 5, 10) == 15


def test_epochs_are_passes() -> None:
    train = settings(epochs=7, batch_size=4)
    assert (epochs_asked(train, 10), passes(train, 10), steps_asked(train, 7, 10)) == (7, 7, 21)


def test_the_length_in_words() -> None:
    assert length_in_words(settings()) == "60 epochs"
    assert length_in_words(settings(iterations=500)) == "500 steps"


def test_one_of_the_two_is_given() -> None:
    with pytest.raises(ValidationError, match="epochs and iterations both say how long it is"):
        settings(epochs=3, iterations=5)
    with pytest.raises(ValidationError, match="epochs: must be a whole number"):
        settings(epochs=None)
    assert settings(epochs=None, iterations=5) == settings(iterations=5)


def test_settings_that_were_written_are_read_again() -> None:
    train = settings(iterations=5)
    assert Train.model_validate_json(train.model_dump_json()) == train


def test_a_training_of_epochs_is_known_by_what_it_was_before_there_were_iterations() -> None:
    assert "iterations" not in settings().model_dump(mode="json")
