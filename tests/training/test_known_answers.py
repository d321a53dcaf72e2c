"""What a training computes, against numbers worked out by hand on networks of two weights."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from cards import make_identity
from safetensors.torch import load_file
from small_study import WINDOW
from small_study import SmallStudy
from torch import nn

from headstart.cohort.prepared import read_cohort
from headstart.common.errors import UserError
from headstart.tasks import TASKS
from headstart.training import networks
from headstart.training.data import load_volume
from headstart.training.data import make_batches
from headstart.training.loop import fit
from headstart.training.schedule import learning_rate

STILL = {"learning_rate": 1e-30, "weight_decay": 0.0}  # a network that stays as it is


class Line(nn.Module):
    """Weight times the volume's mean plus bias; keeps what it was at each call."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((outputs,), 0.5))
        self.bias = nn.Parameter(torch.linspace(0.1, 0.3, outputs))
        self.calls: list[tuple[bool, list[float], list[float]]] = []

    def forward(self, volumes):
        self.calls.append((self.training, self.weight.tolist(), self.bias.tolist()))
        return volumes.mean((1, 2, 3, 4))[:, None] * self.weight + self.bias


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return SmallStudy(tmp_path_factory.mktemp("study"))


@pytest.fixture
def learn(study, tmp_path, monkeypatch):
    """Train a given network on the small study; return its history, weights, card and cohort."""

    def call(network, task="regression", change=None, **train):
        monkeypatch.setattr(networks, "build_network", lambda *_, **__: network)
        this = study.run(task, **train)
        cohort = read_cohort(**study.inputs, target=this.target)
        cohort = cohort if change is None else change(cohort)
        attempt = tmp_path / f"run-{len(list(tmp_path.iterdir()))}" / "attempt-1"
        attempt.mkdir(parents=True)
        asked = TASKS[task].from_cohort(cohort, tuple(this.classes))
        identity = make_identity(this)
        card = fit(
            identity,
            asked,
            cohort,
            attempt,
            output=attempt / "out",
            networks=study.folder,
            device="cpu",
        )
        weights = load_file(attempt / "model.safetensors")
        return pd.read_csv(attempt / "history.csv"), weights, card, cohort

    return call


def means(scans):
    return np.array([np.float32(scan.volume()).mean(dtype=np.float64) for scan in scans])


def ages(scans):
    return np.array([float(scan.target) for scan in scans])


def test_adamw_on_a_cosine_with_warmup_step_by_step(learn):
    """The whole training again in numpy: order, loss, gradient, rate, decay and moments."""
    settings = {"epochs": 4, "batch_size": 4, "warmup": 0.2}
    rate = {"learning_rate": 0.05, "weight_decay": 0.3}
    history, weights, _, cohort = learn(Line(), keep="last", loss="mse", **settings, **rate)
    training = cohort.training(0)
    x, y = means(training), ages(training)
    z = (y - y.mean()) / y.std()
    theta, first, second = np.array([0.5, 0.1]), np.zeros(2), np.zeros(2)
    steps, step, losses = 4 * len(make_batches(training, 4, 0, 1)), 0, []
    for epoch in range(1, 5):
        total = 0.0
        for items in make_batches(training, 4, 0, epoch):
            batch = [training.index(item.scan) for item in items]
            error = theta[0] * x[batch] + theta[1] - z[batch]
            total += (error**2).sum()
            gradient = 2 * np.array([(error * x[batch]).mean(), error.mean()])
            rising = round(0.2 * steps)
            if step < rising:
                now = 0.05 * (step + 1) / rising
            else:
                now = 0.05 * (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            theta = theta * (1 - now * 0.3)
            moment = np.sqrt(second / (1 - 0.999**step)) + 1e-8
            theta = theta - now * first / (1 - 0.9**step) / moment
        losses.append(total / len(training))
    assert [weights["weight"].item(), weights["bias"].item()] == pytest.approx(theta, rel=1e-4)
    np.testing.assert_allclose(history["train_loss"], losses, rtol=1e-4)


def of_one_step(cohort):
    """Gradient of the mean squared error at the first weights, over all training scans."""
    training = cohort.training(0)
    x, y = means(training), ages(training)
    error = 0.5 * x + 0.1 - (y - y.mean()) / y.std()
    return 2 * np.array([(error * x).mean(), error.mean()])


ONE_STEP = {"loss": "mse", "keep": "last", "epochs": 1, "batch_size": 100, "warmup": 0.0}
START = np.array([0.5, 0.1])


def test_sgd_with_nesterov_s_momentum_step_by_step(learn):
    steps = ONE_STEP | {"epochs": 3, "schedule": "constant"}
    rate = {"learning_rate": 0.01, "weight_decay": 0.3}
    _, weights, _, cohort = learn(Line(), optimizer="sgd", **steps, **rate)
    training = cohort.training(0)
    x, y = means(training), ages(training)
    z, theta, momentum = (y - y.mean()) / y.std(), START, np.zeros(2)
    for _ in range(3):
        error = theta[0] * x + theta[1] - z
        gradient = 2 * np.array([(error * x).mean(), error.mean()]) + 0.3 * theta
        momentum = 0.99 * momentum + gradient
        theta = theta - 0.01 * (gradient + 0.99 * momentum)
    assert [weights["weight"].item(), weights["bias"].item()] == pytest.approx(theta, rel=1e-4)


def test_radam_begins_without_dividing_by_the_second_moment(learn):
    """Its first five steps only average the gradient; the decay is apart from that mean."""
    steps = ONE_STEP | {"epochs": 3, "schedule": "constant"}
    _, weights, _, cohort = learn(
        Line(), optimizer="radam", learning_rate=0.1, weight_decay=2.0, **steps
    )
    training = cohort.training(0)
    x, y = means(training), ages(training)
    z, theta, first = (y - y.mean()) / y.std(), START, np.zeros(2)
    for step in (1, 2, 3):
        error = theta[0] * x + theta[1] - z
        first = 0.9 * first + 0.1 * 2 * np.array([(error * x).mean(), error.mean()])
        theta = theta * (1 - 0.1 * 2.0) - 0.1 * first / (1 - 0.9**step)
    assert [weights["weight"].item(), weights["bias"].item()] == pytest.approx(theta, rel=1e-4)


@pytest.mark.parametrize("longest", [0.01, 1e3, None])
def test_a_gradient_that_is_too_long_is_scaled_down(learn, longest):
    rate = {"learning_rate": 0.01, "weight_decay": 0.0}
    _, weights, _, cohort = learn(Line(), optimizer="sgd", clip=longest, **ONE_STEP, **rate)
    gradient = of_one_step(cohort)
    if longest == 0.01:
        assert np.linalg.norm(gradient) > 0.01
        gradient *= 0.01 / np.linalg.norm(gradient)
    expected = START - 0.01 * 1.99 * gradient
    got = np.array([weights["weight"].item(), weights["bias"].item()])
    np.testing.assert_allclose(got - START, expected - START, rtol=1e-3)


@pytest.mark.parametrize(("name", "last"), [("polynomial", (1 / 3) ** 0.9), ("constant", 1.0)])
def test_the_schedule_of_the_config_is_that_of_the_training(learn, name, last):
    history, *_ = learn(Line(), schedule=name, learning_rate=0.01, **ONE_STEP | {"epochs": 3})
    assert history["learning_rate"][2] == pytest.approx(0.01 * last)


def test_the_history_names_the_rate_of_the_last_step(learn):
    history, *_, cohort = learn(Line(), epochs=3, learning_rate=0.01, warmup=0.0)
    per_epoch = len(make_batches(cohort.training(0), 4, 0, 1))
    last = [learning_rate(epoch * per_epoch - 1, 3 * per_epoch, 0.01, 0) for epoch in (1, 2, 3)]
    np.testing.assert_allclose(history["learning_rate"], last)


@pytest.mark.parametrize("loss", ["l1", "mse", "huber"])
def test_losses_are_means_over_scans_whatever_the_batches(learn, loss):
    point = {
        "l1": np.abs,
        "mse": np.square,
        "huber": lambda e: np.where(np.abs(e) < 1, e**2 / 2, np.abs(e) - 0.5),
    }[loss]
    for size in (1, 3, 5, 100):
        history, *_, cohort = learn(Line(), loss=loss, epochs=1, batch_size=size, **STILL)
        training, validation = cohort.training(0), cohort.validation(0)
        mean, sd = ages(training).mean(), ages(training).std()
        for part, column in ((training, "train_loss"), (validation, "val_loss")):
            error = 0.5 * means(part) + 0.1 - (ages(part) - mean) / sd
            assert history[column][0] == pytest.approx(point(error).mean(), rel=1e-5)


def test_metrics_of_the_validation_set_are_in_the_target_s_unit(learn):
    history, *_, cohort = learn(Line(), epochs=1, **STILL)
    training, validation = cohort.training(0), cohort.validation(0)
    said = (0.5 * means(validation) + 0.1) * ages(training).std() + ages(training).mean()
    error = said - ages(validation)
    assert history["val_mae"][0] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert history["val_rmse"][0] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)


def test_class_weights_reach_the_loss(learn):
    def uneven(cohort):
        scans = [s for n, s in enumerate(cohort.scans) if s.target == "F" or n % 3]
        return type(cohort)(**{**vars(cohort), "scans": tuple(scans)})

    for size in (1, 4, 100):
        settings = {"class_weights": True, "batch_size": size, "epochs": 1, **STILL}
        history, _, card, cohort = learn(Line(2), "classification", uneven, **settings)
        training, validation = cohort.training(0), cohort.validation(0)
        true = np.array(["FM".index(s.target) for s in training])
        weights = len(true) / (2 * np.bincount(true))
        assert weights[0] != weights[1]
        assert card.task.weights == pytest.approx(weights)
        for part, column in ((training, "train_loss"), (validation, "val_loss")):
            true = np.array(["FM".index(s.target) for s in part])
            logits = means(part)[:, None] * 0.5 + np.array([0.1, 0.3])
            log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            loss = -(weights * log_p)[np.arange(len(true)), true]
            assert history[column][0] == pytest.approx(loss.mean(), rel=1e-5)
        # what chooses the epoch is the plain log loss of the corrected probabilities
        corrected = np.exp(log_p) / weights
        corrected /= corrected.sum(1, keepdims=True)
        plain = -np.log(corrected[np.arange(len(true)), true])
        assert history["val_log_loss"][0] == pytest.approx(plain.mean(), rel=1e-5)


def test_the_average_of_the_weights_by_hand(learn):
    settings = {"epochs": 60, "batch_size": 4, "learning_rate": 0.05, "schedule": "constant"}
    network = Line()
    _, last, *_ = learn(network, keep="last", **settings)
    # what it was before each step, and after the last one
    seen = [weight[0] for training, weight, _ in network.calls if training]
    after = [*seen[1:], last["weight"].item()]
    average = after[0]
    for number, weight in enumerate(after[1:], start=1):
        left = min(1 - 50 / len(after), (1 + number) / (10 + number))
        average = left * average + (1 - left) * weight
    _, kept, *_ = learn(Line(), keep="ema", **settings)
    assert kept["weight"].item() == pytest.approx(average, rel=1e-5)
    assert kept["weight"].item() != pytest.approx(after[-1], rel=1e-4)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_that_are_kept_are_those_of_the_chosen_epoch(learn, keep):
    network = Line()
    settings = {"epochs": 6, "learning_rate": 1.5, "batch_size": 4}
    history, weights, card, _ = learn(network, keep=keep, **settings)
    judged = [weight for training, weight, _ in network.calls if not training]
    by_epoch = judged[:: len(judged) // 6]  # each epoch judges with one state
    best = int(history["val_mae"].idxmin())
    assert best != 5  # else this would say nothing
    chosen = best if keep == "best" else 5
    assert card.chosen_epoch == chosen + 1
    assert weights["weight"].tolist() == by_epoch[chosen]
    assert by_epoch[best] != by_epoch[5]


def test_of_two_equal_epochs_the_first_is_kept(learn):
    _, _, card, _ = learn(Line(), epochs=3, **STILL)
    assert card.chosen_epoch == 1


class Normed(nn.Module):
    """Batch norm and dropout before a line: what the mode of a network changes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.line = nn.BatchNorm3d(1), nn.Dropout(0.5), Line()

    def forward(self, volumes):
        return self.line(self.drop(self.norm(volumes)))


def test_validation_leaves_the_network_alone(learn):
    """Other validation scans give other losses there, and bit-identical weights and statistics."""
    torch.manual_seed(3)
    plain = learn(Normed(), keep="last", epochs=2)

    def brighter(cohort):
        one = cohort.scans[0]
        another = {"volumes": one.volumes}
        scans = [type(s)(**{**vars(s), **another}) if s.validation else s for s in cohort.scans]
        return type(cohort)(**{**vars(cohort), "scans": tuple(scans)})

    other = learn(Normed(), change=brighter, keep="last", epochs=2)
    assert not np.allclose(plain[0]["val_loss"], other[0]["val_loss"])
    assert list(plain[0]["train_loss"]) == list(other[0]["train_loss"])
    assert set(plain[1]) == set(other[1]) >= {"norm.running_mean", "norm.running_var"}
    for name, value in plain[1].items():
        assert torch.equal(value, other[1][name]), name
    # measured anew after each epoch, on training scans alone
    assert plain[1]["norm.num_batches_tracked"] == len(make_batches(plain[3].training(0), 4, 0, 1))


def test_batch_norm_is_judged_by_statistics_of_the_weights_that_are_kept(learn):
    """At a momentum of 0 the running ones would be those of the beginning: mean 0, variance 1."""
    network = Normed()
    network.norm.momentum = 0.0
    _, weights, _, cohort = learn(network, keep="last", epochs=1)
    volumes = torch.stack([load_volume(scan) for scan in cohort.training(0)])
    torch.testing.assert_close(weights["norm.running_mean"], volumes.mean()[None])


def test_validation_scans_are_not_augmented(learn):
    noise = [{"RandomNoise": {"mean": 50, "std": 0}}]
    plain, *_ = learn(Line(), epochs=1, **STILL)
    noisy, *_ = learn(Line(), epochs=1, augment=noise, **STILL)
    assert noisy["val_loss"][0] == plain["val_loss"][0]
    assert noisy["train_loss"][0] > plain["train_loss"][0] + 1


class Constant(nn.Module):
    """The same logits in every voxel."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, volumes):
        return self.logits[None, :, None, None, None].expand(len(volumes), -1, *WINDOW)


def test_dice_and_cross_entropy_by_hand(learn):
    """Dice over the batch without the background; cross-entropy over all voxels with it."""
    p = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    voxels = math.prod(WINDOW)
    sizes = {1: 3 * 4 * 4, 2: 4 * 4 * 4}  # of the two structures in every mask
    shares = np.array([1 - sum(sizes.values()) / voxels, *(n / voxels for n in sizes.values())])
    dice = np.mean([1 - 2 * n * p[c] / (n + voxels * p[c]) for c, n in sizes.items()])
    entropy = -(shares * np.log(p)).sum()
    for loss, expected in (("dice", dice), ("dice_cross_entropy", dice + entropy)):
        history, *_ = learn(
            Constant(0.0, 1.0, 2.0), "segmentation", loss=loss, epochs=1, batch_size=2, **STILL
        )
        assert history["train_loss"][0] == pytest.approx(expected, rel=1e-4)
    # every voxel is said to be class 2
    assert history["val_dice_left"][0] == 0
    by_hand = 2 * sizes[2] / (sizes[2] + voxels)
    assert history["val_dice_right"][0] == pytest.approx(by_hand)
    assert history["val_dice"][0] == pytest.approx(by_hand / 2)


def test_a_loss_that_is_not_finite_stops_the_training(learn):
    network = Line()
    network.weight.data.fill_(math.inf)
    with pytest.raises(UserError, match="epoch 1"):
        learn(network, epochs=2)
