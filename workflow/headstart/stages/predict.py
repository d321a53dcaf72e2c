"""Predict the scans that a network was not trained on."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headstart.parts import files
from headstart.parts.cohort import Scan
from headstart.parts.cohort import read_cohort
from headstart.parts.errors import UserError
from headstart.parts.metrics import dice_by_class
from headstart.parts.progress import progress
from headstart.parts.runs import Run
from headstart.parts.runs import own_network_file
from headstart.parts.volumes import mask_to_source_grid

if TYPE_CHECKING:
    import torch

    from headstart.parts.tasks import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--settings", required=True, help="the run's settings, JSON")
    parser.add_argument("--model", type=Path, required=True, help="folder that train published to")
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--splits", type=Path, required=True, help="split/splits.csv")
    parser.add_argument("--prepared", type=Path, required=True, help="folder with the shards")
    parser.add_argument("--data", type=Path, required=True, help="data root")
    parser.add_argument("--output", type=Path, required=True, help="folder for the predictions")
    parser.add_argument(
        "--networks", type=Path, default=Path(), help="folder of your own network's file"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    predict(
        settings=json.loads(arguments.settings),
        model=arguments.model,
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        data=arguments.data,
        output=arguments.output,
        networks=arguments.networks,
        device=arguments.device,
    )


def predict(
    *,
    settings: Mapping[str, Any],
    model: Path,
    passed: Path,
    splits: Path,
    prepared: Path,
    data: Path,
    output: Path,
    networks: Path = Path(),
    device: str = "auto",
) -> None:
    """Predict the scans of the held-out fold and, if the settings say so, of the test subjects.

    Args:
        settings: The slice: experiment, task, target, classes, channels, test, fold, seed.
        model: Folder with `model.safetensors` and `model.json`.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder with `shard-K.npy` and `shard-K.json`.
        data: Data root, where the raw masks are.
        output: Gets `predictions.csv`, and for a segmentation `masks/SUBJECT_SESSION.nii.gz` on
            each scan's own grid.
        networks: Folder of the user's own network file.
        device: auto, cpu or cuda.

    Raises:
        UserError: If the network was trained on other channels, or its file was edited since.
    """
    import torch

    from headstart.parts.augment import read_volume
    from headstart.parts.networks import choose_device

    card = json.loads((model / "model.json").read_text(encoding="utf-8"))
    if card["channels"] != list(settings["channels"]):
        raise UserError(
            f"{model}: trained on the channels {card['channels']}, not "
            f"{list(settings['channels'])}; train it again"
        )
    trained = Run.model_validate(card["settings"])
    torch.set_num_threads(trained.train.threads)
    place = choose_device(device)
    task = _task(trained, card)
    network = _load(trained, card, task, model, networks).to(place).eval()
    cohort = read_cohort(passed, splits, prepared, trained.target, trained.task)
    scans = [("fold", scan) for scan in cohort.held_out(settings["fold"])]
    if settings["test"]:
        scans += [("test", scan) for scan in cohort.test()]

    shutil.rmtree(output / "masks", ignore_errors=True)
    (output / "masks").mkdir(parents=True)
    rows = []
    for part, scan in progress(scans, total=len(scans), label="scans predicted"):
        with torch.inference_mode():
            prediction = task.read(network(read_volume(scan)[None].to(place)))[0]
        row = {
            "subject": scan.subject,
            "session": scan.session,
            "part": part,
            "target": scan.target,
        }
        if trained.task == "regression":
            row["prediction"] = prediction
        elif trained.task == "classification":
            row |= {f"p_{name}": p for name, p in zip(task.classes, prediction, strict=True)}
            row["prediction"] = task.classes[int(np.argmax(prediction))]
        else:
            row |= _write_mask(prediction, scan, task.classes, data, output)
        rows.append(row)
    files.write_csv(output / "predictions.csv", pd.DataFrame(rows, columns=_columns(task)))


def _task(trained: Run, card: Mapping[str, Any]) -> Task:
    from headstart.parts.tasks import Task

    if trained.task != "regression":
        return Task(trained.task, tuple(card["classes"]))
    return Task("regression", (), card["target_mean"], card["target_deviation"])


def _load(
    trained: Run, card: Mapping[str, Any], task: Task, model: Path, networks: Path
) -> torch.nn.Module:
    from safetensors.torch import load_file

    from headstart.parts.networks import build_network

    own = own_network_file(trained.train.network, networks)
    if own is not None and files.sha256(own) != card["network_digest"]:
        raise UserError(f"{own}: was edited after {model} was trained with it; train it again")
    network = build_network(
        trained.train.network,
        trained.train.network_arguments,
        in_channels=len(trained.channels),
        out_channels=task.out_channels,
        folder=networks,
    )
    network.load_state_dict(load_file(model / "model.safetensors"))
    return network


def _columns(task: Task) -> list[str]:
    first = ["subject", "session", "part", "target"]
    if task.name == "regression":
        return [*first, "prediction"]
    if task.name == "classification":
        return [*first, *(f"p_{name}" for name in task.classes), "prediction"]
    kinds = ("dice", "volume", "true_volume")
    return [*first, *(f"{kind}_{name}" for kind in kinds for name in task.classes), "mask"]


def _write_mask(
    prediction: NDArray[np.uint8], scan: Scan, classes: tuple[str, ...], data: Path, output: Path
) -> dict[str, Any]:
    """Write a mask on the raw scan's grid, and judge it there.

    On the raw grid nothing flatters: what the window cropped counts as missed.
    """
    mask = mask_to_source_grid(prediction, scan.affine, scan.source_affine, scan.source_shape)
    # a subject named `folder/id` makes no folder here
    name = "masks/" + f"{scan.subject}_{scan.session}.nii.gz".replace("/", "-")
    image = nib.Nifti1Image(mask, scan.source_affine)
    image.header.set_xyzt_units("mm")
    with files.temporary(output / name) as draft:
        nib.save(image, draft)
    millilitres = abs(float(np.linalg.det(scan.source_affine[:3, :3]))) / 1000
    sizes = np.bincount(mask.ravel(), minlength=len(classes) + 1)[1:] * millilitres
    row: dict[str, Any] = {f"volume_{c}": size for c, size in zip(classes, sizes, strict=True)}
    row["mask"] = name
    if scan.target and (data / scan.target).exists():
        truth = _read_mask(data / scan.target, scan.source_shape)
        dice = dice_by_class(truth, mask, len(classes))
        true_sizes = np.bincount(truth.ravel(), minlength=len(classes) + 1)[1:] * millilitres
        row |= {f"dice_{c}": value for c, value in zip(classes, dice, strict=True)}
        row |= {f"true_volume_{c}": v for c, v in zip(classes, true_sizes, strict=True)}
    return row


def _read_mask(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    # a scaled file holds 2.99999 for class 3
    image: Any = nib.load(path)
    return np.rint(image.get_fdata(dtype=np.float32)).astype(np.uint8).reshape(shape)
