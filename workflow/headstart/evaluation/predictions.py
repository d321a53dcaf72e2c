"""Predictions of all folds and seeds, pooled: one answer per held-out scan."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import Scan
from headstart.common import files
from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.keys import OfScan
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.common.schema import Section
from headstart.common.schema import validated
from headstart.common.text import as_number
from headstart.evaluation.results import REJECTED
from headstart.imaging.nifti import read_volume
from headstart.imaging.volume import Volume
from headstart.tasks.base import Task
from headstart.tasks.weighted import mean_of_known

Array = NDArray[np.float64]
TEST = -1  # stands for a fold's number


@dataclass(frozen=True)
class PredictionRow(OfScan):
    """What a network says of one scan, in predictions.csv.

    Attributes:
        part: `fold` for a scan of the held-out fold, `test` for one of a test subject.
        target: What is true; "" if it is not known.
        answer: The columns that the task adds, see `Task.held_out_columns`; and `rejected`, in a
            file where the network can't tell a scan, whose other cells are empty.
    """

    part: str
    target: str
    answer: Annotated[dict[str, str], ""]

    @property
    def rejected(self) -> str:
        """Why the network can't tell the scan; "" if it can."""
        return self.answer.get(REJECTED, "")


@dataclass(frozen=True)
class NetworkPredictions:
    """One network's predictions.

    Attributes:
        path: The predictions.csv.
        fold: The fold that the network never saw.
        seed: The network's seed.
        rows: The file.
    """

    path: Path
    fold: int
    seed: int
    rows: Sequence[PredictionRow]

    @property
    def answered(self) -> list[PredictionRow]:
        """The rows of scans that it can tell."""
        return [row for row in self.rows if not row.rejected]


@dataclass(frozen=True)
class Pooled:
    """The answers for n scans; one that several repeats hold out is there once for each.

    Attributes:
        keys: Subject and session of each scan, in the cohort's order.
        folds: The fold that holds it out; -1 for one of the test.
        by_seed: The answers of each seed, its folds pooled (held-out fold) or averaged (test).
        mean: The mean over seeds. Regression (n,), classification: probabilities (n, classes),
            segmentation: Dice (n, classes), NaN where a class is in neither mask.
        rejected: Why scans have no answer, as one of the networks asked can't tell them.
    """

    keys: tuple[Key, ...]
    folds: tuple[int, ...]
    by_seed: tuple[Array, ...]
    mean: Array
    rejected: Mapping[Key, str] = field(default_factory=dict)


def write_predictions(path: Path, rows: Sequence[PredictionRow], weights: str) -> None:
    """Write a predictions.csv, and beside it whose answers these are and their digest.

    Args:
        path: The predictions.csv.
        rows: What is to be written.
        weights: sha256 of the network's weights.
    """
    write_rows(path, PredictionRow, rows)
    seal(path, weights)


class Seal(Section):
    """What stands beside a predictions.csv.

    Attributes:
        weights_sha256: Whose answers it holds.
        table_digest: Digest of its cells.
    """

    weights_sha256: str
    table_digest: str


def seal(path: Path, weights: str) -> None:
    """Write beside a predictions.csv whose answers it holds, and its digest."""
    made = Seal(weights_sha256=weights, table_digest=integrity.table_digest(files.read_csv(path)))
    integrity.write_sealed(_seal(path), made.model_dump(mode="json"))


def read_run(path: Path, weights: Path | None = None) -> NetworkPredictions:
    """Read a predictions.csv.

    Args:
        path: The file.
        weights: Those of the network that is there now, if it is to be theirs.

    Raises:
        UserError: If it is not what predict wrote, other weights answered, or its folder does not
            say which fold and seed it belongs to.
    """
    belongs = RunId.of(path)
    if not _seal(path).is_file():
        raise UserError(f"{_seal(path)}: is not there; {again(path)}")
    seal = validated(Seal, integrity.read_sealed(_seal(path), again(path)))
    try:
        table = files.read_csv(path)
    except UserError:
        table = pd.DataFrame()
    if integrity.table_digest(table) != seal.table_digest:
        raise UserError(f"{path}: was edited or damaged after predict wrote it; {again(path)}")
    if weights is not None and files.sha256(weights) != seal.weights_sha256:
        raise UserError(f"{path}: are answers of other weights than {weights}; {again(path)}")
    rows = read_rows(path, PredictionRow, again(path))
    return NetworkPredictions(path, belongs.fold, belongs.seed, rows)


def check_complete(run: NetworkPredictions, cohort: Cohort, task: Task, *, test: bool) -> None:
    """Check that a network answered exactly once for each scan that it is evaluated on.

    Args:
        run: Its predictions.
        cohort: The cohort as it is split now.
        task: The cohort's task.
        test: Whether the test subjects are evaluated too.

    Raises:
        UserError: If a scan is missing, double or not to be evaluated, or an answer is no number.
    """
    image = [task.file, f"{task.file}_sha256"] if task.file else []
    needed = [*task.evaluated_columns, *image]
    missing = [name for name in needed if any(name not in row.answer for row in run.rows)]
    if missing:
        raise UserError(f"{run.path}: has no column {missing[0]}; {again(run.path)}")
    said = Counter((row.part, row.subject, row.session) for row in run.rows)
    asked = {("fold", scan.subject, scan.session) for scan in cohort.held_out(run.fold)}
    if test or any(part == "test" for part, _, _ in said):
        asked |= {("test", scan.subject, scan.session) for scan in cohort.test()}
    wrong = [
        *((place, "is not there") for place in sorted(asked - said.keys())),
        *((place, "is not in this part of the split") for place in sorted(said.keys() - asked)),
        *((place, f"is there {n} times") for place, n in sorted(said.items()) if n > 1),
    ]
    if wrong:
        (part, subject, session), what = wrong[0]
        raise UserError(
            f"{run.path}: the answers are not those of fold {run.fold} as it is split now "
            f"({len(wrong)} differ): subject {subject}, session {session}, part {part}: {what}; "
            f"{again(run.path)}"
        )
    rows = run.answered
    cells = np.array([[row.answer[name] for name in task.evaluated_columns] for row in rows])
    allowed = task.are_possible(_numbers(rows, task), empty=cells == "")
    if not allowed.all():
        row = rows[int(np.flatnonzero(~allowed)[0])]
        raise UserError(
            f"{run.path}: the answer for subject {row.subject}, session {row.session} is "
            f"no {task.answer_words}; {again(run.path)}"
        )


def check_images(run: NetworkPredictions, task: Task) -> None:
    """Check that answers that are images, if a task has such, are what predict wrote and scored.

    Raises:
        UserError: If one is missing, or was edited or damaged since.
    """
    for row in run.answered if task.file else ():
        place, digest = run.path.parent / row.answer[task.file], row.answer[f"{task.file}_sha256"]
        integrity.read_bytes(place, digest, again(run.path))


def read_image(
    run: NetworkPredictions, key: Key, task: Task, *, series: bool = False
) -> Volume | None:
    """Read the image that a network answered for a scan, on the scan's own grid.

    Args:
        run: Its predictions.
        key: The scan.
        task: The cohort's task.
        series: Whether the image is a 4-D series.

    Returns:
        The image, e.g. a mask with the values of the study's own masks; None if the network did
        not see the scan, or can't tell it.

    Raises:
        UserError: If it is missing, or was edited or damaged since.
    """
    own = [row for row in run.rows if row.key == key]
    path = image_path(run, key, task)
    if path is None:
        return None
    check_images(replace(run, rows=own), task)
    return read_volume(path, series=series)


def image_path(run: NetworkPredictions, key: Key, task: Task) -> Path | None:
    """Say where the image lies that a network answered for a scan; None if there is none."""
    own = [row for row in run.answered if row.key == key]
    return run.path.parent / own[0].answer[task.file] if own else None


def again(path: Path) -> str:
    """Say how to have a predictions.csv made again."""
    return f"delete {path} and type the same command: predict makes it again"


def _seal(path: Path) -> Path:
    return path.with_suffix(".json")


def pool(
    runs: Sequence[NetworkPredictions],
    part: str,
    scans: Mapping[Key, Scan],
    task: Task,
) -> Pooled:
    """Bring together what all networks say of a part of the cohort.

    Args:
        runs: Predictions of all folds and seeds.
        part: `fold` for the held-out folds, `test` for the test subjects.
        scans: The scans whose target is known; others are left out, and so are those that one of
            the networks asked can't tell.
        task: The cohort's task.

    Raises:
        UserError: If a subject is in another fold than the split says, or nobody is left.
    """
    of_part = [row for run in runs for row in run.rows if row.part == part and row.key in scans]
    rejected = {row.key: row.rejected for row in of_part if row.rejected}
    said: dict[tuple[Key, int], dict[tuple[int, int], Array]] = {}
    for run in runs:
        held_out = run.fold if part == "fold" else TEST
        for key, values in _values(run, part, scans, task).items():
            said.setdefault((key, held_out), {})[run.fold, run.seed] = values
    folds = sorted({fold for _, fold in said})
    told = [key for key in scans if key not in rejected]
    places = [(key, fold) for key in told for fold in folds if (key, fold) in said]
    if not places:
        why = next(iter(rejected.values()), "run the stage predict again")
        raise UserError(
            f"{runs[0].path}: no prediction of the part '{part}' with a known target; {why}"
        )
    by_seed = tuple(
        np.array([mean_of_known([v for (_, s), v in said[k].items() if s == seed]) for k in places])
        for seed in sorted({run.seed for run in runs})
    )
    keys, held = zip(*places, strict=True)
    return Pooled(keys, held, by_seed, mean_of_known(by_seed), rejected)


def of_one_repeat(
    runs: Sequence[NetworkPredictions], scans: Mapping[Key, Scan]
) -> tuple[list[NetworkPredictions], dict[Key, Scan]]:
    """Keep what is said in the first repeat that was trained, for what shows each scan once.

    Args:
        runs: Predictions of all folds and seeds.
        scans: The scans.

    Returns:
        The predictions that are left, and the scans as they are held out there.
    """
    folds = 1 + max((scan.fold for scan in scans.values() if scan.fold is not None), default=0)
    number = min(run.fold for run in runs) // folds
    left = [run for run in runs if run.fold // folds == number]
    return left, {key: scan.in_repeat(number) for key, scan in scans.items()}


def pool_once(
    runs: Sequence[NetworkPredictions], part: str, scans: Mapping[Key, Scan], task: Task
) -> Pooled:
    """The same as `pool`, each scan once: as it was held out first."""
    if part == "fold":
        runs, scans = of_one_repeat(runs, scans)
    return pool(runs, part, scans, task)


def _values(
    run: NetworkPredictions, part: str, scans: Mapping[Key, Scan], task: Task
) -> dict[Key, Array]:
    rows = [row for row in run.answered if row.part == part]
    values = {}
    for row, answer in zip(rows, task.from_columns(_numbers(rows, task)), strict=True):
        if row.key not in scans:
            continue
        if part == "fold" and run.fold not in scans[row.key].folds:
            raise UserError(
                f"{run.path}: subject {row.subject} is not in fold {run.fold} of the split; "
                "run the stage predict again"
            )
        values[row.key] = answer
    return values


def _numbers(rows: Sequence[PredictionRow], task: Task) -> Array:
    """The answers, (n, columns); NaN for what is no number."""
    numbers = [
        [as_number(row.answer[name], math.nan) for name in task.evaluated_columns] for row in rows
    ]
    return np.array(numbers, dtype=np.float64).reshape(len(rows), len(task.evaluated_columns))
