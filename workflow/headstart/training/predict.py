"""Held-out scans, predicted by a network that has not seen them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.cohort.answer_file import AnswerFile
from headstart.cohort.local_copy import stage_in
from headstart.cohort.new_scans import Share
from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.common.errors import NoAnswerError
from headstart.common.errors import UserError
from headstart.common.progress import progress
from headstart.common.records import write_rows
from headstart.common.run_id import PREDICTIONS
from headstart.common.text import counted
from headstart.evaluation.held_out import held_out_scans
from headstart.evaluation.held_out import write_held_out
from headstart.evaluation.predictions import PredictionRow
from headstart.evaluation.results import REJECTED
from headstart.tasks import task_with
from headstart.training.card import ModelCard
from headstart.training.inference import TrainedNetwork
from headstart.training.inference import load_network
from headstart.training.predict_memory import ScanSize
from headstart.training.predict_memory import WithinMemory
from headstart.training.settings import PredictSettings
from headstart.training.settings import Run


def predict(
    *,
    settings: PredictSettings,
    model: Path,
    passed: Path,
    splits: Path,
    prepared: Path,
    data: Path,
    output: Path,
    networks: Path | None = None,
    device: str = "auto",
    share: Share | None = None,
) -> None:
    """Predict the scans of the held-out fold and, if the settings say so, of the test subjects.

    Args:
        settings: What is to be predicted.
        model: Folder with `model.safetensors` and `model.json`.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder with `shard-K.npy` and `shard-K.json`.
        data: Data root, where the raw masks are.
        output: Gets `predictions.csv`, with its digest in `predictions.json`; and of a task that
            answers with images, such as masks, `masks/SUBJECT_SESSION.nii.gz` on each scan's own
            grid, with the digest of each in the table.
        networks: Folder of the network's own file; no other file's code is run.
        device: auto, cpu or cuda.
        share: A share of the scans, which alone are predicted; their rows are left in a table of
            the share's own, for `headstart.evaluation.held_out.gather_held_out`.

    Raises:
        UserError: If the network was trained on other channels, its file was edited since, a
            shard is damaged, a raw mask is gone or another one than was prepared, no scan of
            a part has all covariates, or the network can tell none of them.
    """
    card = ModelCard.read(model)
    _check_trained(model, card.run, settings)
    kind = task_with(settings.task, card.run.train.loss, instances=settings.instances)
    network = load_network(model, card, networks, device)
    network = replace(network, task=kind.from_state(card.state))
    shards = stage_in(prepared, masks=False)
    cohort = read_cohort(passed, splits, shards, settings.target, settings.covariates)
    scans = held_out_scans(cohort, settings.fold, test=settings.test)
    if cohort.left_out:
        _tell_left_out(cohort, settings, {part for part, _ in scans})

    limit = WithinMemory([network])
    limit.check(_size(scan) for _, scan in scans)

    images = output / f"{network.task.file}s"
    if share:
        scans = [(part, scan) for part, scan in scans if share.has(scan.subject)]
    elif network.task.file and images.exists():
        shutil.rmtree(images)
    rows = []
    for part, scan in progress(scans, total=len(scans), label="scans predicted"):
        (network,) = limit.fitted(_size(scan))
        answer = _answer(network, scan, images, data, settings.surface_tolerance)
        rows.append(PredictionRow(scan.subject, scan.session, part, scan.target, answer))
    if share:
        write_rows(share.table(output / PREDICTIONS), PredictionRow, rows)
    else:
        write_held_out(output / PREDICTIONS, rows, card.weights_sha256)


def _tell_left_out(cohort: Cohort, settings: PredictSettings, parts: Collection[str]) -> None:
    """Say how many scans are not predicted, for they lack a covariate.

    Raises:
        UserError: If a whole part is not.
    """
    names = ", ".join(cohort.covariates)
    asked = [("fold", f"fold {settings.fold}"), *([("test", "the test")] if settings.test else [])]
    for part, words in asked:
        if part not in parts:
            raise UserError(
                f"{cohort.table}: no scan of {words} has the covariates {names} all at once; "
                "complete the label table, or remove one from the experiment"
            )
    every = counted(cohort.left_out + len(cohort.scans), "scan")
    print(
        f"warning: {cohort.left_out} of {every} of the cohort left out, for they lack a covariate "
        f"({names})",
        file=sys.stderr,
        flush=True,
    )


def _size(scan: Scan) -> ScanSize:
    name = f"subject '{scan.subject}', session '{scan.session}'"
    return ScanSize(name, scan.source_shape, scan.shape)


def _answer(
    network: TrainedNetwork, scan: Scan, images: Path, data: Path, tolerance: float
) -> dict[str, str]:
    """Answer for a scan beside what is true of it, or say why not, as the cells of its row."""
    task = network.task

    def answer(scan: Scan) -> Any:
        return network.predict(scan)[0]

    # a subject named `folder/id` makes no folder here
    name = f"{scan.subject}_{scan.session}.nii.gz".replace("/", "-")
    how, classes = network.card.predict, network.card.run.classes
    path = f"{images.name}/{name}"
    file = AnswerFile(scan, images.parent, path, classes, how.noise, how.dtype, tolerance)
    cells = dict.fromkeys(task.held_out_columns, "")
    try:
        told = task.answer_held_out(answer(scan), file, data)
        cells |= told | task.examine(told, file, answer)
    except NoAnswerError as error:
        (images.parent / path).unlink(missing_ok=True)
        return cells | {REJECTED: str(error)}
    # a class that is in neither mask has no Dice, and no surface
    return {name: "" if cell != cell else str(cell) for name, cell in cells.items()}


def _check_trained(model: Path, trained: Run, settings: PredictSettings) -> None:
    """Check that a network was trained for what it is to predict."""
    if trained.channels != settings.channels:
        raise UserError(
            f"{model}: trained on the channels {list(trained.channels)}, not "
            f"{list(settings.channels)}; train it again"
        )
    for key in ("experiment", "task", "target", "covariates", "fold", "seed"):
        is_of, asked = getattr(trained, key), getattr(settings, key)
        if is_of != asked:
            raise UserError(
                f"{model}: is a network of {key} {is_of}, not {asked}; "
                "delete that folder and type the same command, which puts the right one there"
            )
