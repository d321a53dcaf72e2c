"""Training, from the first epoch to the last."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from safetensors.torch import save_file
from tqdm import tqdm

from headstart.cohort.covariates import Covariates
from headstart.cohort.prepared import Cohort
from headstart.common import files
from headstart.common.deadline import watch_deadline
from headstart.common.run_id import HISTORY
from headstart.common.run_id import WEIGHTS
from headstart.common.text import counted
from headstart.tasks.base import Task
from headstart.training import diagnosis
from headstart.training import remarks
from headstart.training.card import ModelCard
from headstart.training.card import describe_run
from headstart.training.checkpoint import Checkpoints
from headstart.training.config import PREDICT
from headstart.training.covariate_effect import add_covariates
from headstart.training.covariate_remarks import on_covariates
from headstart.training.data import Batch
from headstart.training.data import EpochLoader
from headstart.training.data import validation_batches
from headstart.training.device import choose_device
from headstart.training.device import device_name
from headstart.training.device import keep_to
from headstart.training.history import Epoch
from headstart.training.length import epochs_asked
from headstart.training.length import saved_epochs
from headstart.training.length import steps_asked
from headstart.training.networks import initial_network
from headstart.training.parent import Parent
from headstart.training.predictor import make_predictor
from headstart.training.progress import Progress
from headstart.training.progress import Step
from headstart.training.progress import show_epoch
from headstart.training.selection import epochs_of
from headstart.training.selection import is_kept
from headstart.training.series import watched
from headstart.training.settings import RunIdentity
from headstart.training.snapshots import save_snapshot
from headstart.training.step import Stepper
from headstart.training.tensorboard import shown_in_tensorboard
from headstart.training.transfer import start_from
from headstart.training.validation import validate


def fit(
    identity: RunIdentity,
    task: Task,
    cohort: Cohort,
    attempt: Path,
    *,
    output: Path,
    networks: Path,
    device: str,
    parent: Parent | None = None,
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
        output: Where it is to be published to, and TensorBoard may follow it.
        networks: Folder of the user's own network and loss.
        device: auto, cpu or cuda.
        parent: The network that it starts from.

    Returns:
        What there is to say about the network.

    Raises:
        UserError: If the loss is no number, or the network does not fit the task.
        OutOfTimeError: If the time limit comes before the last epoch.
        Stopped: If a signal asks it to stop.
    """
    this, settings = identity.run, identity.run.train
    keep_to(settings.threads)
    place = choose_device(device)
    training, validation = cohort.training(this.fold), cohort.validation(this.fold)
    task = task.fit(training, class_weights=settings.class_weights)
    covariates = Covariates.fit(this.covariates, training)
    network = initial_network(this, task, networks)
    start = None if parent is None else start_from(network, parent, this, task)
    add_covariates(network, settings.network, covariates.width, task.out_channels)
    network.to(place)
    loader = EpochLoader(training, task, settings, this.seed, place, covariates)
    stepper = Stepper(network, task, this, place, networks)
    judged = make_predictor(stepper.judged, settings, PREDICT)
    print(
        f"fold {this.fold}, seed {this.seed}: {counted(len(training), 'scan')} to learn from, "
        f"{len(validation)} for validation, {counted(loader.steps, 'step')} an epoch, on "
        f"{device_name(place)}",
        file=sys.stderr,
        flush=True,
    )
    if warning := remarks.on_unseen(task.unseen(training)):
        print(warning, file=sys.stderr, flush=True)
    for remark in remarks.on_lacking(this.channels, training):
        print(remark, file=sys.stderr, flush=True)
    for warning in on_covariates(covariates, cohort, this.fold, task):
        print(warning, file=sys.stderr, flush=True)
    if loader.augmentation.where:
        print(loader.augmentation.where, file=sys.stderr, flush=True)
    with watch_deadline() as deadline, shown_in_tensorboard(output) as show:
        checkpoints = Checkpoints(attempt, network, stepper, deadline)
        progress = checkpoints.resume(task.key_metric(), epochs_asked(settings, len(training)))
        look_up = partial(checkpoints.look_up, progress)
        while progress.epoch <= progress.epochs:
            stepper.train()
            steps = steps_asked(settings, progress.epochs, len(training))
            before = (progress.epoch - 1) * loader.steps
            stop = min(loader.steps, steps - before)
            for batch in _shown(loader.epoch(progress.epoch, progress.step, stop), progress, stop):
                measured = progress.step % task.measured_steps == 0
                taken = stepper.step(batch, before + progress.step, steps, measured=measured)
                progress.add(Step(taken, batch, stepper.rate, stepper.told))
                look_up()
            progress.settle()

            row = Epoch(
                progress.epoch,
                stepper.rate,
                progress.loss / loader.items(stop),
                train_metrics=progress.train_metrics(task),
            )
            with progress.validating():
                stepper.measure_statistics(partial(loader.epoch, progress.epoch), look_up)
            if validation:
                with progress.validating():
                    # scans that are not cut to one window come one by one
                    most = min(settings.batch_size, stepper.micro_batch)
                    at_once = most if settings.patches is None else 1
                    looked_at = watched(validation, settings.neighbours)
                    batches = validation_batches(looked_at, task, at_once, place, covariates)
                    loss, metrics = validate(
                        judged,
                        batches,
                        stepper.loss_of,
                        task,
                        between=look_up,
                    )
                row = replace(row, val_loss=loss, metrics=metrics)
                if not math.isfinite(loss):
                    raise diagnosis.diverged(loss, progress.epoch, stepper.rate, validation)
            kept = is_kept(row, progress.history, settings.keep)
            progress.end_epoch(row, stepper.judged.state_dict() if kept else None)
            if row.number in saved_epochs(settings, row.number):
                save_snapshot(attempt.parent, row.number, stepper.judged.state_dict())
            progress.epochs, over = epochs_of(progress, settings)
            checkpoints.write(progress)
            progress.history.write(attempt / HISTORY)
            show(progress.history)
            show_epoch(progress, over)

    with files.temporary(attempt / WEIGHTS) as draft:
        save_file(progress.kept, draft)
    parameters = sum(weights.numel() for weights in network.parameters())
    return describe_run(
        *(identity, cohort, task, covariates, progress, attempt),
        *(stepper.computation, parameters, start),
    )


def _shown(batches: Iterable[Batch], progress: Progress, steps: int) -> Iterable[Batch]:
    """Draw a bar on a terminal, and note how long the batches are waited for."""
    return tqdm(
        progress.timed(batches),
        total=steps,
        initial=progress.step,
        desc=f"epoch {progress.epoch}",
        leave=False,
        disable=not sys.stderr.isatty(),
    )
