"""Measure what a training step of each network costs, for `headstart.training.registry`.

PYTHONPATH=workflow python tests/benchmarks/network_cost.py [NETWORK ...]
"""

from __future__ import annotations

import math
import resource
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

WINDOW = (96, 96, 96)
BATCH = 2
STEPS = 2


def measure(name: str, arguments: dict[str, Any], classes: int) -> tuple[float, float, float]:
    """Train for a few steps in this process.

    Returns:
        Bytes at the peak beyond those before the first step, seconds of the last step, weights.
    """
    import torch

    from headstart.tasks.regression import Regression
    from headstart.tasks.segmentation import Segmentation
    from headstart.training.losses import make_loss
    from headstart.training.networks import build_network

    torch.set_num_threads(1)
    outputs = classes + 1 if classes else 1
    network = build_network(name, arguments, in_channels=1, out_channels=outputs, folder=Path())
    task = Segmentation(("class",) * classes) if classes else Regression()
    loss_of = make_loss(None, task, torch.device("cpu"))
    volumes = torch.randn(BATCH, 1, *WINDOW)
    truths = torch.randint(0, outputs, (BATCH, 1, *WINDOW)) if classes else torch.randn(BATCH)
    optimizer = torch.optim.AdamW(network.train().parameters())
    before = _peak()
    for _ in range(STEPS):
        began = time.process_time()
        loss = loss_of(network(volumes), truths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds = time.process_time() - began
    return _peak() - before, seconds, sum(p.numel() for p in network.parameters())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main() -> None:
    """Print the costs beside those that the registry has, of all networks or those named."""
    from headstart.training import costs
    from headstart.training.registry import NETWORKS

    print(f"{'network':<15} {'bytes/voxel':>12} {'(plan)':>8} {'us/voxel':>9} {'weights':>10}")
    half = {"channels": [16, 32, 64, 128, 128, 64]}
    wide = {"channels": [32, 64, 128, 256], "strides": [2, 2, 2]}
    cases = [(name, {}) for name in NETWORKS] + [("sfcn", half), ("unet", wide)]
    named = sys.argv[1:] or NETWORKS
    voxels = BATCH * math.prod(WINDOW)
    for name, arguments in cases:
        if name not in named:
            continue
        classes = 2 if NETWORKS[name].per_voxel else 0
        # its own process: a peak never comes down again
        with get_context("spawn").Pool(1) as pool:
            peak, seconds, weights = pool.apply(measure, (name, arguments, classes))
        kept = (peak - costs.BYTES_PER_WEIGHT * weights) / voxels
        fixed = costs.training_memory(name, arguments, WINDOW, 0, classes)
        planned = (costs.training_memory(name, arguments, WINDOW, BATCH, classes) - fixed) / voxels
        time_each = 1e6 * seconds / voxels
        print(f"{name:<15} {kept:12.0f} {planned:8.0f} {time_each:9.2f} {weights:10.3g}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
