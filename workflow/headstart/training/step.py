"""One step of training after the other."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.optim.swa_utils import get_ema_multi_avg_fn

from headstart.common.machine_errors import is_out_of_memory
from headstart.common.text import counted
from headstart.tasks.base import Measured
from headstart.tasks.base import Task
from headstart.training import diagnosis
from headstart.training.activation_checkpointing import checkpoint_activations
from headstart.training.batch_norm import batch_norms
from headstart.training.batch_norm import measure_statistics
from headstart.training.card import Computation
from headstart.training.data import Batch
from headstart.training.data import seed_of
from headstart.training.device import device_name
from headstart.training.frozen import freeze
from headstart.training.frozen import parameter_groups
from headstart.training.frozen import set_to_training
from headstart.training.losses import make_loss
from headstart.training.losses import over_scales
from headstart.training.networks import check_learns
from headstart.training.networks import check_output
from headstart.training.registry import NETWORKS
from headstart.training.registry import OPTIMIZERS
from headstart.training.registry import SCHEDULES
from headstart.training.schedule import learning_rate
from headstart.training.settings import Run

# What a GPU multiplies in. A CPU stays at float32: its convolutions in bfloat16 give gradients that
# are not finite.
LOW = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
# The average of the weights reaches over all steps divided by this.
AVERAGED = 50


class Stepper:
    """The optimizer, the loss and the schedule of a run.

    Attributes:
        loss_of: The loss.
        rate: Learning rate of the last step.
        told: What the network said of the last step's scans, if that was to be measured.
        micro_batch: Scans that it takes at once; their gradients are added up to a batch's.
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
        if train.checkpoint_activations:
            checkpoint_activations(network, NETWORKS[train.network].blocks)
        self.loss_of = make_loss(
            train.loss, task, place, smoothing=train.label_smoothing, folder=folder
        )
        optimizer = OPTIMIZERS[train.optimizer]
        freeze(network, train.start)
        check_learns(train.network, network)
        self._optimizer = resolve_name(optimizer.path)(
            parameter_groups(network, train.start),
            weight_decay=train.weight_decay,
            **optimizer.fixed,
        )
        self.rate = 0.0
        self.told: list[Measured] = []
        self._fall = resolve_name(SCHEDULES[train.schedule].path)
        self._network, self._task, self._run, self._place = network, task, run, place
        self.micro_batch = train.batch_size + 1  # the last one may be so long, see make_batches
        self._low = LOW[train.precision] if place.type == "cuda" else None
        self._scaler = torch.amp.GradScaler(place.type, enabled=self._low is torch.float16)
        averages = train.keep == "ema"
        self._average = AveragedModel(network, use_buffers=True) if averages else None
        self.judged = network if self._average is None else self._average.module
        self._expected = task.output_shape(train.seen(run.window))

    def train(self) -> None:
        """Set the network to training."""
        set_to_training(self._network, self._run.train.start)

    def step(self, batch: Batch, number: int, steps: int, *, measured: bool = False) -> Tensor:
        """Learn from a batch.

        Args:
            batch: The batch.
            number: The step, from 0 on, over all epochs.
            steps: How many there are.
            measured: Whether `told` is kept.

        Returns:
            The mean loss of its scans before the step; on a GPU it is still being computed.

        Raises:
            UserError: If the network gives another shape than the task needs.
        """
        train = self._run.train
        self.rate = learning_rate(number, steps, train.learning_rate, train.warmup, self._fall)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate * group["factor"]
        loss = None
        while loss is None:
            # dropout and the like draw the same numbers whether or not the run was interrupted
            torch.manual_seed(seed_of(self._run.seed, "step", number))
            loss = self._differentiate(batch, measured=measured)
        if train.clip is not None:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._network.parameters(), train.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._average is not None:
            self._average.multi_avg_fn = get_ema_multi_avg_fn(_decay(number, steps))
            self._average.update_parameters(self._network)
        return loss

    def measure_statistics(
        self, read: Callable[[], Iterable[Batch]], between: Callable[[], None]
    ) -> None:
        """Measure the statistics of the judged network's batch norm; it then is in evaluation mode.

        Args:
            read: Reads batches as it learns from; begins again where memory lacks.
            between: Called after each.
        """
        while True:
            set_to_training(self.judged, self._run.train.start)
            parts = (part.inputs for batch in read() for part in self._parts_of(batch))
            try:
                measure_statistics(self.judged, parts, between)
                return
            except Exception as error:
                if not self._may_take_fewer(error):
                    raise
            self._take_fewer(self._run.train.batch_size)

    @property
    def computation(self) -> Computation:
        """How it computed."""
        whole = self.micro_batch > self._run.train.batch_size
        return Computation(
            device=device_name(self._place),
            precision="fp32" if self._low is None else self._run.train.precision,
            micro_batch=None if whole else self.micro_batch,
        )

    def _differentiate(self, batch: Batch, *, measured: bool) -> Tensor | None:
        """Compute the gradient of the mean loss of a batch, as many scans at once as fit.

        Returns:
            The loss; None if memory was lacking, and fewer scans are taken at once from now on.
        """
        train, scans = self._run.train, len(batch.scans)
        self.told = []
        self._optimizer.zero_grad()
        total = torch.zeros((), device=batch.volumes.device)
        try:
            for part in self._parts_of(batch):
                with torch.autocast(self._place.type, self._low, enabled=self._low is not None):
                    output = self._network(*part.inputs)
                scales = output if train.deep_supervision else [output]
                shape = (len(part.scans), *self._expected)
                check_output(train.network, tuple(scales[0].shape), shape)
                outputs = [scale.float() for scale in scales]
                loss = over_scales(self.loss_of, outputs, part.targets)
                loss = loss * (len(part.scans) / scans)
                self._scaler.scale(loss).backward()
                total += loss.detach()
                if measured and (
                    told := self._task.for_metrics_later(part.targets, outputs[0].detach())
                ):
                    self.told.append(told)
            return total
        except Exception as error:
            if not self._may_take_fewer(error):
                diagnosis.check_batch_norm(error)
                diagnosis.check_gradient(error, network=train.network, loss=train.loss or "")
                raise
        # not in the handler, whose error keeps alive what was computed
        self._take_fewer(scans)
        return None

    def _parts_of(self, batch: Batch) -> Iterator[Batch]:
        """Cut a batch into the fewest parts that are taken at once, of about one size."""
        scans = len(batch.scans)
        for rows in np.array_split(np.arange(scans), math.ceil(scans / self.micro_batch)):
            yield batch.part(slice(rows[0], rows[-1] + 1))

    def _may_take_fewer(self, error: Exception) -> bool:
        return is_out_of_memory(error) and self.micro_batch > 1

    def _take_fewer(self, scans: int) -> None:
        """Take half as many at once from now on as of so many scans."""
        before = min(scans, self.micro_batch)
        self.micro_batch = (before + 1) // 2
        coupled = batch_norms(self._network)
        but = ", but for batch norm, which looks at those alone" if coupled else ""
        print(
            f"memory does not hold {counted(before, 'scan')} at once: "
            f"{self.micro_batch} at once from now on, whose gradients are added up, so that a step "
            f"is the same{but}",
            file=sys.stderr,
            flush=True,
        )
        torch.cuda.empty_cache()  # does nothing without a GPU

    def state(self) -> dict[str, Any]:
        """Return what its next step depends on."""
        return {name: part.state_dict() for name, part in self._parts.items()} | {
            "rate": self.rate,
            "micro_batch": self.micro_batch,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        self.rate, self.micro_batch = state["rate"], state["micro_batch"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])

    @property
    def _parts(self) -> dict[str, Any]:
        average = {} if self._average is None else {"average": self._average}
        return {"optimizer": self._optimizer, "scaler": self._scaler, **average}


def _decay(number: int, steps: int) -> float:
    """How much of the average a step leaves.

    It reaches over a fiftieth of all steps, and in the beginning over those that there are.

    Args:
        number: The step, from 0 on.
        steps: All steps of the training.
    """
    return min(max(0.0, 1 - AVERAGED / steps), (1 + number) / (10 + number))
