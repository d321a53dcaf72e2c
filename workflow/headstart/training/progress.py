"""What a training says of itself, epoch by epoch."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from headstart.training.history import History


def show_epoch(history: History, seconds: Sequence[float], epochs: int) -> None:
    """Print what the last epoch gave, and how long the rest will take.

    Args:
        history: The history, with that epoch.
        seconds: How long each epoch took.
        epochs: All epochs.
    """
    epoch, metric = history.epochs[-1], history.key_metric
    left = (epochs - epoch.number) * sum(seconds) / len(seconds) / 60
    validation = (
        ""
        if epoch.val_loss is None
        else f"validation loss {epoch.val_loss:.4g}  {metric} {epoch.metrics[metric]:.4g}  "
    )
    print(
        f"epoch {epoch.number}/{epochs}  train loss {epoch.train_loss:.4g}  {validation}"
        f"{seconds[-1]:.1f} s  {left:.0f} min left",
        file=sys.stderr,
        flush=True,
    )
