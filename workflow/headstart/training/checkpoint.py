"""What a killed training goes on from."""

from __future__ import annotations

import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.common import files
from headstart.common.deadline import Deadline
from headstart.common.machine_errors import is_of_machine
from headstart.common.run_id import HISTORY
from headstart.training import run_store
from headstart.training.history import History
from headstart.training.progress import Progress
from headstart.training.step import Stepper

# A checkpoint is written at the end of each epoch, and in a long one every so often (s).
EVERY = 300.0


class Checkpoints:
    """Takes a training up where it was left, and puts it away between two steps.

    Args:
        attempt: Folder of the attempt that begins.
        network: The network.
        stepper: What trains it.
        deadline: When to stop.
    """

    def __init__(
        self, attempt: Path, network: nn.Module, stepper: Stepper, deadline: Deadline
    ) -> None:
        self._attempt, self._deadline = attempt, deadline
        self._network, self._stepper = network, stepper
        self._written = time.monotonic()
        self._begun = (1, 0)

    def resume(self, key_metric: str, epochs: int) -> Progress:
        """Take up the newest checkpoint of the run, if there is one.

        Args:
            key_metric: The metric that compares epochs.
            epochs: How many there shall be.
        """
        earlier = newest_checkpoint(self._attempt.parent)
        if earlier is None:
            return Progress(History(key_metric), epochs)
        self._network.load_state_dict(earlier["network"])
        self._stepper.load_state(earlier["stepper"])
        progress = Progress.of(earlier["progress"], key_metric)
        if progress.history.epochs:
            progress.history.write(self._attempt / HISTORY)
        self._begun = progress.position
        step = f", step {progress.step} of the next" if progress.step else ""
        print(f"going on after epoch {progress.epoch - 1}{step}", file=sys.stderr, flush=True)
        return progress

    def look_up(self, progress: Progress) -> None:
        """Write a checkpoint if the last one is old or the end is near, and stop if it is here.

        Raises:
            OutOfTimeError: At the time limit.
            Stopped: Told to stop.
        """
        if progress.position == self._begun:
            # its first validation: one that is stopped begins again, and so would every start
            return
        if self._deadline.is_near or time.monotonic() - self._written >= EVERY:
            self.write(progress)
            self._deadline.stop_if_told()

    def write(self, progress: Progress) -> None:
        """Keep all that the training needs to go on; the checkpoint before stays."""
        path = self._attempt / "checkpoint.pt"
        whole = {
            "network": self._network.state_dict(),
            "stepper": self._stepper.state(),
            "progress": progress.state(),
        }
        with files.temporary(path) as draft:
            # through a file object, so that a full disk is an OSError
            with draft.open("wb") as file:
                torch.save(whole, file)
            if path.exists():
                path.replace(self._attempt / "previous.pt")
        self._written = time.monotonic()


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
