"""One step of training after the other."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import torch
from torch import Tensor
from torch import nn

from headstart.tasks.base import Task
from headstart.training.data import seed_of
from headstart.training.losses import make_loss
from headstart.training.networks import check_output
from headstart.training.registry import OPTIMIZERS
from headstart.training.registry import SCHEDULES
from headstart.training.schedule import learning_rate
from headstart.training.settings import Run


class Stepper:
    """The optimizer, the loss and the schedule of a run.

    Attributes:
        loss_of: The loss.
        optimizer: The optimizer.
        rate: Learning rate of the last step.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        run: Run,
        steps_per_epoch: int,
        place: torch.device,
        folder: Path,
    ) -> None:
        """Put them together.

        Args:
            network: The network.
            task: The task, fitted to the training scans.
            run: The run.
            steps_per_epoch: Batches of an epoch.
            place: Where to compute.
            folder: Where the file of a loss of the user's own is looked up.
        """
        self.loss_of = make_loss(
            run.train.loss, task, place, smoothing=run.train.label_smoothing, folder=folder
        )
        optimizer = OPTIMIZERS[run.train.optimizer]
        self.optimizer = resolve_name(optimizer.path)(
            network.parameters(),
            lr=run.train.learning_rate,
            weight_decay=run.train.weight_decay,
            **optimizer.fixed,
        )
        self.rate = 0.0
        self._fall = resolve_name(SCHEDULES[run.train.schedule].path)
        self._network, self._run, self._place = network, run, place
        self._steps = run.train.epochs * steps_per_epoch
        self._expected = (task.out_channels, *(run.window if task.dense else ()))
        self._loss = torch.zeros(())

    def step(self, number: int, volumes: Tensor, truths: Tensor) -> float:
        """Compute the loss of a batch; `update` then learns from it.

        Args:
            number: The step, from 0 on, over all epochs.
            volumes: (n, channels, x, y, z).
            truths: As `Task.truth` gives them, n of them.

        Raises:
            UserError: If the network gives another shape than the task needs.
        """
        train = self._run.train
        self.rate = learning_rate(
            number, self._steps, train.learning_rate, train.warmup, self._fall
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        # dropout and the like draw the same numbers whether or not the run was interrupted
        torch.manual_seed(seed_of(self._run.seed, "step", number))
        output = self._network(volumes.to(self._place))
        check_output(train.network, tuple(output.shape), (len(volumes), *self._expected))
        self._loss = self.loss_of(output, truths.to(self._place))
        return self._loss.item()

    def update(self) -> None:
        """Change the weights by the gradient of the last batch."""
        self.optimizer.zero_grad()
        self._loss.backward()
        if (longest := self._run.train.clip) is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), longest)
        self.optimizer.step()
