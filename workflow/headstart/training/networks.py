"""Networks by name: MONAI's, our SFCN, and the user's own."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor
from torch import nn
from torch.nn.parameter import is_lazy

from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine
from headstart.tasks.base import Task
from headstart.training.data import seed_of
from headstart.training.own_modules import OwnModules
from headstart.training.registry import NETWORKS
from headstart.training.series import tell_from_mean
from headstart.training.settings import Run

Arguments = dict[str, Any]


def build_network(
    name: str,
    arguments: Mapping[str, Any],
    *,
    in_channels: int,
    out_channels: int,
    folder: Path,
    deep_supervision: bool = False,
) -> nn.Module:
    """Build a network with fresh weights, drawn from torch's generator.

    Args:
        name: One of `NETWORKS`, or `FILE.py:CLASS` for the user's own.
        arguments: Further keyword arguments, `train.network_arguments`.
        in_channels: Image channels.
        out_channels: Classes; 1 for regression; for segmentation the background counts.
        folder: Where relative FILE.py are looked up.
        deep_supervision: Whether it is trained at several resolutions; only for one that can be.

    Returns:
        A module that maps (n, in_channels, x, y, z) to (n, out_channels), or for segmentation to
        (n, out_channels, x, y, z); in training with deep supervision to a list of those, from the
        full resolution down.

    Raises:
        UserError: If the class does not take the arguments, there is no such class, or the user's
            own code fails, then or when it runs.
    """
    ours = NETWORKS.get(name)
    if ours is None:
        channels = {"in_channels": in_channels, "out_channels": out_channels}
        return _own(name, folder, channels, arguments)
    network = resolve_name(ours.path)
    given, taken = ours.channels
    fixed = {**ours.fixed, given: in_channels, taken: out_channels}
    if ours.scales:
        fixed["deep_supervision"] = deep_supervision
    _check_arguments(name, network, fixed, arguments)
    try:
        built = network(**fixed, **{**ours.defaults(arguments), **arguments})
        order = torch.channels_last_3d if ours.channels_last else torch.contiguous_format
        return built.to(memory_format=order)
    except Exception as error:  # MONAI's checks raise many kinds, about the arguments
        if is_of_machine(error):
            raise
        raise UserError(
            f"train.network_arguments: {name} can't be built with {dict(arguments)}: {error}"
        ) from error


def initial_network(run: Run, task: Task, folder: Path) -> nn.Module:
    """Build a run's network; its seed alone decides the first weights.

    Args:
        run: The run.
        task: The task, fitted to the training scans.
        folder: Where a relative FILE.py is looked up.

    Raises:
        UserError: As `build_network`.
    """
    torch.manual_seed(seed_of(run.seed, "init"))
    return network_of(run, task, folder)


def network_of(run: Run, task: Task, folder: Path) -> nn.Module:
    """Build a run's network, with whatever weights.

    Args:
        run: The run.
        task: The task, fitted to the training scans.
        folder: Where a relative FILE.py is looked up.

    Raises:
        UserError: As `build_network`.
    """
    network = build_network(
        run.train.network,
        run.train.network_arguments,
        in_channels=len(run.inputs),
        out_channels=task.out_channels,
        folder=folder,
        deep_supervision=run.train.deep_supervision,
    )
    if run.train.neighbours is not None:
        tell_from_mean(network)
    if any(is_lazy(weights) for weights in network.parameters()):
        # torch's LazyLinear and the like take their sizes from what they see first
        with torch.no_grad():
            network.eval()(torch.zeros(1, len(run.inputs), *run.train.seen(run.window)))
    return network


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


def check_learns(name: str, network: nn.Module) -> None:
    """Check that a network has weights to learn.

    Raises:
        UserError: If it has none.
    """
    if not any(weights.requires_grad for weights in network.parameters()):
        raise UserError(
            f"train.network: {name} has no weights to learn; make some in __init__, and leave some "
            "of them requires_grad"
        )


def _check_arguments(
    name: str, network: Callable[..., Any], fixed: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    accepted = inspect.signature(network).parameters
    if any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        return
    lacking = [key for key in fixed if key not in accepted]
    if lacking:
        raise UserError(
            f"train.network: {name} does not take {', '.join(lacking)}; a network's class is "
            f"called with {', '.join(fixed)} and train.network_arguments"
        )
    wrong = sorted(key for key in arguments if key not in accepted or key in fixed)
    if wrong:
        allowed = ", ".join(key for key in accepted if key not in fixed)
        raise UserError(
            f"train.network_arguments: {name} does not take {', '.join(wrong)}; "
            f"allowed: {allowed or 'none'}"
        )


def _own(name: str, folder: Path, channels: Arguments, arguments: Mapping[str, Any]) -> nn.Module:
    modules = OwnModules(name, folder)
    own = modules.load()

    def build() -> Any:
        with modules.at_work(f"can't be built with {dict(arguments)}"):
            _check_arguments(name, own, channels, arguments)
            return own(**channels, **arguments)

    network = build()
    if not isinstance(network, nn.Module):
        raise UserError(f"train.network: {name} is no torch.nn.Module")
    kind = type(network)

    def forward(self: nn.Module, volumes: Tensor) -> Tensor:
        with modules.at_work(f"can't take a batch of shape {tuple(volumes.shape)}"):
            # a copy: the next tile, and a step that is repeated, see the same voxels once more
            output = kind.forward(self, volumes.clone())
        if not isinstance(output, Tensor) or not output.is_floating_point():
            given = output.dtype if isinstance(output, Tensor) else f"a {type(output).__name__}"
            raise UserError(
                f"train.network: {name} gives {given} where one tensor of floating-point numbers "
                "is needed, in training and in evaluation"
            )
        return output

    def copied(self: nn.Module, memo: dict[int, Any]) -> nn.Module:
        # its lambdas and hooks would run the original's weights; a lock can't be copied at all
        with torch.random.fork_rng(devices=[]):
            other = memo[id(self)] = build()
        other.__class__ = type(self)
        for part, module in self.named_children():
            if part not in dict(other.named_children()):  # what we have added
                other.add_module(part, copy.deepcopy(module, memo))
        weights = self.state_dict()
        other.to(next(iter(weights.values()), torch.empty(0)).device)
        other.load_state_dict(weights)
        for one, its in zip(self.modules(), other.modules(), strict=True):
            its.training = one.training
        return other

    # of its class, not of the network: a copy of the network would run the original's
    own_class = {"forward": forward, "__deepcopy__": copied}
    network.__class__ = type(kind.__name__, (kind,), own_class)
    return network
