"""What a killed training goes on from, and when it is put away."""

from __future__ import annotations

import errno
import signal
import zipfile
from pathlib import Path

import pytest
import torch
from steps import Small
from steps import make_batch
from steps import make_stepper

from headstart.common.deadline import Deadline
from headstart.common.errors import OutOfTimeError
from headstart.common.stopping import Stopped
from headstart.training import checkpoint
from headstart.training.checkpoint import Checkpoints
from headstart.training.checkpoint import newest_checkpoint
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.progress import Step

STEPS = 6  # of the training, two an epoch


class Training:
    """A training of three epochs, each of two steps, by an attempt of a run.

    Attributes:
        signals: Those that came.
    """

    def __init__(self, attempt, weights=0, **train):
        attempt.mkdir(parents=True, exist_ok=True)
        self.attempt, self.signals = attempt, []
        torch.manual_seed(weights)
        self.network = Small()
        self.stepper = make_stepper(self.network, **train)
        deadline = Deadline(self.signals)
        self.checkpoints = Checkpoints(attempt, self.network, self.stepper, deadline)
        self.progress = self.checkpoints.resume("mae", 3)

    def step(self):
        """Learn from a batch; return its loss."""
        number = (self.progress.epoch - 1) * 2 + self.progress.step
        batch = make_batch(number)
        loss = self.stepper.step(batch, number, STEPS)
        self.progress.add(Step(loss, batch, self.stepper.rate))
        return loss.item()

    def end_epoch(self):
        """Close the epoch; its weights are kept."""
        self.progress.settle()
        row = Epoch(self.progress.epoch, self.stepper.rate, self.progress.loss / 8)
        self.progress.end_epoch(row, self.network.state_dict())

    def go_to(self, epoch, step):
        """Train up to a place."""
        while self.progress.position != (epoch, step):
            self.step()
            if self.progress.step == 2:
                self.end_epoch()
        return self


def at(path):
    """The place that a checkpoint was written at."""
    progress = torch.load(path, weights_only=True)["progress"]
    return len(progress["rows"]) + 1, progress["step"]


def names(attempt):
    return sorted(path.name for path in attempt.iterdir())


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to: its time is `clock[0]`."""
    now = [1000.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    return now


def test_without_a_checkpoint_it_begins(tmp_path, capsys):
    progress = Training(tmp_path / "attempt-1").progress
    assert (progress.position, progress.epochs) == ((1, 0), 3)
    assert progress.history == History("mae")
    assert names(tmp_path / "attempt-1") == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("keep", ["best", "ema"])
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ((1, 1), "going on after epoch 0, step 1 of the next\n"),
        ((2, 0), "going on after epoch 1\n"),
        ((2, 1), "going on after epoch 1, step 1 of the next\n"),
    ],
)
def test_another_attempt_goes_on_with_the_same_bits(tmp_path, capsys, keep, place, said):
    one = Training(tmp_path / "attempt-1", keep=keep, optimizer="adamw").go_to(*place)
    one.checkpoints.write(one.progress)
    other = Training(tmp_path / "attempt-2", weights=1, keep=keep, optimizer="adamw")
    assert capsys.readouterr().err == said
    assert other.progress.position == place
    assert other.progress.history == one.progress.history
    assert other.progress.loss == one.progress.loss
    assert other.progress.spent == one.progress.spent
    assert other.stepper.rate == one.stepper.rate
    assert set(other.progress.kept) == set(one.progress.kept)
    for training in (one, other):
        training.network.train()
    assert [one.step() for _ in range(3)] == [other.step() for _ in range(3)]
    for ours, theirs in ((one.network, other.network), (one.stepper.judged, other.stepper.judged)):
        for name, value in ours.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name]), name


def test_the_history_so_far_is_in_the_folder_of_who_goes_on(tmp_path):
    one = Training(tmp_path / "attempt-1").go_to(1, 1)
    one.checkpoints.write(one.progress)
    two = Training(tmp_path / "attempt-2")
    assert names(two.attempt) == []  # no epoch has ended
    two.go_to(3, 0).checkpoints.write(two.progress)
    three = Training(tmp_path / "attempt-3")
    assert names(three.attempt) == ["history.csv"]
    assert History.read(three.attempt / "history.csv") == two.progress.history


def test_the_checkpoint_before_stays(tmp_path):
    training = Training(tmp_path / "attempt-1")
    for place, before in (((1, 1), None), ((2, 0), (1, 1)), ((2, 1), (2, 0))):
        training.go_to(*place).checkpoints.write(training.progress)
        there = ["checkpoint.pt"] if before is None else ["checkpoint.pt", "previous.pt"]
        assert names(training.attempt) == there
        assert at(training.attempt / "checkpoint.pt") == place
        assert before is None or at(training.attempt / "previous.pt") == before


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, capsys):
    training = Training(tmp_path / "attempt-1")
    for place in ((1, 1), (2, 0)):
        training.go_to(*place).checkpoints.write(training.progress)
    newest, previous = (training.attempt / name for name in ("checkpoint.pt", "previous.pt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    assert newest_checkpoint(tmp_path)["progress"]["step"] == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{newest}: damaged, passed over (")
    assert said.count("\n") == 1
    previous.write_bytes(b"")
    assert newest_checkpoint(tmp_path) is None
    assert f"{previous}: damaged" in capsys.readouterr().err


def test_a_single_lost_bit_is_noticed(tmp_path, capsys):
    training = Training(tmp_path / "attempt-1").go_to(1, 1)
    training.checkpoints.write(training.progress)
    path = training.attempt / "checkpoint.pt"
    weight = training.network.layers[0].weight.detach().numpy().tobytes()
    content = path.read_bytes()
    middle = content.index(weight) + len(weight) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :])
    torch.load(path, weights_only=True)  # torch takes the other number
    assert newest_checkpoint(tmp_path) is None
    assert "the checksum of " in capsys.readouterr().err


def test_a_checkpoint_runs_no_code(tmp_path, capsys):
    """Another's pickle may call whatever it likes while it is read."""
    (tmp_path / "attempt-1").mkdir()
    torch.save({"progress": Path()}, tmp_path / "attempt-1/checkpoint.pt")
    assert newest_checkpoint(tmp_path) is None
    assert "damaged, passed over" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_no_epoch_is_lost_for_what_the_computer_refuses(tmp_path, monkeypatch, error):
    (tmp_path / "attempt-1").mkdir()
    torch.save({"epoch": 3}, tmp_path / "attempt-1/checkpoint.pt")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(zipfile, "ZipFile", fail)
    with pytest.raises(type(error)):
        newest_checkpoint(tmp_path)


def test_one_is_written_every_five_minutes(tmp_path, clock):
    training = Training(tmp_path / "attempt-1").go_to(1, 1)
    written = []
    for seconds, place in ((299.0, (2, 0)), (1.0, (2, 1)), (299.0, (3, 0)), (1.0, (3, 1))):
        clock[0] += seconds
        training.go_to(*place).checkpoints.look_up(training.progress)
        path = training.attempt / "checkpoint.pt"
        written.append(at(path) if path.exists() else None)
    assert written == [None, (2, 1), (2, 1), (3, 1)]


def test_at_the_time_limit_it_is_put_away(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    training = Training(tmp_path / "attempt-1").go_to(1, 1)
    with pytest.raises(OutOfTimeError):
        training.checkpoints.look_up(training.progress)
    assert at(training.attempt / "checkpoint.pt") == (1, 1)


def test_told_to_stop_it_is_put_away(tmp_path):
    training = Training(tmp_path / "attempt-1").go_to(1, 1)
    training.checkpoints.look_up(training.progress)
    assert names(training.attempt) == []
    training.signals.append(signal.SIGTERM)
    with pytest.raises(Stopped):
        training.checkpoints.look_up(training.progress)
    assert at(training.attempt / "checkpoint.pt") == (1, 1)


def test_warned_it_is_put_away_and_goes_on(tmp_path):
    training = Training(tmp_path / "attempt-1").go_to(1, 1)
    training.signals.append(signal.SIGUSR1)
    training.checkpoints.look_up(training.progress)
    assert at(training.attempt / "checkpoint.pt") == (1, 1)
    training.go_to(2, 0).checkpoints.look_up(training.progress)
    assert at(training.attempt / "checkpoint.pt") == (1, 1)  # the warning is forgotten


def test_every_start_comes_further_than_where_it_began(tmp_path, monkeypatch):
    """Else a long validation under a short limit would begin again for ever."""
    one = Training(tmp_path / "attempt-1").go_to(2, 1)
    one.checkpoints.write(one.progress)
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    for attempt, begun in ((tmp_path / "attempt-2", (2, 1)), (tmp_path / "new/attempt-1", (1, 0))):
        training = Training(attempt)
        assert training.progress.position == begun
        training.checkpoints.look_up(training.progress)
        assert "checkpoint.pt" not in names(attempt)
        training.step()
        with pytest.raises(OutOfTimeError):
            training.checkpoints.look_up(training.progress)
