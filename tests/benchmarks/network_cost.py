"""Measure what a training step of each network costs, for the table in `headstart.parts.plan`.

PYTHONPATH=workflow python tests/benchmarks/network_cost.py
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import torch

from headstart.parts.config import DIVIDES
from headstart.parts.config import POOLS
from headstart.parts.networks import build_network
from headstart.parts.plan import NETWORKS

LENGTH = 64  # voxels each way
BATCH = 2


def cost(name: str, arguments: dict[str, object]) -> tuple[float, float, float]:
    """Return bytes kept for the backward pass and microseconds, both per voxel; and weights."""
    classes = 3 if name in DIVIDES else 1
    network = build_network(
        name, arguments, in_channels=1, out_channels=classes, folder=Path()
    ).train()
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    volumes = torch.randn(BATCH, 1, *[LENGTH] * 3)
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = network(volumes).square().mean()
    loss.backward()
    began = time.process_time()
    network(volumes).square().mean().backward()
    seconds = time.process_time() - began
    voxels = BATCH * LENGTH**3
    bytes_kept = sum(size for place, size in kept.items() if place not in weights)
    count = sum(parameter.numel() for parameter in network.parameters())
    return bytes_kept / voxels, 1e6 * seconds / voxels, count


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    variants = {name: {} for name in (*POOLS, *DIVIDES)}
    print("network, bytes per voxel, microseconds per voxel, weights")
    for name, arguments in [*variants.items(), *NETWORKS.values()]:
        print(name, arguments, *(f"{value:.4g}" for value in cost(name, dict(arguments))))
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")
