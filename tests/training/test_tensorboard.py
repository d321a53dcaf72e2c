"""Curves in TensorBoard. It is no package that headstart needs: .ci/run installs it for these."""

from __future__ import annotations

import pandas as pd
import pytest
from small_study import SmallStudy

from headstart.training import loop

pytest.importorskip("tensorboard", reason="TensorBoard is not installed")


class KilledError(Exception):
    """The process ends."""


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def shown(output):
    """Every number that TensorBoard shows, by its name: a list of (epoch, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(output / "tensorboard")).Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def history(output):
    """The same by the training's own table."""
    table = pd.read_csv(output / "history.csv").set_index("epoch")
    names = {"learning_rate": "learning_rate"}
    for column in table:
        part, _, name = column.partition("_")
        if part in ("train", "val"):
            names[column] = f"{name}/{'train' if part == 'train' else 'validation'}"
    return {
        name: [(epoch, pytest.approx(value, nan_ok=True)) for epoch, value in table[column].items()]
        for column, name in names.items()
    }


def test_it_shows_the_numbers_of_the_history(study, tmp_path):
    study.train(study.run(epochs=3), tmp_path / "out", tmp_path / "store")
    found = shown(tmp_path / "out")
    assert {"loss/train", "loss/validation", "mae/validation", "learning_rate"} <= set(found)
    assert found == history(tmp_path / "out")


def test_each_epoch_of_a_training_that_broke_off_is_shown_once(study, tmp_path, monkeypatch):
    run, places = study.run(epochs=3), (tmp_path / "out", tmp_path / "store")
    real = loop.show_epoch

    def kill(progress, over):
        real(progress, over)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(loop, "show_epoch", kill)
        with pytest.raises(KilledError):
            study.train(run, *places)
    assert [epoch for epoch, _ in shown(places[0])["loss/train"]] == [1]
    study.train(run, *places)
    assert shown(places[0]) == history(places[0])


def test_a_finished_training_takes_the_place_of_the_one_shown(study, tmp_path):
    places = (tmp_path / "out", tmp_path / "store")
    first, second = study.run(epochs=2), study.run(epochs=3)
    for run in (first, second, first):
        study.train(run, *places)
    assert len(shown(places[0])["loss/train"]) == 2
    assert shown(places[0]) == history(places[0])
