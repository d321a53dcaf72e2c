"""What training makes small: each loss is made for a task that is fitted to training scans."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional

from headstart.common.errors import UserError
from headstart.tasks.base import Task
from headstart.tasks.classification import GAMMA
from headstart.training.own_modules import OwnModules
from headstart.training.own_network import LOSS
from headstart.training.own_network import is_own

Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(
    name: str | None,
    task: Task,
    place: torch.device,
    *,
    smoothing: float = 0.0,
    folder: Path = Path(),
) -> Loss:
    """Make a loss: a function of (output, truth) that gives the batch's mean.

    Args:
        name: One of the task's, or `FILE.py:CLASS` for the user's own; None is the task's first.
        task: The task, whose targets it takes.
        place: Where it is computed.
        smoothing: `train.label_smoothing`, for a loss that has labels to smooth.
        folder: Where a relative FILE.py is looked up.

    Raises:
        UserError: If the user's own code fails, then or when it computes.
    """
    if name is not None and is_own(name):
        return own_loss(name, folder, place)
    weights = torch.tensor(task.weights, device=place) if task.weights else None
    name = name or task.default_loss()
    loss = task.losses[name]
    make = resolve_name(loss.path or f"{__name__}:{name}")
    return make(weights, smoothing) if loss.smoothed else make(weights)


def own_loss(name: str, folder: Path, place: torch.device) -> Loss:
    """Make a loss of the user's own, whose class is called without arguments.

    Args:
        name: FILE.py:CLASS.
        folder: Where a relative FILE.py is looked up.
        place: Where it is computed.

    Raises:
        UserError: If its code fails, then or when it computes; or it has weights that would have
            to be learnt, or gives something else than one number.
    """
    modules = OwnModules(name, folder, LOSS)
    own = modules.load()
    with modules.at_work("can't be made without arguments"):
        loss = own()
    if isinstance(loss, nn.Module):
        if any(True for _ in loss.parameters()):
            raise UserError(
                f"{LOSS}: {name} has weights of its own, which no optimizer changes; "
                "register them as buffers"
            )
        loss = loss.to(place)

    def mean_of(output: Tensor, truth: Tensor) -> Tensor:
        shapes = f"an output of shape {tuple(output.shape)} and truths of {tuple(truth.shape)}"
        with modules.at_work(f"can't take {shapes}"):
            # copies: what it writes into them is not what the metrics are told from
            value = loss(output.clone(), truth.clone())
        if not isinstance(value, Tensor) or value.ndim > 0:
            given = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value)
            raise UserError(
                f"{LOSS}: {name} gives {given} where a tensor of one number is needed, the mean "
                "over the batch"
            )
        return value

    return mean_of


def over_scales(loss_of: Loss, outputs: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Compute the loss of outputs at several resolutions: deep supervision, as nnU-Net has it.

    Each counts half as much as the one before; the truth is taken down to it by its nearest voxels.
    Lee and others 2015, Deeply-Supervised Nets; Isensee and others 2021, nnU-Net,
    doi:10.1038/s41592-020-01008-z.

    Args:
        loss_of: The loss of one of them.
        outputs: They, (n, classes, x, y, z), from the full resolution down.
        truth: Masks (n, 1, x, y, z) at full resolution.
    """
    shares = [0.5**number for number in range(len(outputs))]
    losses = [
        share * loss_of(output, _at_resolution(truth, output.shape[2:]))
        for share, output in zip(shares, outputs, strict=True)
    ]
    return torch.stack(losses).sum() / sum(shares)


def _at_resolution(truth: Tensor, window: Sequence[int]) -> Tensor:
    if truth.shape[2:] == window:
        return truth
    fewer = functional.interpolate(truth.float(), tuple(window), mode="nearest-exact")
    return fewer.to(truth.dtype)


def l1(_: Tensor | None) -> Loss:
    """Make the mean distance of outputs (n, 1) from standardised targets (n,)."""
    return lambda output, truth: functional.l1_loss(output[:, 0], truth)


def mse(_: Tensor | None) -> Loss:
    """Make the mean square of the distance."""
    return lambda output, truth: functional.mse_loss(output[:, 0], truth)


def huber(_: Tensor | None) -> Loss:
    """Make the loss that is half a square within one standard deviation, and straight beyond."""
    return lambda output, truth: functional.huber_loss(output[:, 0], truth)


def blind_spot(_: Tensor | None) -> Loss:
    """Make the mean square of the distance in the voxels that were hidden: truth elsewhere is NaN.

    Krull et al. 2019, Noise2Void, doi:10.1109/CVPR.2019.00223.
    """

    def mean_of(output: Tensor, truth: Tensor) -> Tensor:
        hidden = ~truth.isnan()
        return functional.mse_loss(output[hidden], truth[hidden])

    return mean_of


def neighbours(_: Tensor | None) -> Loss:
    """Make the mean distance from the volumes that were left out.

    Lecoq et al. 2021, DeepInterpolation, doi:10.1038/s41592-021-01285-2.
    """
    return functional.l1_loss


def soft_label(_: Tensor | None) -> Loss:
    """Make the divergence of logits of bins (n, bins) from targets (n,) that are blurred.

    A target is a place among the bins, as `BinnedRegression` gives it; its label is a normal
    distribution around it, as wide as a bin. Peng and others 2021, doi:10.1016/j.media.2020.101871.
    """

    def loss(output: Tensor, truth: Tensor) -> Tensor:
        bins = output.shape[1]
        # of a scan that is held out, the target may lie outside
        place = truth.clamp(0, bins - 1)[:, None]
        edges = torch.arange(bins + 1, device=output.device) - 0.5
        label = torch.special.ndtr(edges - place).diff(dim=1)
        label = label / label.sum(dim=1, keepdim=True)
        return functional.kl_div(output.log_softmax(dim=1), label, reduction="batchmean")

    return loss


def cross_entropy(class_weights: Tensor | None, smoothing: float = 0.0) -> Loss:
    """Make the cross-entropy of logits (n, classes) and indices of classes (n,).

    Args:
        class_weights: Weight of each class, 1 on average over the training scans, or None.
        smoothing: Share of each label that is spread over all classes.
    """
    # not the mean that torch weighs by the batch's own classes: in a small batch it would take the
    # weights out again, so that rare classes weigh less the smaller the batch is
    return lambda output, truth: functional.cross_entropy(
        output, truth, class_weights, reduction="none", label_smoothing=smoothing
    ).mean()


def focal(class_weights: Tensor | None) -> Loss:
    """Make the focal loss: cross-entropy in which scans that are almost right count less.

    Lin and others 2020, doi:10.1109/TPAMI.2018.2858826. `FocalClassification` gives probabilities
    from what it makes a network say.

    Args:
        class_weights: As for `cross_entropy`.
    """

    def loss(output: Tensor, truth: Tensor) -> Tensor:
        entropy = functional.cross_entropy(output, truth, reduction="none")
        return _mean((1 - (-entropy).exp()) ** GAMMA * entropy, truth, class_weights)

    return loss


def ordinal(class_weights: Tensor | None) -> Loss:
    """Make the ranked probability score of logits of ordered classes (n, classes).

    It is the squared distance of the cumulative probabilities, so that a class counts the more the
    farther it is from the true one. As a proper score it is least at the true probabilities:
    Epstein 1969; Gneiting and Raftery 2007, doi:10.1198/016214506000001437. As a loss: Hou and
    others 2017, arXiv:1611.05916.

    Args:
        class_weights: As for `cross_entropy`.
    """

    def loss(output: Tensor, truth: Tensor) -> Tensor:
        said = output.softmax(dim=1).cumsum(dim=1)
        true = functional.one_hot(truth, output.shape[1]).cumsum(dim=1)
        return _mean((said - true).square().sum(dim=1), truth, class_weights)

    return loss


def _mean(losses: Tensor, truth: Tensor, class_weights: Tensor | None) -> Tensor:
    """Mean of the scans' losses (n,), each weighed by its class."""
    return (losses if class_weights is None else losses * class_weights[truth]).mean()


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


def dice_cross_entropy(_: Tensor | None, smoothing: float = 0.0) -> Loss:
    """Make the sum of the Dice loss and the cross-entropy, whose labels alone are smoothed."""
    from monai.losses.dice import DiceCELoss

    return DiceCELoss(**DICE, label_smoothing=smoothing)


# Of false positives and false negatives: a voxel that is missed counts more.
TVERSKY: dict[str, Any] = {"alpha": 0.3, "beta": 0.7}
FOCAL_TVERSKY = 0.75


def tversky(_: Tensor | None) -> Loss:
    """Make the Tversky loss of logits and masks, as for `dice`.

    Salehi and others 2017, doi:10.1007/978-3-319-67389-9_44.
    """
    from monai.losses.tversky import TverskyLoss

    return TverskyLoss(**DICE, **TVERSKY)


def focal_tversky(_: Tensor | None) -> Loss:
    """Make the mean over classes of a power of their Tversky loss.

    Abraham and Khan 2019, doi:10.1109/ISBI.2019.8759329.
    """
    from monai.losses.tversky import TverskyLoss

    by_class = TverskyLoss(**DICE, **TVERSKY, reduction="none")
    # the power has no slope at 0, which rounding reaches
    return lambda output, truth: (by_class(output, truth).clamp_min(1e-6) ** FOCAL_TVERSKY).mean()
