"""One step after the other, also where memory does not hold its batch."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small_study import SmallStudy
from steps import WINDOW
from steps import Small
from steps import make_batch
from steps import make_stepper
from torch import nn

from headstart.common.errors import OutOfTimeError
from headstart.common.errors import UserError
from headstart.tasks.classification import Classification
from headstart.tasks.segmentation import Segmentation
from headstart.training.card import ModelCard
from headstart.training.train import train

# Takes no more than so many scans at once; batch norm or not.
NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, most=100, norm=False, error="RuntimeError"):
        super().__init__()
        self.most, self.error = most, error
        norm = nn.BatchNorm3d(4) if norm else nn.Identity()
        self.layers = nn.Sequential(
            nn.Conv3d(in_channels, 4, 3), norm, nn.LeakyReLU(),
            nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(32, out_channels),
        )

    def forward(self, volumes):
        output = self.layers(volumes)
        if self.training and len(volumes) > self.most:
            if self.error == "RuntimeError":
                raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return output
"""  # noqa: E501


@pytest.fixture
def study(tmp_path):
    study = SmallStudy(tmp_path / "study")
    (study.folder / "net.py").write_text(NETWORK)
    return study


def go(study, name, batch_size=5, keep="best", **arguments):
    train_settings = {"batch_size": batch_size, "keep": keep, "epochs": 3}
    run = study.run(network="net.py:Net", network_arguments=arguments, **train_settings)
    paths = {"store": study.folder / "runs" / name, "output": study.folder / name}
    train(run=run, code="code", **study.inputs, **paths, networks=study.folder, device="cpu")
    return study.folder / name


@pytest.mark.parametrize("error", ["RuntimeError", "OutOfMemoryError"])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_batch_that_does_not_fit_is_taken_in_parts(study, capsys, most, error):
    whole = go(study, "whole", error=error)
    parts = go(study, "parts", most=most, error=error)
    said = capsys.readouterr().err
    at_once = {1: 1, 2: 2, 3: 3}[most]
    assert f"{at_once} at once from now on" in said
    assert "batch norm" not in said
    assert ModelCard.read(whole).micro_batch is None
    assert ModelCard.read(parts).micro_batch == at_once
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)
    histories = [pd.read_csv(folder / "history.csv")["train_loss"] for folder in (whole, parts)]
    assert histories[0].tolist() == pytest.approx(histories[1].tolist(), rel=1e-5)


# Lacks memory for more than `held` scans in training, and for more than `seen` without.
SEEN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, held=99, seen=99):
        super().__init__()
        self.held, self.seen, self.asked = held, seen, []
        self.layers = nn.Sequential(
            nn.Conv3d(in_channels, 4, 3), nn.BatchNorm3d(4), nn.LeakyReLU(),
            nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(32, out_channels),
        )

    def forward(self, volumes):
        if len(volumes) > (self.held if torch.is_grad_enabled() else self.seen):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return self.layers(volumes)
"""  # noqa: E501


def test_memory_that_lacks_where_statistics_are_measured(study, capsys):
    (study.folder / "net.py").write_text(SEEN)
    both, late = go(study, "both", held=2, seen=2), go(study, "late", held=2, seen=1)
    assert (ModelCard.read(both).micro_batch, ModelCard.read(late).micro_batch) == (2, 1)
    said = capsys.readouterr().err
    assert "memory does not hold 2 scans at once: 1 at once from now on" in said
    losses = [pd.read_csv(folder / "history.csv")["train_loss"] for folder in (both, late)]
    assert losses[0][0] == losses[1][0]


def test_parts_are_of_about_one_size():
    """Batch norm would see a scan that is left over by itself."""
    network = Mean(5)
    stepper = make_stepper(network, batch_size=9, **SGD)
    stepper.step(make_batch(0, 9), 0, 10)
    stepper.step(make_batch(0, 6), 1, 10)
    assert network.seen == [5, 4, 3, 3]


def test_batch_norm_that_has_one_value_is_no_mistake_of_ours():
    network = nn.Sequential(nn.Conv3d(1, 2, WINDOW), nn.BatchNorm3d(2), nn.Flatten(1))
    network.append(nn.Linear(2, 1))
    stepper = make_stepper(network, batch_size=1)
    stepper.train()
    with pytest.raises(UserError, match=r"set train\.batch_size to 2 or more, and give"):
        stepper.step(make_batch(0, 1), 0, 10)


def test_batch_norm_is_told_of(study, capsys):
    go(study, "parts", most=2, norm=True)
    assert "a step is the same, but for batch norm" in capsys.readouterr().err


def test_the_last_scan_that_joins_a_batch_is_taken_with_it(study):
    """Batch norm would see other batches: 7 scans and one are one batch of 8."""
    one = go(study, "seven", norm=True, batch_size=7)
    other = go(study, "eight", norm=True, batch_size=8)
    name = "model.safetensors"
    assert (one / name).read_bytes() == (other / name).read_bytes()


def test_what_was_learnt_of_memory_is_kept_when_interrupted(study, monkeypatch, capsys):
    whole = go(study, "whole", most=2, keep="ema")
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    for _ in range(6):
        with pytest.raises(OutOfTimeError):
            go(study, "broken", most=2, keep="ema")
    broken = go(study, "broken", most=2, keep="ema")
    # once each, and never again by those that went on
    assert capsys.readouterr().err.count("2 at once from now on") == 2
    for name in ("model.safetensors", "history.csv"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()


def test_one_scan_that_does_not_fit_is_an_error(study):
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        go(study, "none", most=0)


def test_other_errors_are_not_taken_for_it(study):
    (study.folder / "net.py").write_text(
        NETWORK.replace("can't allocate memory", "no such thing").replace(
            "DefaultCPUAllocator", "x"
        )
    )
    with pytest.raises(Exception, match="no such thing"):
        go(study, "none", most=2)


def test_a_cpu_stays_at_full_precision(study):
    runs = {}
    for precision in ("fp32", "bf16", "fp16"):
        run = study.run(network="net.py:Net", precision=precision, epochs=1)
        paths = {"store": study.folder / "runs" / precision, "output": study.folder / precision}
        train(run=run, code="code", **study.inputs, **paths, networks=study.folder, device="cpu")
        runs[precision] = (study.folder / precision / "model.safetensors").read_bytes()
        assert ModelCard.read(study.folder / precision).precision == "fp32"
    assert len(set(runs.values())) == 1


class Mean(nn.Module):
    """Weight times the volume's mean; the gradient is known without torch.

    It takes no more than `most` scans at once.
    """

    def __init__(self, most=99):
        super().__init__()
        self.weight, self.most, self.seen = nn.Parameter(torch.tensor([0.5])), most, []

    def forward(self, volumes):
        if len(volumes) > self.most:
            raise MemoryError
        self.seen.append(len(volumes))
        return volumes.mean((1, 2, 3, 4))[:, None] * self.weight


SGD = {"optimizer": "sgd", "weight_decay": 0.0, "loss": "mse", "schedule": "constant"}


def mean_and_truth(batch):
    return batch.volumes.mean((1, 2, 3, 4)).numpy(), batch.targets.numpy()


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5])
def test_parts_of_a_batch_add_up_to_its_mean(most, capsys):
    network, batch = Mean(most), make_batch(0, 5)
    stepper = make_stepper(network, batch_size=5, learning_rate=0.1, **SGD)
    loss = stepper.step(batch, 0, 10, measured=True)
    x, y = mean_and_truth(batch)
    # what was said before the step, in parts as well
    truths, said = zip(*(measured() for measured in stepper.told), strict=True)
    assert np.concatenate(truths).tolist() == y.tolist()
    assert np.concatenate(said) == pytest.approx(0.5 * x)
    assert loss.item() == pytest.approx(((0.5 * x - y) ** 2).mean())
    assert not loss.requires_grad
    # Nesterov's first step is 1.99 gradients long
    gradient = (2 * (0.5 * x - y) * x).mean()
    assert network.weight.item() == pytest.approx(0.5 - 0.1 * 1.99 * gradient)
    # half of what was too much, until it fits; the gradient of what fits is that of the parts
    at_once = {1: 1, 2: 2, 3: 3, 4: 3, 5: 5}[most]
    assert network.seen == [at_once] * (5 // at_once) + [5 % at_once] * (5 % at_once > 0)
    lines = capsys.readouterr().err.splitlines()
    tries = {1: ["5 scans at once: 3", "3 scans at once: 2", "2 scans at once: 1"]}
    tries |= {2: tries[1][:2], 3: tries[1][:1], 4: tries[1][:1], 5: []}
    assert [line.split(" hold ")[1].split(" at once from")[0] for line in lines] == tries[most]
    assert stepper.computation.micro_batch == (None if most == 5 else at_once)


def test_a_step_that_is_not_measured_keeps_nothing_of_the_one_before():
    stepper = make_stepper(Mean(4), batch_size=4, **SGD)
    stepper.step(make_batch(0), 0, 10, measured=True)
    assert len(stepper.told) == 1
    stepper.step(make_batch(1), 1, 10)
    assert stepper.told == []


def test_what_was_learnt_of_memory_counts_for_the_steps_to_come(capsys):
    network = Mean(3)
    stepper = make_stepper(network, batch_size=4, **SGD)
    for number in range(2):
        stepper.step(make_batch(number, 4), number, 10)
    assert network.seen == [2, 2, 2, 2]
    assert capsys.readouterr().err.count("at once from now on") == 1


def test_a_gradient_is_of_its_own_batch():
    network = Mean()
    stepper = make_stepper(network, learning_rate=0.1, **SGD)
    weight, momentum = 0.5, 0.0
    for number in range(3):
        batch = make_batch(number)
        stepper.step(batch, number, 10)
        x, y = mean_and_truth(batch)
        gradient = (2 * (weight * x - y) * x).mean()
        momentum = 0.99 * momentum + gradient
        weight -= 0.1 * (gradient + 0.99 * momentum)
    assert network.weight.item() == pytest.approx(weight, rel=1e-4)


def test_a_gradient_is_cut_by_the_norm_of_all_weights_together():
    network, batch = Mean(), make_batch(0)
    stepper = make_stepper(network, learning_rate=0.1, clip=0.001, **SGD)
    stepper.step(batch, 0, 10)
    x, y = mean_and_truth(batch)
    gradient = (2 * (0.5 * x - y) * x).mean()
    assert abs(gradient) > 0.001
    assert network.weight.item() - 0.5 == pytest.approx(
        -0.1 * 1.99 * math.copysign(0.001, gradient), rel=1e-3
    )


def test_the_rate_of_each_step_is_the_schedule_s():
    stepper = make_stepper(Mean(), learning_rate=0.1, warmup=0.4, optimizer="adamw")
    rates = []
    for number in range(5):
        stepper.step(make_batch(number), number, 5)
        rates.append(stepper.rate)
    cosine = [0.05 * (1 + math.cos(math.pi * step / 3)) for step in range(3)]
    assert rates == pytest.approx([0.05, 0.1, *cosine])


def test_the_average_reaches_over_a_fiftieth_of_the_steps():
    network = Mean()
    stepper = make_stepper(network, keep="ema", learning_rate=0.05, **SGD)
    average, steps = 0.0, 100
    for number in range(steps):
        stepper.step(make_batch(number), number, steps)
        weight = network.weight.item()
        # at first over the steps that there are; from the eighth on half of it is the last one
        left = 0.0 if number == 0 else min(0.5, (1 + number) / (10 + number))
        average = left * average + (1 - left) * weight
        assert stepper.judged.weight.item() == pytest.approx(average, rel=1e-4)
    assert average != pytest.approx(weight, rel=1e-3)


def test_the_average_of_a_short_training_is_its_last_step():
    """A fiftieth of fewer than 50 steps is none."""
    network = Mean()
    stepper = make_stepper(network, keep="ema", **SGD)
    for number in range(20):
        stepper.step(make_batch(number), number, 20)
    assert stepper.judged.weight.item() == network.weight.item()


def test_batch_norm_s_statistics_are_averaged_too():
    network = Small()
    stepper = make_stepper(network, keep="ema")
    expected = None
    for number in range(4):
        network.train()
        stepper.step(make_batch(number), number, 100)
        now = network.layers[1].running_mean.clone()
        left = (1 + number) / (10 + number)
        expected = now if expected is None else left * expected + (1 - left) * now
    torch.testing.assert_close(stepper.judged.layers[1].running_mean, expected)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_without_an_average_the_network_itself_is_judged(keep):
    network = Mean()
    assert make_stepper(network, keep=keep).judged is network


def test_dropout_follows_from_the_step_alone():
    weights = []
    for drawn in (0, 7):
        torch.manual_seed(1)
        network = Small()
        stepper = make_stepper(network)
        for number in (3, 4):
            torch.rand(drawn)
            stepper.step(make_batch(number), number, 10)
        weights.append(network.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_each_step_has_a_dropout_of_its_own():
    losses = set()
    for number in range(3):
        torch.manual_seed(1)
        losses.add(make_stepper(Small()).step(make_batch(0), number, 10).item())
    assert len(losses) == 3


def test_labels_are_smoothed_as_asked():
    """A tenth of each label goes to both classes: 0.05 are at the other one."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    nn.init.zeros_(network[1].weight)
    network[1].bias.data = torch.tensor([0.0, math.log(3)])  # says a quarter and three
    batch = make_batch(0)._replace(targets=torch.tensor([0, 0, 0, 0]))
    stepper = make_stepper(
        network, Classification(("a", "b")), loss="cross_entropy", label_smoothing=0.1
    )
    expected = 0.95 * math.log(4) + 0.05 * math.log(4 / 3)
    assert stepper.step(batch, 0, 10).item() == pytest.approx(expected)


def test_what_is_frozen_has_no_say_in_how_far_the_rest_is_moved():
    """The gradient is cut by the norm of what learns alone."""
    torch.manual_seed(1)
    network, batch = Small(), make_batch(0)
    start = {"from": "parent.pt", "freeze": ["layers.0"]}
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    stepper = make_stepper(network, start=start, learning_rate=0.1, clip=0.001, **SGD)
    stepper.train()
    stepper.step(batch, 0, 10)
    moved = {name: (p - before[name]).norm().item() for name, p in network.named_parameters()}
    assert moved["layers.0.weight"] == moved["layers.0.bias"] == 0
    # Nesterov's first step is 1.99 gradients long
    assert math.hypot(*moved.values()) == pytest.approx(0.1 * 1.99 * 0.001, rel=1e-3)


class InPlace(nn.Module):
    """Changes what its gradient is computed from."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 1)

    def forward(self, volumes):
        output = self.layer(volumes.flatten(1)).exp()
        output += 1
        return output


def test_a_gradient_that_ones_own_code_makes_impossible_is_its_fault():
    with pytest.raises(UserError, match=r"^train.network: my.py:Net: no gradient .*inplace"):
        make_stepper(InPlace(), network="my.py:Net").step(make_batch(0), 0, 10)
    with pytest.raises(RuntimeError, match="inplace"):
        make_stepper(InPlace()).step(make_batch(0), 0, 10)


@pytest.mark.parametrize(
    ("task", "given", "needed"),
    [
        (None, "(4, 2, 4, 4, 4)", "(4, 1)"),
        (Segmentation(("a", "b")), "(4, 2, 4, 4, 4)", "(4, 3, 4, 4, 4)"),
    ],
)
def test_an_output_of_another_shape_is_named(task, given, needed):
    stepper = make_stepper(nn.Conv3d(1, 2, 1), task)
    said = re.escape(f"sfcn gives an output of shape {given} where {needed} is needed")
    with pytest.raises(UserError, match=said):
        stepper.step(make_batch(0), 0, 10)


def test_masks_are_learnt_from_in_the_window_s_shape():
    torch.manual_seed(0)
    network, batch = nn.Conv3d(1, 2, 1), make_batch(0)
    masks = torch.zeros(4, 1, *WINDOW, dtype=torch.uint8)
    stepper = make_stepper(network, Segmentation(("a",)), loss="dice_cross_entropy")
    before = network.weight.detach().clone()
    assert math.isfinite(stepper.step(batch._replace(targets=masks), 0, 10).item())
    assert not np.allclose(before, network.weight.detach())


def test_on_a_cpu_it_computes_in_full_precision():
    computation = make_stepper(Mean(), precision="bf16").computation
    assert (computation.precision, computation.micro_batch) == ("fp32", None)
    assert computation.device
