"""A training's curves as TensorBoard shows them, where it is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from headstart.training.history import Epoch
from headstart.training.history import History

FOLDER = "tensorboard"  # beside a published network


@contextmanager
def shown_in_tensorboard(output: Path) -> Iterator[Callable[[History], None]]:
    """Let TensorBoard follow a training while the block runs.

    Args:
        output: Where the training is published to; gets the folder `tensorboard`, anew.

    Yields:
        What takes the history after each epoch; it does nothing where TensorBoard is not there.
    """
    if find_spec("tensorboard") is None:
        yield lambda _: None
        return
    from torch.utils.tensorboard import SummaryWriter

    # epochs of an attempt that broke off are written once more, from the history
    shutil.rmtree(output / FOLDER, ignore_errors=True)
    with SummaryWriter(str(output / FOLDER)) as writer:
        shown = 0

        def show(history: History) -> None:
            nonlocal shown
            for epoch in history.epochs[shown:]:
                for name, value in _scalars(epoch).items():
                    writer.add_scalar(name, value, epoch.number)
            shown = len(history.epochs)
            writer.flush()

        yield show


def _scalars(epoch: Epoch) -> dict[str, float]:
    """Name an epoch's numbers so that training and validation lie side by side."""
    numbers = {"learning_rate": epoch.learning_rate, "loss/train": epoch.train_loss}
    numbers |= {f"{name}/train": value for name, value in epoch.train_metrics.items()}
    if epoch.val_loss is not None:
        numbers["loss/validation"] = epoch.val_loss
    return numbers | {f"{name}/validation": value for name, value in epoch.metrics.items()}
