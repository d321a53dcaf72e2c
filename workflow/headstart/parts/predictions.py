"""Predictions of all folds and seeds, pooled: one answer per held-out scan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headstart.parts import files
from headstart.parts.cohort import Scan
from headstart.parts.errors import UserError

Array = NDArray[np.float64]
Key = tuple[str, str]  # subject, session


@dataclass(frozen=True)
class Run:
    """One network's predictions.

    Attributes:
        path: The predictions.csv.
        fold: The fold that the network never saw.
        seed: The network's seed.
        table: The file as text.
    """

    path: Path
    fold: int
    seed: int
    table: pd.DataFrame


@dataclass(frozen=True)
class Pooled:
    """The answers for n scans.

    Attributes:
        keys: Subject and session of each scan, in the cohort's order.
        by_seed: The answers of each seed, its folds pooled (held-out fold) or averaged (test).
        mean: The mean over seeds. Regression (n,), classification: probabilities (n, classes),
            segmentation: Dice (n, classes), NaN where a class is in neither mask.
    """

    keys: tuple[Key, ...]
    by_seed: tuple[Array, ...]
    mean: Array


def read_run(path: Path) -> Run:
    """Read a predictions.csv.

    Raises:
        UserError: If its folder does not say which fold and seed it belongs to.
    """
    return Run(path, *fold_and_seed(path), files.read_csv(path))


def fold_and_seed(path: Path) -> tuple[int, int]:
    """Read fold and seed from a path `.../fold-F/seed-S/FILE`.

    Raises:
        UserError: If its folder has another name.
    """
    match = re.fullmatch(r"fold-(\d+)/seed-(\d+)", "/".join(path.parts[-3:-1]))
    if match is None:
        raise UserError(
            f"{path}: its folder must end in fold-F/seed-S, as train and predict name it"
        )
    return int(match[1]), int(match[2])


def pool(
    runs: Sequence[Run],
    part: str,
    scans: Mapping[Key, Scan],
    task: str,
    names: Sequence[str],
) -> Pooled:
    """Bring together what all networks say of a part of the cohort.

    Args:
        runs: Predictions of all folds and seeds.
        part: `fold` for the held-out folds, `test` for the test subjects.
        scans: The scans whose target is known; others are left out.
        task: regression, classification or segmentation.
        names: Classes: sorted values of the target, or the mask's foreground.

    Raises:
        UserError: If a subject is in another fold than the split says, or nobody is left.
    """
    said: dict[Key, dict[tuple[int, int], Array]] = {}
    for run in runs:
        for key, values in _values(run, part, scans, task, names).items():
            said.setdefault(key, {})[run.fold, run.seed] = values
    keys = tuple(key for key in scans if key in said)
    if not keys:
        raise UserError(
            f"{runs[0].path}: no prediction of the part '{part}' with a known target; "
            "run the stage predict again"
        )
    by_seed = tuple(
        np.array([mean_of_known([v for (_, s), v in said[k].items() if s == seed]) for k in keys])
        for seed in sorted({run.seed for run in runs})
    )
    return Pooled(keys, by_seed, mean_of_known(by_seed))


def mean_of_known(answers: Sequence[Array]) -> Array:
    """Mean over those networks or folds that have an answer; NaN where none has."""
    stacked = np.stack(answers)
    known = ~np.isnan(stacked)
    total, times = np.where(known, stacked, 0).sum(axis=0), known.sum(axis=0)
    mean: Array = np.divide(total, times, out=np.full(total.shape, np.nan), where=times > 0)
    return mean


def _values(
    run: Run, part: str, scans: Mapping[Key, Scan], task: str, names: Sequence[str]
) -> dict[Key, Array]:
    columns = {
        "regression": ["prediction"],
        "classification": [f"p_{name}" for name in names],
        "segmentation": [f"dice_{name}" for name in names],
    }[task]
    table = run.table[run.table["part"] == part]
    numbers = table[columns].replace("", "nan").to_numpy(dtype=np.float64)
    values = {}
    for subject, session, row in zip(table["subject"], table["session"], numbers, strict=True):
        if (subject, session) not in scans:
            continue
        if part == "fold" and scans[subject, session].fold != run.fold:
            raise UserError(
                f"{run.path}: subject {subject} is not in fold {run.fold} of the split; "
                "run the stage predict again"
            )
        values[subject, session] = row[0] if task == "regression" else row
    return values
