"""Parts of a network that learn slower or faster than the rest, or not at all."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from headstart.common.errors import UserError
from headstart.training.start import Start

SHOWN = 30


def modules_of(network: nn.Module, pattern: str, key: str) -> list[nn.Module]:
    """Return the modules whose names a pattern matches.

    Args:
        network: The network.
        pattern: A name as `named_modules` has it, or a pattern of it: `layer[12]`, `features.*`.
        key: Key of the config that has the pattern, for the message.

    Raises:
        UserError: If there is none; names those that there are.
    """
    named = {name: module for name, module in network.named_modules() if name}
    found = [module for name, module in named.items() if fnmatchcase(name, pattern)]
    if not found:
        known = [name for name in named if name.count(".") < 2]
        more = ", …" if len(known) > SHOWN else ""
        raise UserError(
            f"{key}: '{pattern}' is no module of this network; there are: "
            f"{', '.join(known[:SHOWN])}{more}"
        )
    return found


def check_patterns(network: nn.Module, start: Start, new: Collection[str] = ()) -> None:
    """Check that every pattern has a meaning.

    Args:
        network: The network.
        start: What it starts from.
        new: Names of tensors that stay random.

    Raises:
        UserError: If a pattern matches nothing, two of `rate` match one weight, what is frozen
            would stay random or has a rate, or nothing is left to learn.
    """
    frozen = _frozen(network, start)
    names = dict(network.named_parameters())
    for name in new:
        if name in names and id(names[name]) in frozen:
            raise UserError(
                f"train.start.freeze: {name} has no weights in {start.origin} and would stay "
                "random; freeze what it has"
            )
    for pattern in start.rate:
        if _parameters(network, pattern, "train.start.rate") <= frozen:
            raise UserError(
                f"train.start.rate: {pattern} learns nothing, as train.start.freeze keeps it as it "
                "is; take it out of one of the two"
            )
    if frozen >= {id(weights) for weights in names.values() if weights.requires_grad}:
        raise UserError("train.start.freeze: freezes the whole network; leave some of it to learn")
    parameter_groups(network, start)


def freeze(network: nn.Module, start: Start | None) -> None:
    """Keep gradients from what is frozen; what the network itself does not learn stays so."""
    frozen = _frozen(network, start)
    for parameter in network.parameters():
        if id(parameter) in frozen:
            parameter.requires_grad = False


def set_to_training(network: nn.Module, start: Start | None) -> None:
    """Set a network to training, but for the batch-norm statistics of what is frozen."""
    network.train()
    for pattern in start.freeze if start else ():
        for module in modules_of(network, pattern, "train.start.freeze"):
            for norm in module.modules():
                if isinstance(norm, _NormBase):
                    norm.eval()


def parameter_groups(network: nn.Module, start: Start | None) -> list[dict[str, Any]]:
    """Group what learns by the factor of its learning rate, as an optimizer of torch takes it.

    Raises:
        UserError: If two patterns match one weight.
    """
    factors: dict[int, tuple[float, str]] = {}
    for pattern, factor in sorted(start.rate.items()) if start else ():
        for identity in _parameters(network, pattern, "train.start.rate"):
            other = factors.setdefault(identity, (factor, pattern))[1]
            if other != pattern:
                raise UserError(
                    f"train.start.rate: {other} and {pattern} both match a weight; write names "
                    "that share none"
                )
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups.setdefault(factors.get(id(parameter), (1.0, ""))[0], []).append(parameter)
    return [{"params": members, "factor": factor} for factor, members in groups.items()]


def _frozen(network: nn.Module, start: Start | None) -> set[int]:
    patterns = start.freeze if start else ()
    found = [_parameters(network, pattern, "train.start.freeze") for pattern in patterns]
    return set().union(*found)


def _parameters(network: nn.Module, pattern: str, key: str) -> set[int]:
    """Identities of the weights below the modules that a pattern matches."""
    modules = modules_of(network, pattern, key)
    return {id(parameter) for module in modules for parameter in module.parameters()}
