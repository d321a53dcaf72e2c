"""The cohort in memory: who is in it, what is to be learnt, and where each prepared volume lies."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.parts import files
from headstart.parts.config import canonical_json
from headstart.parts.errors import UserError


@dataclass(frozen=True)
class Scan:
    """One prepared scan.

    Attributes:
        subject: Who was scanned.
        session: Which of the subject's scans this is.
        target: What is to be predicted, as in `labels.csv`; "" if missing.
        test: Whether the subject is held out for the final test.
        fold: The fold that holds the subject out; None for test subjects.
        inner: Whether the subject chooses the epoch where it is not held out.
        volumes: The shard's `.npy` file.
        masks: The shard's `-mask.npy` file.
        index: Row of this scan in both.
        affine: Prepared voxel to mm, 4x4.
        source_affine: Raw voxel to mm, 4x4.
        source_shape: Voxels of the raw scan.
    """

    subject: str
    session: str
    target: str
    test: bool
    fold: int | None
    inner: bool
    volumes: Path
    masks: Path
    index: int
    affine: NDArray[np.float64]
    source_affine: NDArray[np.float64]
    source_shape: tuple[int, ...]

    def volume(self) -> NDArray[np.float16]:
        """Read-only view of the prepared volume on disk, (channels, x, y, z)."""
        return _open(self.volumes)[self.index]

    def mask(self) -> NDArray[np.uint8]:
        """Read-only view of the prepared mask on disk, (x, y, z)."""
        return _open(self.masks)[self.index]


@dataclass(frozen=True)
class Cohort:
    """All scans that passed, in the order of `passed.csv`.

    Attributes:
        scans: The scans, those without a target included.
        channels: Names of the image channels.
        window: Voxels of every prepared volume, (x, y, z).
        classes: The sorted values of the target (classification), else ().
        prepare: How the volumes were prepared: the config's section, without `shards`.
        brain_masks: Whether `all`, `some` or `none` of the scans came with a brain mask.
    """

    scans: tuple[Scan, ...]
    channels: tuple[str, ...]
    window: tuple[int, ...]
    classes: tuple[str, ...]
    prepare: dict[str, Any]
    brain_masks: str

    def training(self, fold: int) -> tuple[Scan, ...]:
        """Scans with a target that the network of this fold learns from."""
        return tuple(s for s in self._others(fold) if s.target and not s.inner)

    def inner(self, fold: int) -> tuple[Scan, ...]:
        """Scans with a target that choose this fold's epoch and are not learnt from."""
        return tuple(s for s in self._others(fold) if s.target and s.inner)

    def held_out(self, fold: int) -> tuple[Scan, ...]:
        """Scans of the fold's own subjects, with or without a target."""
        return tuple(s for s in self.scans if s.fold == fold)

    def test(self) -> tuple[Scan, ...]:
        """Scans of the test subjects, with or without a target."""
        return tuple(s for s in self.scans if s.test)

    def _others(self, fold: int) -> Iterable[Scan]:
        return (s for s in self.scans if not s.test and s.fold != fold)


def read_cohort(passed: Path, splits: Path, prepared: Path, target: str, task: str) -> Cohort:
    """Join the scans that passed, their subjects' split and their prepared volumes.

    Args:
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder with `shard-K.npy` and `shard-K.json`.
        target: The label to predict, or `mask`.
        task: regression, classification or segmentation.

    Returns:
        The cohort; scans without a target are in it, with the target "".

    Raises:
        UserError: If the target is no column, is not a number where one is needed, has one class
            only, or a scan has no split or no prepared volume.
    """
    table = files.read_csv(passed)
    if target not in table.columns:
        raise UserError(
            f"{passed}: has no column '{target}' to predict; "
            f"choose one of {', '.join(table.columns)}"
        )
    split_of = {row["subject"]: row for row in files.read_csv(splits).to_dict("records")}
    shards = {path: json.loads(path.read_text()) for path in sorted(prepared.glob("shard-*.json"))}
    volume_of = _volumes(shards)
    scans = []
    for row in table.to_dict("records"):
        if row["subject"] not in split_of:
            raise UserError(
                f"{splits}: subject {row['subject']} is missing; run the stage split again"
            )
        if (row["subject"], row["session"]) not in volume_of:
            raise UserError(
                f"{prepared}: no volume of subject {row['subject']}, session {row['session']}; "
                "run the stage prepare again"
            )
        if task == "regression":
            _check_number(passed, target, row)
        path, entry = volume_of[row["subject"], row["session"]]
        scans.append(_scan(row[target], split_of[row["subject"]], path, entry))
    if not scans:
        raise UserError(f"{passed}: no scan passed; see rejected.csv beside it")
    classes: tuple[str, ...] = ()
    if task == "classification":
        classes = tuple(sorted({scan.target for scan in scans} - {""}))
        if len(classes) < 2:
            raise UserError(
                f"{passed}: '{target}' has {len(classes)} class(es) among the scans that passed; "
                "at least 2 are needed"
            )
    shard = next(iter(shards.values()))
    masked = (table["brain_mask"] != "").mean()
    return Cohort(
        tuple(scans),
        tuple(shard["channels"]),
        tuple(shard["shape"][2:]),
        classes,
        shard["prepare"],
        {0.0: "none", 1.0: "all"}.get(masked, "some"),
    )


def cohort_digest(cohort: Cohort, fold: int, *, masks: bool) -> str:
    """Digest of exactly what a fold's training consumes, and of nothing else.

    It covers the voxels themselves, so that a new label column or another subject's scan changes
    nothing, and no change of preparation goes unseen.

    Args:
        cohort: The cohort.
        fold: The fold that is held out.
        masks: Whether the masks are consumed (segmentation).

    Returns:
        64 hex digits.
    """
    rows = []
    for part, scans in (("training", cohort.training(fold)), ("inner", cohort.inner(fold))):
        for scan in scans:
            voxels = hashlib.sha256(scan.volume().tobytes())
            if masks:
                voxels.update(scan.mask().tobytes())
            # the path of a mask is no content: a moved file is the same mask
            target = "" if masks else scan.target
            geometry = scan.affine.tolist()
            rows.append([scan.subject, scan.session, part, target, geometry, voxels.hexdigest()])
    consumed = [cohort.channels, cohort.classes, sorted(rows, key=lambda row: row[:2])]
    return hashlib.sha256(canonical_json(consumed).encode()).hexdigest()


def _volumes(
    shards: dict[Path, dict[str, Any]],
) -> dict[tuple[str, str], tuple[Path, dict[str, Any]]]:
    """Map (subject, session) to the shard and its entry for that scan."""
    found: dict[tuple[str, str], tuple[Path, dict[str, Any]]] = {}
    for path, shard in shards.items():
        for entry in shard["scans"]:
            scan = (entry["subject"], entry["session"])
            if scan in found:
                raise UserError(
                    f"{path}: subject {scan[0]}, session {scan[1]} is also in "
                    f"{found[scan][0].name}; remove the one of an earlier number of shards"
                )
            found[scan] = (path, entry)
    return found


def _scan(target: str, split: dict[Any, str], path: Path, entry: dict[str, Any]) -> Scan:
    test = split["test"] == "1"
    return Scan(
        subject=entry["subject"],
        session=entry["session"],
        target=target,
        test=test,
        fold=None if test else int(split["fold"]),
        inner=split["inner"] == "1",
        volumes=path.with_suffix(".npy"),
        masks=path.with_name(f"{path.stem}-mask.npy"),
        index=entry["index"],
        affine=np.array(entry["affine"], dtype=float),
        source_affine=np.array(entry["source_affine"], dtype=float),
        source_shape=tuple(entry["source_shape"]),
    )


def _check_number(passed: Path, target: str, row: dict[Any, str]) -> None:
    try:
        number = float(row[target] or "0")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(
            f"{passed}: {target} of subject {row['subject']} is '{row[target]}', not a number; "
            "mend it in the label table, or leave it empty"
        )


@cache
def _open(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r")
