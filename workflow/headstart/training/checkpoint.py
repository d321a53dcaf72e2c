"""What a killed training goes on from."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch import nn

from headstart.common import files
from headstart.common.machine_errors import is_of_machine
from headstart.common.run_id import HISTORY
from headstart.training import run_store
from headstart.training.history import Epoch
from headstart.training.history import History


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        history: What each epoch gave.
        seconds: How long each epoch took.
        kept: Weights of the epoch that the history calls chosen.
    """

    history: History
    seconds: list[float] = field(default_factory=list)
    kept: dict[str, Tensor] = field(default_factory=dict)


def newest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the newest checkpoint of a run that is whole; a damaged one is passed over."""
    for path in run_store.checkpoints(folder):
        try:
            with zipfile.ZipFile(path) as archive:
                # torch.load does not look at the checksums: a lost bit would be trained on
                if bad := archive.testzip():
                    raise ValueError(f"the checksum of {bad} is another one")
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a torn file can fail in any way
            if is_of_machine(error):
                raise
            print(f"{path}: damaged, passed over ({error})", file=sys.stderr, flush=True)
    return None


def resume(
    attempt: Path, network: nn.Module, optimizer: torch.optim.Optimizer, key_metric: str
) -> Progress:
    """Take up the newest checkpoint of a run, if there is one.

    Args:
        attempt: Folder of the attempt that begins; gets the history so far.
        network: Gets the weights.
        optimizer: Gets its moments.
        key_metric: The metric that compares epochs.

    Returns:
        How far the run is.
    """
    earlier = newest_checkpoint(attempt.parent)
    if earlier is None:
        return Progress(History(key_metric))
    network.load_state_dict(earlier["network"])
    optimizer.load_state_dict(earlier["optimizer"])
    epochs = tuple(Epoch(**values) for values in earlier["epochs"])
    history = History(key_metric, epochs, earlier["chosen"])
    history.write(attempt / HISTORY)
    print(f"going on after epoch {len(epochs)}", file=sys.stderr, flush=True)
    return Progress(history, earlier["seconds"], earlier["kept"])


def write_checkpoint(
    attempt: Path, progress: Progress, network: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Keep all that the training needs to go on, and the history; the checkpoint before stays.

    Args:
        attempt: Folder of the attempt.
        progress: How far it is.
        network: The network.
        optimizer: Its optimizer.
    """
    path = attempt / "checkpoint.pt"
    whole = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epochs": [asdict(epoch) for epoch in progress.history.epochs],
        "chosen": progress.history.chosen,
        "seconds": progress.seconds,
        "kept": progress.kept,
    }
    with files.temporary(path) as draft:
        # through a file object, so that a full disk is an OSError
        with draft.open("wb") as file:
            torch.save(whole, file)
        if path.exists():
            path.replace(attempt / "previous.pt")
    progress.history.write(attempt / HISTORY)
