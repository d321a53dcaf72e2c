"""Held-out scans, predicted by a network that has not seen them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from headstart.cohort.local_copy import stage_in
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.progress import progress
from headstart.common.run_id import PREDICTIONS
from headstart.evaluation.predictions import PredictionRow
from headstart.evaluation.predictions import write_predictions
from headstart.imaging.geometry import mask_to_source_grid
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation
from headstart.imaging.headers import image_like
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_values import file_values
from headstart.imaging.mask_values import millilitres
from headstart.imaging.mask_values import numbered
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume
from headstart.tasks.metrics import dice_by_class
from headstart.training.card import ModelCard
from headstart.training.inference import load_network
from headstart.training.inference import predict_scan
from headstart.training.settings import PredictSettings


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
) -> None:
    """Predict the scans of the held-out fold and, if the settings say so, of the test subjects.

    Args:
        settings: What is to be predicted.
        model: Folder with `model.safetensors` and `model.json`.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder with `shard-K.npy` and `shard-K.json`.
        data: Data root, where the raw masks are.
        output: Gets `predictions.csv`, with its digest in `predictions.json`, and for a
            segmentation `masks/SUBJECT_SESSION.nii.gz` on each scan's own grid, with the digest
            of each in the table.
        networks: Folder of the network's own file; no other file's code is run.
        device: auto, cpu or cuda.

    Raises:
        UserError: If the network was trained on other channels, its file was edited since, a
            shard is damaged, or a raw mask is gone or another one than was prepared.
    """
    card = ModelCard.read(model)
    trained = card.run
    if trained.channels != settings.channels:
        raise UserError(
            f"{model}: trained on the channels {list(trained.channels)}, not "
            f"{list(settings.channels)}; train it again"
        )
    for key in ("experiment", "task", "target", "fold", "seed"):
        is_of, asked = getattr(trained, key), getattr(settings, key)
        if is_of != asked:
            raise UserError(
                f"{model}: is a network of {key} {is_of}, not {asked}; "
                "delete that folder and type the same command, which puts the right one there"
            )
    task, network, place = load_network(model, card, networks, device)
    prepared = stage_in(prepared, masks=False)
    cohort = read_cohort(passed, splits, prepared, trained.target)
    scans = [("fold", scan) for scan in cohort.held_out(settings.fold)]
    if settings.test:
        scans += [("test", scan) for scan in cohort.test()]

    if (output / "masks").exists():
        shutil.rmtree(output / "masks")
    (output / "masks").mkdir(parents=True)
    rows = []
    for part, scan in progress(scans, total=len(scans), label="scans predicted"):
        prediction = task.read(predict_scan(network, scan, place))[0]
        cells = dict.fromkeys(task.held_out_columns, "") | task.answer(prediction)
        if task.dense:
            cells |= _write_mask(prediction, scan, trained.classes, data, output)
        # a class that is in neither mask has no Dice
        answer = {name: "" if cell != cell else str(cell) for name, cell in cells.items()}
        rows.append(PredictionRow(scan.subject, scan.session, part, scan.target, answer))
    write_predictions(output / PREDICTIONS, rows, card.weights_sha256)


def _write_mask(
    prediction: NDArray[np.uint8], scan: Scan, classes: Classes, data: Path, output: Path
) -> dict[str, Any]:
    """Write a mask on the raw scan's grid, and score it there.

    On the raw grid nothing flatters: what the window cropped counts as missed.
    """
    mask = on_own_grid(prediction, scan)
    # a subject named `folder/id` makes no folder here
    name = "masks/" + f"{scan.subject}_{scan.session}.nii.gz".replace("/", "-")
    save_mask(mask, scan, classes, output / name)
    row: dict[str, Any] = sizes_of_classes("volume", mask, scan, classes)
    row |= {"mask": name, "mask_sha256": files.sha256(output / name)}
    if scan.target:
        truth = _read_truth(data / scan.target, scan, classes)
        dice = dice_by_class(truth, mask, len(classes))
        row |= {f"dice_{c}": value for c, value in zip(classes, dice, strict=True)}
        row |= sizes_of_classes("true_volume", truth, scan, classes)
    return row


def on_own_grid(prediction: NDArray[np.uint8], scan: Scan) -> NDArray[np.uint8]:
    """Bring a predicted mask (x, y, z) to the grid of the scan's own file."""
    return mask_to_source_grid(prediction, scan.affine, scan.source_affine, scan.source_shape)


def save_mask(mask: NDArray[np.uint8], scan: Scan, classes: Classes, path: Path) -> None:
    """Write a mask with the values of the study's own masks and the geometry of its scan."""
    image = image_like(file_values(mask, classes), scan.source_header)
    with files.temporary(path) as draft:
        nib.save(image, draft)


def sizes_of_classes(
    kind: str, mask: NDArray[np.uint8], scan: Scan, classes: Classes
) -> dict[str, float]:
    """Volume of each class, ml, to six digits: more are noise."""
    sizes = millilitres(mask, tuple(classes), scan.source_affine)
    return {f"{kind}_{name}": float(f"{size:.6g}") for name, size in sizes.items()}


def _read_truth(path: Path, scan: Scan, classes: Classes) -> NDArray[np.uint8]:
    """Read a raw mask as prepare does, onto the scan's own voxels."""
    if not path.exists():
        raise UserError(
            f"{path}: the mask of subject '{scan.subject}', session '{scan.session}', is gone "
            "since it was prepared; put it back, and type the same command again"
        )
    try:
        raw = read_volume(path)
    except BadScanError as error:
        raise UserError(error.detail) from error
    if scan.mask_content not in ("", raw.content):
        raise UserError(
            f"{path}: is another mask than the one that was prepared; type the same command "
            "again, which checks and prepares it again"
        )
    found = relation(raw.grid, scan.source)
    if found is None:
        different = difference(raw.grid, scan.source)
        raise UserError(f"{path}: lies on another grid than its scan: {different}; resample it")
    return numbered(found.apply(raw.values(np.float64), scan.source_shape, 0), classes)
