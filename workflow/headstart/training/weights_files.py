"""Files of weights, ours and others', read without running what they hold."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine

# Under what keys training programs put a network's weights: Lightning, MONAI, nnU-Net and others.
NESTED = ("state_dict", "model_state_dict", "network_weights", "model", "network", "net", "weights")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights: safetensors, or torch's, whose pickle may hold nothing but tensors.

    Returns:
        The tensors by name, in the file's order, without counters.

    Raises:
        UserError: If it holds no weights, or more than may be read without running it.
    """
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"train.start: {path} can't be read as weights alone ({_first_line(error)}); where it "
            "is whole, load it where it was made, and save it by torch.save(net.state_dict(), FILE)"
        ) from error
    except RuntimeError as error:
        if is_of_machine(error):
            raise
        raise UserError(
            f"train.start: {path} is no file of weights ({_first_line(error)})"
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
    return {
        str(name): tensor
        for name, tensor in found.items()
        if isinstance(tensor, Tensor) and tensor.is_floating_point()
    }


def _is_weights(found: Mapping[Any, Any]) -> bool:
    """Whether it is tensors by name; a few words beside them, such as a version, do not count."""
    return any(isinstance(value, Tensor) and value.dim() > 1 for value in found.values())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
