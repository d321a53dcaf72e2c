"""What a training step costs in memory and time, by network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from headstart.training.registry import NETWORKS

# Each class of a mask, and its background, costs so much more in the loss.
KEPT_PER_CLASS = 110
BYTES_PER_WEIGHT = 16  # the weight, its gradient and two moments of AdamW
LIBRARIES = 1e9  # bytes: libraries, CUDA's context
# What networks call the channels of their first layer, or of all layers from the first on.
WIDTHS = ("channels", "filters", "init_filters", "init_features", "feature_size", "hidden_size")


def training_memory(
    network: str, arguments: Mapping[str, Any], window: Sequence[int], batch: int, classes: int
) -> float:
    """Estimate the bytes that a training fills at its peak.

    Args:
        network: One of `NETWORKS`.
        arguments: Its keyword arguments; the width of the first layer counts.
        window: Voxels of a volume.
        batch: Volumes in a step.
        classes: Classes of the mask without its background; 0 without segmentation.
    """
    ours, wider = NETWORKS[network], _width(network, arguments)
    cost = ours.cost
    kept = cost.kept * wider + (KEPT_PER_CLASS * (classes + 1) if ours.per_voxel else 0)
    return LIBRARIES + BYTES_PER_WEIGHT * cost.weights * wider + kept * batch * math.prod(window)


def epoch_seconds(
    network: str, arguments: Mapping[str, Any], window: Sequence[int], scans: int
) -> float:
    """Estimate the seconds of an epoch on one CPU core."""
    return (
        NETWORKS[network].cost.time * 1e-6 * _width(network, arguments) * scans * math.prod(window)
    )


def _width(network: str, arguments: Mapping[str, Any]) -> float:
    given = next((arguments[name] for name in WIDTHS if name in arguments), None)
    if not given:
        return 1.0
    return (given if isinstance(given, int) else given[0]) / NETWORKS[network].cost.width
