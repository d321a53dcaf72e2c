"""What a training costs in memory and time, by its network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from headstart.training.registry import NETWORKS

# Bytes per voxel that each class of a mask, and its background, keeps in the loss.
KEPT_PER_CLASS = 30
BYTES_PER_WEIGHT = 16  # the weight, its gradient and two moments of AdamW
# Bytes of a training's process that no voxel adds to: torch and what else is imported, and what its
# convolutions set aside; more where MONAI is. A GPU holds CUDA's context instead, not measured.
LIBRARIES = 0.56e9
MONAI = 0.21e9
CUDA_CONTEXT = 1e9
FORWARD = 0.35  # of the time of learning from scans: to look at them
TILES = 4  # of a scan's voxels: what tiles with margins see
# What networks call the channels of their first layer, or of all layers from the first on.
WIDTHS = ("channels", "filters", "feature_size", "hidden_size")


def training_memory(
    network: str,
    arguments: Mapping[str, Any],
    window: Sequence[int],
    batch: int,
    classes: int,
    *,
    gpu: bool = False,
) -> float:
    """Estimate the bytes that a training fills at its peak, where it computes.

    Args:
        network: One of `NETWORKS`.
        arguments: Its keyword arguments; the widths of its layers count.
        window: Voxels of a volume.
        batch: Volumes in a step.
        classes: Classes of the mask without its background; 0 without segmentation.
        gpu: Whether it computes on a GPU, whose memory is meant then.
    """
    ours = NETWORKS[network]
    larger, _ = _larger(network, arguments)
    kept = ours.cost.kept * larger + (KEPT_PER_CLASS * (classes + 1) if ours.per_voxel else 0)
    monai = MONAI if ours.per_voxel or ours.library == "monai" else 0  # its losses are MONAI's, too
    return (
        (CUDA_CONTEXT if gpu else LIBRARIES + monai)
        + BYTES_PER_WEIGHT * weights(network, arguments)
        + kept * batch * math.prod(window)
    )


def weights(network: str, arguments: Mapping[str, Any]) -> float:
    """Estimate how many weights a network has."""
    return NETWORKS[network].cost.weights * _larger(network, arguments)[1]


def learning_seconds(
    network: str, arguments: Mapping[str, Any], window: Sequence[int], scans: int
) -> float:
    """Estimate the seconds in which a network learns from scans once, on one CPU core."""
    cost = NETWORKS[network].cost
    larger, _ = _larger(network, arguments)
    return cost.time * 1e-6 * larger**cost.power * scans * math.prod(window)


def looking_seconds(
    network: str, arguments: Mapping[str, Any], window: Sequence[int], scans: int
) -> float:
    """Estimate the seconds in which a network looks at scans without learning, on one CPU core."""
    return FORWARD * learning_seconds(network, arguments, window, scans)


def _larger(network: str, arguments: Mapping[str, Any]) -> tuple[float, float]:
    """How many times larger a network is than the one that was measured.

    Returns:
        The ratio of what a step keeps, and that of weights; where these are not counted, that of
        the first layers' widths, and that of the largest products of two widths in a row.
    """
    if size := NETWORKS[network].size:
        ours, usual = size(arguments), size({})
        return ours.kept / usual.kept, ours.weights / usual.weights
    measured = NETWORKS[network].cost.widths
    given = next((arguments[name] for name in WIDTHS if arguments.get(name)), measured)
    widths = (given,) if isinstance(given, int) else tuple(given)
    first = widths[0] / measured[0]
    if 1 in (len(widths), len(measured)):
        return first, first**2
    return first, _largest_pair(widths) / _largest_pair(measured)


def _largest_pair(widths: Sequence[int]) -> int:
    return max(before * after for before, after in pairwise(widths))
