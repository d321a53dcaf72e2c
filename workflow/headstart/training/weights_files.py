"""Files of weights, ours and others', read without running what they hold."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine

# Under what keys training programs put a network's weights: Lightning, MONAI, nnU-Net and others.
NESTED = ("state_dict", "model_state_dict", "network_weights", "model", "network", "net", "weights")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights: safetensors, or torch's, whose pickle may hold nothing but tensors.

    Returns:
        The tensors by name, in the file's order, without counters; float32.

    Raises:
        UserError: If it holds no weights, more than may be read without running it, or weights
            that are no numbers.
    """
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes of another kind trip torch up in many ways
        # of a file that ends too early, torch says that an argument is invalid
        cut_short = isinstance(error, OSError) and error.errno == errno.EINVAL
        if is_of_machine(error) and not cut_short:
            raise
        raise UserError(
            f"train.start: {path} can't be read as weights alone ({_first_line(error)}); where it "
            "is whole, load it where it was made, and save it by torch.save(net.state_dict(), FILE)"
        ) from error
    while isinstance(found, Mapping) and not _is_weights(found):
        inner = next((found[key] for key in NESTED if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            keys = ", ".join(map(str, list(found)[:5]))
            raise UserError(
                f"train.start: {path} holds no weights: its keys are {keys}; looked for tensors, "
                f"or one of {', '.join(NESTED)}"
            )
        found = inner
    if not isinstance(found, Mapping):
        raise UserError(f"train.start: {path} holds a {type(found).__name__}, not weights by name")
    weights = {str(name): tensor.float() for name, tensor in found.items() if _is_read(tensor)}
    if not weights:
        raise UserError(f"train.start: {path} holds no tensor of real numbers")
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise UserError(
                f"train.start: {path} has NaN or infinity in {name}, of which no training "
                "recovers; take the weights of an earlier epoch, or start from others"
            )
    return weights


def _is_read(value: Any) -> bool:
    """Whether it is a tensor of numbers as a network has them, and no counter."""
    is_tensor = isinstance(value, Tensor) and value.is_floating_point() and not value.is_meta
    return is_tensor and value.layout == torch.strided


def _is_weights(found: Mapping[Any, Any]) -> bool:
    """Whether it is tensors by name; a few words beside them, such as a version, do not count."""
    return any(isinstance(value, Tensor) and value.dim() > 1 for value in found.values())


def _first_line(error: Exception) -> str:
    # torch's own first line is advice to run what the file holds
    told = str(error).rpartition("WeightsUnpickler error: ")[2].strip() or type(error).__name__
    return told.splitlines()[0]
