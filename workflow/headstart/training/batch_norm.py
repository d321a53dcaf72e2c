"""The mean and spread that batch norm takes for those of all scans when a network is judged."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import torch
from torch import Tensor
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from headstart.training.length import MEASURED


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """Return the layers of a network whose answer depends on the other scans of a batch."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def measure_statistics(
    network: nn.Module, batches: Iterable[Sequence[Tensor]], between: Callable[[], None]
) -> None:
    """Measure what batch norm takes for the mean and spread of all scans, by the weights of now.

    The running ones come from weights of many steps, and from a few scans each, so that a network
    which learns fast is judged by values that it no longer has: its validation error jumps. Wu and
    Johnson 2021, "Rethinking 'Batch' in BatchNorm", doi:10.48550/arXiv.2105.07576, section 3.

    Args:
        network: The network, in training mode but for what is frozen; left in evaluation mode.
        batches: What it is called with in training: volumes (n, channels, x, y, z), and what is
            seen beside them; the first ones are looked at, or none if there is nothing to measure.
        between: Called after each batch.
    """
    layers = batch_norms(network)
    measured = [layer for layer in layers if layer.training and layer.track_running_stats]
    network.eval()
    if not measured:
        return
    momenta = [layer.momentum for layer in measured]
    for layer in measured:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean of all batches
        layer.train()
    try:
        with torch.no_grad():
            seen = 0
            for inputs in batches:
                network(*inputs)
                between()
                seen += len(inputs[0])
                if seen >= MEASURED:
                    break
    finally:
        for layer, momentum in zip(measured, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()
