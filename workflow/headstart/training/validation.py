"""Loss and metrics on the validation scans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import nn

from headstart.tasks.base import Task
from headstart.training.inference import predict_volumes
from headstart.training.losses import Loss


def validate(
    network: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
    loss_of: Loss,
    task: Task,
    place: torch.device,
) -> tuple[float, dict[str, float]]:
    """Measure a network on the validation scans; it learns nothing from them.

    Args:
        network: The network; it is left in evaluation mode.
        loader: Batches of volumes and truths.
        loss_of: The loss.
        task: The task.
        place: Where to compute.

    Returns:
        The mean loss per scan, and the task's metrics.
    """
    network.eval()
    total, count = 0.0, 0
    truths: list[NDArray[Any]] = []
    predictions: list[NDArray[Any]] = []
    with torch.inference_mode():
        for volumes, truth in loader:
            output = predict_volumes(network, volumes, place)
            total += loss_of(output, truth.to(place)).item() * len(volumes)
            count += len(volumes)
            known, prediction = task.compare(truth.numpy(), output)
            truths.append(known)
            predictions.append(prediction)
    metrics = task.measure(np.concatenate(truths), np.concatenate(predictions))
    return total / count, metrics
