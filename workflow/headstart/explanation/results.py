"""The tables and files that explain leaves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from headstart.common import files
from headstart.common.keys import OfScan
from headstart.explanation.chosen import Choice
from headstart.explanation.config import Method

CASES, GROUPS = "cases.csv", "groups.csv"
Affine = NDArray[np.float64]
Map = NDArray[np.float32]


@dataclass(frozen=True)
class ExplainedCase(OfScan):
    """One scan's map, in cases.csv; the places are mm in the scan's own space.

    Attributes:
        fold: The fold that holds it out, whose networks answer.
        group: Its class, whose probability is explained; "" for a number.
        choice: Among which answers of its class its own is.
        target: What is true.
        answer: What the networks answer: the number, or the class's probability.
        method: How it is explained.
        map: The map on the prepared grid; a path from the table's folder.
        own_grid: The same on the grid of the scan's file.
        peak: What the map says where its size is largest in the head.
        peak_x: Where that is, to the right.
        peak_y: To the front.
        peak_z: Up.
        last_layer: Rank correlation with the map of a network whose last layer is shuffled.
        upper_half: Whose upper half is.
        all_layers: All of whose layers are; None where it was not put to the check.
    """

    fold: int
    group: str
    choice: Choice
    target: str
    answer: float
    method: Method
    map: str
    own_grid: str
    peak: float
    peak_x: float
    peak_y: float
    peak_z: float
    last_layer: float | None = None
    upper_half: float | None = None
    all_layers: float | None = None


@dataclass(frozen=True)
class ExplainedGroup:
    """The mean map of a class, or of all, in groups.csv.

    Attributes:
        method: How it is explained.
        group: The class; "" for a number.
        cases: How many scans' mean it is.
        networks: How many networks' mean each scan's map is.
        map: The map on the prepared grid, whose middle is 0 mm; a path from the table's folder.
        similarity: Median rank correlation of the checked scans' maps with those of networks all
            of whose layers are shuffled.
        trusted: Whether that is below the limit.
        detail: How fine it is, in words.
    """

    method: Method
    group: str
    cases: int
    networks: int
    map: str
    similarity: float
    trusted: bool
    detail: str

    @property
    def title(self) -> str:
        """How it is explained, and for which class."""
        return f"{self.method}, {self.group}" if self.group else self.method


def map_name(method: str, row: OfScan, kind: str = "") -> str:
    """Path of a scan's map: on the prepared grid, or the `kind` that is named."""
    # a subject named `folder/id` makes no folder here
    name = f"{row.subject}_{row.session}".replace("/", "-")
    return f"{method}/{name}{kind and f'-{kind}'}.nii.gz"


def mean_name(method: str, groups: Sequence[str], group: str, kind: str = "") -> str:
    """Path of the mean map of a class, or of the `kind` that is named."""
    word = re.sub(r"[^\w-]+", "-", group)
    number = f"-{groups.index(group) + 1}-{word}" if group else ""
    return f"{method}/mean{number}{kind and f'-{kind}'}.nii.gz"


def write_map(path: Path, voxels: Map, affine: Affine) -> None:
    """Write a map as NIfTI, in mm."""
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    with files.temporary(path) as draft:
        nib.save(image, draft)


def read_map(path: Path) -> Map:
    """Read a map, (x, y, z)."""
    return np.asarray(nib.Nifti1Image.from_filename(path).dataobj, dtype=np.float32)


def verdict(group: ExplainedGroup) -> str:
    """Say in words what the check found."""
    if group.trusted:
        return f"shuffling all weights changes the map (rank correlation {group.similarity:.2f})"
    return (
        f"not to be trusted: shuffling all weights hardly changes the map "
        f"(rank correlation {group.similarity:.2f})"
    )
