"""A small study as files: what `evaluate` and `plot` read. Its heads are ellipsoids."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from headstart.parts import files
from headstart.parts.balance import balance

VOXEL = 4.0
WINDOW = (32, 40, 32)
CLASSES = {"1": "rim", "2": "core"}


@dataclass(frozen=True)
class Study:
    """Paths of a study's files.

    Attributes:
        root: Its folder, with label/, check/, split/, prepare/.
        predictions: predictions.csv of all folds and seeds.
        histories: history.csv of all folds and seeds.
    """

    root: Path
    predictions: list[Path]
    histories: list[Path]

    @property
    def tables(self) -> list[str]:
        """The arguments that name the cohort's tables."""
        return [
            *("--passed", str(self.root / "check/passed.csv")),
            *("--splits", str(self.root / "split/splits.csv")),
            *("--prepared", str(self.root / "prepare")),
        ]


def make_study(
    root: Path,
    *,
    task: str = "regression",
    subjects: int = 40,
    folds: tuple[int, ...] = (0, 1),
    seeds: tuple[int, ...] = (0, 1),
    noise: float = 4.0,
    epochs: int = 12,
    seed: int = 0,
) -> Study:
    """Write a study: two sites of different age, every fifth subject with a second session."""
    rng = np.random.default_rng(seed)
    people = _people(rng, subjects)
    scans = _scans(people)
    _write_cohort(root, people, scans)
    _write_volumes(root, scans, rng)
    predictions, histories = [], []
    for fold in folds:
        for run in seeds:
            place = root / "predict" / "exp" / "main" / f"fold-{fold}" / f"seed-{run}"
            table = _predictions(task, scans, fold, noise, rng, place)
            files.write_csv(place / "predictions.csv", table)
            predictions.append(place / "predictions.csv")
            path = root / "train" / "exp" / "main" / f"fold-{fold}" / f"seed-{run}" / "history.csv"
            files.write_csv(path, _history(task, epochs, rng))
            histories.append(path)
    return Study(root, predictions, histories)


def _people(rng: np.random.Generator, n: int) -> pd.DataFrame:
    site = np.array(["Guys", "HH"])[np.arange(n) % 2]
    age = np.round(rng.uniform(20, 70, n) + np.where(site == "HH", 10, 0), 1)
    sex = np.array(["F", "M"])[rng.integers(0, 2, n)]
    test = np.where(np.arange(n) % 4 == 3, "1", "0")
    fold = np.where(test == "1", "", (np.arange(n) // 4 % 2).astype(str))
    return pd.DataFrame(
        {
            "subject": [f"sub-{i:03d}" for i in range(n)],
            "site": site,
            "age": age,
            "sex": sex,
            "size": np.where(sex == "M", 1.05, 0.97) + rng.normal(0, 0.02, n),
            "test": test,
            "fold": fold,
            "inner": np.where((np.arange(n) % 7 == 1) & (test == "0"), "1", "0"),
        }
    )


def _scans(people: pd.DataFrame) -> pd.DataFrame:
    again = people[people.index % 5 == 0]
    scans = pd.concat([people.assign(session="1"), again.assign(session="2")])
    return scans.sort_values(["subject", "session"]).reset_index(drop=True)


def _write_cohort(root: Path, people: pd.DataFrame, scans: pd.DataFrame) -> None:
    labels = pd.DataFrame(
        {
            "subject": scans["subject"],
            "session": scans["session"],
            "source": "demo",
            "site": scans["site"],
            "t1": scans["subject"] + "_" + scans["session"] + ".nii.gz",
            "mask": scans["subject"] + "_" + scans["session"] + "_mask.nii.gz",
            "brain_mask": "",
            "age": scans["age"].astype(str),
            "sex": scans["sex"],
        }
    )
    bad = labels.iloc[:2].assign(subject=["sub-900", "sub-901"], session="1")
    files.write_csv(root / "label/labels.csv", pd.concat([labels, bad]))
    empty = pd.DataFrame(columns=["subject", "session", "path", "reason", "detail"])
    files.write_csv(root / "label/rejected.csv", empty)
    rejected = pd.DataFrame(
        {
            "subject": bad["subject"],
            "session": "1",
            "path": bad["t1"],
            "reason": ["truncated", "not-finite"],
            "detail": ["ends early; copy it again", "has 12 voxels that are NaN"],
        }
    )
    files.write_csv(root / "check/rejected.csv", rejected)
    files.write_csv(root / "check/passed.csv", labels)
    summary = pd.DataFrame(
        {
            "subject": labels["subject"],
            "session": labels["session"],
            "path": labels["t1"],
            "reason": "",
            "detail": "",
            "also": "",
            "shape": "32x40x32",
            "voxel_size": "4x4x4",
            "orientation": "RAS",
            "p01": "-1",
            "p50": "0",
            "p99": [f"{1 + 0.01 * i:g}" for i in range(len(labels))],
            "hash": [f"{i:016x}" for i in range(len(labels))],
        }
    )
    unread = bad.rename(columns={"t1": "path"})[["subject", "session", "path"]]
    summary = pd.concat([summary, unread]).fillna("")
    files.write_csv(root / "check/summary.csv", summary)
    likeness = labels[["subject", "session"]].assign(likeness="0.95", distance="0.00", odd="0")
    likeness.loc[3, ["likeness", "distance", "odd"]] = ["0.40", "7.00", "1"]
    files.write_csv(root / "prepare/likeness.csv", likeness)
    one, other = labels.iloc[8], labels.iloc[11]
    pair = [one["subject"], one["session"], other["subject"], other["session"], "0.9981", "1"]
    columns = [*("subject", "session", "other_subject", "other_session"), "correlation", "flipped"]
    files.write_csv(root / "prepare/lookalikes.csv", pd.DataFrame([pair], columns=columns))
    files.write_csv(root / "split/splits.csv", people[["subject", "test", "fold", "inner"]])
    table = balance(splits=people, passed=labels, stratify=["site", "sex"])
    files.write_csv(root / "split/balance.csv", table)


def _write_volumes(root: Path, scans: pd.DataFrame, rng: np.random.Generator) -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in WINDOW], indexing="ij"))
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    affine[:3, 3] = [-n * VOXEL / 2 for n in WINDOW]
    for shard in range(2):
        members = scans[np.arange(len(scans)) % 2 == shard]
        volumes = np.zeros((len(members), 1, *WINDOW), np.float16)
        masks = np.zeros((len(members), *WINDOW), np.uint8)
        records = []
        for index, scan in enumerate(members.itertuples()):
            radius = np.sqrt((grid**2).sum(axis=0)) / (0.75 * scan.size)
            inner = 0.25 + scan.age / 400
            volume = np.where(radius < 1, 1.0, -1.0) - 0.6 * (radius < inner)
            volumes[index, 0] = volume + rng.normal(0, 0.08, WINDOW)
            masks[index] = np.where(radius < inner, 2, np.where(radius < inner + 0.12, 1, 0))
            records.append(
                {
                    "subject": scan.subject,
                    "session": scan.session,
                    "index": index,
                    "affine": affine.tolist(),
                    "source_shape": list(WINDOW),
                    "source_affine": affine.tolist(),
                    "hash": "",
                    "mask_voxels": int(np.count_nonzero(masks[index])),
                    "mask_voxels_cropped": 0,
                }
            )
        folder = root / "prepare"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"shard-{shard}.npy", volumes)
        np.save(folder / f"shard-{shard}-mask.npy", masks)
        card = {
            "shape": list(volumes.shape),
            "channels": ["t1"],
            "voxel_size": [VOXEL] * 3,
            "prepare": {"voxel_size": [VOXEL] * 3, "window": list(WINDOW), "normalise": "none"},
            "scans": records,
        }
        (folder / f"shard-{shard}.json").write_text(json.dumps(card))


def _predictions(
    task: str,
    scans: pd.DataFrame,
    fold: int,
    noise: float,
    rng: np.random.Generator,
    place: Path,
) -> pd.DataFrame:
    held = scans[(scans["fold"] == str(fold)) | (scans["test"] == "1")]
    table = pd.DataFrame(
        {
            "subject": held["subject"],
            "session": held["session"],
            "part": np.where(held["test"] == "1", "test", "fold"),
        }
    )
    n = len(held)
    if task == "regression":
        table["target"] = held["age"].astype(str)
        guess = held["age"] + rng.normal(0, noise, n) - 0.1 * (held["age"] - 45)
        table["prediction"] = np.round(guess, 3)
    elif task == "classification":
        table["target"] = held["sex"]
        score = np.where(held["sex"] == "M", 1.0, -1.0) + rng.normal(0, noise / 4, n)
        p = 1 / (1 + np.exp(-score))
        table["p_F"], table["p_M"] = np.round(1 - p, 4), np.round(p, 4)
        table["prediction"] = np.where(p > 0.5, "M", "F")
    else:
        table["target"] = held["subject"] + "_" + held["session"] + "_mask.nii.gz"
        table["dice_rim"] = np.round(np.clip(rng.normal(0.78, 0.05, n), 0, 1), 4)
        table["dice_core"] = np.round(np.clip(rng.normal(0.92, 0.02, n), 0, 1), 4)
        names = [f"{s}_{t}.nii.gz" for s, t in zip(held["subject"], held["session"], strict=True)]
        table["mask"] = [f"masks/{name}" for name in names]
        grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, k) for k in WINDOW], indexing="ij"))
        affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
        affine[:3, 3] = [-k * VOXEL / 2 for k in WINDOW]
        (place / "masks").mkdir(parents=True, exist_ok=True)
        for name, scan in zip(names, held.itertuples(), strict=True):
            radius = np.sqrt(((grid - 0.03) ** 2).sum(axis=0)) / (0.75 * scan.size)
            inner = 0.25 + scan.age / 400
            mask = np.where(radius < inner, 2, np.where(radius < inner + 0.1, 1, 0))
            nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), place / "masks" / name)
    return table


def _history(task: str, epochs: int, rng: np.random.Generator) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    scale = {"regression": 30.0, "classification": 0.7, "segmentation": 1.4}[task]
    train = scale * (0.12 + 0.88 * np.exp(-epoch / (epochs / 5))) * rng.normal(1, 0.03, epochs)
    inner = train * 1.1 + scale * 0.1 * (epoch / epochs) ** 2 + rng.normal(0, scale / 60, epochs)
    history = pd.DataFrame({"epoch": epoch, "learning_rate": 0.001})
    history["train_loss"], history["inner_loss"] = train.round(5), inner.round(5)
    if task == "segmentation":
        history["inner_dice"] = (1 - inner / scale).clip(0, 1).round(5)
        chosen = history["inner_dice"].idxmax()
    else:
        key = {"regression": "inner_mae", "classification": "inner_log_loss"}[task]
        history[key] = inner.round(5)
        chosen = history[key].idxmin()
    history["chosen"] = (history.index == chosen).astype(int)
    return history
