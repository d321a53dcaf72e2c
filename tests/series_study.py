"""A study of small noisy series, as the stages before train leave it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from rows import label_rows

from headstart.cohort.prepare import prepare
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import write_splits
from headstart.common.records import write_rows
from headstart.data.label_table import LabelRow
from headstart.imaging.config import Preparation
from headstart.imaging.nifti import read_volume
from headstart.imaging.scan_rows import CheckRow

SERIES = Preparation(voxel_size="own", window="own", series=True)
SHAPE = (16, 16, 8, 12)
# Its x and y run the other way, and voxels are no cubes.
AFFINE = np.array([[-4.0, 0, 0, 30], [0, -4.0, 0, 30], [0, 0, 7.0, -20], [0, 0, 0, 1]])
NOISE = 12.0
TR = 2.5


def clean_series(number: int) -> np.ndarray:
    """Return a ball of 400 in air whose halves rise and fall with time, (x, y, z, t)."""
    x, y, z = np.indices(SHAPE[:3]) - (np.array(SHAPE[:3]) / 2)[:, None, None, None]
    ball = np.where(x**2 + y**2 + (2 * z) ** 2 < 45, 400.0, 0.0)
    wave = 0.05 * np.sin(2 * np.pi * (np.arange(SHAPE[3]) + number) / SHAPE[3])
    return ball[..., None] * (1 + np.where(x < number % 3, 1, -1)[..., None] * wave)


def noisy_series(number: int, noise: float = NOISE) -> np.ndarray:
    """Return whole numbers: the clean series with Rician noise."""
    random, clean = np.random.default_rng(number), clean_series(number)
    real, imaginary = random.normal(0, noise, (2, *SHAPE))
    return np.rint(np.hypot(clean + real, imaginary)).astype(np.int16)


def write_series(path: Path, array: np.ndarray) -> Path:
    """Write a series with times of its own: 2.5 s apart, from 10 s on, slices in order."""
    image = nib.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = TR
    image.header["toffset"] = 10
    image.header["slice_code"] = 1
    nib.save(image, path)
    return path


class SeriesStudy:
    """Six subjects, the last held out for the test; series of whole numbers."""

    def __init__(self, folder: Path) -> None:
        self.data, self.prepared = folder / "data", folder / "prepare"
        self.passed, self.splits = folder / "passed.csv", folder / "splits.csv"
        self.data.mkdir(parents=True)
        self.prepared.mkdir()
        for number in range(6):
            write_series(self.data / f"bold-{number}.nii.gz", noisy_series(number))
        rows = [{"subject": f"s{n}", "bold": f"bold-{n}.nii.gz"} for n in range(6)]
        labels = label_rows(pd.DataFrame(rows), "bold")
        write_rows(self.passed, LabelRow, labels)
        split = [
            SplitRow(row.subject, n == 5, None if n == 5 else n % 3, n == 4)
            for n, row in enumerate(labels)
        ]
        write_splits(self.splits, split)
        prepare(
            scans=[row.files for row in labels],
            checked=[self._checked(row) for row in labels],
            data=self.data,
            output=self.prepared / "shard-0.json",
            settings=SERIES,
            channels=["bold"],
            classes={},
        )

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that train and predict read."""
        return {"passed": self.passed, "splits": self.splits, "prepared": self.prepared}

    def _checked(self, row: LabelRow) -> CheckRow:
        path = row.channels["bold"]
        digest = read_volume(self.data / path, series=True).digest
        return CheckRow(row.subject, row.session, path, hash=digest)
