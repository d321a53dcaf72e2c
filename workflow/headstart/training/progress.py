"""How far a training is, and what it says of itself, epoch by epoch."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.tasks.base import Measured
from headstart.tasks.base import Task
from headstart.training import diagnosis
from headstart.training import remarks
from headstart.training.data import Batch
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.spent import Spent


class Step(NamedTuple):
    """A step whose loss, and what was said in it, nobody has looked at yet."""

    loss: Tensor
    batch: Batch
    rate: float
    told: Sequence[Measured] = ()


@dataclass
class Progress:
    """How far a training is: all that it goes on from but the network and its optimizer.

    Attributes:
        history: What each epoch gave.
        spent: What each took.
        kept: The weights that are kept so far.
        epochs: How many there shall be.
        step: Steps of the epoch under way.
        loss: Sum of their losses over its scans.
        told: What is true and what was answered in those that are measured.
        now: What it took so far.
    """

    history: History
    epochs: int
    spent: list[Spent] = field(default_factory=list)
    kept: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    loss: float = 0.0
    told: list[tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=list)
    now: Spent = field(default_factory=Spent)
    _last: Step | None = None

    @property
    def epoch(self) -> int:
        """Number of the epoch under way; the first is 1."""
        return len(self.history.epochs) + 1

    @property
    def position(self) -> tuple[int, int]:
        """The epoch under way, and how many of its steps are done."""
        return self.epoch, self.step

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield batches, and note how long the network computed and how long it waited for them."""
        upcoming = iter(batches)
        while True:
            asked = time.monotonic()
            batch = next(upcoming, None)
            came = time.monotonic()
            self.now.waiting += came - asked
            if batch is None:
                return
            yield batch
            self.now.computing += time.monotonic() - came

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Note how long the block validates."""
        began = time.monotonic()
        yield
        self.now.validating += time.monotonic() - began

    def add(self, step: Step) -> None:
        """Take a step that has begun, and look at the loss of the one before it.

        To look at a loss is to wait until the GPU has computed it: one step late, it never idles.
        """
        self.settle()
        self._last = step
        self.step += 1

    def settle(self) -> None:
        """Look at the loss of the last step.

        Raises:
            UserError: If it is no number.
        """
        if self._last is None:
            return
        (loss, batch, rate, told), self._last = self._last, None
        value = loss.item()
        if not math.isfinite(value):
            raise diagnosis.diverged(value, self.epoch, rate, batch.scans, batch.volumes)
        self.loss += value * len(batch.scans)
        self.told += [measured() for measured in told]

    def train_metrics(self, task: Task) -> dict[str, float]:
        """Return the metrics of the epoch's scans as they were learnt from; {} if none were."""
        return task.score(*map(np.concatenate, zip(*self.told, strict=True))) if self.told else {}

    def end_epoch(self, row: Epoch, kept: dict[str, Tensor] | None) -> None:
        """Close the epoch under way.

        Args:
            row: What it gave.
            kept: Its weights, if they are kept from now on.
        """
        self.now.measure_memory()
        self.history = self.history.with_epoch(row, chosen=kept is not None)
        if kept is not None:
            self.kept = copied(kept)
        self.spent.append(self.now)
        self.step, self.loss, self.told, self.now = 0, 0.0, [], Spent()

    def state(self) -> dict[str, Any]:
        """Return all of it as plain values and tensors."""
        self.settle()
        self.now.measure_memory()
        return {
            "rows": [asdict(epoch) for epoch in self.history.epochs],
            "chosen": self.history.chosen,
            "spent": [asdict(spent) for spent in self.spent],
            "told": [torch.from_numpy(np.concatenate(one)) for one in zip(*self.told, strict=True)],
            "now": asdict(self.now),
            **{name: getattr(self, name) for name in ("epochs", "kept", "step", "loss")},
        }

    @classmethod
    def of(cls, state: Mapping[str, Any], key_metric: str) -> Progress:
        """Make it of its state.

        Args:
            state: What `state` returned.
            key_metric: The metric that compares epochs.
        """
        rows = tuple(Epoch(**row) for row in state["rows"])
        told = [one.numpy() for one in state["told"]]
        return cls(
            History(key_metric, rows, state["chosen"]),
            spent=[Spent(**spent) for spent in state["spent"]],
            told=[(told[0], told[1])] if told else [],
            now=Spent(**state["now"]),
            **{name: state[name] for name in ("epochs", "kept", "step", "loss")},
        )


def copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy a network's weights: its next step changes its own."""
    return {
        name: value.cpu().clone(memory_format=torch.contiguous_format)
        for name, value in weights.items()
    }


def show_epoch(progress: Progress, over: str) -> None:
    """Print what the last epoch gave, and how long the rest will take.

    Args:
        progress: How far the training is.
        over: Why it ends with this epoch; "" if it was meant to, or goes on.
    """
    history, spent = progress.history, progress.spent
    epoch, metric = history.epochs[-1], history.key_metric
    mean = sum(one.seconds for one in spent) / len(spent)
    left = (progress.epochs - epoch.number) * mean / 60
    validation = (
        ""
        if epoch.val_loss is None
        else f"validation loss {epoch.val_loss:.4g}  {metric} {epoch.metrics[metric]:.4g}  "
    )
    print(
        f"epoch {epoch.number}/{progress.epochs}  train loss {epoch.train_loss:.4g}  {validation}"
        f"{spent[-1].seconds:.1f} s  {f'the last one: {over}' if over else f'{left:.0f} min left'}",
        file=sys.stderr,
    )
    if epoch.number == 2 and (waited := remarks.on_waiting(spent[-1])):
        print(waited, file=sys.stderr)
    if epoch.number == progress.epochs:
        for remark in remarks.at_end(history):
            print(remark, file=sys.stderr)
