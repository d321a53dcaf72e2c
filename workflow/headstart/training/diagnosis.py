"""Why a loss is no number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headstart.cohort.prepared import Scan
from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine
from headstart.training.own_network import is_own


def _find_culprit(scans: Sequence[Scan], volumes: Tensor | None = None) -> None:
    """Look for the scan that a loss which is no number comes from.

    Args:
        scans: The scans that the network saw.
        volumes: What it saw of them, augmented.

    Raises:
        UserError: If a scan is not finite, as it was prepared or as it was augmented.
    """
    for number, scan in enumerate(scans):
        who = f"subject {scan.subject}, session {scan.session}"
        if not np.isfinite(scan.volume()).all():
            raise UserError(
                f"{scan.volumes.path}: the prepared volume of {who} is not finite; remove that "
                "file, and it is prepared again"
            )
        if volumes is not None and not torch.isfinite(volumes[number]).all():
            raise UserError(
                f"train.augment: {who} is not finite any more once it is augmented; "
                "take out one transform after the other"
            )


def check_batch_norm(error: Exception) -> None:
    """Say what to do where batch norm refuses a single scan.

    Args:
        error: What a training step raised.

    Raises:
        UserError: If that is why.
    """
    if "Expected more than 1 value per channel" in str(error):
        raise UserError(
            "batch norm can't learn from one scan at once where the network has halved it to a "
            "single voxel: set train.batch_size to 2 or more, and give the job memory for 2, or "
            "raise prepare.window"
        ) from error


def check_gradient(error: Exception, **code: str) -> None:
    """Say whose fault it is that there is no gradient.

    Args:
        error: What was raised as it was computed.
        **code: `network` and `loss` as in `train`, whichever of them may be the user's own.

    Raises:
        UserError: If code of the user's own is among them, and the computer refused nothing.
    """
    own = " or ".join(f"train.{key}: {name}" for key, name in code.items() if is_own(name))
    if own and isinstance(error, RuntimeError) and not is_of_machine(error):
        raise UserError(
            f"{own}: no gradient can be computed: {' '.join(str(error).split('; ')[0].split())}; "
            "compute by torch's functions, without .item(), .detach() or numpy, and write "
            "x = x + 1 in place of x += 1"
        ) from error


def diverged(
    loss: float, epoch: int, rate: float, scans: Sequence[Scan], volumes: Tensor | None = None
) -> UserError:
    """Make the error about a loss that is no number.

    Args:
        loss: The loss.
        epoch: The epoch.
        rate: Learning rate.
        scans: The scans that the network saw.
        volumes: What it saw of them, augmented.

    Raises:
        UserError: If it comes from one scan, which is named.
    """
    _find_culprit(scans, volumes)
    return UserError(
        f"the loss is {loss} in epoch {epoch} at learning rate {rate:.3g}; "
        "lower train.learning_rate, e.g. to a tenth; in a network or loss of your own, look also "
        "for a division by 0, and a root or logarithm of what is not above 0"
    )
