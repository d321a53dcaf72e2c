"""Scans from outside the cohort: read, checked and prepared as the cohort's were."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headstart.parts import files
from headstart.parts.cohort import Scan
from headstart.parts.commands import headstart
from headstart.parts.config import canonical_json
from headstart.parts.errors import UserError

ENDINGS = (".nii", ".nii.gz")


@dataclass(frozen=True)
class NewScans:
    """Scans to predict.

    Attributes:
        table: What the user gave, a row per scan.
        data: Folder that the paths start at.
        paths: Path of each channel and of `brain_mask`, "" where there is none; rows as in `table`.
        names: A name for each scan, all different, fit for a file.
    """

    table: pd.DataFrame
    data: Path
    paths: pd.DataFrame
    names: tuple[str, ...]


def list_scans(given: Sequence[Path], channels: Sequence[str]) -> NewScans:
    """Find out which scans are meant.

    Args:
        given: NIfTI files of the only channel; or one CSV, with a column of paths per channel,
            which start at the table's folder, perhaps `brain_mask`, and whatever else.
        channels: Names of the image channels.

    Raises:
        UserError: If there are several channels or tables, or the table lacks a column.
    """
    if given[0].suffix == ".csv":
        if len(given) > 1:
            raise UserError(f"--scans: one table, or NIfTI files, but not {len(given)} of them")
        return _listed(given[0], channels)
    if len(channels) > 1:
        raise UserError(
            f"--scans: the network sees {len(channels)} channels; give a table (.csv) with the "
            f"columns {', '.join(channels)}"
        )
    table = pd.DataFrame({"scan": [str(path) for path in given]})
    paths = [path.absolute() for path in given]
    return _collected(table, {channels[0]: paths})


def _listed(path: Path, channels: Sequence[str]) -> NewScans:
    if not path.is_file():
        raise UserError(f"{path}: is not there; give a table with a column per channel")
    table = files.read_csv(path)
    missing = [name for name in channels if name not in table.columns]
    if missing or table.empty:
        wrong = f"lacks the column {missing[0]}" if missing else "lists no scan"
        raise UserError(f"{path}: {wrong}; it needs paths in {', '.join(channels)}")
    folder = path.absolute().parent
    columns = [*channels, *(["brain_mask"] if "brain_mask" in table.columns else [])]
    return _collected(
        table, {name: [folder / cell if cell else None for cell in table[name]] for name in columns}
    )


def _collected(table: pd.DataFrame, columns: Mapping[str, Sequence[Path | None]]) -> NewScans:
    """Write all paths from one folder on, and name the scans by what tells their paths apart."""
    clean = {name: [p and Path(os.path.normpath(p)) for p in ps] for name, ps in columns.items()}
    data = Path(os.path.commonpath([p.parent for ps in clean.values() for p in ps if p]))
    paths = pd.DataFrame(
        {name: [str(p.relative_to(data)) if p else "" for p in ps] for name, ps in clean.items()}
    )
    if "brain_mask" not in paths:
        paths["brain_mask"] = ""
    names = tuple(_name(path) for path in paths.iloc[:, 0])
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UserError(f"--scans: {doubled[0]} is given twice; give each scan once")
    return NewScans(table, data, paths, names)


def _name(path: str) -> str:
    for ending in sorted(ENDINGS, key=len, reverse=True):
        path = path.removesuffix(ending)
    return path.replace("/", "-")


def check_masked(scans: NewScans, brain_masks: str) -> None:
    """Check that the scans have brain masks where the training scans had them, and only there.

    Args:
        scans: The new scans.
        brain_masks: Whether `all`, `some` or `none` of the training scans had one.

    Raises:
        UserError: If their intensities would be normalised in another way than in training.
    """
    masked = scans.paths["brain_mask"] != ""
    if brain_masks == "all" and not masked.all():
        raise UserError(
            "--scans: the network was trained on scans with brain masks, so each new scan needs "
            "one: give a table (.csv) with the column brain_mask"
        )
    if brain_masks == "none" and masked.any():
        raise UserError(
            "--scans: the network was trained on scans without brain masks; remove the column "
            "brain_mask"
        )


def check_and_prepare(
    scans: NewScans, *, channels: Sequence[str], settings: Mapping[str, Any], scratch: Path
) -> tuple[list[str], dict[str, Scan]]:
    """Check the scans and prepare those that are fit for use, by the workflow's own commands.

    Args:
        scans: The new scans.
        channels: Names of the image channels.
        settings: How the training scans were prepared, `prepare` of the network's card.
        scratch: An empty folder.

    Returns:
        Why each scan was rejected, "" if it was not; and the prepared scans by name.

    Raises:
        UserError: As the command prepare.
    """
    files.write_csv(
        scratch / "scans.csv",
        scans.paths.assign(subject=scans.names, session="1", mask="")[
            ["subject", "session", *channels, "mask", "brain_mask"]
        ],
    )
    common = {"channels": list(channels), "classes": {}}
    inputs = ("--scans", scratch / "scans.csv", "--data", scans.data)
    reading = canonical_json(common | {"masks": False})
    headstart("check", "--settings", reading, *inputs, "--output", scratch / "checked.csv")
    headstart(
        *("prepare", "--settings", canonical_json(common | {"prepare": settings}), *inputs),
        *("--checked", scratch / "checked.csv", "--output", scratch / "shard-0.json"),
    )
    checked = files.read_csv(scratch / "checked.csv")
    reasons = [
        reason and f"{reason}: {detail}"
        for reason, detail in zip(checked["reason"], checked["detail"], strict=True)
    ]
    shard = json.loads((scratch / "shard-0.json").read_text(encoding="utf-8"))
    return reasons, {
        entry["subject"]: Scan(
            subject=entry["subject"],
            session=entry["session"],
            target="",
            test=False,
            fold=None,
            inner=False,
            volumes=scratch / "shard-0.npy",
            masks=scratch / "shard-0-mask.npy",
            index=entry["index"],
            affine=np.array(entry["affine"], dtype=float),
            source_affine=np.array(entry["source_affine"], dtype=float),
            source_shape=tuple(entry["source_shape"]),
        )
        for entry in shard["scans"]
    }
