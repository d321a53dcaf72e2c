"""Scans from outside the cohort, predicted by one network or the mean of several."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headstart.cohort.new_scans import check_and_prepare
from headstart.cohort.new_scans import check_masked
from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.prepared import Scan
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.progress import progress
from headstart.common.text import counted
from headstart.imaging.mask_classes import Classes
from headstart.tasks.base import Task
from headstart.training.card import ModelCard
from headstart.training.inference import NotFiniteError
from headstart.training.inference import load_network
from headstart.training.inference import predict_scan
from headstart.training.predict import on_own_grid
from headstart.training.predict import save_mask
from headstart.training.predict import sizes_of_classes
from headstart.training.training_scans import TrainingScans


def predict_new(
    *,
    runs: Sequence[Path],
    scans: Sequence[Path],
    output: Path,
    networks: Path | None = None,
    device: str = "auto",
) -> None:
    """Predict scans from outside the cohort: checked and prepared as its scans were.

    Args:
        runs: Folders with `model.safetensors` and `model.json`. Of several networks the numbers or
            probabilities are averaged.
        scans: NIfTI files, folders, or one table; see `headstart.cohort.new_scans.list_scans`.
        output: The table to write: a row per scan with what was given; `rejected`, why, if so;
            `warning`, in what it is unlike the training scans, or that it is one of them; target
            and unit (volumes are in ml); the prediction; and the number of networks with the
            standard deviation of what each of them says (of a classification, of the probability
            of the class that is predicted; of a segmentation, of the whole volume). A
            segmentation's masks are written on each scan's own grid into a folder beside it, named
            like it with `-masks`.
        networks: Folder of the network's own file; no other file's code is run.
        device: auto, cpu or cuda.

    Raises:
        UserError: If the output is no .csv, or the networks were not trained for one question and
            on volumes of one kind; and if any scan is not fit for use, once the others are
            predicted.
    """
    if output.suffix != ".csv":
        table = output.with_name(f"{output.stem}.csv")
        raise UserError(f"--output {output}: new scans give a table; type --output {table}")
    cards = [ModelCard.read(run) for run in runs]
    _check_alike(runs, cards)
    card = cards[0]
    new = list_new_scans(scans, card.run.channels)
    check_masked(new, card.brain_masks)
    loaded = [load_network(*one, networks, device) for one in zip(runs, cards, strict=True)]
    with tempfile.TemporaryDirectory(prefix="headstart-predict-") as scratch:
        reasons, prepared = check_and_prepare(
            new,
            channels=card.run.channels,
            settings=card.prepare,
            scratch=Path(scratch),
        )
        task, classes = card.task, card.run.classes
        about = {"target": card.run.target, "unit": task.unit(card.unit)}
        columns = ["rejected", "warning", *about, *task.columns, "networks", "spread"]
        taken = sorted(set(columns) & set(new.table.columns))
        if taken:
            raise UserError(f"{scans[0]}: has a column {taken[0]} already; rename it")
        seen = [one.training_scans for one in cards]
        rows: dict[str, dict[str, Any]] = {
            name: {"rejected": reason} for name, reason in zip(new.names, reasons, strict=True)
        }
        work = progress(prepared.items(), total=len(prepared), label="scans put to the network")
        for name, scan in work:
            row = about | {"warning": _warning(scan, seen), "networks": len(runs)}
            try:
                scores = [one.scores(predict_scan(net, scan, at))[0] for one, net, at in loaded]
                row |= _mean_answer(task, np.mean(scores, axis=0), scan, name, classes, output)
                row["spread"] = _spread(task, scores, scan)
            except NotFiniteError as error:
                row["rejected"] = str(error)
            rows[name] |= row
    answers = pd.DataFrame(list(rows.values()), columns=columns)
    files.write_csv(output, pd.concat([new.table, answers], axis=1))
    bad = [row["rejected"] for row in rows.values() if row["rejected"]]
    rejected = f", {len(bad)} rejected" if bad else ""
    print(f"{output}: {counted(len(rows) - len(bad), 'scan')} predicted{rejected}", file=sys.stderr)
    _tell_warnings(answers["warning"].fillna("").to_list(), output)
    if bad:
        raise UserError(
            f"{len(bad)} of {counted(len(rows), 'scan')} can't be used, see the column rejected of "
            f"{output}; the first: {bad[0]}"
        )


def _mean_answer(
    task: Task,
    scores: NDArray[np.float64],
    scan: Scan,
    name: str,
    classes: Classes,
    output: Path,
) -> dict[str, Any]:
    if not task.dense:
        return task.answer(scores)
    mask = on_own_grid(scores.argmax(axis=0).astype(np.uint8), scan)
    path = output.with_name(f"{output.stem}-masks") / f"{name}.nii.gz"
    save_mask(mask, scan, classes, path)
    return sizes_of_classes("volume", mask, scan, classes) | {
        "mask": f"{path.parent.name}/{path.name}"
    }


def _warning(scan: Scan, seen: Sequence[TrainingScans]) -> str:
    """What there is to say against a prediction of this scan."""
    if any(one.holds(scan) for one in seen):
        return "a network has learnt from this very scan"
    return "; ".join(seen[0].unlike(scan))


def _tell_warnings(warnings: Sequence[str], output: Path) -> None:
    said = [warning for warning in warnings if warning]
    if said:
        print(
            f"warning: {len(said)} of {counted(len(warnings), 'scan')}, see the column warning of "
            f"{output}; the first: {said[0]}",
            file=sys.stderr,
        )


def _spread(task: Task, scores: Sequence[NDArray[np.float64]], scan: Scan) -> float | None:
    """Standard deviation over the networks of what each says; None for one network."""
    if len(scores) == 1:
        return None
    said = task.said(np.array(scores), scan)
    return float(np.std(said, ddof=1))


def _check_alike(runs: Sequence[Path], cards: Sequence[ModelCard]) -> None:
    """Check that the networks' cards agree with the first one's where they must."""
    first = cards[0]
    weights = [card.weights_sha256 for card in cards]
    for run, own in zip(runs, weights, strict=True):
        if weights.count(own) > 1:
            raise UserError(f"{run}: is given twice, or under two names; give each network once")
    for run, card in zip(runs, cards, strict=True):
        theirs = _takes(first)
        for key, value in _takes(card).items():
            if value != theirs[key]:
                raise UserError(
                    f"{run}: its {key} is {value}, but that of {runs[0]} is {theirs[key]}; "
                    "only networks for one question and one kind of volume have a mean"
                )
        for one, other in ((card.run.task, first.run.task), (card.run.target, first.run.target)):
            if one != other:
                raise UserError(
                    f"{run}: predicts {one}, but {runs[0]} {other}; give networks for one question"
                )


def _takes(card: ModelCard) -> dict[str, Any]:
    """What a network takes, and what it tells apart."""
    return {
        "channels": list(card.run.channels),
        "classes": list(card.task.classes),
        "prepare": card.prepare.model_dump(mode="json"),
        "brain_masks": card.brain_masks,
    }
