"""Activation checkpointing: what a block of a network computed is computed again, not kept."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext

import torch
from torch import Tensor
from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(network: nn.Module, blocks: Container[str]) -> None:
    """Let a network keep of its blocks what comes in alone, until their gradients are asked for.

    Gradients, dropout and the statistics of batch norm are the same to the bit. Chen and others
    2016, doi:10.48550/arXiv.1604.06174.

    Args:
        network: The network; it is changed.
        blocks: Names of its blocks' classes. A block within a block is none of its own.
    """
    for child in network.children():
        if type(child).__name__ in blocks:
            _checkpoint(child)
        else:
            checkpoint_activations(child, blocks)


def _checkpoint(block: nn.Module) -> None:
    kind = type(block)

    def forward(self: nn.Module, *inputs: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return kind.forward(self, *inputs)

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), _buffers_left(self)

        return checkpoint(kind.forward, self, *inputs, use_reentrant=False, context_fn=contexts)

    # of its class, not of the block: a copy of the network would run the original's
    block.__class__ = type(kind.__name__, (kind,), {"forward": forward})


@contextmanager
def _buffers_left(block: nn.Module) -> Iterator[None]:
    """Keep batch norm from counting a batch a second time: it counts it in copies that are lost."""
    before = [
        (module, name, buffer)
        for module in block.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    for module, name, buffer in before:
        setattr(module, name, buffer.clone())
    try:
        yield
    finally:
        for module, name, buffer in before:
            setattr(module, name, buffer)
