"""Answers for held-out scans into which a known change was injected, dose by dose."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from headstart.cohort.groups import natural
from headstart.cohort.local_copy import stage_in
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.cohort.settings import Question
from headstart.common.errors import UserError
from headstart.common.progress import progress
from headstart.common.records import write_rows
from headstart.evaluation.injected import MOST
from headstart.evaluation.injected import InjectedRow
from headstart.evaluation.injected import injection_of
from headstart.evaluation.injected import told_groups
from headstart.explanation.injection import Volume
from headstart.explanation.injection import faded
from headstart.explanation.injection import with_hole
from headstart.tasks import TASKS
from headstart.tasks.base import Task
from headstart.training.card import ModelCard
from headstart.training.data import encode
from headstart.training.data import load_volume
from headstart.training.inference import NotFiniteError
from headstart.training.inference import TrainedNetwork
from headstart.training.inference import check_finite
from headstart.training.inference import load_network
from headstart.training.inference import predict_volumes


def inject(
    *,
    settings: Question,
    passed: Path,
    splits: Path,
    prepared: Path,
    weights: Sequence[Path],
    output: Path,
    networks: Path | None = None,
    device: str = "auto",
) -> None:
    """Answer for changed scans, each by the networks that have not seen its subject.

    A scan that one of them can't tell is left out.

    Args:
        settings: What is asked of the cohort.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        weights: `model.safetensors` of all folds and seeds; the model card lies beside each.
        output: Gets the answers, as `InjectedRow`.
        networks: Folder of the networks' own file; no other file's code is run.
        device: auto, cpu or cuda.

    Raises:
        UserError: If a shard or a network is damaged, or the networks can tell none of the scans.
    """
    kind = TASKS[settings.task]
    shards = stage_in(prepared, masks=kind.per_voxel)
    cohort = read_cohort(passed, splits, shards, settings.target, settings.covariates)
    task = kind.from_cohort(cohort, tuple(settings.classes))
    models: dict[int, list[Path]] = {}
    for file in weights:
        models.setdefault(ModelCard.read(file.parent).run.fold, []).append(file.parent)
    # of several repeats the first that was trained
    folds = 1 + max(scan.fold for scan in cohort.scans if scan.fold is not None)
    repeat = min(models) // folds
    models = {fold: theirs for fold, theirs in models.items() if fold // folds == repeat}
    scans = [scan.in_repeat(repeat) for scan in cohort.scans]
    chosen = choose(task, scans, list(models))
    rows: list[InjectedRow] = []
    untold: list[str] = []
    for fold, theirs in sorted(models.items()):
        own = [scan for scan in chosen if scan.fold == fold]
        loaded = [load_network(m, ModelCard.read(m), networks, device) for m in theirs if own]
        for scan in progress(own, total=len(own), label=f"scans of fold {fold} injected"):
            try:
                rows += list(_answers(task, scan, loaded))  # of all doses, or of none
            except NotFiniteError as error:
                untold.append(str(error))
    if untold and not rows:
        raise UserError(untold[0])
    for why in untold:
        print(f"warning: {why}; it is left out here", file=sys.stderr, flush=True)
    order = {group: number for number, group in enumerate(told_groups(task))}
    write_rows(output, InjectedRow, sorted(rows, key=lambda row: order.get(row.group, 0)))


def choose(task: Task, scans: Sequence[Scan], folds: Sequence[int]) -> list[Scan]:
    """Choose held-out subjects evenly by what is true of them, masks by their names.

    Args:
        task: The task.
        scans: The cohort's.
        folds: Those that are held out.
    """
    first: dict[str, Scan] = {}
    held_out = [scan for scan in scans if scan.fold in folds and scan.target]
    for scan in sorted(held_out, key=lambda scan: list(map(natural, scan.key))):
        first.setdefault(scan.subject, scan)
    ordered = list(first.values())
    if not task.per_voxel:
        truth = task.truth(ordered)
        ordered = [ordered[place] for place in np.argsort(truth, kind="stable")]
    places = np.linspace(0, len(ordered) - 1, min(MOST, len(ordered)))
    return [ordered[place] for place in np.rint(places).astype(int)]


def _answers(task: Task, scan: Scan, networks: Sequence[TrainedNetwork]) -> Iterator[InjectedRow]:
    volume = load_volume(scan).numpy()
    for dose in (0.0, *injection_of(type(task)).doses):
        made = _injected(volume, scan, dose, masks=task.per_voxel)
        (decision,) = task.decide(task.average([_predict(one, scan, made) for one in networks]))
        for group, answer in _told(task, scan, decision).items():
            yield InjectedRow(*scan.key, int(scan.fold or 0), group, dose, scan.target, answer)


def _injected(volume: Volume, scan: Scan, dose: float, *, masks: bool) -> Volume:
    if masks:
        return faded(volume, scan.mask(), dose)
    return with_hole(volume, scan.air, scan.grid.voxel_size.tolist(), dose)


def _predict(trained: TrainedNetwork, scan: Scan, volume: Volume) -> Any:
    beside = encode([scan], trained.card.covariates, trained.place)
    seen = torch.from_numpy(volume)[None].to(trained.place)
    output = predict_volumes(trained.network, seen, *(() if beside is None else (beside,)))
    check_finite(output, scan)
    return trained.task.predict(output)


def _told(task: Task, scan: Scan, decision: NDArray[Any]) -> dict[str, float]:
    """Say what is decided for a scan, of each group that is told."""
    if task.per_voxel:
        mask = scan.mask()
        there = {name: mask == value for value, name in enumerate(task.classes, start=1)}
        return {
            name: float((decision[structure] == value).mean())
            for value, (name, structure) in enumerate(there.items(), start=1)
            if structure.any()
        }
    if not task.classes:
        return {"": float(decision)}
    return {name: float(decision[task.classes.index(name)]) for name in told_groups(task)}
