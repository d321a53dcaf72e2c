"""How far a training is, and what it says of itself."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from steps import make_batch

from headstart.common.errors import UserError
from headstart.tasks.regression import Regression
from headstart.training import progress as module
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.progress import Progress
from headstart.training.progress import Step
from headstart.training.progress import show_epoch
from headstart.training.spent import Spent


def step(loss, scans=4):
    return Step(torch.tensor(loss), make_batch(0, scans), 0.1)


def begun(epochs=5):
    return Progress(History("mae"), epochs)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to: its time is `clock[0]`."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_the_time_of_an_epoch_is_told_apart(clock):
    progress = begun()

    def batches():
        for seconds in (1, 2):
            clock[0] += seconds
            yield seconds
        clock[0] += 4  # to find that there is no more

    seen = []
    for batch in progress.timed(batches()):
        clock[0] += 10 * batch
        seen.append(batch)
    for _ in range(2):
        with progress.validating():
            clock[0] += 100
    assert seen == [1, 2]
    now = progress.now
    assert (now.waiting, now.computing, now.validating) == (7, 30, 200)
    assert now.seconds == 237


def test_losses_are_summed_over_scans_one_step_late():
    progress = begun()
    assert (progress.position, progress.loss) == ((1, 0), 0)
    progress.add(step(2.0, scans=3))
    assert (progress.position, progress.loss) == ((1, 1), 0)
    progress.add(step(1.0, scans=5))
    assert (progress.position, progress.loss) == ((1, 2), 6)
    progress.settle()
    progress.settle()
    assert (progress.position, progress.loss) == ((1, 2), 11)


def test_what_is_said_in_a_step_is_looked_at_with_its_loss():
    progress, looked = begun(), []

    def told(*values):
        def look():
            looked.append(values)
            return np.array([1.0, 2.0]), np.array(values)

        return look

    progress.add(step(1.0)._replace(told=[told(1.0, 2.5), told(3.0, 2.0)]))
    assert looked == progress.told == []
    progress.add(step(1.0))
    progress.settle()
    assert looked == [(1.0, 2.5), (3.0, 2.0)]
    task = Regression(mean=50.0, standard_deviation=10.0)
    assert progress.train_metrics(task)["mae"] == (0 + 0.5 + 2 + 0) / 4
    progress.end_epoch(Epoch(1, 0.1, 2.0), None)
    assert progress.train_metrics(task) == {}


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_named_once_it_is_looked_at(loss):
    progress = begun()
    progress.add(step(loss))
    said = f"the loss is {loss} in epoch 1 at learning rate 0.1; lower train.learning_rate"
    with pytest.raises(UserError, match=said):
        progress.add(step(1.0))


def test_a_volume_that_augmentation_spoilt_is_named():
    progress = begun()
    batch = make_batch(0)
    batch.volumes[2, 0, 1, 1, 1] = math.nan
    progress.add(Step(torch.tensor(math.nan), batch, 0.1))
    with pytest.raises(UserError, match="subject s2, session 1 is not finite any more once it is"):
        progress.settle()


def test_an_epoch_that_ends_leaves_nothing_to_the_next():
    progress = begun()
    progress.add(step(2.0))
    progress.settle()
    progress.now.computing = 7.0
    first, second = Epoch(1, 0.1, 2.0), Epoch(2, 0.1, 1.0)
    weights = {"weight": torch.ones(2)}
    progress.end_epoch(first, weights)
    assert (progress.position, progress.loss, progress.now) == ((2, 0), 0, Spent())
    assert progress.history == History("mae", (first,), chosen=1)
    ((spent),) = progress.spent
    assert spent.computing == 7
    assert 0.01 < spent.memory < 100  # GB
    weights["weight"] += 1  # as the next step does
    assert progress.kept["weight"].tolist() == [1, 1]
    progress.end_epoch(second, None)
    assert progress.history == History("mae", (first, second), chosen=1)
    assert progress.kept["weight"].tolist() == [1, 1]
    assert len(progress.spent) == 2
    progress.end_epoch(Epoch(3, 0.1, 1.0), weights)
    assert progress.history.chosen == 3
    assert progress.kept["weight"].tolist() == [2, 2]


def test_what_is_kept_can_be_saved_however_it_lay_in_memory(tmp_path):
    progress = begun()
    weight = torch.randn(2, 3, 4, 4, 4).to(memory_format=torch.channels_last_3d)
    progress.end_epoch(Epoch(1, 0.1, 2.0), {"weight": weight})
    save_file(progress.kept, tmp_path / "model.safetensors")
    assert torch.equal(progress.kept["weight"], weight)


def test_what_is_put_away_is_taken_up():
    progress = begun()
    metrics = {"mae": 4.0, "r": math.nan}
    progress.end_epoch(Epoch(1, 0.1, 2.0, 3.0, metrics), {"weight": torch.ones(2)})
    progress.epochs = 4  # a budget cut them
    progress.now.waiting = 3.0
    said = np.array([0.1, 0.2]), np.array([1 / 3, 0.4])
    for one in range(2):  # a batch in two parts
        part = [np.array([array[one]]) for array in said]
        progress.add(step(1.5 * one)._replace(told=[lambda part=part: tuple(part)]))
    # as a checkpoint holds it
    file = io.BytesIO()
    torch.save(progress.state(), file)
    file.seek(0)
    again = Progress.of(torch.load(file, weights_only=True), "mae")
    assert (again.position, again.loss, again.epochs) == ((2, 2), 6, 4)
    ((truth, answered),) = again.told
    assert (truth.tolist(), answered.tolist()) == (said[0].tolist(), said[1].tolist())
    assert type(again.loss) is float
    assert again.history.key_metric == "mae"
    assert again.history.chosen == 1
    (row,) = again.history.epochs
    assert (row.number, row.learning_rate, row.train_loss, row.val_loss) == (1, 0.1, 2.0, 3.0)
    assert row.metrics == pytest.approx(metrics, nan_ok=True)
    assert again.spent == progress.spent
    assert again.now == progress.now
    assert again.now.waiting == 3
    assert again.now.memory > 0
    assert again.kept["weight"].tolist() == [1, 1]


def test_a_loss_that_is_no_number_is_never_put_away():
    progress = begun()
    progress.add(step(math.nan))
    with pytest.raises(UserError, match="the loss is nan"):
        progress.state()


def said(capsys, *rows, epochs=3, spent=(60.0, 90.0, 60.0), over="", waiting=0.0):
    progress = begun(epochs)
    for (train_loss, val_loss), seconds in zip(rows, spent, strict=False):
        number = progress.epoch
        metrics = {} if val_loss is None else {"mae": 1.5 * val_loss, "r": 0.5}
        progress.now.computing, progress.now.waiting = seconds - waiting, waiting
        progress.end_epoch(Epoch(number, 0.1, train_loss, val_loss, metrics), {})
    show_epoch(progress, over)
    return capsys.readouterr().err.splitlines()


def test_each_epoch_is_told_with_the_time_that_is_left(capsys):
    line = "epoch 1/3  train loss 2.123  validation loss 3  mae 4.5  60.0 s  2 min left"
    assert said(capsys, (2.12345, 3.0)) == [line]
    # two more that take what the two before took in the mean
    line = "epoch 2/4  train loss 1  validation loss 2  mae 3  12000.0 s  300 min left"
    assert said(capsys, (2.0, 3.0), (1.0, 2.0), epochs=4, spent=(6e3, 12e3)) == [line]


def test_without_validation_none_is_told_of(capsys):
    assert said(capsys, (2.0, None)) == ["epoch 1/3  train loss 2  60.0 s  2 min left"]


def test_an_early_end_says_why(capsys):
    (line,) = said(capsys, (2.0, 3.0), epochs=1, over="enough is learnt")
    assert line.endswith("60.0 s  the last one: enough is learnt")


def test_waiting_is_told_once_after_the_second_epoch(capsys):
    """The first one reads the files for the first time."""
    rows = [(2.0, 3.0), (1.5, 2.0), (1.0, 1.0)]
    lines = [said(capsys, *rows[:ended], epochs=4, waiting=30.0) for ended in (1, 2, 3)]
    assert [len(told) for told in lines] == [1, 2, 1]
    assert lines[1][1].startswith("the network waited for its batches for 33% of the epoch")


def test_what_the_curves_say_is_told_at_the_end(capsys):
    still = [(2.0, 3.0), (2.0, 3.0)]
    assert len(said(capsys, *still, epochs=3)) == 1
    _, remark = said(capsys, *still, epochs=2)
    assert remark.startswith("the training loss stands still")
