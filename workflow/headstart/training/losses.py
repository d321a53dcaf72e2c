"""What training makes small: each loss is made for a task that is fitted to training scans."""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from headstart.tasks.base import Task
from headstart.training.registry import LOSSES

Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(name: str | None, task: Task, place: torch.device) -> Loss:
    """Make a loss: a function of (output, truth) that gives the batch's mean.

    Args:
        name: One of `LOSSES`; None is the first one of the task.
        task: The task, whose truths it takes.
        place: Where it is computed.
    """
    weights = torch.tensor(task.weights, device=place) if task.weights else None
    return resolve_name(LOSSES[name or task.losses[0]].path)(weights)


def l1(_: Tensor | None) -> Loss:
    """Make the mean distance of outputs (n, 1) from standardised targets (n,)."""
    return lambda output, truth: functional.l1_loss(output[:, 0], truth)


def mse(_: Tensor | None) -> Loss:
    """Make the mean square of the distance."""
    return lambda output, truth: functional.mse_loss(output[:, 0], truth)


def huber(_: Tensor | None) -> Loss:
    """Make the loss that is half a square within one deviation, and straight beyond."""
    return lambda output, truth: functional.huber_loss(output[:, 0], truth)


def cross_entropy(class_weights: Tensor | None) -> Loss:
    """Make the cross-entropy of logits (n, classes) and indices of classes (n,).

    Args:
        class_weights: Weight of each class, 1 on average over the training scans, or None.
    """
    # not the mean that torch weighs by the batch's own classes: in a small batch it would take the
    # weights out again, so that rare classes weigh less the smaller the batch is
    return lambda output, truth: functional.cross_entropy(
        output, truth, class_weights, reduction="none"
    ).mean()


# Over the whole batch: a class that one scan lacks then adds no noise of its own.
DICE: dict[str, Any] = {
    "include_background": False,
    "to_onehot_y": True,
    "softmax": True,
    "batch": True,
}


def dice(_: Tensor | None) -> Loss:
    """Make the Dice loss of logits (n, classes, x, y, z) and masks (n, 1, x, y, z)."""
    from monai.losses.dice import DiceLoss

    return DiceLoss(**DICE)


def dice_cross_entropy(_: Tensor | None) -> Loss:
    """Make the sum of the Dice loss and the cross-entropy."""
    from monai.losses.dice import DiceCELoss

    return DiceCELoss(**DICE)
