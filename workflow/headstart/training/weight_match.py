"""Which tensors of a network come from which of another one: by name, by order, or adapted."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from headstart.common.errors import UserError

# What wraps a network of the same inside: DataParallel, Lightning, an encoder, torch.compile.
WRAPS = ("module", "net", "network", "model", "backbone", "encoder", "_orig_mod")
# A smaller share of the weights than this is no start, but another network.
LEAST = 0.5

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class WeightMatch:
    """Which tensors of a network come from which of another one.

    Attributes:
        taken: Name of ours: name of theirs.
        adapted: Name of ours: how theirs is adapted.
        new: Name of ours that stays random: why.
        left_out: Names of theirs without a place.
        share: Share of our weights that are taken, but for those of another output.
    """

    taken: dict[str, str]
    adapted: dict[str, str]
    new: dict[str, str]
    left_out: tuple[str, ...]
    share: float


def match(
    ours: Weights,
    theirs: Weights,
    origin: str,
    *,
    in_channels: int,
    out_channels: int,
    flags: int = 0,
) -> WeightMatch:
    """Match tensors by name, or if few names agree by their order.

    Names count without what wraps a network. A tensor fits one of the same shape. One that takes
    the image fits another number of channels if either side has one: repeated, each with its share,
    or summed, the network answers a scan whose channels are alike as before. Flags that the other
    one lacks begin at 0, so that they change no answer. One of another number of answers stays new.

    Args:
        ours: Tensors of the network by name; shapes alone count.
        theirs: The other's.
        origin: What the study calls the other one.
        in_channels: What ours sees: image channels, and behind them flags.
        out_channels: Answers of ours.
        flags: How many of what ours sees are flags, see `training.data.with_flags`.

    Raises:
        UserError: If too few of our weights are among theirs: it is another network.
    """
    ours, theirs = _without_counters(ours), _without_counters(theirs)
    pairs = _by_name(ours, theirs)
    if _weight(ours, pairs) < LEAST * _weight(ours, ours) and _same_order(ours, theirs):
        pairs = dict(zip(ours, theirs, strict=True))
    taken, adapted, new, heads = {}, {}, {}, []
    for name, tensor in ours.items():
        other = theirs.get(pairs.get(name, ""))
        shape = tuple(tensor.shape)
        if other is None:
            new[name] = "not in the file"
        elif other.shape == tensor.shape:
            taken[name] = pairs[name]
        elif _takes_image(tensor, other, in_channels, flags):
            taken[name] = pairs[name]
            adapted[name] = _how(other.shape[1], in_channels, flags)
        else:
            new[name] = f"{shape} here, {tuple(other.shape)} in the file"
            if shape[:1] == (out_channels,) and other.shape[1:] == shape[1:]:
                new[name] += ": another output"
                heads.append(name)
    share = _weight(ours, taken) / max(_weight(ours, ours) - _weight(ours, heads), 1)
    if share < LEAST:
        raise UserError(
            f"train.start: {origin} has {share:.0%} of this network's weights, at least "
            f"{LEAST:.0%} must be there; its first tensors are {_first(theirs)}, those of the "
            f"network {_first(ours)}; set network and network_arguments to what it was trained "
            "with, start from another one, or write start: null for random weights"
        )
    used = set(taken.values())
    left_out = tuple(name for name in theirs if name not in used)
    return WeightMatch(taken, adapted, new, left_out, share)


def fitted(theirs: Tensor, ours: Tensor, flags: int = 0) -> Tensor:
    """Adapt a tensor to the shape of ours that `match` takes it for, which takes so many flags."""
    if theirs.shape == ours.shape:
        return theirs
    if ours.shape[1] == 1:
        return theirs.sum(dim=1, keepdim=True)
    channels = ours.shape[1] - flags
    adapted = ours.new_zeros(ours.shape)
    # of one channel to n: each gets its share, so that the sum stays what it was
    adapted[:, :channels] = theirs / (channels // theirs.shape[1])
    return adapted


def _without_counters(weights: Weights) -> Weights:
    return {name: tensor for name, tensor in weights.items() if tensor.is_floating_point()}


def _by_name(ours: Weights, theirs: Weights) -> dict[str, str]:
    """Pair names of ours with those of theirs, the longest that agree first."""
    bare: dict[str, str] = {}
    for name in theirs:
        for shorter in _unwrapped(name):
            bare.setdefault(shorter, name)
    pairs = {}
    for name in ours:
        found = name if name in theirs else None
        for shorter in _unwrapped(name):
            found = found or bare.get(shorter)
        if found is not None:
            pairs[name] = found
    return pairs


def _unwrapped(name: str) -> Iterator[str]:
    """Yield a name, and what is left of it without each word that wraps a network."""
    yield name
    first, _, rest = name.partition(".")
    if first in WRAPS and rest:
        yield from _unwrapped(rest)


def _same_order(ours: Weights, theirs: Weights) -> bool:
    """Whether tensor by tensor the shapes agree, but for what takes the image and what answers."""
    if len(ours) != len(theirs):
        return False
    pairs = zip(ours.values(), theirs.values(), strict=True)
    different = [place for place, (a, b) in enumerate(pairs) if a.shape != b.shape]
    # the first weight, and the last with its bias
    return all(place == 0 or place >= len(ours) - 2 for place in different)


def _takes_image(ours: Tensor, theirs: Tensor, in_channels: int, flags: int) -> bool:
    """Whether a convolution differs in the channels of the image alone: one has 1, or no flags."""
    if ours.dim() != theirs.dim() or ours.dim() < 3 or ours.shape[1] != in_channels:
        return False
    alike = ours.shape[0] == theirs.shape[0] and ours.shape[2:] == theirs.shape[2:]
    return alike and (1 in (in_channels, theirs.shape[1]) or theirs.shape[1] == in_channels - flags)


def _how(theirs: int, ours: int, flags: int) -> str:
    if ours == 1:
        return f"{theirs} channels summed to 1"
    channels = ours - flags
    repeated = f"1 channel repeated for {channels}, divided by {channels}"
    begun = f"{flags} for flags of optional channels, from 0"
    return ", ".join([repeated] * (theirs == 1) + [begun] * (flags > 0))


def _weight(ours: Weights, names: Mapping[str, object] | list[str]) -> int:
    return sum(ours[name].numel() for name in names)


def _first(weights: Weights) -> str:
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(weights.items())[:3])
