"""What training makes small, by task."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from headstart.parts.errors import UserError

Loss = Callable[[Tensor, Tensor], Tensor]
DISTANCES: dict[str, Loss] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}


def make_loss(task: str, name: str | None, class_weights: Tensor | None = None) -> Loss:
    """Make the loss of a task.

    Args:
        task: regression, classification or segmentation.
        name: A loss of `headstart.parts.config.LOSSES`; None is the first one of the task.
        class_weights: Weight of each class (classification), or None.

    Returns:
        A function of (output, truth) that gives the batch's mean. Regression: output (n, 1),
        truth (n,), standardised. Classification: logits (n, classes), truth (n,) class indices.
        Segmentation: logits (n, classes, x, y, z), truth (n, 1, x, y, z).
    """
    if task == "regression":
        distance = DISTANCES[name or "l1"]
        return lambda output, truth: distance(output[:, 0], truth)
    if task == "classification":
        return lambda output, truth: functional.cross_entropy(output, truth, class_weights)
    return _dice_loss(name or "dice_cross_entropy")


def inverse_frequency(classes: Sequence[int], count: int) -> Tensor:
    """Weights that give every class the same say: n / (classes * scans of the class).

    Args:
        classes: Class index of each training scan.
        count: Number of classes.

    Raises:
        UserError: If a class has no training scan.
    """
    scans = torch.bincount(torch.tensor(classes), minlength=count)
    if (scans == 0).any():
        raise UserError(
            "train.class_weights: a class has no training scan in this fold; use fewer folds, or "
            "name the target in split.stratify"
        )
    return len(classes) / (count * scans.float())


def _dice_loss(name: str) -> Loss:
    from monai.losses.dice import DiceCELoss
    from monai.losses.dice import DiceLoss

    # Over the whole batch: a class that one scan lacks then adds no noise of its own.
    dice = {"dice": DiceLoss, "dice_cross_entropy": DiceCELoss}[name]
    return dice(include_background=False, to_onehot_y=True, softmax=True, batch=True)
