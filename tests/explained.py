"""What explain leaves of a small study, with maps of a test's own: bright at one place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.common import study_paths
from headstart.common.records import write_rows
from headstart.explanation.config import SAME
from headstart.explanation.config import STEPS
from headstart.explanation.config import Method
from headstart.explanation.results import CASES
from headstart.explanation.results import GROUPS
from headstart.explanation.results import ExplainedCase
from headstart.explanation.results import ExplainedGroup
from headstart.explanation.results import map_name
from headstart.explanation.results import mean_name
from headstart.explanation.results import write_map

PLACE = (20, 12, 18)  # voxel of the largest value
YEARS = 3.0  # which it is
CHOICES = ("best", "typical", "worst")


def blob(scan: Scan, width: float = 5.0) -> np.ndarray:
    """A map with its largest value at the place, and half of it, negative, elsewhere."""
    voxels = np.indices(scan.shape).T
    positive = np.exp(-(np.linalg.norm(voxels - PLACE, axis=-1) ** 2) / width**2)
    negative = np.exp(-(np.linalg.norm(voxels - (8, 25, 10), axis=-1) ** 2) / width**2)
    return (YEARS * (positive - negative / 2)).T.astype(np.float32)


def write_explained(
    study: Path,
    experiment: str = "exp",
    *,
    target: str = "age",
    methods: tuple[Method, ...] = ("occlusion", "grad-cam++"),
    groups: tuple[str, ...] = ("",),
    alike: float = 0.1,
) -> Path:
    """Write the maps and tables; return cases.csv."""
    cohort = read_cohort(
        study / study_paths.PASSED, study / study_paths.SPLITS, study / study_paths.PREPARED, target
    )
    folder = (study / study_paths.EXPLAINED.format(experiment=experiment)).parent
    cases, means = [], []
    for method in methods:
        for group in groups:
            known = [scan for scan in cohort.held_out(0) if group in ("", scan.target)]
            for choice, scan in zip(CHOICES, known, strict=False):
                cases.append(_case(folder, method, group, choice, scan, alike))
            name = mean_name(method, groups, group)
            write_map(folder / name, blob(scan), np.diag([4.0, 4, 4, 1]))
            trusted = alike < SAME
            means.append(
                ExplainedGroup(method, group, 3, 2, name, alike, trusted, "patches of 30 mm")
            )
    write_rows(folder / GROUPS, ExplainedGroup, means)
    write_rows(folder / CASES, ExplainedCase, cases)
    return folder / CASES


def _case(
    folder: Path, method: Method, group: str, choice: str, scan: Scan, alike: float
) -> ExplainedCase:
    row = ExplainedCase(
        *(scan.subject, scan.session, 0, group, choice, scan.target, 0.8 if group else 40.0),
        *(method, "", "", YEARS, *map(float, PLACE), 0.9, 0.5, alike),
    )
    row = replace(row, map=map_name(method, row), own_grid=map_name(method, row, "own-grid"))
    shown = blob(scan) if method == "occlusion" else np.clip(blob(scan) / YEARS, 0, 1)
    write_map(folder / row.map, shown, scan.affine)
    for step in STEPS:
        write_map(folder / map_name(method, row, step), blob(scan, 9.0), scan.affine)
    return row
