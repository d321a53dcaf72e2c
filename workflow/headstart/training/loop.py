"""Training, from the first epoch to the last."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from tqdm import tqdm

from headstart.cohort.prepared import Cohort
from headstart.common import files
from headstart.common.deadline import Deadline
from headstart.common.run_id import WEIGHTS
from headstart.common.text import counted
from headstart.tasks.base import Task
from headstart.training import diagnosis
from headstart.training.card import ModelCard
from headstart.training.card import describe_run
from headstart.training.checkpoint import resume
from headstart.training.checkpoint import write_checkpoint
from headstart.training.data import EpochLoader
from headstart.training.data import make_validation_loader
from headstart.training.device import choose_device
from headstart.training.device import device_name
from headstart.training.device import keep_to
from headstart.training.history import Epoch
from headstart.training.networks import initial_network
from headstart.training.progress import show_epoch
from headstart.training.selection import is_best
from headstart.training.settings import RunIdentity
from headstart.training.step import Stepper
from headstart.training.validation import validate


def fit(
    identity: RunIdentity,
    task: Task,
    cohort: Cohort,
    attempt: Path,
    *,
    networks: Path,
    device: str,
    workers: int,
) -> ModelCard:
    """Train until the last epoch, going on from the newest checkpoint of an earlier attempt.

    Order, augmentation, dropout and first weights follow from the seed alone, epoch by epoch and
    step by step, so that an interrupted run ends with the bits of an unbroken one.

    Args:
        identity: What is trained.
        task: The cohort's task.
        cohort: The cohort.
        attempt: Folder that gets `checkpoint.pt`, the live `history.csv`, and at the end
            `model.safetensors`.
        networks: Folder of the user's own network and loss.
        device: auto, cpu or cuda.
        workers: Processes that load scans.

    Returns:
        What there is to say about the network.
    """
    this, settings = identity.run, identity.run.train
    keep_to(settings.threads)
    place = choose_device(device)
    training, validation = cohort.training(this.fold), cohort.validation(this.fold)
    task = task.fit(training, class_weights=settings.class_weights)
    network = initial_network(this, task, networks).to(place)
    loader = EpochLoader(training, task, settings, this.seed, workers)
    validation_loader = make_validation_loader(validation, task, settings.batch_size, workers)
    stepper = Stepper(network, task, this, loader.steps, place, networks)
    print(
        f"fold {this.fold}, seed {this.seed}: {counted(len(training), 'scan')} to learn from, "
        f"{len(validation)} for validation, {counted(loader.steps, 'step')} an epoch, on "
        f"{device_name(place)}",
        file=sys.stderr,
        flush=True,
    )
    if loader.augmentation.where:
        print(loader.augmentation.where, file=sys.stderr, flush=True)
    progress = resume(attempt, network, stepper.optimizer, task.metrics[0])

    deadline, first = Deadline(), len(progress.history.epochs) + 1
    for epoch in range(first, settings.epochs + 1):
        began = time.monotonic()
        network.train()
        total = 0.0
        bar = tqdm(
            loader.epoch(epoch),
            total=loader.steps,
            desc=f"epoch {epoch}",
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        for number, (volumes, truths) in enumerate(bar, start=(epoch - 1) * loader.steps):
            loss = stepper.step(number, volumes, truths)
            if not math.isfinite(loss):
                scans = loader.scans_of(epoch, number % loader.steps)
                raise diagnosis.diverged(loss, epoch, stepper.rate, scans, volumes)
            stepper.update()
            total += loss * len(volumes)
            # without one epoch done, the next start would come no further than this one
            if deadline.passed and epoch > first:
                deadline.stop()

        row = Epoch(epoch, stepper.rate, total / len(training))
        if validation:
            loss, metrics = validate(network, validation_loader, stepper.loss_of, task, place)
            row = replace(row, val_loss=loss, metrics=metrics)
            if not math.isfinite(loss):
                raise diagnosis.diverged(loss, epoch, stepper.rate, validation)
        chosen = settings.choose == "last" or is_best(row, progress.history.epochs, task.metrics[0])
        if chosen:
            # a copy: the next step changes the network's own
            progress.kept = {n: value.cpu().clone() for n, value in network.state_dict().items()}
        progress.history = progress.history.with_epoch(row, chosen=chosen)
        progress.seconds.append(time.monotonic() - began)
        write_checkpoint(attempt, progress, network, stepper.optimizer)
        show_epoch(progress.history, progress.seconds, settings.epochs)
        if epoch < settings.epochs and deadline.comes_within(max(progress.seconds)):
            deadline.stop()

    with files.temporary(attempt / WEIGHTS) as draft:
        save_file(progress.kept, draft)
    return describe_run(
        identity, cohort, task, progress.history, progress.seconds, attempt, device_name(place)
    )
