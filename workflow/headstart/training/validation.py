"""Loss and metrics on the validation scans."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from headstart.tasks.base import Task
from headstart.training.data import Batch
from headstart.training.inference import predict_volumes
from headstart.training.losses import Loss
from headstart.training.memory import in_parts


def validate(
    network: nn.Module,
    batches: Iterable[Batch],
    loss_of: Loss,
    task: Task,
    between: Callable[[], None] = lambda: None,
) -> tuple[float, dict[str, float]]:
    """Measure a network on the validation scans; it learns nothing from them.

    Args:
        network: The network; it is left in evaluation mode.
        batches: The validation scans.
        loss_of: The loss.
        task: The task.
        between: Called after each batch.

    Returns:
        The mean loss per scan, and the task's metrics.
    """
    network.eval()

    def look(batch: Batch) -> tuple[float, NDArray[Any], NDArray[Any]]:
        output = predict_volumes(network, *batch.inputs)
        with torch.inference_mode():
            loss = loss_of(output, batch.targets).item() * len(batch.scans)
        return loss, *task.for_metrics(batch.targets.cpu().numpy(), output)

    count = 0
    seen = []
    for batch in batches:
        seen += in_parts(look, batch)
        count += len(batch.scans)
        between()
    losses, truths, predictions = zip(*seen, strict=True)
    metrics = task.score(np.concatenate(truths), np.concatenate(predictions))
    return sum(losses) / count, metrics
