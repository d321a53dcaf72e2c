"""One run: trained in the run store, or found there, and published."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.cohort.controls import controlled
from headstart.cohort.local_copy import stage_in
from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import cohort_digest
from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.run_id import HISTORY
from headstart.data.label_table import MASK
from headstart.tasks import task_with
from headstart.training import own_network
from headstart.training import run_store
from headstart.training.history import read_history
from headstart.training.parent import Parent
from headstart.training.settings import NOTHING_SAID
from headstart.training.settings import Publication
from headstart.training.settings import Run
from headstart.training.settings import RunIdentity
from headstart.training.tensorboard import shown_in_tensorboard

# What `--try` does with a run's command.
TRY_SUBJECTS = 8
TRY_EPOCHS = 2


def rehearse(*, run: Run, start: Path | None = None, **arguments: Any) -> None:
    """Try a run on a few subjects for a few epochs, in a scratch folder that is removed again.

    Args:
        run: The run's settings.
        start: As for `train`; where nothing lies there yet, the trial begins from random weights.
        **arguments: As for `train`; `store` and `output` are left alone.

    Raises:
        UserError: As `train`.
    """
    few = run.train.model_copy(update={"epochs": TRY_EPOCHS, "iterations": None})
    if start is not None and not start.exists():
        print(f"{start}: is not there yet; tried from random weights", file=sys.stderr, flush=True)
        few, start = few.model_copy(update={"start": None}), None
    with tempfile.TemporaryDirectory(prefix="headstart-try-") as scratch:
        arguments |= {"store": Path(scratch, "runs"), "output": Path(scratch, "output")}
        few_run = run.model_copy(update={"train": few})
        train(run=few_run, start=start, subjects=TRY_SUBJECTS, **arguments)
    print(
        f"the trial went through (at most {TRY_SUBJECTS} subjects, {TRY_EPOCHS} epochs); nothing "
        "of it was kept, and the real training can start"
    )


def train(
    *,
    run: Run,
    code: str,
    passed: Path,
    splits: Path,
    prepared: Path,
    store: Path,
    output: Path,
    networks: Path = Path(),
    start: Path | None = None,
    device: str = "auto",
    publication: Publication = NOTHING_SAID,
    subjects: int | None = None,
) -> None:
    """Train a network in the run store, or find it trained there, and publish it.

    Args:
        run: The run's settings.
        code: Digest of the code of this stage.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder with `shard-K.npy` and `shard-K.json`.
        store: Folder of the run store.
        output: Gets `history.csv`, `model.safetensors` and `model.json`; the folder `tensorboard`
            where that is installed.
        networks: Folder of the user's own network and loss.
        start: What `train.start` names: a folder that a training was published to, or a file of
            weights.
        device: auto, cpu or cuda.
        publication: What the study says of the network, for the card.
        subjects: Use no more than so many subjects; the default is all.

    Raises:
        UserError: If there is nobody to train on or to choose the epoch with, the settings do not
            fit the network or the cohort, a shard is damaged, the loss is not finite, or the
            network that it starts from is not there or has seen a held-out or test subject.
        OutOfTimeError: If the job's time limit comes before the last epoch.
    """
    prepared = stage_in(prepared, masks=run.target == MASK)
    cohort = read_cohort(passed, splits, prepared, run.target, run.covariates)
    task = task_with(run.task, run.train.loss).from_cohort(cohort, tuple(run.classes))
    _check_cohort(cohort, run, splits)
    cohort = controlled(cohort, run.control, run.fold, run.seed, run.stratify)
    _check_channels(cohort, run, splits)
    parent = _parent(run, start)
    if parent is not None:
        parent.check_unseen(cohort, run.fold)
    if subjects is not None:
        cohort = _few(cohort, run.fold, subjects)
    identity = RunIdentity(
        run=run,
        cohort_digest=cohort_digest(cohort, run.fold, classes=task.classes),
        splits_digest=files.sha256(splits),
        code=code,
        network_digest=own_network.digest(run.train.network, networks),
        loss_digest=own_network.digest(run.train.loss or "", networks, own_network.LOSS),
        parent="" if parent is None else parent.identity,
    )
    folder = store / identity.key
    finished = run_store.finished_attempt(folder)
    if finished is not None:
        print(f"already finished: {finished}", file=sys.stderr)
        run_store.tidy(folder)  # it may have been killed before it was tidied
    else:
        with run_store.new_attempt(folder) as attempt:
            if attempt is not None:
                # torch takes seconds to import, and a finished run is published without it
                from headstart.training.loop import fit

                run_store.write_identity(folder, identity)
                card = fit(
                    identity,
                    task,
                    cohort,
                    attempt,
                    output=output,
                    networks=networks,
                    device=device,
                    parent=parent,
                )
                card.write(attempt)
                run_store.finish(attempt)
    run_store.check_whole(folder)
    run_store.publish(folder / "finished", output, publication)
    if finished is not None:
        # what lies there may be of other settings, which were trained since
        with shown_in_tensorboard(output) as show:
            show(read_history(output / HISTORY))


def _parent(run: Run, start: Path | None) -> Parent | None:
    named = run.train.start
    if named is None:
        return None
    if start is None:
        raise UserError(f"train.start: {named.origin}: say where it lies: --start FOLDER or FILE")
    return Parent.of(named, run, start)


def _check_cohort(cohort: Cohort, run: Run, splits: Path) -> None:
    if (cohort.channels, cohort.window) != (run.channels, run.window):
        raise UserError(
            f"the prepared volumes have channels {list(cohort.channels)} and window "
            f"{cohort.window}, but the settings say {list(run.channels)} and {run.window}; "
            "run the stage prepare again"
        )
    training = cohort.training(run.fold)
    wanted = " and ".join([f"a {run.target}", *run.covariates])
    for name, scans, needed in (
        ("training", training, True),
        ("validation", cohort.validation(run.fold), run.train.asks_validation),
    ):
        if needed and not scans:
            raise UserError(
                f"{splits}: fold {run.fold} has nobody with {wanted} in its {name} part; "
                "add subjects, use fewer folds, or change split.validation; train.keep: last "
                "without train.patience needs no validation set"
            )


def _check_channels(cohort: Cohort, run: Run, splits: Path) -> None:
    """Check that each channel is seen in training: what is not would be held out unlearnt."""
    for place, name in enumerate(run.channels):
        if all(place in scan.lacking for scan in cohort.training(run.fold)):
            who = f"fold {run.fold}" + (f" of the control {run.control}" if run.control else "")
            way = "take the control away" if run.control else "use other folds"
            raise UserError(
                f"{splits}: {who} trains on no scan with the optional channel {name}; {way}, or "
                "remove the channel"
            )


def _few(cohort: Cohort, fold: int, subjects: int) -> Cohort:
    """Keep so many subjects, of each class in turn; a quarter of them validate if any do."""
    kept = _in_turn(cohort.validation(fold))[: subjects // 4]
    kept += _in_turn(cohort.training(fold))[: subjects - len(kept)]
    return dataclasses.replace(cohort, scans=tuple(s for s in cohort.scans if s.subject in kept))


def _in_turn(scans: Sequence[Scan]) -> list[str]:
    by_target: dict[str, list[str]] = {}
    for scan in scans:
        by_target.setdefault(scan.target, []).append(scan.subject)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_target.values()))
    return list(dict.fromkeys(subject for subject in turns if subject is not None))
