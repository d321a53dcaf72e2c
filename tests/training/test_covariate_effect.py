"""What covariates add to a network: nothing at first, and what they learn to."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from headstart.common.errors import UserError
from headstart.training.covariate_effect import add_covariates
from headstart.training.predictor import Mirrored


class Mean(nn.Module):
    def __init__(self, out: int) -> None:
        super().__init__()
        self.line = nn.Linear(1, out)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return self.line(volumes.mean((2, 3, 4)))


VOLUMES, COVARIATES = torch.rand(4, 1, 2, 2, 2), torch.randn(4, 3)


def test_a_network_begins_as_without_covariates_and_its_weights_keep_their_names():
    network = Mean(2)
    before, names = network(VOLUMES), set(network.state_dict())
    add_covariates(network, "mean", 3, 2)
    assert torch.equal(network(VOLUMES, COVARIATES), before)
    assert names < set(network.state_dict())
    assert isinstance(network, Mean)


def test_without_columns_nothing_is_added():
    network = Mean(2)
    add_covariates(network, "mean", 0, 2)
    assert type(network) is Mean
    assert torch.equal(network(VOLUMES), Mean.forward(network, VOLUMES))


def test_it_learns_what_the_covariates_tell_and_a_copy_has_weights_of_its_own():
    torch.manual_seed(0)
    network = Mean(1)
    add_covariates(network, "mean", 3, 1)
    other = copy.deepcopy(network)
    truth = COVARIATES[:, :1] * 2 - COVARIATES[:, 1:2].abs()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(VOLUMES, COVARIATES), truth)
        loss.backward()
        optimizer.step()
    assert loss < 0.01
    assert torch.equal(other(VOLUMES, COVARIATES), Mean.forward(other, VOLUMES))


def test_a_mirror_changes_no_covariate():
    network = Mean(1)
    add_covariates(network, "mean", 3, 1)
    nn.init.normal_(network.get_parameter("covariate_effect.2.weight"))
    seen = network(VOLUMES, COVARIATES)
    torch.testing.assert_close(Mirrored(network, (0, 1))(VOLUMES, COVARIATES), seen)


def test_one_answer_is_not_spread_over_all_classes():
    network = Mean(1)
    add_covariates(network, "my_net.py:Net", 3, 2)
    with pytest.raises(UserError, match=r"my_net.py:Net gives an output of shape \(4, 1\) where"):
        network(VOLUMES, COVARIATES)
