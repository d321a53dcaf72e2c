"""Scans from outside the cohort, predicted by one network or the mean of several."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headstart.cohort.answer_file import AnswerFile
from headstart.cohort.answers import CHANGED
from headstart.cohort.answers import tell_answers
from headstart.cohort.new_scans import NewScans
from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import check_masked
from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.prepare_new import check_and_prepare
from headstart.cohort.prepared import Scan
from headstart.common import files
from headstart.common.errors import NoAnswerError
from headstart.common.errors import UserError
from headstart.common.memory_size import bytes_of
from headstart.common.progress import progress
from headstart.imaging.config import VOLUMES
from headstart.imaging.geometry import Grid
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_geometry
from headstart.imaging.plausible import field_of_view
from headstart.training.calibration import COLUMNS
from headstart.training.calibration import Calibration
from headstart.training.card import ModelCard
from headstart.training.inference import TrainedNetwork
from headstart.training.inference import load_network
from headstart.training.inference import mean_of
from headstart.training.predict_memory import ScanSize
from headstart.training.predict_memory import WithinMemory
from headstart.training.training_scans import digests_of


def predict_new(
    *,
    runs: Sequence[Path],
    scans: Sequence[Path],
    output: Path,
    networks: Path | None = None,
    device: str = "auto",
    calibration: Path | None = None,
    share: Share | None = None,
    planned: str | None = None,
    memory: str | None = None,
) -> None:
    """Predict scans from outside the cohort: checked and prepared as its scans were.

    One scan is in memory, and on the disk as it was prepared, at a time.

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
            like it with `-masks`. With a calibration, also the prediction as it is for that
            scanner, and the interval of it.
        networks: Folder of the network's own file; no other file's code is run.
        device: auto, cpu or cuda.
        calibration: What `headstart calibrate` wrote.
        share: A share of the scans, which alone are predicted; their rows are left in a table of
            the share's own, for `gather_answers`.
        planned: What `NewScans.digest` said of the share when this was planned.
        memory: What stands in place of `predict.memory` of the networks' study.

    Raises:
        UserError: If the output is no .csv, the networks were not trained for one question and
            on volumes of one kind that this version makes, or there is no table with the
            covariates that they see; if scans changed since this was planned; and, unless it is
            of a share, if any scan is not fit for use, lacks a covariate or can't be answered for,
            once the others are predicted.
    """
    if output.suffix != ".csv":
        table = output.with_name(f"{output.stem}.csv")
        raise UserError(f"--output {output}: new scans give a table; type --output {table}")
    # before hours of work whose table would find no place
    output.parent.mkdir(parents=True, exist_ok=True)
    cards = [ModelCard.read(run) for run in runs]
    _check_alike(runs, cards)
    if memory is not None:
        cards = [_with_memory(*one, memory) for one in zip(runs, cards, strict=True)]
    first = cards[0]
    seen = first.run
    new = list_new_scans(scans, seen.channels, seen.covariates, seen.optional)
    if first.prepare.brain != "deepbet":  # which looks at no mask
        check_masked(new, first.brain_masks)
    calibrated = Calibration.read(calibration, cards) if calibration else None
    columns = ["rejected", "warning", "target", "unit", *first.task.columns, "networks", "spread"]
    columns += COLUMNS if calibrated else []
    if taken := sorted(set(columns) & set(new.table.columns)):
        raise UserError(f"{scans[0]}: has a column {taken[0]} already; rename it")
    new = new.share(share) if share else new
    if planned not in (None, new.digest()):
        raise UserError(CHANGED.format(scans=scans[0]))
    loaded = [load_network(*one, networks, device) for one in zip(runs, cards, strict=True)]
    setting = "predict.memory" if memory is None else "--memory"
    limit = WithinMemory(loaded, setting)
    limit.check(_sizes(new, first))
    rows = [
        _answered(limit, scan, output, calibrated)
        for scan in progress(new.single(), total=len(new.files), label="scans done")
    ]
    # as objects: how a number is written must not hang on the other rows
    answers = pd.DataFrame(rows, columns=columns, dtype=object)
    table = share.table(output) if share else output
    files.write_csv(table, pd.concat([new.table, answers], axis=1))
    rejected = tell_answers(answers.fillna(""), table)
    if rejected and not share:
        raise UserError(rejected)


def _with_memory(run: Path, card: ModelCard, memory: str) -> ModelCard:
    """Let a network's predictions take no more memory than that."""
    if card.run.train.patches is None or card.run.train.neighbours is not None:
        raise UserError(
            f"--memory: {run} learnt from whole scans or series, which it predicts whole; leave it "
            "away"
        )
    try:
        bytes_of(memory)
    except ValueError as error:
        raise UserError(f"--memory: {error}") from None
    return card.model_copy(update={"predict": card.predict.model_copy(update={"memory": memory})})


def _sizes(new: NewScans, card: ModelCard) -> Iterator[ScanSize]:
    """Yield the sizes of scans whose headers show that of a head; the others are rejected later."""
    least, most = field_of_view(card.prepare)
    for scan in new.files:
        try:
            _, shape, affine = read_geometry(new.data / scan.first)
        except BadScanError:
            continue
        grid = Grid(shape, affine).canonical()
        if not all(least <= edge <= most for edge in np.multiply(grid.shape, grid.voxel_size)):
            continue
        grid = grid.resampled(card.prepare.voxel_size)
        window = grid.shape if card.prepare.window == "own" else card.prepare.window
        yield ScanSize(scan.first, shape, window, new=True)


def _answered(
    limit: WithinMemory,
    new: NewScans,
    output: Path,
    calibration: Calibration | None,
) -> dict[str, Any]:
    """Check and prepare a scan, and answer for it: the cells of its row."""
    card = limit.networks[0].card
    with tempfile.TemporaryDirectory(prefix="headstart-predict-") as scratch:
        (reason,), prepared, remarks = check_and_prepare(
            new,
            channels=card.run.channels,
            settings=card.prepare,
            scratch=Path(scratch),
            volumes=card.run.train.volumes,
        )
        if reason:
            return {"rejected": reason}
        ((name, scan),) = prepared.items()
        scan = replace(scan, covariates=new.values(card.run.covariates)[name])
        image = f"{output.stem}-{card.task.file}s/{name}.nii.gz"
        how, classes = card.predict, card.run.classes
        file = AnswerFile(scan, output.parent, image, classes, noise=how.noise, kind=how.dtype)
        size = ScanSize(name, scan.source_shape, scan.shape, new=True)
        row = _answer(limit.fitted(size), file, remarks[name])
    if calibration and "prediction" in row:
        row.update(calibration.cells(row["prediction"]))
    return row


def _answer(
    networks: Sequence[TrainedNetwork], file: AnswerFile, on_channels: str
) -> dict[str, Any]:
    """Answer for a scan: by the mean of what each network predicts, each by its own fitted task."""
    scan, first = file.scan, networks[0]
    task = first.task
    faults = [network.card.covariates.fault(scan.covariates) for network in networks]
    if any(faults):
        return {"rejected": next(filter(None, faults))}
    row = {
        "warning": _warning(scan, [network.card for network in networks], on_channels),
        "target": first.card.run.target,
        "unit": task.unit(first.card.unit),
        "networks": len(networks),
    }
    try:
        predictions = [network.predict(scan) for network in networks]
        answer = task.answer(mean_of(task, predictions), file)
    except NoAnswerError as error:
        return row | {"rejected": str(error)}
    return row | answer | {"spread": task.spread(predictions, scan)}


def _warning(scan: Scan, cards: Sequence[ModelCard], on_channels: str) -> str:
    """What there is to say against a prediction of this scan, with what its channels say."""
    lacking = [f"told without {cards[0].run.channels[place]}" for place in scan.lacking]
    if any(card.seen & digests_of(scan) for card in cards):
        return "; ".join([*lacking, "a network has learnt from this very scan"])
    beside = [said for card in cards for said in card.covariates.unlike(scan.covariates)]
    unlike = cards[0].training_scans.unlike(scan)
    return "; ".join(filter(None, [*lacking, on_channels, *dict.fromkeys(beside), *unlike]))


def _check_alike(runs: Sequence[Path], cards: Sequence[ModelCard]) -> None:
    """Check that the networks' cards agree with the first one's where they must."""
    first = cards[0]
    for run, card in zip(runs, cards, strict=True):
        if card.volumes != VOLUMES:
            raise UserError(
                f"{run}: learnt from scans that another version of headstart prepared in another "
                f"way; train it again, or predict by headstart {card.versions['headstart']}"
            )
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
        "covariates": list(card.run.covariates),
        "classes": list(card.task.classes),
        "prepare": card.prepare.model_dump(mode="json"),
        "brain_masks": card.brain_masks,
    }
