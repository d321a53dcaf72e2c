"""One step of training after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.optim.swa_utils import get_ema_multi_avg_fn

from headstart.tasks.base import Task
from headstart.training.data import Batch
from headstart.training.data import seed_of
from headstart.training.losses import make_loss
from headstart.training.networks import check_output
from headstart.training.registry import OPTIMIZERS
from headstart.training.registry import SCHEDULES
from headstart.training.schedule import learning_rate
from headstart.training.settings import Run

# The average of the weights reaches over all steps divided by this.
AVERAGED = 50


class Stepper:
    """The optimizer, the loss and the schedule of a run.

    Attributes:
        loss_of: The loss.
        rate: Learning rate of the last step.
        judged: The network that is validated and kept: the one that learns, or its average.
    """

    def __init__(
        self, network: nn.Module, task: Task, run: Run, place: torch.device, folder: Path
    ) -> None:
        """Put them together.

        Args:
            network: The network.
            task: The task, fitted to the training scans.
            run: The run.
            place: Where to compute.
            folder: Where the file of a loss of the user's own is looked up.
        """
        train = run.train
        self.loss_of = make_loss(
            train.loss, task, place, smoothing=train.label_smoothing, folder=folder
        )
        optimizer = OPTIMIZERS[train.optimizer]
        self._optimizer = resolve_name(optimizer.path)(
            network.parameters(),
            lr=train.learning_rate,
            weight_decay=train.weight_decay,
            **optimizer.fixed,
        )
        self.rate = 0.0
        self._fall = resolve_name(SCHEDULES[train.schedule].path)
        self._network, self._run = network, run
        averages = train.keep == "ema"
        self._average = AveragedModel(network, use_buffers=True) if averages else None
        self.judged = network if self._average is None else self._average.module
        self._expected = (task.out_channels, *(run.window if task.dense else ()))

    def step(self, batch: Batch, number: int, steps: int) -> Tensor:
        """Learn from a batch.

        Args:
            batch: The batch.
            number: The step, from 0 on, over all epochs.
            steps: How many there are.

        Returns:
            The mean loss of its scans before the step; on a GPU it is still being computed.

        Raises:
            UserError: If the network gives another shape than the task needs.
        """
        train = self._run.train
        self.rate = learning_rate(number, steps, train.learning_rate, train.warmup, self._fall)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate
        # dropout and the like draw the same numbers whether or not the run was interrupted
        torch.manual_seed(seed_of(self._run.seed, "step", number))
        output = self._network(batch.volumes)
        check_output(train.network, tuple(output.shape), (len(batch.scans), *self._expected))
        loss = self.loss_of(output, batch.truths)
        self._optimizer.zero_grad()
        loss.backward()
        if train.clip is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), train.clip)
        self._optimizer.step()
        if self._average is not None:
            self._average.multi_avg_fn = get_ema_multi_avg_fn(_decay(number, steps))
            self._average.update_parameters(self._network)
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """Return what its next step depends on."""
        return {name: part.state_dict() for name, part in self._parts.items()} | {"rate": self.rate}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        self.rate = state["rate"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])

    @property
    def _parts(self) -> dict[str, Any]:
        average = {} if self._average is None else {"average": self._average}
        return {"optimizer": self._optimizer, **average}


def _decay(number: int, steps: int) -> float:
    """How much of the average a step leaves.

    It reaches over a fiftieth of all steps, and in the beginning over those that there are.

    Args:
        number: The step, from 0 on.
        steps: All steps of the training.
    """
    return min(max(0.0, 1 - AVERAGED / steps), (1 + number) / (10 + number))
