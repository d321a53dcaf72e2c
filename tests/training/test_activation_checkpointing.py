"""Activations that are computed again: the same weights from less memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from headstart.training.activation_checkpointing import checkpoint_activations
from headstart.training.networks import build_network
from headstart.training.registry import NETWORKS
from headstart.training.registry import networks_of_blocks

SMALL: dict[str, dict[str, Any]] = {
    "densenet121": {"init_features": 8, "growth_rate": 4, "block_config": [2, 1, 1, 1]},
    "vit": {"patch_size": 8, "hidden_size": 96, "mlp_dim": 384, "num_layers": 4},
    "unet": {"channels": [8, 16, 16], "strides": [2, 2]},
    "segresnet": {"init_filters": 8, "dropout_prob": 0.2},
    "dynunet": {"filters": [8, 8, 8, 8], "strides": [1, 2, 2, 2], "dropout": 0.2},
    "resenc_unet": {"channels": [8, 8, 8], "blocks": [1, 3, 2]},
    "swin_unetr": {"feature_size": 12, "num_heads": [1, 1, 2, 2], "drop_rate": 0.1},
    "unet_slices": {"channels": [8, 16, 16], "strides": [2, 2]},
}


class Kept(TorchDispatchMode):
    """Counts the bytes of what was computed and is still held."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, function, _, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)
                self._found[reference.cdata] = (reference, storage.nbytes())
        return output

    @property
    def bytes(self) -> int:
        return sum(size for one, size in self._found.values() if not one.expired())


def learn(network: torch.nn.Module, steps: int = 2, length: int = 32) -> int:
    """Take two steps; return the bytes that are kept for the gradients of the last one."""
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=0.01)
    for number in range(steps):
        torch.manual_seed(number)
        volumes = torch.randn(2, 1, 32, 32, length)
        optimizer.zero_grad()
        with Kept() as kept:
            loss = network(volumes).square().mean()
            held = kept.bytes
        loss.backward()
        optimizer.step()
    return held


@pytest.fixture
def one_thread():
    """With several, products of matrices have other last bits from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", networks_of_blocks())
def test_the_same_weights_and_statistics_to_the_bit_from_less_memory(name):
    torch.manual_seed(0)
    arguments = SMALL.get(name, {})
    plain = build_network(name, arguments, in_channels=1, out_channels=2, folder=None)  # type: ignore[arg-type]
    thrifty = copy.deepcopy(plain)
    checkpoint_activations(thrifty, NETWORKS[name].blocks)
    length = 64 if name == "swin_unetr" else 32  # instance norm wants two voxels
    whole, less = learn(plain, length=length), learn(thrifty, length=length)
    one, other = plain.state_dict(), thrifty.state_dict()
    assert list(one) == list(other)
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    assert less < 0.8 * whole


def test_batch_norm_counts_each_batch_once():
    class Block(torch.nn.Sequential):
        pass

    norm = torch.nn.BatchNorm3d(1)
    network = torch.nn.Sequential(Block(torch.nn.Conv3d(1, 1, 1), norm))
    checkpoint_activations(network, ("Block",))
    learn(network, steps=3)
    assert norm.num_batches_tracked == 3
    before = norm.running_mean.clone()
    with torch.no_grad():
        network.eval()(torch.randn(2, 1, 4, 4, 4))
    assert torch.equal(norm.running_mean, before)


def test_a_copy_runs_its_own_weights():
    """An average of the weights is a copy of the network."""
    network = build_network("vit", SMALL["vit"], in_channels=1, out_channels=2, folder=None)  # type: ignore[arg-type]
    checkpoint_activations(network, NETWORKS["vit"].blocks)
    other = copy.deepcopy(network)
    volumes = torch.randn(1, 1, 32, 32, 32)
    before = network(volumes)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    assert torch.equal(network(volumes), before)
    assert not other(volumes).any()
