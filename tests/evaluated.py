"""A small study as files: what `evaluate` and `plot` read. Its heads are ellipsoids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from prepared_shards import write_shard
from rows import label_rows

from headstart.cohort.balance import BalanceRow
from headstart.cohort.balance import balance
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import FalseAlarms
from headstart.cohort.rates import Histogram
from headstart.cohort.rates import OfRescans
from headstart.cohort.rates import OfStrangers
from headstart.cohort.rates import OwnSessions
from headstart.cohort.rates import Rates
from headstart.cohort.rates import SearchRates
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import write_splits
from headstart.common import files
from headstart.common.keys import Key
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.evaluation.predictions import PredictionRow
from headstart.evaluation.predictions import read_run
from headstart.evaluation.predictions import write_predictions
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.imaging.scan_rows import CheckRow
from headstart.training.history import Epoch
from headstart.training.history import History

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

    @property
    def data(self) -> list[str]:
        """The argument that names the data root."""
        return ["--data", str(self.root / "data")]


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
    experiments: tuple[str, ...] = ("exp",),
    repeats: int = 1,
) -> Study:
    """Write a study: two sites of different age, every fifth subject with a second session.

    Of two folds; further repeats are those of each number from 2 on.

    Each experiment errs half as much again as the one before it.
    """
    rng = np.random.default_rng(seed)
    people = _people(rng, subjects, repeats)
    scans = _scans(people)
    _write_cohort(root, people, scans)
    _write_volumes(root, scans, rng)
    predictions, histories = [], []
    for run in (RunId(*one) for one in product(experiments, folds, seeds)):
        place = root / run.predicted
        errs = noise * 1.5 ** experiments.index(run.experiment)
        rows = _predictions(task, scans, run.fold, errs, rng, place)
        write_predictions(place / "predictions.csv", rows, weights="0" * 64)
        predictions.append(place / "predictions.csv")
        path = root / run.trained / "history.csv"
        _history(task, epochs, rng).write(path)
        histories.append(path)
    return Study(root, predictions, histories)


def reject(path: Path, key: Key, why: str) -> None:
    """Write a predictions.csv as predict does where the network can't tell a scan."""
    rows = [
        replace(row, answer=dict.fromkeys(row.answer, "") | {"rejected": why})
        if row.key == key
        else row
        for row in read_run(path).rows
    ]
    write_predictions(path, rows, weights="0" * 64)


def change_masks(study: Study, change: Callable[[nib.Nifti1Image], nib.Nifti1Image]) -> None:
    """Write other masks in place of the predicted ones, with their digests."""
    for path in study.predictions:
        rows = []
        for row in read_run(path).rows:
            place = path.parent / row.answer["mask"]
            nib.save(change(nib.load(place)), place)
            changed = {"mask_sha256": files.sha256(place)}
            rows.append(replace(row, answer=row.answer | changed))
        write_predictions(path, rows, weights="0" * 64)


def _people(rng: np.random.Generator, n: int, repeats: int) -> pd.DataFrame:
    site = np.array(["Guys", "HH"])[np.arange(n) % 2]
    age = np.round(rng.uniform(20, 70, n) + np.where(site == "HH", 10, 0), 1)
    sex = np.array(["F", "M"])[rng.integers(0, 2, n)]
    test = np.where(np.arange(n) % 4 == 3, "1", "0")
    fold = np.where(test == "1", "", (np.arange(n) // 4 % 2).astype(str))
    fours = np.arange(n) // 4
    again = {
        f"repeat:{r}": np.where(test == "1", "", (fours // (r + 1) % 2 + 2 * r).astype(str))
        for r in range(1, repeats)
    }
    return pd.DataFrame(
        {
            **again,
            "subject": [f"sub-{i:03d}" for i in range(n)],
            "site": site,
            "age": age,
            "sex": sex,
            "size": np.where(sex == "M", 1.05, 0.97) + rng.normal(0, 0.02, n),
            "test": test,
            "fold": fold,
            "validation": np.where((np.arange(n) % 7 == 1) & (test == "0"), "1", "0"),
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
    passed, broken = label_rows(labels, "t1"), label_rows(bad, "t1")
    keys = [row.key for row in passed]
    write_rows(root / "label/labels.csv", LabelRow, [*passed, *broken])
    write_rows(root / "label/rejected.csv", RejectedRow, [])
    reasons = [
        ("truncated", "ends early; copy it again"),
        ("not-finite", "has 12 voxels that are NaN"),
    ]
    rejected = [
        RejectedRow(*row.key, row.files.first, *reason)
        for row, reason in zip(broken, reasons, strict=True)
    ]
    write_rows(root / "check/rejected.csv", RejectedRow, rejected)
    write_rows(root / "check/passed.csv", LabelRow, passed)
    summary = [
        CheckRow(
            *row.key,
            path=row.files.first,
            shape=WINDOW,
            voxel_size=(VOXEL,) * 3,
            orientation="RAS",
            p01=-1,
            p50=0,
            p99=1 + 0.01 * number,
            hash=f"{number:016x}",
        )
        for number, row in enumerate(passed)
    ]
    unread = [CheckRow(*row.key, path=row.path) for row in rejected]
    write_rows(root / "check/summary.csv", CheckRow, [*summary, *unread])
    similar = [SimilarityRow(*key, 0.95, 0.0, outlier=False) for key in keys]
    similar[3] = SimilarityRow(*keys[3], 0.4, 7.0, outlier=True)
    folder = root / "near-duplicates"
    write_rows(folder / "similarity.csv", SimilarityRow, similar)
    _write_pairs(folder, keys)
    splits = [
        SplitRow(
            p["subject"],
            p["test"] == "1",
            int(p["fold"]) if p["fold"] else None,
            p["validation"] == "1",
            {name.removeprefix("repeat:"): p[name] for name in people if "repeat:" in name},
        )
        for p in people.to_dict("records")
    ]
    write_splits(root / "split/splits.csv", splits)
    rows = balance(splits=splits, passed=passed, stratify=["site", "sex"])
    write_rows(root / "split/balance.csv", BalanceRow, rows)


def _write_pairs(folder: Path, keys: list[Key]) -> None:
    pairs = [
        PairRow(*keys[8], *keys[11], "near-duplicate", True, 0.941, True, 2e-9),
        PairRow(*keys[12], *keys[13], "near-duplicate", False, 0.38, False, 0.2),
    ]
    write_rows(folder / "pairs.csv", PairRow, pairs)
    pictures = np.random.default_rng(0).random((2, 2, 16, 20, 16)).astype(np.float16)
    np.save(folder / "pictures.npy", pictures)
    edges = np.linspace(-1, 1, 101)
    counts = np.histogram(np.random.default_rng(0).normal(0, 0.06, 400), edges)[0]
    search = SearchRates(
        subjects=len(keys),
        pairs=400,
        strangers=OfStrangers(median=0, highest=0.2),
        expected_false_alarms=FalseAlarms(certain=0.01, listed=1),
        simulated=OfRescans(scans=3, certain=2, listed=3, lowest=0.6, median=0.7),
        own_sessions=OwnSessions(pairs=0, listed=0),
        outliers=1,
    )
    histogram = Histogram(edges=edges, strangers=counts, simulated=(0.6, 0.7, 0.9))
    rates = Rates(scans=len(keys), unknown="", search=search, histogram=histogram)
    rates.write(folder / "rates.json")


def _write_volumes(root: Path, scans: pd.DataFrame, rng: np.random.Generator) -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in WINDOW], indexing="ij"))
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    affine[:3, 3] = [-n * VOXEL / 2 for n in WINDOW]
    for shard in range(2):
        members = scans[np.arange(len(scans)) % 2 == shard]
        volumes = np.zeros((len(members), 1, *WINDOW), np.float16)
        masks = np.zeros((len(members), *WINDOW), np.uint8)
        for index, scan in enumerate(members.itertuples()):
            radius = np.sqrt((grid**2).sum(axis=0)) / (0.75 * scan.size)
            inner = 0.25 + scan.age / 400
            volume = np.where(radius < 1, 1.0, -1.0) - 0.6 * (radius < inner)
            volumes[index, 0] = volume + rng.normal(0, 0.08, WINDOW)
            masks[index] = np.where(radius < inner, 2, np.where(radius < inner + 0.12, 1, 0))
            raw = root / f"data/{scan.subject}_{scan.session}_mask.nii.gz"
            raw.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(masks[index], affine), raw)
        write_shard(
            root / f"prepare/shard-{shard}.json",
            list(zip(members["subject"], members["session"], strict=True)),
            volumes,
            masks,
            prepare=Preparation(voxel_size=(VOXEL,) * 3, window=WINDOW, normalise="none"),
            affine=affine,
            source=Grid(WINDOW, affine),
            channel="t1",
        )


def _predictions(
    task: str,
    scans: pd.DataFrame,
    fold: int,
    noise: float,
    rng: np.random.Generator,
    place: Path,
) -> list[PredictionRow]:
    held_out = [scans[name] == str(fold) for name in scans if name == "fold" or "repeat:" in name]
    held = scans[np.any(held_out, axis=0) | (scans["test"] == "1")]
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
        for of, dice, spread in (("rim", 0.78, 0.05), ("core", 0.92, 0.02)):
            table[f"dice_{of}"] = np.round(np.clip(rng.normal(dice, spread, n), 0, 1), 4)
            table[f"nsd_{of}"] = np.round(table[f"dice_{of}"] ** 2, 4)
            table[f"hd95_{of}"] = np.round(rng.gamma(9, 0.5, n), 4)
            table[f"assd_{of}"] = np.round(table[f"hd95_{of}"] / 5, 4)
            table[f"true_volume_{of}"] = np.round(rng.normal(30, 4, n), 4)
            table[f"volume_{of}"] = np.round(table[f"true_volume_{of}"] + rng.normal(1, 2, n), 4)
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
        table["mask_sha256"] = [files.sha256(place / "masks" / name) for name in names]
    rows = table.astype(str).to_dict("records")
    own = [field.name for field in fields(PredictionRow) if field.name in table]
    return [PredictionRow(*(row.pop(name) for name in own), row) for row in rows]


def _history(task: str, epochs: int, rng: np.random.Generator) -> History:
    epoch = np.arange(1, epochs + 1)
    scale = {"regression": 30.0, "classification": 0.7, "segmentation": 1.4}[task]
    train = scale * (0.12 + 0.88 * np.exp(-epoch / (epochs / 5))) * rng.normal(1, 0.03, epochs)
    validation = (
        train * 1.1 + scale * 0.1 * (epoch / epochs) ** 2 + rng.normal(0, scale / 60, epochs)
    )
    key = {"regression": "mae", "classification": "log_loss", "segmentation": "dice"}[task]
    metric = (1 - validation / scale).clip(0, 1) if task == "segmentation" else validation
    chosen = metric.argmax() if task == "segmentation" else metric.argmin()
    rows = zip(epoch, train.round(5), validation.round(5), metric.round(5), strict=True)
    history = tuple(Epoch(n, 0.001, loss, val, {key: value}) for n, loss, val, value in rows)
    return History(key, history, int(epoch[chosen]))
