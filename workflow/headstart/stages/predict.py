"""Predict the scans that a network was not trained on: a study's held-out ones, or new ones."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
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
from headstart.parts.new_scans import check_and_prepare
from headstart.parts.new_scans import check_masked
from headstart.parts.new_scans import list_scans
from headstart.parts.progress import progress
from headstart.parts.runs import Run
from headstart.parts.runs import own_network_file
from headstart.parts.staging import stage_in
from headstart.parts.volumes import mask_to_source_grid

if TYPE_CHECKING:
    import torch

    from headstart.parts.tasks import Task


# What the workflow gives, and what is given for scans outside a study.
STUDY = ("settings", "model", "passed", "splits", "prepared", "data")
NEW = ("runs", "scans")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the predictions, or new.csv"
    )
    parser.add_argument(
        "--networks", type=Path, default=Path(), help="folder of your own network's file"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    new = parser.add_argument_group("scans from outside the study")
    new.add_argument(
        "--run",
        dest="runs",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="results/STUDY/train/EXPERIMENT/main/fold-F/seed-S; of several, the mean counts",
    )
    new.add_argument(
        "--scans",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="NIfTI files; or one table (.csv) with a column of paths per channel, and brain_mask "
        "if the network was trained with brain masks",
    )
    study = parser.add_argument_group("held-out scans of the study, as the workflow calls it")
    study.add_argument("--settings", help="the run's settings, JSON")
    study.add_argument("--model", type=Path, help="folder that train published to")
    study.add_argument("--passed", type=Path, help="check/passed.csv")
    study.add_argument("--splits", type=Path, help="split/splits.csv")
    study.add_argument("--prepared", type=Path, help="folder with the shards")
    study.add_argument("--data", type=Path, help="data root")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    where = {"networks": arguments.networks, "device": arguments.device}
    if arguments.runs or arguments.scans:
        _check_given(arguments, NEW)
        predict_new(runs=arguments.runs, scans=arguments.scans, output=arguments.output, **where)
        return
    _check_given(arguments, STUDY)
    predict(
        settings=json.loads(arguments.settings),
        model=arguments.model,
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        data=arguments.data,
        output=arguments.output,
        **where,
    )


def _check_given(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    for name in names:
        if not getattr(arguments, name):
            option = name.removesuffix("s") if name == "runs" else name
            raise UserError(f"predict: needs --{option}; see `headstart predict --help`")


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
        UserError: If the network was trained on other channels, its file was edited since, or a
            shard is damaged.
    """
    import torch

    from headstart.parts.augment import read_volume

    card = _card(model)
    if card["channels"] != list(settings["channels"]):
        raise UserError(
            f"{model}: trained on the channels {card['channels']}, not "
            f"{list(settings['channels'])}; train it again"
        )
    trained = Run.model_validate(card["settings"])
    task, network, place = _load(model, networks, device)
    prepared = stage_in(prepared, masks=False)
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
        if trained.task == "segmentation":
            row |= _write_mask(prediction, scan, task.classes, data, output)
        else:
            row |= _answer(task, prediction)
        rows.append(row)
    files.write_csv(output / "predictions.csv", pd.DataFrame(rows, columns=_judged_columns(task)))


def predict_new(
    *,
    runs: Sequence[Path],
    scans: Sequence[Path],
    output: Path,
    networks: Path = Path(),
    device: str = "auto",
) -> None:
    """Predict scans from outside the cohort: checked and prepared as its scans were.

    Args:
        runs: Folders with `model.safetensors` and `model.json`. Of several networks the numbers or
            probabilities are averaged.
        scans: NIfTI files, or one table; see `headstart.parts.new_scans.list_scans`.
        output: The table to write: a row per scan with what was given, `rejected` (why, if so) and
            the prediction. A segmentation's masks are written on each scan's own grid into a folder
            beside it, named like it with `-masks`.
        networks: Folder of the user's own network file.
        device: auto, cpu or cuda.

    Raises:
        UserError: If the networks were not trained for one question and on volumes of one kind; and
            if any scan is not fit for use, once the others are predicted.
    """
    import torch

    from headstart.parts.augment import read_volume

    card = _shared_card(runs)
    new = list_scans(scans, card["channels"])
    check_masked(new, card["brain_masks"])
    with tempfile.TemporaryDirectory(prefix="headstart-predict-") as scratch:
        reasons, prepared = check_and_prepare(
            new, channels=card["channels"], settings=card["prepare"], scratch=Path(scratch)
        )
        loaded = [_load(run, networks, device) for run in runs]
        task = loaded[0][0]
        columns = _columns(task)
        taken = sorted({"rejected", *columns} & set(new.table.columns))
        if taken:
            raise UserError(f"{scans[0]}: has a column {taken[0]} already; rename it")
        rows: list[dict[str, Any]] = []
        for name in progress(new.names, total=len(new.names), label="scans predicted"):
            row: dict[str, Any] = {"rejected": reasons[len(rows)]}
            if name in prepared:
                scan, scores = prepared[name], []
                for one, network, place in loaded:
                    with torch.inference_mode():
                        volume = read_volume(scan)[None].to(place)
                        scores.append(one.scores(network(volume))[0])
                row |= _mean_answer(task, np.mean(scores, axis=0), scan, name, output)
            rows.append(row)
    answers = pd.DataFrame(rows, columns=["rejected", *columns])
    files.write_csv(output, pd.concat([new.table, answers], axis=1))
    bad = [reason for reason in reasons if reason]
    print(f"{output}: {len(rows) - len(bad)} scans predicted", file=sys.stderr)
    if bad:
        raise UserError(
            f"{len(bad)} of {len(rows)} scans can't be used, see the column rejected of {output}; "
            f"the first: {bad[0]}"
        )


def _mean_answer(
    task: Task, scores: NDArray[np.float64], scan: Scan, name: str, output: Path
) -> dict[str, Any]:
    if task.name != "segmentation":
        return _answer(task, scores)
    mask = _on_own_grid(scores.argmax(axis=0).astype(np.uint8), scan)
    path = output.with_name(f"{output.stem}-masks") / f"{name}.nii.gz"
    _save(mask, scan, path)
    return _sizes("volume", mask, scan, task.classes) | {"mask": f"{path.parent.name}/{path.name}"}


def _card(model: Path) -> dict[str, Any]:
    path = model / "model.json"
    if not path.is_file():
        raise UserError(f"{path}: is not there; name a folder that the stage train published to")
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


def _shared_card(runs: Sequence[Path]) -> dict[str, Any]:
    """Return the first network's card, after checking that the others' agree where they must."""
    first, *others = [_card(run) for run in runs]
    for run, card in zip(runs[1:], others, strict=True):
        for key in ("channels", "classes", "prepare", "brain_masks"):
            if card[key] != first[key]:
                raise UserError(
                    f"{run}: its {key} is {card[key]}, but that of {runs[0]} is {first[key]}; "
                    "only networks for one question and one kind of volume have a mean"
                )
        for key in ("task", "target"):
            if card["settings"][key] != first["settings"][key]:
                raise UserError(
                    f"{run}: predicts {card['settings'][key]}, but {runs[0]} "
                    f"{first['settings'][key]}; give networks for one question"
                )
    return first


def _load(model: Path, networks: Path, device: str) -> tuple[Task, torch.nn.Module, torch.device]:
    """Build a trained network, and say what it was trained for and where it computes."""
    import torch
    from safetensors.torch import load_file

    from headstart.parts.networks import build_network
    from headstart.parts.networks import choose_device
    from headstart.parts.tasks import Task

    card = _card(model)
    trained = Run.model_validate(card["settings"])
    if trained.task == "regression":
        task = Task("regression", (), card["target_mean"], card["target_deviation"])
    else:
        task = Task(trained.task, tuple(card["classes"]))
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
    torch.set_num_threads(trained.train.threads)
    place = choose_device(device)
    return task, network.to(place).eval(), place


def _columns(task: Task) -> list[str]:
    """Columns of a prediction."""
    if task.name == "regression":
        return ["prediction"]
    if task.name == "classification":
        return [*(f"p_{name}" for name in task.classes), "prediction"]
    return [*(f"volume_{name}" for name in task.classes), "mask"]


def _judged_columns(task: Task) -> list[str]:
    """Columns of a held-out scan's prediction; a segmentation is judged at once."""
    first = ["subject", "session", "part", "target"]
    if task.name != "segmentation":
        return [*first, *_columns(task)]
    kinds = ("dice", "volume", "true_volume")
    return [*first, *(f"{kind}_{name}" for kind in kinds for name in task.classes), "mask"]


def _answer(task: Task, prediction: Any) -> dict[str, Any]:
    """Return the cells of a number, or of a class with the probabilities of all."""
    if task.name == "regression":
        return {"prediction": prediction}
    row = {f"p_{name}": p for name, p in zip(task.classes, prediction, strict=True)}
    return row | {"prediction": task.classes[int(np.argmax(prediction))]}


def _write_mask(
    prediction: NDArray[np.uint8], scan: Scan, classes: tuple[str, ...], data: Path, output: Path
) -> dict[str, Any]:
    """Write a mask on the raw scan's grid, and judge it there.

    On the raw grid nothing flatters: what the window cropped counts as missed.
    """
    mask = _on_own_grid(prediction, scan)
    # a subject named `folder/id` makes no folder here
    name = "masks/" + f"{scan.subject}_{scan.session}.nii.gz".replace("/", "-")
    _save(mask, scan, output / name)
    row: dict[str, Any] = _sizes("volume", mask, scan, classes) | {"mask": name}
    if scan.target and (data / scan.target).exists():
        truth = _read_mask(data / scan.target, scan.source_shape)
        dice = dice_by_class(truth, mask, len(classes))
        row |= {f"dice_{c}": value for c, value in zip(classes, dice, strict=True)}
        row |= _sizes("true_volume", truth, scan, classes)
    return row


def _on_own_grid(prediction: NDArray[np.uint8], scan: Scan) -> NDArray[np.uint8]:
    return mask_to_source_grid(prediction, scan.affine, scan.source_affine, scan.source_shape)


def _save(mask: NDArray[np.uint8], scan: Scan, path: Path) -> None:
    image = nib.Nifti1Image(mask, scan.source_affine)
    image.header.set_xyzt_units("mm")
    with files.temporary(path) as draft:
        nib.save(image, draft)


def _sizes(
    kind: str, mask: NDArray[np.uint8], scan: Scan, classes: tuple[str, ...]
) -> dict[str, float]:
    """Volume of each class, ml."""
    millilitres = abs(float(np.linalg.det(scan.source_affine[:3, :3]))) / 1000
    sizes = np.bincount(mask.ravel(), minlength=len(classes) + 1)[1:] * millilitres
    return {f"{kind}_{c}": float(size) for c, size in zip(classes, sizes, strict=True)}


def _read_mask(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    # a scaled file holds 2.99999 for class 3
    image: Any = nib.load(path)
    return np.rint(image.get_fdata(dtype=np.float32)).astype(np.uint8).reshape(shape)
