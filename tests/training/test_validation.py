"""What the validation scans say of a network, which learns nothing from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from steps import Small
from steps import make_batch
from torch import nn

from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.training.losses import make_loss
from headstart.training.validation import validate

MEAN, SD = 40.0, 10.0  # of the target, in years


class Mean(nn.Module):
    """Twice the volume's mean."""

    def forward(self, volumes):
        return 2 * volumes.mean((1, 2, 3, 4))[:, None]


def of(network, batches, loss="mse", between=lambda: None):
    task = Regression(MEAN, SD)
    loss_of = make_loss(loss, task, torch.device("cpu"))
    return validate(network, batches, loss_of, task, between)


def test_a_loss_is_the_mean_of_all_scans_and_a_metric_is_of_all_together():
    batches = [make_batch(0, 4), make_batch(1, 1), make_batch(2, 2)]
    loss, metrics = of(Mean(), batches)
    said = np.concatenate([2 * b.volumes.numpy().mean((1, 2, 3, 4)) for b in batches])
    true = np.concatenate([b.targets.numpy() for b in batches])
    assert loss == pytest.approx(((said - true) ** 2).mean())
    assert type(loss) is float
    assert list(metrics) == ["mae", "rmse", "r", "r2"]
    assert metrics["mae"] == pytest.approx(SD * np.abs(said - true).mean())
    assert metrics["rmse"] == pytest.approx(SD * np.sqrt(((said - true) ** 2).mean()))
    assert metrics["r"] == pytest.approx(np.corrcoef(said, true)[0, 1])


def test_classes_are_measured_by_their_probabilities():
    class Logits(nn.Module):
        def forward(self, volumes):
            return torch.tensor([[0.0, 1.0]]).log1p().expand(len(volumes), 2)

    task = Classification(("F", "M"))
    batches = [make_batch(n, 2)._replace(targets=torch.tensor([0, 1])) for n in range(2)]
    loss, metrics = validate(Logits(), batches, make_loss(None, task, torch.device("cpu")), task)
    expected = -(np.log(1 / 3) + np.log(2 / 3)) / 2
    assert loss == pytest.approx(expected)
    assert metrics["log_loss"] == pytest.approx(expected)
    assert metrics["accuracy"] == 0.5


def test_it_leaves_batch_norm_and_dropout_alone():
    network, batches = Small(), [make_batch(0), make_batch(1)]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = of(network, batches)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all((parameter.grad == 1).all() for parameter in network.parameters())
    network.train()
    assert of(network, batches) == first  # no scan was dropped out of, and none seen by its batch
    by_one = [
        batch.part(slice(place, place + 1))
        for batch in batches
        for place in range(len(batch.scans))
    ]
    assert of(network, by_one)[0] == pytest.approx(first[0], rel=1e-5)


def test_no_graph_is_kept_of_what_is_only_measured():
    kept = []

    class Line(nn.Linear):
        def forward(self, volumes):
            kept.append(super().forward(volumes.mean((2, 3, 4))))
            return kept[-1]

    network = Line(1, 1)

    def loss_of(output, truth):
        kept.append((output[:, 0] * network.weight.sum() - truth).abs().mean())
        return kept[-1]

    validate(network, [make_batch(0)], loss_of, Regression(MEAN, SD))
    assert [one.requires_grad for one in kept] == [False, False]


def test_between_two_batches_others_have_their_turn():
    turns = []
    batches = (turns.append(f"batch {n}") or make_batch(n) for n in range(2))
    of(Mean(), batches, between=lambda: turns.append("turn"))
    assert turns == ["batch 0", "turn", "batch 1", "turn"]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_batch_that_memory_does_not_hold_is_looked_at_in_parts(most):
    class Most(Mean):
        def forward(self, volumes):
            if len(volumes) > most:
                raise MemoryError
            return super().forward(volumes)

    batches = [make_batch(0, 5), make_batch(1, 2)]
    whole, parts = of(Mean(), batches), of(Most(), batches)
    assert parts[0] == pytest.approx(whole[0])
    assert parts[1] == pytest.approx(whole[1])


def test_a_scan_that_memory_does_not_hold_is_an_error():
    class Full(Mean):
        def forward(self, volumes):
            raise MemoryError(len(volumes))

    with pytest.raises(MemoryError, match="1"):
        of(Full(), [make_batch(0, 4)])
