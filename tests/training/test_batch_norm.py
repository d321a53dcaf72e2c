"""Statistics of batch norm: those of the weights that are judged."""

from pathlib import Path

import pytest
import torch
from torch import nn

from headstart.training.batch_norm import batch_norms
from headstart.training.batch_norm import measure_statistics
from headstart.training.length import MEASURED
from headstart.training.networks import build_network
from headstart.training.registry import NETWORKS


def batches_of(values: list[list[float]]) -> list[tuple[torch.Tensor]]:
    batches = [torch.tensor(batch, dtype=torch.float32) for batch in values]
    return [(batch.reshape(-1, 1, 1, 1, 1),) for batch in batches]


def measured(network: nn.Module, values: list[list[float]]) -> int:
    """Measure, and return how often it was looked up between batches."""
    looks: list[int] = []
    measure_statistics(network.train(), batches_of(values), lambda: looks.append(1))
    return len(looks)


def test_they_are_the_mean_over_batches_whatever_came_before():
    norm = nn.BatchNorm3d(1)
    norm(torch.full((2, 1, 2, 1, 1), 1000.0))
    # means 2 and 5; variances, as of a sample, 2 and 8
    assert measured(norm, [[1, 3], [3, 7]]) == 2
    assert norm.running_mean.item() == 3.5
    assert norm.running_var.item() == 5
    assert (norm.training, norm.momentum) == (False, 0.1)


def test_weights_and_what_is_random_stay_out_of_it():
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm3d(1))
    before = {name: value.clone() for name, value in network.named_parameters()}
    measured(network, [[1, 3], [3, 7]])
    assert network[1].running_mean.item() == 3.5
    assert all(torch.equal(before[name], value) for name, value in network.named_parameters())
    assert all(value.grad is None for value in network.parameters())
    assert not any(module.training for module in network.modules())


def test_what_is_frozen_keeps_its_own():
    frozen, learns = nn.BatchNorm3d(1), nn.BatchNorm3d(1)
    network = nn.Sequential(frozen, learns).train()
    frozen.eval()
    frozen.running_mean.fill_(1.0)
    measure_statistics(network, batches_of([[1, 3], [3, 7]]), lambda: None)
    assert frozen.running_mean.item() == 1
    torch.testing.assert_close(learns.running_mean, torch.tensor([2.5]), atol=1e-4, rtol=0)


def test_a_network_without_them_looks_at_nothing():
    for norm in (nn.InstanceNorm3d(1), nn.BatchNorm3d(1, track_running_stats=False)):
        batches = iter(batches_of([[1, 3]]))
        measure_statistics(norm.train(), batches, lambda: None)
        assert not norm.training
        assert len(list(batches)) == 1


def test_enough_is_enough():
    norm = nn.BatchNorm3d(1)
    assert measured(norm, [[1, 3]] * MEASURED) == MEASURED // 2


@pytest.mark.parametrize("name", NETWORKS)
def test_the_registry_knows_which_networks_have_it(name):
    network = build_network(name, {}, in_channels=1, out_channels=2, folder=Path())
    assert bool(batch_norms(network)) == NETWORKS[name].batch_norm
