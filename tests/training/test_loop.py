"""A training from its first epoch to its last, as its folder and its log show it."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from cards import make_identity
from safetensors.torch import load_file
from small_study import SmallStudy

from headstart.cohort.prepared import read_cohort
from headstart.common.errors import OutOfTimeError
from headstart.common.errors import UserError
from headstart.tasks import TASKS
from headstart.training import checkpoint
from headstart.training.checkpoint import newest_checkpoint
from headstart.training.loop import fit
from headstart.training.schedule import learning_rate
from headstart.training.spent import Spent

STEPS = 4  # of an epoch: eight scans, two at a time

# A line through the volume's mean. It is killed in a step of training, and says no number in
# validation from a batch on.
NETWORK = """
import math
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, killed=0, nan=99):
        super().__init__()
        self.line = nn.Linear(in_channels, out_channels)
        self.killed, self.nan, self.steps, self.validated = killed, nan, 0, 0

    def forward(self, volumes):
        output = self.line(volumes.mean((2, 3, 4)))
        if self.training:
            self.steps += 1
            if self.steps == self.killed:
                raise KeyboardInterrupt
        else:
            self.validated += 1
            if self.validated >= self.nan:
                return output * math.nan
        return output
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = SmallStudy(tmp_path_factory.mktemp("study"))
    (study.folder / "mean.py").write_text(NETWORK)
    return study


@pytest.fixture
def go(study, tmp_path):
    """Train in an attempt; return the card."""

    def call(attempt=1, task="regression", only=lambda _: True, **train):
        run = study.run(task, **{"network": "mean.py:Net", "batch_size": 2, **train})
        cohort = read_cohort(**study.inputs, target=run.target)
        cohort = type(cohort)(**{**vars(cohort), "scans": tuple(filter(only, cohort.scans))})
        folder = tmp_path / f"attempt-{attempt}"
        folder.mkdir()
        asked, identity = TASKS[task].from_cohort(cohort, ()), make_identity(run)
        return fit(
            identity,
            asked,
            cohort,
            folder,
            output=folder / "out",
            networks=study.folder,
            device="cpu",
        )

    return call


def results(folder):
    return [(folder / name).read_bytes() for name in ("history.csv", "model.safetensors")]


def rows(folder):
    return pd.read_csv(folder / "history.csv")


def test_what_a_training_leaves(go, tmp_path):
    card = go(epochs=3)
    attempt = tmp_path / "attempt-1"
    names = ["checkpoint.pt", "history.csv", "model.safetensors", "previous.pt"]
    assert sorted(path.name for path in attempt.iterdir()) == names
    history = rows(attempt)
    assert history["epoch"].tolist() == [1, 2, 3]
    assert set(history["key_metric"]) == {"mae"}
    assert (history["train_mae"] > 0).all()
    assert history["train_mae"].nunique() == 3
    best = int(history["val_mae"].idxmin())
    assert history["chosen"].tolist() == [int(number == best) for number in range(3)]
    assert card.chosen_epoch == best + 1
    assert set(load_file(attempt / "model.safetensors")) == {"line.weight", "line.bias"}
    assert len(card.spent) == 3
    for spent in card.spent:
        assert min(spent.computing, spent.waiting, spent.validating, spent.memory) > 0


def test_the_log_tells_what_is_trained_and_each_epoch(go, capsys):
    go(epochs=2, augment=[{"RandomGamma": {}}, {"RandomGhosting": {}}])
    told, where, *epochs = capsys.readouterr().err.splitlines()
    numbers = "8 scans to learn from, 3 for validation, 4 steps an epoch"
    assert told.startswith(f"fold 0, seed 0: {numbers}, on ")
    assert where.startswith("augmentation")
    assert [line.split("  ")[0] for line in epochs if line.startswith("epoch")] == [
        "epoch 1/2",
        "epoch 2/2",
    ]


def test_a_class_that_no_training_scan_has_is_told(go, capsys):
    go(task="classification", epochs=1)
    assert "warning" not in capsys.readouterr().err
    only = lambda scan: scan.target == "M" or scan.test or scan.fold == 0  # noqa: E731
    go(attempt=2, task="classification", only=only, epochs=1, keep="last")
    assert "\nwarning: no scan to learn from has the class F: " in capsys.readouterr().err


def test_without_augmentation_none_is_told_of(go, capsys):
    go(epochs=1)
    _, epoch = capsys.readouterr().err.splitlines()
    assert epoch.startswith("epoch 1/1")


def test_the_learning_rate_goes_on_over_all_epochs(go, tmp_path):
    go(epochs=3, warmup=0.5)
    expected = [learning_rate(4 * epoch - 1, 12, 0.01, 0.5) for epoch in (1, 2, 3)]
    assert rows(tmp_path / "attempt-1")["learning_rate"].tolist() == pytest.approx(expected)


def test_what_is_there_while_it_runs(go, tmp_path):
    """After each epoch: its row for whoever watches, and a checkpoint for whoever goes on."""
    with pytest.raises(KeyboardInterrupt):
        go(epochs=4, network_arguments={"killed": 2 * STEPS + 2})
    attempt = tmp_path / "attempt-1"
    assert rows(attempt)["epoch"].tolist() == [1, 2]
    assert not (attempt / "model.safetensors").exists()
    progress = newest_checkpoint(tmp_path)["progress"]
    assert ([row["number"] for row in progress["rows"]], progress["step"]) == ([1, 2], 0)


def test_who_goes_on_ends_with_the_same_bits(go, tmp_path, monkeypatch, capsys):
    settings = {"epochs": 2, "warmup": 0.5, "augment": [{"RandomNoise": {}}]}
    go(**settings)
    whole = tmp_path / "attempt-1"
    files = results(whole)
    for path in whole.iterdir():
        path.unlink()
    # a limit that has passed leaves time for one step, with the validation before it
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    last = 1 + 2 * STEPS
    for attempt in range(2, last + 1):
        with pytest.raises(OutOfTimeError):
            go(attempt, **settings)
    capsys.readouterr()
    go(last + 1, **settings)
    assert "going on after epoch 1, step 4 of the next\n" in capsys.readouterr().err
    end = tmp_path / f"attempt-{last + 1}"
    assert files == results(end)


def test_iterations_end_in_the_midst_of_an_epoch(go, tmp_path, capsys):
    """Ten steps are two epochs of four, and half a one."""
    card = go(iterations=2 * STEPS + 2, warmup=0.0, learning_rate=0.01, keep="last")
    history = rows(tmp_path / "attempt-1")
    assert history["epoch"].tolist() == [1, 2, 3]
    expected = [learning_rate(step, 10, 0.01, 0) for step in (3, 7, 9)]
    assert history["learning_rate"].tolist() == pytest.approx(expected)
    assert (card.chosen_epoch, len(card.spent)) == (3, 3)
    assert "epoch 3/3" in capsys.readouterr().err


def test_the_loss_of_a_short_epoch_is_the_mean_of_its_scans(go, tmp_path):
    still = {"learning_rate": 1e-30, "weight_decay": 0, "keep": "last"}
    losses = []
    for attempt in (1, 2, 3):
        go(attempt, iterations=attempt, batch_size=4, **still)
        losses.append(rows(tmp_path / f"attempt-{attempt}")["train_loss"].tolist())
        (tmp_path / f"attempt-{attempt}" / "checkpoint.pt").unlink()  # the next begins anew
    one, two, three = losses
    assert len(one) == len(two) == 1
    assert one[0] != two[0]
    assert one[0] == pytest.approx(two[0], rel=0.9)  # not half of it, for half of the scans
    # nothing is learnt: the third step is the first one of another order
    assert len(three) == 2
    assert three[0] == two[0]


def test_iterations_that_were_interrupted_have_the_same_bits(go, tmp_path, monkeypatch):
    settings = {"iterations": STEPS + 2, "warmup": 0.5, "augment": [{"RandomNoise": {}}]}
    go(**settings)
    whole = tmp_path / "attempt-1"
    files = results(whole)
    for path in whole.iterdir():
        path.unlink()
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    for attempt in range(2, STEPS + 4):
        with pytest.raises(OutOfTimeError):
            go(attempt, **settings)
    last = STEPS + 4
    go(last, **settings)
    end = tmp_path / f"attempt-{last}"
    assert files == results(end)


def test_a_long_epoch_is_kept_every_so_often(go, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    written = []
    write = checkpoint.Checkpoints.write

    def note(self, progress):
        written.append(progress.position)
        write(self, progress)

    monkeypatch.setattr(checkpoint.Checkpoints, "write", note)
    go(epochs=1)
    # after each step, after each batch of the validation, and at the end of the epoch
    assert written == [(1, 1), (1, 2), (1, 3), (1, 4), (1, 4), (1, 4), (2, 0)]


def test_a_validation_loss_that_is_no_number_ends_it(go):
    said = r"the loss is nan in epoch 2 at learning rate \S+; lower train.learning_rate"
    with pytest.raises(UserError, match=said):
        go(epochs=3, network_arguments={"nan": 3})


def test_without_validation_scans_the_last_epoch_is_kept(go, tmp_path, capsys):
    card = go(only=lambda scan: not scan.validation, keep="last", epochs=2)
    assert card.chosen_epoch == 2
    metrics = ["train_mae", "train_rmse", "train_r", "train_r2"]
    columns = ["epoch", "learning_rate", "train_loss", *metrics, "key_metric", "chosen"]
    assert list(rows(tmp_path / "attempt-1")) == columns
    assert "0 for validation" in capsys.readouterr().err


def test_patience_ends_it_early(go, tmp_path, capsys):
    card = go(epochs=9, patience=2, learning_rate=1e-30, weight_decay=0)
    assert rows(tmp_path / "attempt-1")["epoch"].tolist() == [1, 2, 3]
    assert card.chosen_epoch == 1
    assert "epoch 3/3" in (said := capsys.readouterr().err)
    assert "the last one: mae is no better for 2 epochs (patience)\n" in said


def test_a_budget_brings_the_schedule_to_its_end_in_time(go, tmp_path, monkeypatch):
    monkeypatch.setattr(Spent, "seconds", 100.0)
    go(epochs=50, budget="10min", warmup=0.0)
    history = rows(tmp_path / "attempt-1")
    assert len(history) == 6
    steps = 6 * STEPS
    last = learning_rate(steps - 1, steps, 0.01, 0)
    assert history["learning_rate"].iloc[-1] == pytest.approx(last)


def test_the_setting_s_threads(go):
    go(epochs=1, threads=2)
    assert torch.get_num_threads() == 2
    go(2, epochs=1, threads=1)
    assert torch.get_num_threads() == 1


def test_a_class_weight_is_of_the_training_scans(go):
    card = go(task="classification", class_weights=True, epochs=1)
    assert sum(1 / weight for weight in card.task.weights) == pytest.approx(2)
    assert card.task.weights[0] != 1
