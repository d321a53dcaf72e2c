"""Networks by name: MONAI's, our SFCN, and the user's own."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from headstart.parts.errors import UserError
from headstart.parts.sfcn import SFCN

# A network's class, the arguments that are not the user's, and defaults for those that are.
# MONAI takes seconds to import: each recipe imports the one module that it needs.
Arguments = dict[str, Any]
Recipe = tuple[Callable[..., nn.Module], Arguments, Arguments]


def build_network(
    name: str,
    arguments: Mapping[str, Any],
    *,
    in_channels: int,
    out_channels: int,
    folder: Path,
) -> nn.Module:
    """Build a network with fresh weights, drawn from torch's generator.

    Args:
        name: A network of `headstart.parts.config`, or `FILE.py:CLASS` for the user's own.
        arguments: Further keyword arguments, `train.network_arguments`.
        in_channels: Image channels.
        out_channels: Classes; 1 for regression; for segmentation the background counts.
        folder: Where relative FILE.py are looked up.

    Returns:
        A module that maps (n, in_channels, x, y, z) to (n, out_channels), or for segmentation to
        (n, out_channels, x, y, z).

    Raises:
        UserError: If the class does not take the arguments, or there is no such class.
    """
    channels = {"in_channels": in_channels, "out_channels": out_channels}
    if name not in RECIPES:
        own = _own_class(name, folder)
        _check_arguments(name, own, channels, arguments)
        return own(**channels, **arguments)
    network, fixed, defaults = RECIPES[name](channels, arguments)
    _check_arguments(name, network, fixed, arguments)
    try:
        return network(**fixed, **(defaults | dict(arguments)))
    except Exception as error:  # MONAI's checks raise many kinds, all about the arguments
        raise UserError(
            f"train.network_arguments: {name} can't be built with {dict(arguments)}: {error}"
        ) from error


def choose_device(name: str) -> torch.device:
    """Choose where to compute.

    Args:
        name: cpu, cuda, or auto: what `HEADSTART_DEVICE` says, as a job with a GPU is told; without
            it, cuda where there is a GPU.

    Raises:
        UserError: If a GPU is asked for and torch sees none; says why.
    """
    wanted = os.environ.get("HEADSTART_DEVICE", "auto") if name == "auto" else name
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        built = torch.version.cuda
        why = f"its driver may be too old for CUDA {built}" if built else "torch is the CPU build"
        cards = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise UserError(
            f"a GPU is asked for, but torch {torch.__version__} sees none: {why} "
            f"(CUDA_VISIBLE_DEVICES is {cards}); `headstart doctor` says more"
        )
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def check_output(name: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Check what a network gave for one batch.

    Raises:
        UserError: If the shape is not the one that the task needs.
    """
    if shape != expected:
        raise UserError(
            f"train.network: {name} gives an output of shape {shape} where {expected} is needed "
            "(batch, out_channels, and for segmentation the window)"
        )


def _sfcn(channels: Arguments, _: Mapping[str, Any]) -> Recipe:
    return SFCN, channels, {}


def _densenet121(channels: Arguments, _: Mapping[str, Any]) -> Recipe:
    from monai.networks.nets.densenet import DenseNet

    return DenseNet, {"spatial_dims": 3, **channels}, {"block_config": (6, 12, 24, 16)}


def _resnet18(channels: Arguments, _: Mapping[str, Any]) -> Recipe:
    from monai.networks.nets.resnet import ResNet

    fixed = {
        "block": "basic",
        "layers": [2, 2, 2, 2],
        "block_inplanes": [64, 128, 256, 512],
        "spatial_dims": 3,
        "n_input_channels": channels["in_channels"],
        "num_classes": channels["out_channels"],
    }
    return ResNet, fixed, {}


def _unet(channels: Arguments, arguments: Mapping[str, Any]) -> Recipe:
    from monai.networks.nets.unet import UNet

    widths = arguments.get("channels", (16, 32, 64, 128, 256))
    defaults = {"channels": widths, "strides": (2,) * (len(widths) - 1), "num_res_units": 2}
    return UNet, {"spatial_dims": 3, **channels}, defaults


def _segresnet(channels: Arguments, _: Mapping[str, Any]) -> Recipe:
    from monai.networks.nets.segresnet import SegResNet

    return SegResNet, {"spatial_dims": 3, **channels}, {}


def _dynunet(channels: Arguments, arguments: Mapping[str, Any]) -> Recipe:
    from monai.networks.nets.dynunet import DynUNet

    strides = arguments.get("strides", (1, 2, 2, 2, 2))
    defaults = {
        "strides": strides,
        "kernel_size": (3,) * len(strides),
        "upsample_kernel_size": strides[1:],
    }
    return DynUNet, {"spatial_dims": 3, **channels}, defaults


RECIPES: dict[str, Callable[[Arguments, Mapping[str, Any]], Recipe]] = {
    "densenet121": _densenet121,
    "dynunet": _dynunet,
    "resnet18": _resnet18,
    "segresnet": _segresnet,
    "sfcn": _sfcn,
    "unet": _unet,
}


def _check_arguments(
    name: str, network: Callable[..., Any], fixed: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    accepted = inspect.signature(network).parameters
    if any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        return
    wrong = sorted(key for key in arguments if key not in accepted or key in fixed)
    if wrong:
        allowed = ", ".join(key for key in accepted if key not in fixed)
        raise UserError(
            f"train.network_arguments: {name} does not take {', '.join(wrong)}; "
            f"allowed: {allowed or 'none'}"
        )


def _own_class(name: str, folder: Path) -> type[nn.Module]:
    file_name, _, class_name = name.rpartition(":")
    path = folder / file_name
    module = ModuleType("own_network")
    sys.modules[module.__name__] = module
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)  # noqa: S102 the user's own code
    if not hasattr(module, class_name):
        raise UserError(f"train.network: {path} has no class {class_name}")
    return getattr(module, class_name)
